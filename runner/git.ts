/** The workspace: cloned once, on its branch, and what changed in it since its base. */
import { cp, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Failure, FileChange } from "../protocol/events.ts";
import { compact, countLines, parseDiff } from "./changes.ts";
import { distrust } from "./distrust.ts";
import { broken, cloneFailure, isPassing } from "./git-failures.ts";
import type { Ran } from "./git-run.ts";
import { git, gitIn, said } from "./git-run.ts";
import { NOBODY } from "./signatures.ts";

const CLONE_MS = 600_000;
/** What changed is told after each turn; a huge tree must not hold the turn's end back for longer than this, in ms. */
const CHANGES_MS = 5_000;
const CLONE_TRIES = 3;
/** New files are counted up to this many, and up to this many bytes each. */
const COUNTED_FILES = 500;
const COUNTED_BYTES = 1_000_000;
/**
 * Local configuration keys, kept with the workspace: the commit from which changes are counted, the one at which the work
 * began here, and the branch it is on.
 */
export const BASE_KEY = "errand.base";
export const START_KEY = "errand.start";
const BRANCH_KEY = "errand.branch";
/** Branches that errand makes, and nobody else works on. */
const OWN = "errand/";
/** The tree without any file, which git knows without having it (SHA-1). */
const EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
/** Where the commit of `head` is kept. */
const HEAD_REF = "refs/errand/head";

/** What is to be in the workspace. */
export type WorkspaceWish = {
  workspace: string;
  home: string;
  repository: string | null;
  base: string | null;
  branch: string;
  /** A ref on the server that `branch` begins at, unless errand's own branch is there already; null: `base`. */
  head: string | null;
  /** Files that run on checkout are taken from `base`. */
  distrusted: boolean;
  /** Configuration value of git's credential helper; null: the machine's own ways to sign in. */
  helper: string | null;
  signal: AbortSignal;
};

/** A workspace that is ready. `base`: the name it started from; `commit`: what HEAD is now. */
export type WorkspaceState = { ok: true; cloned: boolean; branch: string; base: string; commit: string } | { ok: false; failure: Failure };

/** Whether a branch is one of errand's, which it may also rewrite. Pure. */
export function isOwnBranch(branch: string): boolean {
  return branch.startsWith(OWN);
}

/** Whether the workspace holds a checkout already. `.git` is put there last, so a start that was cut off does not count. */
export async function hasCheckout(workspace: string): Promise<boolean> {
  return (await stat(join(workspace, ".git")).catch(() => null)) !== null;
}

/**
 * Makes the workspace ready: clones the repository, or makes an empty one, and creates or switches to the branch. A
 * workspace that is there stays as it is, also where the agent changed its branch, unless the session's branch is another
 * one than before: then that is begun.
 */
export async function prepareWorkspace(wish: WorkspaceWish): Promise<WorkspaceState> {
  try {
    const cloned = !(await hasCheckout(wish.workspace));
    if (cloned) {
      const failure = await make(wish);
      if (failure !== null) return { ok: false, failure };
    } else await moveOn(wish);
    const [branch, commit] = await Promise.all([
      git(wish, ["symbolic-ref", "--short", "-q", "HEAD"], wish.workspace),
      git(wish, ["rev-parse", "-q", "--verify", "HEAD"], wish.workspace),
    ]);
    if (!commit.ok) return { ok: false, failure: broken(commit.text) };
    return {
      ok: true,
      cloned,
      branch: branch.ok ? branch.out.trim() : "",
      base: wish.base ?? (await defaultBranch(wish)),
      commit: commit.out.trim(),
    };
  } catch (error) {
    return { ok: false, failure: broken(error instanceof Error ? error.message : String(error)) };
  }
}

/** What differs from the base commit in the working tree, files git does not know yet included. Null when git does not say in time. */
export async function changedFiles(workspace: string): Promise<{ files: FileChange[]; total: number } | null> {
  const signal = AbortSignal.timeout(CHANGES_MS);
  const where = { home: "", signal };
  const base = await git(where, ["config", "--local", "--get", BASE_KEY], workspace);
  const [diff, untracked] = await Promise.all([
    git(where, ["diff", "--no-ext-diff", "--no-textconv", "--raw", "--numstat", "-z", "-M", base.ok ? base.out.trim() : "HEAD"], workspace),
    git(where, ["ls-files", "--others", "--exclude-standard", "-z"], workspace),
  ]);
  if (!diff.ok || !untracked.ok) return null;
  const added = untracked.out.split("\0").filter((path) => path !== "");
  const counted = await Promise.all(
    added.map(async (path, index): Promise<FileChange> => {
      const additions = index < COUNTED_FILES ? await linesOf(join(workspace, path)) : 0;
      return { path: path.slice(0, 2_000), status: "added", additions, deletions: 0 };
    }),
  );
  return compact([...parseDiff(diff.out), ...counted]);
}

async function linesOf(path: string): Promise<number> {
  const file = await open(path).catch(() => null);
  if (file === null) return 0;
  try {
    const info = await file.stat();
    return info.isFile() && info.size <= COUNTED_BYTES ? countLines(await file.readFile()) : 0;
  } catch {
    return 0;
  } finally {
    await file.close();
  }
}

/** Clones beside the workspace and moves the result there, so that a half clone is never taken for a whole one. */
async function make(wish: WorkspaceWish): Promise<Failure | null> {
  const there = (await stat(wish.workspace).catch(() => null)) !== null;
  // A folder that is there may be a mount, or the working directory of a process: its content is filled, it is not replaced.
  const temporary = there ? join(wish.home, ".errand", "cloning") : `${wish.workspace}.cloning`;
  const failure = await fillTemporary(wish, temporary);
  if (failure === null) {
    if (there) await moveContent(temporary, wish.workspace);
    else await rename(temporary, wish.workspace);
  }
  await rm(temporary, { recursive: true, force: true });
  return failure;
}

async function fillTemporary(wish: WorkspaceWish, folder: string): Promise<Failure | null> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const fetched =
    wish.repository === null ? await git(wish, ["init", "-q", "-b", wish.branch], folder) : await clone(wish, wish.repository, folder);
  if (!fetched.ok) return cloneFailure(fetched.text, wish.repository ?? "");
  await git(wish, ["config", "--local", "user.name", NOBODY.name], folder);
  await git(wish, ["config", "--local", "user.email", NOBODY.email], folder);
  const switched = await switchBranch(wish, folder);
  if (switched !== null) return switched;
  if (!(await git(wish, ["rev-parse", "-q", "--verify", "HEAD"], folder)).ok) {
    // Without any commit, OpenCode files the session under no project and loses it at the first commit.
    const committed = await git(wish, ["commit", "-q", "--allow-empty", "-m", "Start"], folder);
    if (!committed.ok) return broken(committed.text);
  }
  await remember(wish, folder);
  if (!wish.distrusted || wish.repository === null) return null;
  // Without a base the checkout itself would be taken for it: then nothing of the kind is left.
  const base = wish.base === null ? "refs/remotes/origin/HEAD" : await startOf(wish, folder);
  return await distrust(gitIn(wish, folder), folder, (await at(wish, folder, base)) ?? EMPTY_TREE);
}

/** Keeps with the workspace what changes and commits are counted from. */
async function remember(wish: WorkspaceWish, folder: string): Promise<void> {
  const head = said(await git(wish, ["rev-parse", "-q", "--verify", "HEAD"], folder));
  if (head === null) return;
  const base = said(await git(wish, ["merge-base", "HEAD", await startOf(wish, folder)], folder)) ?? head;
  const values = { [BASE_KEY]: base, [START_KEY]: head, [BRANCH_KEY]: wish.branch };
  for (const [key, value] of Object.entries(values)) await git(wish, ["config", "--local", "--replace-all", key, value], folder);
}

/** The session was given another branch, as after its pull request was merged. What is not committed comes along. */
async function moveOn(wish: WorkspaceWish): Promise<void> {
  const { repository, workspace } = wish;
  const before = said(await git(wish, ["config", "--local", "--get", BRANCH_KEY], workspace));
  if (before === null || before === wish.branch || repository === null) return;
  await git(wish, ["fetch", "-q", "--", repository, "+refs/heads/*:refs/remotes/origin/*"], workspace, { timeout: CLONE_MS });
  const start = (await at(wish, workspace, `refs/remotes/origin/${wish.branch}`)) ?? (await startOf(wish, workspace));
  const moved = await git(wish, ["checkout", "-q", "--no-track", "-B", wish.branch, start], workspace);
  // Changes that would be lost there: the branch begins where they are.
  if (!moved.ok) await git(wish, ["checkout", "-q", "--no-track", "-B", wish.branch], workspace);
  await remember(wish, workspace);
}

async function clone(wish: WorkspaceWish, repository: string, folder: string): Promise<Ran> {
  for (let attempt = 1; ; attempt += 1) {
    const ran = await git(wish, ["clone", "-q", "--", repository, "."], folder, { timeout: CLONE_MS });
    if (ran.ok || wish.signal.aborted || attempt === CLONE_TRIES || !isPassing(ran.text)) return ran;
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await new Promise((done) => setTimeout(done, 500 * 2 ** attempt));
  }
}

/** The branch may be on the server already, from an earlier sandbox of the session: then work goes on there. */
async function switchBranch(wish: WorkspaceWish, folder: string): Promise<Failure | null> {
  if (wish.repository === null) return null;
  const remote = await at(wish, folder, `refs/remotes/origin/${wish.branch}`);
  // A branch of that name which is not errand's own is not where `head` leads.
  if (remote !== null && (wish.head === null || isOwnBranch(wish.branch)))
    return failed(await git(wish, ["checkout", "-q", "-B", wish.branch, `origin/${wish.branch}`], folder));
  if (wish.head !== null) return await beginAtHead(wish, wish.repository, wish.head, folder);
  const empty = (await at(wish, folder, "HEAD")) === null;
  if (empty) return failed(await git(wish, ["symbolic-ref", "HEAD", `refs/heads/${wish.branch}`], folder));
  const start = await startOf(wish, folder);
  if (wish.base !== null && start === "") {
    return {
      code: "base_not_found",
      message: `The repository has no branch, tag or commit named ${wish.base.slice(0, 200)}.`,
      action: "Ask again with `branch=` and one that exists, or in a new thread without it to start from the default branch.",
    };
  }
  // Without tracking: a plain `git push` of the agent must not go to the branch it began at.
  return failed(await git(wish, ["checkout", "-q", "--no-track", "-B", wish.branch, start], folder));
}

async function beginAtHead(wish: WorkspaceWish, repository: string, head: string, folder: string): Promise<Failure | null> {
  const isRef = head.startsWith("refs/") && (await git(wish, ["check-ref-format", head], folder)).ok;
  const fetched = isRef
    ? await git(wish, ["fetch", "-q", "--no-tags", "--", repository, `+${head}:${HEAD_REF}`], folder, { timeout: CLONE_MS })
    : null;
  if (fetched?.ok) return failed(await git(wish, ["checkout", "-q", "--no-track", "-B", wish.branch, HEAD_REF], folder));
  if (fetched !== null && isPassing(fetched.text)) return cloneFailure(fetched.text, repository);
  return {
    code: "head_not_found",
    message: `The repository has no ${head.slice(0, 200)} to start from.`,
    action: "Check that the pull request is still there, then send the request again.",
  };
}

/** The commit of a revision; null where there is none. */
async function at(wish: WorkspaceWish, folder: string, revision: string): Promise<string | null> {
  return said(await git(wish, ["rev-parse", "-q", "--verify", `${revision}^{commit}`], folder));
}

function failed(ran: Ran): Failure | null {
  return ran.ok ? null : broken(ran.text);
}

/** The revision to start from: the remote branch, tag or commit called `base`, or the default branch. Empty when there is none. */
async function startOf(wish: WorkspaceWish, folder: string): Promise<string> {
  const candidates =
    wish.base === null ? ["refs/remotes/origin/HEAD", "HEAD"] : [`refs/remotes/origin/${wish.base}`, `refs/tags/${wish.base}`, wish.base];
  for (const candidate of candidates) {
    if (candidate.startsWith("-")) continue;
    if ((await git(wish, ["rev-parse", "-q", "--verify", `${candidate}^{commit}`], folder)).ok) return candidate;
  }
  return "";
}

async function defaultBranch(wish: WorkspaceWish): Promise<string> {
  const head = await git(wish, ["symbolic-ref", "--short", "-q", "refs/remotes/origin/HEAD"], wish.workspace);
  return head.ok ? head.out.trim().replace(/^origin\//, "") : "";
}

/** Moves everything, `.git` last: only then the workspace counts as cloned. */
async function moveContent(from: string, to: string): Promise<void> {
  const names = (await readdir(from)).filter((name) => name !== ".git");
  for (const name of [...names, ".git"]) {
    const target = join(to, name);
    await rm(target, { recursive: true, force: true });
    await rename(join(from, name), target).catch(async () => {
      // Another file system. The copy of `.git` gets its name when it is whole.
      await cp(join(from, name), `${target}.moving`, { recursive: true, verbatimSymlinks: true });
      await rename(`${target}.moving`, target);
    });
  }
}
