/** Reads what a page shows from the REST API, as one person. */
import { Octokit } from "@octokit/rest";
import { z } from "zod";
import type { GitHubOffer } from "./offer.ts";
import {
  ChangedFile,
  CheckRun,
  Comment,
  Commit,
  Issue,
  IssueEvent,
  Permission,
  Pull,
  Repository,
  Review,
  ReviewComment,
  Status,
} from "./records.ts";

/** How long GitHub may take for one answer, in ms. */
const TIMEOUT_MS = 10_000;
/** GitHub's greatest page. */
const PER_PAGE = 100;
/** The newest issues of a list that are read. */
const LISTED = 100;

/** What was read, or why it could not be: GitHub's status (0 where it did not answer) and words for a person. */
export type Read<T> = { ok: true; value: T } | { ok: false; status: number; error: string };

const quiet = () => undefined;

/** A client that acts as a person. `fetch` is the platform's unless given. */
export function octokitOf(github: Pick<GitHubOffer, "apiUrl" | "tokenOf">, login: string): Octokit {
  const timed: typeof fetch = (input, init) => fetch(input, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
  const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  return new Octokit({ auth: github.tokenOf(login), baseUrl: github.apiUrl.replace(/\/+$/, ""), log, request: { fetch: timed } });
}

/** Tries something with the API; an error becomes words. Anything that is not an answer of GitHub or its absence is a bug and thrown. */
export async function attempt<T>(work: () => Promise<T>): Promise<Read<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    if (error instanceof z.ZodError) {
      return { ok: false, status: 502, error: `GitHub answered in an unexpected form: ${z.prettifyError(error)}` };
    }
    if (!(error instanceof Error)) throw error;
    if (error.name === "GraphqlResponseError") return { ok: false, status: 200, error: wordsFor(200, error.message) };
    const status = "status" in error && typeof error.status === "number" ? error.status : undefined;
    if (status === undefined) throw error;
    const answered = "response" in error && error.response !== undefined;
    if (!answered) return { ok: false, status: 0, error: "GitHub cannot be reached. Your text is kept; try again." };
    return { ok: false, status, error: wordsFor(status, error.message) };
  }
}

function wordsFor(status: number, message: string): string {
  const plain = message.replace(/ - https?:\/\/\S+$/, "");
  if (status === 404) return "GitHub does not know that, or you may not see it.";
  if (status === 403) return `You may not do that here: ${plain}`;
  return status === 200 ? `GitHub refused: ${plain}` : `GitHub refused (${status}): ${plain}`;
}

/** Everything a pull request has beside what an issue has. */
export interface PullParts {
  pull: Pull;
  reviews: Review[];
  comments: ReviewComment[];
  commits: Commit[];
  files: ChangedFile[];
  checks: CheckRun[];
  statuses: Status[];
}

/** An issue or pull request with all that is shown of it. */
export interface Thread {
  repository: Repository;
  /** Whether the reader has write access. */
  mayWrite: boolean;
  issue: Issue;
  comments: Comment[];
  events: IssueEvent[];
  parts: PullParts | null;
}

/** Which issues or pull requests a list shows. */
export interface Listing {
  repository: Repository;
  mayWrite: boolean;
  issues: Issue[];
}

/** Splits `owner/name`; both are needed. */
export function repo(name: string): { owner: string; repo: string } {
  const [owner = "", repo = ""] = name.split("/");
  return { owner, repo };
}

/** Reading as one person. */
export function readerOf(github: GitHubOffer, login: string) {
  const octokit = octokitOf(github, login);

  async function all<T>(schema: z.ZodType<T>, path: string): Promise<T[]> {
    const items = await octokit.paginate(`GET ${path}`, { per_page: PER_PAGE });
    return z.array(schema).parse(items);
  }
  async function repositoryOf(name: string): Promise<Repository> {
    return Repository.parse((await octokit.rest.repos.get(repo(name))).data);
  }
  /** Anything but a clear yes is a no. */
  async function mayWrite(name: string): Promise<boolean> {
    const answer = await attempt(() => octokit.rest.repos.getCollaboratorPermissionLevel({ ...repo(name), username: login }));
    const permission = answer.ok ? Permission.safeParse(answer.value.data).data?.permission : undefined;
    return ["admin", "maintain", "write", "push"].includes(permission ?? "");
  }
  async function partsOf(name: string, number: number): Promise<PullParts> {
    const at = `/repos/${name}/pulls/${number}`;
    const pull = Pull.parse((await octokit.rest.pulls.get({ ...repo(name), pull_number: number })).data);
    const ref = { ...repo(name), ref: pull.head.sha };
    const [reviews, comments, commits, files, checks, status] = await Promise.all([
      all(Review, `${at}/reviews`),
      all(ReviewComment, `${at}/comments`),
      all(Commit, `${at}/commits`),
      all(ChangedFile, `${at}/files`),
      octokit.rest.checks.listForRef({ ...ref, per_page: PER_PAGE }),
      attempt(() => octokit.rest.repos.getCombinedStatusForRef({ ...ref, per_page: PER_PAGE })),
    ]);
    return {
      pull,
      reviews,
      comments,
      commits,
      files,
      checks: z.array(CheckRun).parse(checks.data.check_runs),
      statuses: status.ok ? z.array(Status).parse(status.value.data.statuses) : [],
    };
  }

  return {
    /** The repositories this person may see, of those that are shown. */
    async repositories(): Promise<Read<Repository[]>> {
      const found = await Promise.all(github.repositories.map((name) => attempt(() => repositoryOf(name))));
      const failed = found.find((one) => !one.ok && one.status !== 404 && one.status !== 403);
      return failed && !failed.ok ? failed : { ok: true, value: found.flatMap((one) => (one.ok ? [one.value] : [])) };
    },
    /** The newest issues and pull requests of a repository, open and closed. */
    listing: (name: string) =>
      attempt(async (): Promise<Listing> => {
        const [repository, write, issues] = await Promise.all([
          repositoryOf(name),
          mayWrite(name),
          octokit.rest.issues.listForRepo({ ...repo(name), state: "all", per_page: LISTED }),
        ]);
        return { repository, mayWrite: write, issues: z.array(Issue).parse(issues.data) };
      }),
    /** One commit with what it changed. */
    commit: (name: string, sha: string) =>
      attempt(async () => {
        const { data } = await octokit.rest.repos.getCommit({ ...repo(name), ref: sha });
        return { commit: Commit.parse(data), files: z.array(ChangedFile).parse(data.files ?? []) };
      }),
    /** A branch as what it adds to another, null for the default branch. */
    branch: (name: string, base: string | null, head: string) =>
      attempt(async () => {
        const from = base ?? (await repositoryOf(name)).default_branch;
        const { data } = await octokit.rest.repos.compareCommitsWithBasehead({ ...repo(name), basehead: `${from}...${head}` });
        return { base: from, commits: z.array(Commit).parse(data.commits), files: z.array(ChangedFile).parse(data.files ?? []) };
      }),
    /** One check run, with what its job printed where it is a workflow's. */
    job: (name: string, id: number) =>
      attempt(async () => {
        const run = CheckRun.parse((await octokit.rest.checks.get({ ...repo(name), check_run_id: id })).data);
        const log = await attempt(() => octokit.rest.actions.downloadJobLogsForWorkflowRun({ ...repo(name), job_id: id }));
        return { run, log: log.ok && typeof log.value.data === "string" ? log.value.data : "" };
      }),
    /** One issue or pull request. */
    thread: (name: string, number: number) =>
      attempt(async (): Promise<Thread> => {
        const at = `/repos/${name}/issues/${number}`;
        const [repository, write, issue, comments, events] = await Promise.all([
          repositoryOf(name),
          mayWrite(name),
          octokit.rest.issues.get({ ...repo(name), issue_number: number }).then((answer) => Issue.parse(answer.data)),
          all(Comment, `${at}/comments`),
          attempt(() => all(IssueEvent, `${at}/events`)),
        ]);
        const parts = issue.pull_request ? await partsOf(name, number) : null;
        return { repository, mayWrite: write, issue, comments, events: events.ok ? events.value : [], parts };
      }),
  };
}
