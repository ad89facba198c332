/** Pull requests of errand's: looked for, opened, and kept up to date. Throws what Octokit throws, where it does not say otherwise. */
import type { Octokit } from "@octokit/rest";
import type { Checks, Pull } from "../../protocol/events.ts";
import { parseThreadKey, threadKey } from "../../protocol/thread.ts";
import type { View } from "../../protocol/view.ts";
import type { Links } from "../surface.ts";
import { EntryAnswer, FileAnswer, IssueAnswer, itemsOf, PullAnswer, type RepositoryAnswer } from "./answers.ts";
import { saidBy, statusOf } from "./errors.ts";
import { changedPull, newPull, type PullFacts, wasReadied } from "./pull-text.ts";

/** A repository, and the client of the installation that covers it. */
export type Place = { octokit: Octokit; owner: string; repo: string; webUrl: string; slug: string };

/** Whether errand opened it. A person may have opened one for errand's branch: its text and its readiness are theirs, whatever marks stand in it. */
export const isOwn = (pull: Pick<PullAnswer, "user">, slug: string): boolean => pull.user === `${slug}[bot]`;

/** A pull request as the log has it. `thread`: its conversation, by the number of the repository it asks to merge into. */
export function pullOf(answer: PullAnswer, checks: Checks): Omit<Pull, "own"> {
  const merged = answer.merged || (answer.merged_at ?? null) !== null;
  return {
    repository: answer.base.repo.full_name,
    number: answer.number,
    thread: threadKey({ surface: "github", repository: String(answer.base.repo.id), number: answer.number }),
    url: answer.html_url,
    title: answer.title,
    state: merged ? "merged" : answer.state === "closed" ? "closed" : answer.draft ? "draft" : "open",
    branch: answer.head.ref,
    base: answer.base.ref,
    commit: answer.head.sha,
    additions: answer.additions,
    deletions: answer.deletions,
    files: answer.changed_files,
    checks,
  };
}

export async function readPull({ octokit, owner, repo }: Place, number: number): Promise<PullAnswer> {
  const { data } = await octokit.rest.pulls.get({ owner, repo, pull_number: number });
  return PullAnswer.parse(data);
}

/** What the text of a pull request needs to know beside the view. An issue that can't be read is left out. */
async function factsFor(place: Place, repository: RepositoryAnswer, view: View, base: string): Promise<PullFacts> {
  const { octokit, owner, repo, webUrl } = place;
  const thread = parseThreadKey(view.thread);
  const ontoDefault = base === repository.default_branch;
  if (thread?.surface !== "github" || thread.repository !== String(repository.id)) return { issue: null, ontoDefault, webUrl };
  try {
    const issue = IssueAnswer.parse((await octokit.rest.issues.get({ owner, repo, issue_number: thread.number })).data);
    return { issue: { number: issue.number, title: issue.title, isPull: issue.pull_request != null }, ontoDefault, webUrl };
  } catch (error) {
    // A deleted issue, or no right to read issues: the pull request stands without it.
    const status = statusOf(error);
    if (status === 404 || status === 410 || status === 403) return { issue: null, ontoDefault, webUrl };
    throw error;
  }
}

/**
 * The open pull request of a branch of this very repository: errand's, or one into `base`. Who may only read can open one for any branch, as
 * soon as it is there, into another.
 */
async function openOf({ octokit, owner, repo, slug }: Place, branch: string, base: string): Promise<number | null> {
  const { data } = await octokit.rest.pulls.list({ owner, repo, head: `${owner}:${branch}`, state: "open", per_page: 100 });
  const found = data.filter(
    (pull) => pull.head.ref === branch && pull.head.repo?.full_name.toLowerCase() === `${owner}/${repo}`.toLowerCase(),
  );
  const own = found.find((pull) => isOwn({ user: pull.user?.login ?? null }, slug));
  return (own ?? found.find((pull) => pull.base.ref === base))?.number ?? null;
}

/** The places where GitHub itself looks for a template, in its order. */
const TEMPLATE_FOLDERS = [".github", "", "docs"];
const TEMPLATE = /^pull_request_template\.(?:md|markdown|txt)$/i;

/** A file or folder on the default branch. The path's slashes stay slashes: not every GitHub takes them escaped. */
async function contentOf({ octokit, owner, repo }: Place, path: string): Promise<unknown> {
  const answer: { data: unknown } = await octokit.request("GET /repos/{owner}/{repo}/contents/{+path}", {
    owner,
    repo,
    path,
  });
  return answer.data;
}

/** The text of a file on the default branch; null where there is none. */
export async function fileOf(place: Place, path: string): Promise<string | null> {
  try {
    const data = await contentOf(place, path);
    const file = FileAnswer.safeParse(data);
    return file.success ? file.data : null;
  } catch (error) {
    if (statusOf(error) === 404) return null;
    throw error;
  }
}

async function templateOf(place: Place): Promise<string | null> {
  for (const folder of TEMPLATE_FOLDERS) {
    try {
      const entries = itemsOf(EntryAnswer, await contentOf(place, folder));
      const file = entries.find((entry) => entry.type === "file" && TEMPLATE.test(entry.name));
      if (file) return await fileOf(place, file.path);
    } catch (error) {
      if (statusOf(error) !== 404) throw error;
    }
  }
  return null;
}

/**
 * Finds the open pull request of the view's branch, or opens one as a draft. `nothing`: the branch has nothing to merge, or there is no
 * such branch.
 */
export async function findOrOpen(
  place: Place,
  repository: RepositoryAnswer,
  view: View,
  links: Links,
): Promise<{ kind: "pull"; number: number } | { kind: "nothing" }> {
  const { octokit, owner, repo } = place;
  const base = view.base || repository.default_branch;
  const found = await openOf(place, view.branch, base);
  if (found !== null) return { kind: "pull", number: found };
  if (view.branch === base) return { kind: "nothing" };
  const text = newPull(view, links, await factsFor(place, repository, view, base), await templateOf(place));
  const open = async (draft: boolean) => {
    const { data } = await octokit.rest.pulls.create({ owner, repo, head: view.branch, base, draft, ...text });
    return { kind: "pull", number: data.number } as const;
  };
  try {
    try {
      return await open(true);
    } catch (error) {
      // Private repositories of free plans have no drafts.
      if (statusOf(error) === 422 && /draft pull requests are not supported/i.test(saidBy(error))) return await open(false);
      throw error;
    }
  } catch (error) {
    if (statusOf(error) !== 422) throw error;
    const said = saidBy(error);
    // "head invalid": somebody deleted the branch meanwhile.
    if (/no commits between/i.test(said) || /\bhead invalid\b/.test(said)) return { kind: "nothing" };
    const other = /already exists/i.test(said) ? await openOf(place, view.branch, base) : null;
    if (other !== null) return { kind: "pull", number: other };
    throw error;
  }
}

const READY = `mutation ($id: ID!) { markPullRequestReadyForReview(input: { pullRequestId: $id }) { pullRequest { isDraft } } }`;

/**
 * Brings the pull request's text up to date, and marks it as ready once: a person who made it a draft again has the last word. One that is
 * closed, or that a person opened, stays as it is.
 */
export async function bringUpToDate(
  place: Place,
  repository: RepositoryAnswer,
  number: number,
  view: View,
  links: Links,
  ready: boolean,
): Promise<void> {
  const { octokit, owner, repo } = place;
  const pull = await readPull(place, number);
  if (pull.state !== "open" || !isOwn(pull, place.slug)) return;
  const readied = wasReadied(pull.body);
  const makeReady = ready && !readied && pull.draft;
  if (makeReady) await octokit.graphql(READY, { id: pull.node_id });
  const facts = await factsFor(place, repository, view, pull.base.ref);
  const change = changedPull(pull, view, links, facts, readied || makeReady);
  if (change) await octokit.rest.pulls.update({ owner, repo, pull_number: number, ...change });
}
