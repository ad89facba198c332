/**
 * What somebody may do in a repository, by GitHub's word: asked with the person's own token, or, where there is none, by the App about the person's
 * account. Answers hold for a minute. Whatever GitHub does not say plainly is `unknown`, and counts for nothing.
 */
import type { Octokit } from "@octokit/rest";
import * as z from "zod";
import { type GitHubApp, splitRepository } from "../../bots/github/client.ts";
import { statusOf } from "../../bots/github/errors.ts";
import { accessTokenOf, type TokenPorts } from "./oauth-tokens.ts";
import type { SignIn } from "./providers.ts";
import type { About, Permission } from "./rights.ts";

/** How long an answer holds, in ms. */
export const PERMISSION_HOLDS_MS = 60_000;
/** Answers kept; beyond that the oldest go. */
const KEPT = 5_000;
/** How long GitHub is waited for, in ms: a person waits for the page meanwhile. */
const CALL_MS = 4_000;

/** What is known of a repository and a person. */
export type Known = Pick<NonNullable<About["repository"]>, "visibility" | "permission">;
/** Answers by repository and account. Values, never promises: one request of a Worker must not wait for another's call. */
export type PermissionCache = Map<string, { known: Known; at: number }>;

const shared: PermissionCache = new Map();
const UNKNOWN: Known = { visibility: "unknown", permission: "unknown" };

/** A user and the GitHub account linked to them, if one is. */
export type Asker = { userId: string; github: { subject: string; login: string | null } | null };

export type PermissionPorts = Omit<TokenPorts, "signIn"> & {
  /** Sign-in as it is set up; null: nobody has a token of their own. */
  signIn: SignIn | null;
  /** The App; null where it is not set up. */
  app: GitHubApp | null;
  cache?: PermissionCache;
  /** Answers older than this, in ms, are asked for again; `PERMISSION_HOLDS_MS` unless given. */
  maxAge?: number;
};

/** What the person may do in `owner/name`. Never rejects for GitHub's sake; rejects where D1 cannot be read. */
export async function permissionIn(repository: string, asker: Asker, ports: PermissionPorts): Promise<Known> {
  const cache = ports.cache ?? shared;
  const where = ports.app?.apiUrl ?? ports.signIn?.github?.apiUrl ?? "";
  const key = `${where} ${repository.toLowerCase()} ${asker.github?.subject ?? ""}`;
  const found = cache.get(key);
  if (found && ports.now() - found.at < (ports.maxAge ?? PERMISSION_HOLDS_MS)) return found.known;
  const at = ports.now();
  const known = (await byToken(repository, asker, ports)) ?? (await byApp(repository, asker, ports));
  const settled = known.visibility !== "unknown" && (known.permission !== "unknown" || !asker.github);
  cache.delete(key);
  if (settled || known.permission === "none") cache.set(key, { known, at });
  for (const oldest of cache.keys()) {
    if (cache.size <= KEPT) break;
    cache.delete(oldest);
  }
  return known;
}

/** `permissions` are those of who asks. Docs: "Get a repository". */
const Repository = z.object({
  private: z.boolean(),
  permissions: z
    .object({ admin: z.boolean(), maintain: z.boolean().optional(), push: z.boolean(), triage: z.boolean().optional(), pull: z.boolean() })
    .optional(),
});

const visibilityOf = (repository: { private: boolean }): Known["visibility"] => (repository.private ? "private" : "public");

/** By the person's own token; null where there is none that GitHub takes, it is at its limit, or the answer names no permissions. */
async function byToken(repository: string, { userId, github }: Asker, ports: PermissionPorts): Promise<Known | null> {
  const { signIn } = ports;
  if (!github || !signIn?.github) return null;
  const access = await accessTokenOf({ ...ports, signIn }, userId, "github");
  if (!access.ok) return access.why === "away" ? UNKNOWN : null;
  const { apiUrl } = signIn.github;
  const { owner, repo } = splitRepository(repository);
  try {
    const answer = await getOnce(`${apiUrl}/repos/${owner}/${repo}`, access.token, ports);
    // The person took the App's leave to act in their name back. Who they are is known all the same.
    if (answer.status === 401) return null;
    if (answer.status === 404) return { visibility: "private", permission: "none" };
    // All tokens of a person share a limit, which they can use up themselves: whoever lost a right would stay where they are for as long as they like.
    if (isLimited(answer)) return null;
    if (answer.status !== 200) return UNKNOWN;
    const parsed = Repository.safeParse(await answer.json());
    if (!parsed.success) return UNKNOWN;
    const { permissions } = parsed.data;
    if (!permissions) return null;
    const { admin, maintain = false, push, triage = false, pull } = permissions;
    const visibility = visibilityOf(parsed.data);
    if (admin || push || maintain) return { visibility, permission: admin ? "admin" : "write" };
    if (!pull) return { visibility, permission: "none" };
    return { visibility, permission: visibility === "private" || triage ? "read" : await ownRead(repository, github.login, ports) };
  } catch (error) {
    console.warn("rights: GitHub did not answer about a repository", error instanceof Error ? error.name : "unknown");
    return UNKNOWN;
  }
}

/** Whether GitHub answers no more for now. Docs: "Rate limits for the REST API". */
const isLimited = ({ status, headers }: Response): boolean =>
  status === 429 || (status === 403 && (headers.get("x-ratelimit-remaining") === "0" || headers.has("retry-after")));

/** A GET that follows one redirect within GitHub's API: a repository that was renamed or moved answers with its new address. */
async function getOnce(url: string, token: string, ports: PermissionPorts): Promise<Response> {
  const ask = (address: string) =>
    ports.fetch(address, {
      headers: {
        accept: "application/vnd.github+json",
        authorization: `Bearer ${token}`,
        "user-agent": "errand",
        "x-github-api-version": "2022-11-28",
      },
      redirect: "manual",
      signal: AbortSignal.timeout(CALL_MS),
    });
  const answer = await ask(url);
  if (answer.status === 200) return answer;
  await answer.body?.cancel();
  const to = URL.parse(answer.headers.get("location") ?? "", url);
  if (answer.status < 300 || answer.status > 308 || to?.origin !== new URL(url).origin) return answer;
  const second = await ask(to.href);
  if (second.status !== 200) await second.body?.cancel();
  return second;
}

/** `permission` is the base role: `write` includes `maintain`, `read` includes `triage`. Docs: "Get repository permissions for a user". */
const Collaborator = z.object({ permission: z.string(), user: z.object({ id: z.number() }).nullish() });
const LEVELS: ReadonlyMap<string, Permission> = new Map([
  ["admin", "admin"],
  ["maintain", "write"],
  ["write", "write"],
  ["triage", "read"],
  ["read", "read"],
  ["none", "none"],
]);

/** By the App, about the person's account: the number has to fit, since a login can be given up and taken. */
async function byApp(repository: string, { github }: Asker, { app }: PermissionPorts): Promise<Known> {
  if (!app) return UNKNOWN;
  const place = splitRepository(repository);
  try {
    const installation = await app.installationOf(repository);
    if (installation === null) return UNKNOWN;
    const octokit = app.installation(installation);
    const request = { signal: AbortSignal.timeout(CALL_MS) };
    const { data } = await octokit.request("GET /repos/{owner}/{repo}", { ...place, request });
    const repositoryAnswer = Repository.pick({ private: true }).safeParse(data);
    if (!repositoryAnswer.success) return UNKNOWN;
    const visibility = visibilityOf(repositoryAnswer.data);
    if (!github?.login) return { visibility, permission: "unknown" };
    const permission = await levelOf(octokit, repository, github.subject, github.login);
    const everybodys = visibility === "public" && permission === "read";
    return { visibility, permission: everybodys ? await ownReadBy(octokit, repository, github.login) : permission };
  } catch (error) {
    console.warn("rights: GitHub did not answer the App about a repository", error instanceof Error ? error.name : "unknown");
    return UNKNOWN;
  }
}

/** What somebody may in a public repository that GitHub says `read` of: it says so of everybody, but only some are among its collaborators. */
async function ownRead(repository: string, username: string | null, { app }: PermissionPorts): Promise<Permission> {
  if (!app || username === null) return "none";
  try {
    const installation = await app.installationOf(repository);
    return installation === null ? "none" : await ownReadBy(app.installation(installation), repository, username);
  } catch (error) {
    console.warn("rights: GitHub did not answer the App about a repository", error instanceof Error ? error.name : "unknown");
    return "unknown";
  }
}

/** Docs: "Check if a user is a repository collaborator": 204 or 404; those count who have access by a team or as members of the organisation. */
async function ownReadBy(octokit: Octokit, repository: string, username: string): Promise<Permission> {
  try {
    const signal = AbortSignal.timeout(CALL_MS);
    const { status } = await octokit.request("GET /repos/{owner}/{repo}/collaborators/{username}", {
      ...splitRepository(repository),
      username,
      request: { signal },
    });
    return status === 204 ? "read" : "unknown";
  } catch (error) {
    return statusOf(error) === 404 ? "none" : "unknown";
  }
}

async function levelOf(octokit: Octokit, repository: string, subject: string, username: string): Promise<Permission> {
  try {
    const { data } = await octokit.request("GET /repos/{owner}/{repo}/collaborators/{username}/permission", {
      ...splitRepository(repository),
      username,
      request: { signal: AbortSignal.timeout(CALL_MS) },
    });
    const answer = Collaborator.safeParse(data);
    if (!answer.success) return "unknown";
    if (String(answer.data.user?.id) !== subject) return "none";
    return LEVELS.get(answer.data.permission) ?? "unknown";
  } catch (error) {
    if (statusOf(error) === 404) return "none";
    throw error;
  }
}
