/** The workspace: cloned once, on its branch, and what changed in it since its base. */
import { execFile } from "node:child_process";
import { cp, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Failure, FileChange } from "../protocol/events.ts";
import { compact, countLines, parseDiff } from "./changes.ts";
import { DISK_FULL, isDiskFull } from "./failures.ts";

const CLONE_MS = 600_000;
const COMMAND_MS = 60_000;
/** What changed is told after each turn; a huge tree must not hold the turn's end back for longer than this, in ms. */
const CHANGES_MS = 5_000;
const CLONE_TRIES = 3;
/** New files are counted up to this many, and up to this many bytes each. */
const COUNTED_FILES = 500;
const COUNTED_BYTES = 1_000_000;
/** Local configuration key that keeps the commit from which changes are counted, with the workspace. */
const BASE_KEY = "errand.base";

/** What is to be in the workspace. */
export type WorkspaceWish = {
  workspace: string;
  home: string;
  repository: string | null;
  base: string | null;
  branch: string;
  signal: AbortSignal;
};

/** A workspace that is ready. `base`: the name it started from; `commit`: what HEAD is now. */
export type WorkspaceState = { ok: true; cloned: boolean; branch: string; base: string; commit: string } | { ok: false; failure: Failure };

type Ran = { ok: true; out: string } | { ok: false; text: string };

/** Whether the workspace holds a checkout already. `.git` is put there last, so a start that was cut off does not count. */
export async function hasCheckout(workspace: string): Promise<boolean> {
  return (await stat(join(workspace, ".git")).catch(() => null)) !== null;
}

/**
 * Makes the workspace ready: clones the repository, or makes an empty one, and creates or switches to the branch. A
 * workspace that is there stays as it is, branch included: the agent may have changed it.
 */
export async function prepareWorkspace(wish: WorkspaceWish): Promise<WorkspaceState> {
  try {
    const cloned = !(await hasCheckout(wish.workspace));
    if (cloned) {
      const failure = await make(wish);
      if (failure !== null) return { ok: false, failure };
    }
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
  const at = { home: "", signal };
  const base = await git(at, ["config", "--local", "--get", BASE_KEY], workspace);
  const [diff, untracked] = await Promise.all([
    git(at, ["diff", "--no-ext-diff", "--no-textconv", "--raw", "--numstat", "-z", "-M", base.ok ? base.out.trim() : "HEAD"], workspace),
    git(at, ["ls-files", "--others", "--exclude-standard", "-z"], workspace),
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
  const identity = [
    ["user.name", "errand"],
    ["user.email", "errand[bot]@users.noreply.github.com"],
  ];
  for (const [key = "", value = ""] of identity) await git(wish, ["config", "--local", key, value], folder);
  const switched = await switchBranch(wish, folder);
  if (switched !== null) return switched;
  if (!(await git(wish, ["rev-parse", "-q", "--verify", "HEAD"], folder)).ok) {
    // Without any commit, OpenCode files the session under no project and loses it at the first commit.
    const committed = await git(wish, ["commit", "-q", "--allow-empty", "-m", "Start"], folder);
    if (!committed.ok) return broken(committed.text);
  }
  const base = await git(wish, ["merge-base", "HEAD", await startOf(wish, folder)], folder);
  const commit = base.ok ? base : await git(wish, ["rev-parse", "HEAD"], folder);
  if (commit.ok) await git(wish, ["config", "--local", BASE_KEY, commit.out.trim()], folder);
  return null;
}

async function clone(wish: WorkspaceWish, repository: string, folder: string): Promise<Ran> {
  for (let attempt = 1; ; attempt += 1) {
    const ran = await git(wish, ["clone", "-q", "--", repository, "."], folder, CLONE_MS);
    if (ran.ok || wish.signal.aborted || attempt === CLONE_TRIES || cloneFailure(ran.text, repository).code !== "repository_unreachable")
      return ran;
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await new Promise((done) => setTimeout(done, 500 * 2 ** attempt));
  }
}

/** The branch may be on the server already, from an earlier sandbox of the session: then work goes on there. */
async function switchBranch(wish: WorkspaceWish, folder: string): Promise<Failure | null> {
  if (wish.repository === null) return null;
  const remote = await git(wish, ["rev-parse", "-q", "--verify", `refs/remotes/origin/${wish.branch}^{commit}`], folder);
  if (remote.ok) return failed(await git(wish, ["checkout", "-q", "-B", wish.branch, `origin/${wish.branch}`], folder));
  const empty = !(await git(wish, ["rev-parse", "-q", "--verify", "HEAD"], folder)).ok;
  if (empty) return failed(await git(wish, ["symbolic-ref", "HEAD", `refs/heads/${wish.branch}`], folder));
  if (wish.base !== null && (await startOf(wish, folder)) === "") {
    return {
      code: "base_not_found",
      message: `The repository has no branch, tag or commit named ${wish.base.slice(0, 200)}.`,
      action: "Reply with `branch=` and one that exists, or in a new thread without it to start from the default branch.",
    };
  }
  return failed(await git(wish, ["checkout", "-q", "-B", wish.branch, await startOf(wish, folder)], folder));
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

function git(
  where: { home: string; signal: AbortSignal },
  args: readonly string[],
  cwd: string,
  timeout: number = COMMAND_MS,
): Promise<Ran> {
  const env = {
    ...process.env,
    ...(where.home === "" ? {} : { HOME: where.home }),
    LC_ALL: "C",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ASKPASS: "true",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_HTTP_LOW_SPEED_LIMIT: "1000",
    GIT_HTTP_LOW_SPEED_TIME: "60",
  };
  return new Promise((done) => {
    const options = { cwd, env, timeout, signal: where.signal, maxBuffer: 64_000_000 };
    execFile("git", ["-c", "core.quotePath=false", "-c", "core.fsmonitor=false", ...args], options, (error, out, err) => {
      if (error === null) return done({ ok: true, out });
      const text = `${err}`.trim();
      done({ ok: false, text: text === "" ? (error.killed === true ? "git took too long and was ended" : error.message) : text });
    });
  });
}

function failed(ran: Ran): Failure | null {
  return ran.ok ? null : broken(ran.text);
}

function broken(text: string): Failure {
  if (isDiskFull(text)) return DISK_FULL;
  return {
    code: "workspace_failed",
    message: cut(`The workspace could not be made ready: ${withoutCredentials(text)}`),
    action: "Send the request again; if it fails once more, start a new session.",
  };
}

/** What a failed clone means, from git's words (with LC_ALL=C). A private repository without a right looks like one that does not exist. */
export function cloneFailure(text: string, repository: string): Failure {
  const name = cut(withoutCredentials(repository), 200);
  if (isDiskFull(text)) return DISK_FULL;
  if (
    /repository .*not found|not found|does not exist|could not read Username|Authentication failed|returned error: (401|403|404)|not appear to be a git repository/i.test(
      text,
    )
  ) {
    return {
      code: "repository_not_found",
      message: `${cut(placeOf(repository), 200)} does not exist, or errand may not read it.`,
      action: "Check the name, and that errand was given access to it. Then reply, with `repo=owner/name` where another one is meant.",
    };
  }
  if (
    /could not resolve host|failed to connect|connection (refused|timed out|reset)|couldn't connect|took too long|returned error: 5\d\d|early EOF|operation too slow|unexpected disconnect|empty reply/i.test(
      text,
    )
  ) {
    return {
      code: "repository_unreachable",
      message: cut(`The git host of ${name} did not answer: ${lastLine(text)}`),
      action: "Send the request again in a few minutes.",
    };
  }
  return {
    code: "clone_failed",
    message: cut(`Cloning ${name} failed: ${lastLine(withoutCredentials(text))}`),
    action: "Check the repository, then send the request again.",
  };
}

/** A clone address in words: the repository, and where it should be. */
function placeOf(repository: string): string {
  const url = URL.parse(repository);
  const name = url?.pathname.replace(/^\/+/, "").replace(/\.git$/, "");
  return url?.host && name ? `The repository ${name} on ${url.host}` : `The repository ${withoutCredentials(repository)}`;
}

function withoutCredentials(text: string): string {
  return text.replace(/\/\/[^/@\s]*@/g, "//");
}

function lastLine(text: string): string {
  return withoutCredentials(text.split("\n").at(-1) ?? "");
}

function cut(text: string, limit = 500): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;
}
