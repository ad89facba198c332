/**
 * A checkout of what somebody wrote who is not trusted: files that tools carry out or obey as soon as they find them are
 * those of the base. The author's versions can be read under `.git/errand/theirs/`. git shows no change for them, and no
 * commit holds one.
 */
import { appendFile, lstat, mkdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Failure } from "../protocol/events.ts";
import { broken } from "./git-failures.ts";
import type { Git, Ran } from "./git-run.ts";
import { parts } from "./git-run.ts";

/** Names of files and folders, at any depth, that something carries out or obeys because they are there. */
const GUARDED = new Set([
  ...["opencode.json", "opencode.jsonc", ".opencode", "AGENTS.md", "CLAUDE.md", ".claude", ".mcp.json"],
  ...[".gitmodules", ".gitattributes", ".husky", ".vscode", ".devcontainer", ".devcontainer.json", ".envrc", ".npmrc", ".ripgreprc"],
]);
/** The author's versions, for reading: under names that nothing takes for the real ones. */
const THEIRS = join(".git", "errand", "theirs");
/** Longest of the author's files that is kept, in bytes. */
const KEPT_BYTES = 1_000_000;

/** Whether a path in the repository is, or lies in, something guarded. Pure. */
export function isGuarded(path: string): boolean {
  return path.split("/").some((name) => GUARDED.has(name));
}

/** The path up to its first guarded name. Pure. */
export function guardedRoot(path: string): string {
  const names = path.split("/");
  return names.slice(0, names.findIndex((name) => GUARDED.has(name)) + 1).join("/");
}

/** The name under which the author's version of a path is kept. Pure. */
export function theirName(path: string): string {
  return `${path.replaceAll("/", "~").slice(-200)}.txt`;
}

/** Entries of a tree or of the index, by path: what identifies the content. */
type Entries = Map<string, string>;

/** Takes the guarded files of the checkout in `folder` from the commit `base`. */
export async function distrust(git: Git, folder: string, base: string): Promise<Failure | null> {
  const [tree, index] = await Promise.all([git(["ls-tree", "-r", "-z", "--full-tree", base]), git(["ls-files", "-s", "-z"])]);
  if (!tree.ok || !index.ok) return broken(tree.ok ? index.text : tree.text);
  const [ours, theirs] = [entriesOf(tree), entriesOf(index)];
  const differing = [...theirs.keys()].filter((path) => isGuarded(path) && ours.get(path) !== theirs.get(path));
  const hidden = await git(["update-index", "-z", "--skip-worktree", "--stdin"], { input: differing.map((path) => `${path}\0`).join("") });
  if (!hidden.ok) return broken(hidden.text);
  await mkdir(join(folder, THEIRS), { recursive: true });
  for (const path of differing) await keepTheirs(folder, path);
  for (const path of new Set(differing.map(guardedRoot))) await rm(join(folder, path), { recursive: true, force: true });
  const wanted = [...ours.keys()].filter((path) => isGuarded(path) && canStand(path, theirs));
  const missing: string[] = [];
  for (const path of wanted) if ((await lstat(join(folder, path)).catch(() => null)) === null) missing.push(path);
  const failed = failureOf(await takeFrom(git, folder, base, missing));
  if (failed !== null) return failed;
  const untracked = missing.filter((path) => !theirs.has(path) && !path.includes("\n"));
  await mkdir(join(folder, ".git", "info"), { recursive: true });
  await appendFile(join(folder, ".git", "info", "exclude"), untracked.map((path) => `/${path.replace(/[\\*?[\] ]/g, "\\$&")}\n`).join(""));
  return null;
}

/** Writes files of a commit where nothing is, without git's own index knowing of it. */
async function takeFrom(git: Git, folder: string, commit: string, paths: readonly string[]): Promise<Ran> {
  const env = { GIT_INDEX_FILE: join(folder, ".git", "errand", "base-index") };
  const read = await git(["read-tree", commit], { env });
  // Without --force nothing is written through a symbolic link that the author put in the way of a folder.
  const input = paths.map((path) => `${path}\0`).join("");
  const written = read.ok ? await git(["checkout-index", "-q", "-z", "--stdin"], { env, input }) : read;
  await rm(env.GIT_INDEX_FILE, { force: true });
  return written;
}

/** Whether no file or link of the author stands where a folder of the path must be. */
function canStand(path: string, theirs: Entries): boolean {
  const names = path.split("/");
  return names.slice(1).every((_, index) => {
    const parent = names.slice(0, index + 1).join("/");
    return !theirs.has(parent) || isGuarded(parent);
  });
}

async function keepTheirs(folder: string, path: string): Promise<void> {
  const from = join(folder, path);
  const to = join(folder, THEIRS, theirName(path));
  const info = await lstat(from).catch(() => null);
  await mkdir(dirname(to), { recursive: true });
  if (info?.isSymbolicLink()) await writeFile(to, `(a link to ${await readlink(from)})\n`);
  else if (info?.isFile()) await writeFile(to, info.size > KEPT_BYTES ? `(a file of ${info.size} bytes)\n` : await readFile(from));
}

function entriesOf(ran: Ran): Entries {
  return new Map(
    parts(ran).map((entry) => {
      const tab = entry.indexOf("\t");
      const [mode = "", ...rest] = entry.slice(0, tab).split(" ");
      // `ls-tree` names the type, `ls-files -s` a stage; both name the object.
      return [entry.slice(tab + 1), `${mode} ${rest.find((word) => /^[0-9a-f]{40,64}$/.test(word)) ?? ""}`];
    }),
  );
}

function failureOf(ran: Ran): Failure | null {
  return ran.ok ? null : broken(ran.text);
}
