/** GitHub as a forge: repositories, their pull requests and checks, and git credentials, by the App that is installed there. */
import type { Checks } from "../../protocol/events.ts";
import type { Identity } from "../../protocol/runner.ts";
import type { Forge, Unsettled } from "../forge.ts";
import { RepositoryAnswer } from "./answers.ts";
import { type CheckPorts, readChecks, readFailures } from "./check-logs.ts";
import { reduceChecks } from "./checks.ts";
import { type GitHubAccess, type GitHubApp, gitHubApp, splitRepository } from "./client.ts";
import { notInstalled, sortCall, statusOf } from "./errors.ts";
import { bringUpToDate, fileOf, findOrOpen, isOwn, type Place, pullOf, readPull } from "./own-pulls.ts";
import { POLICY_PATH, parsePolicy } from "./policy.ts";

/** Owners and names as GitHub allows them; a path beyond them is Git LFS, which signs in like git. */
const PATH = /^\/([A-Za-z0-9][A-Za-z0-9_-]{0,99})\/([A-Za-z0-9._-]{1,100}?)(?:\.git)?(?:\/info\/lfs(?:\/.*)?)?\/?$/;

/** `owner/name` of a clone address below `webUrl`, as in `https://github.com/owner/name.git`; null for any other. Pure. */
export function repositoryOf(cloneUrl: string, webUrl: string): string | null {
  if (!URL.canParse(cloneUrl) || !URL.canParse(webUrl)) return null;
  const url = new URL(cloneUrl);
  const web = new URL(webUrl);
  const below = web.pathname.replace(/\/+$/, "");
  // An address that brings its own credentials or a query is not one of ours, whatever it points to.
  if (url.origin !== web.origin || url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") return null;
  if (!url.pathname.startsWith(`${below}/`)) return null;
  const [, owner, name] = PATH.exec(url.pathname.slice(below.length)) ?? [];
  return owner === undefined || name === undefined || /^\.{1,2}$/.test(name) ? null : `${owner}/${name}`;
}

/** What a surface needs to write in a thread of the repository. */
const nativeOf = (installation: number, repository: { full_name: string; private: boolean }): string =>
  JSON.stringify({ installation, repository: repository.full_name, private: repository.private });

/** The address of the bot's commits, which GitHub shows as by the App. Without the number it is shown as by nobody. */
function identityOf(app: GitHubApp, id: number | null): Identity {
  const host = URL.canParse(app.webUrl) ? new URL(app.webUrl).hostname : "";
  const noreply = /[a-z]$/.test(host) && host.includes(".") ? host : "github.com";
  return { name: `${app.slug}[bot]`, email: `${id === null ? "" : `${id}+`}${app.slug}[bot]@users.noreply.${noreply}` };
}

type Reached = Place & { installation: number };
type Ports = { access: GitHubAccess; app: GitHubApp; now: () => number };

/** Runs calls about a repository the App is installed on. What they throw is sorted; `write`: they may have changed something. */
async function reach<T>(
  { app, now }: Ports,
  repository: string,
  write: boolean,
  work: (place: Reached) => Promise<T>,
): Promise<T | Unsettled> {
  try {
    const installation = await app.installationOf(repository);
    if (installation === null) return { kind: "denied", why: notInstalled(repository, app) };
    return await work({
      octokit: app.installation(installation),
      installation,
      webUrl: app.webUrl,
      slug: app.slug,
      ...splitRepository(repository),
    });
  } catch (error) {
    return sortCall(error, { app, repository, write, now: now() });
  }
}

async function readRepository({ octokit, owner, repo }: Place): Promise<RepositoryAnswer> {
  return RepositoryAnswer.parse((await octokit.rest.repos.get({ owner, repo })).data);
}

function checkPorts({ access, app }: Ports, { octokit, owner, repo }: Place): CheckPorts {
  const outer = access.fetch ?? fetch;
  return {
    octokit,
    owner,
    repo,
    appId: app.appId,
    fetch: (input, init) => outer(input, init),
    secureOnly: app.apiUrl.startsWith("https:"),
  };
}

/** A token for git in that one repository, newly minted: it lives a whole hour. Never with the right to change workflows. */
async function mint(app: GitHubApp, place: Reached, access: "read" | "write", id: number | undefined) {
  const permissions = { contents: access };
  if (id !== undefined) return await app.token(place.installation, { repositoryIds: [id], permissions }, true);
  try {
    return await app.token(place.installation, { repositories: [place.repo], permissions }, true);
  } catch (error) {
    if (statusOf(error) !== 422) throw error;
    // A renamed repository is still found by its old name, but only its number names it in a token.
    const repository = await readRepository(place);
    if (repository.full_name.toLowerCase() === `${place.owner}/${place.repo}`.toLowerCase()) throw error;
    return await app.token(place.installation, { repositoryIds: [repository.id], permissions }, true);
  }
}

/** The forge of an App's access to GitHub. Cheap to make; tokens and looked-up ids are shared by all that are made for the same App. */
export function gitHubForge(access: GitHubAccess): Forge {
  const app = gitHubApp(access);
  const ports: Ports = { access, app, now: access.now ?? Date.now };

  /** The pull request as it is, with what its checks say: not for one that is over, whose checks nobody waits for. */
  async function see(place: Reached, number: number) {
    const answer = await readPull(place, number);
    let checks: Checks = { state: "none", failing: [] };
    if (answer.state === "open") {
      const { runs, statuses } = await readChecks(checkPorts(ports, place), answer.head.sha);
      checks = reduceChecks(runs, statuses, app.appId);
    }
    const own = isOwn(answer, app.slug);
    return { pull: pullOf(answer, checks), own, native: nativeOf(place.installation, answer.base.repo) };
  }

  return {
    repositoryOf: (cloneUrl) => repositoryOf(cloneUrl, app.webUrl),

    identity: async () => identityOf(app, await app.botId()),

    policy: (repository) =>
      reach(ports, repository, false, async (place) => {
        const found = await readRepository(place);
        if (found.archived)
          return {
            kind: "denied",
            why: `${repository} is archived, so nothing can be written to it. Take it out of the archive to go on.`,
          };
        if (found.disabled) return { kind: "denied", why: `${repository} is disabled by GitHub, so nothing can be written to it.` };
        const { policy, wrong } = parsePolicy(await fileOf(place, POLICY_PATH));
        return { kind: "policy", policy, ...(wrong === null ? {} : { wrong }) };
      }),

    credential: (repository, right, id) =>
      reach(ports, repository, false, async (place) => {
        const { token, expiresAt } = await mint(app, place, right, id);
        return { kind: "credential", username: "x-access-token", password: token, expiresAt };
      }),

    openPull: (repository, view, links) =>
      reach(ports, repository, true, async (place) => {
        const opened = await findOrOpen(place, await readRepository(place), view, links);
        if (opened.kind === "nothing") return opened;
        const { pull, own, native } = await see(place, opened.number);
        return { kind: "pull", pull: { ...pull, own }, native };
      }),

    look: (repository, number) =>
      reach(ports, repository, false, async (place) => {
        const { pull } = await see(place, number);
        return { kind: "pull", pull };
      }),

    describe: (repository, number, view, links, ready) =>
      reach(ports, repository, true, async (place) => {
        await bringUpToDate(place, await readRepository(place), number, view, links, ready);
        return { kind: "done" };
      }),

    failures: (repository, commit) =>
      reach(ports, repository, false, async (place) => ({
        kind: "failures",
        failing: await readFailures(checkPorts(ports, place), commit),
      })),
  };
}
