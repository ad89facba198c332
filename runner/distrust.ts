/**
 * A checkout of what somebody wrote who is not trusted: files that tools carry out or obey as soon as they find them are
 * those of the base. The author's versions can be read under `.git/errand/theirs/`. git shows no change for them, and no
 * commit holds one.
 */
import { appendFile, lstat, mkdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import type { Failure } from "../protocol/events.ts";
import { broken } from "./git-failures.ts";
import type { Git, Ran } from "./git-run.ts";
import { parts } from "./git-run.ts";

/**
 * Names of files and folders, at any depth, that something carries out or obeys because they are there, in small letters: not every disk tells
 * them from capitals. OpenCode 1.18 takes AGENTS.md, CLAUDE.md and CONTEXT.md beside what it reads for instructions, and what lies in .agents,
 * .claude and .opencode for skills, whatever is configured.
 */
const GUARDED = new Set([
  ...["opencode.json", "opencode.jsonc", ".opencode", "agents.md", "claude.md", "context.md", ".agents", ".claude", ".mcp.json"],
  ...[".gitmodules", ".gitattributes", ".lfsconfig", ".husky", ".vscode", ".devcontainer", ".devcontainer.json", ".envrc", ".ripgreprc"],
  // What package managers take code from as soon as they are called, whatever they are called for.
  ...[".npmrc", ".yarnrc", ".yarnrc.yml", ".yarn", ".pnpmfile.cjs", ".pnpmfile.mjs", "bunfig.toml", ".cargo", "mise.toml", ".mise.toml"],
]);
/** The author's versions, for reading: under names that nothing takes for the real ones. */
const THEIRS = join(".git", "errand", "theirs");
/** The mode of a symbolic link in a tree. */
const LINK = "120000";
/** Longest of the author's files that is kept, in bytes. */
const KEPT_BYTES = 1_000_000;

/** Whether a path in the repository is, or lies in, something guarded by its name. Pure. */
export function isGuarded(path: string): boolean {
  return path.split("/").some((name) => GUARDED.has(name.toLowerCase()));
}

/**
 * What is guarded of a path: the path up to its first guarded name, or up to one of `led`, where guarded links lead; the whole of a path that
 * stands in the way to one of those. Null where it is not guarded. Pure.
 */
export function guardedRoot(path: string, led: readonly string[] = []): string | null {
  const names = path.split("/");
  const at = names.findIndex((name) => GUARDED.has(name.toLowerCase()));
  const named = at < 0 ? null : names.slice(0, at + 1).join("/");
  const root = led.find((one) => path === one || path.startsWith(`${one}/`));
  if (root !== undefined && (named === null || root.length < named.length)) return root;
  return named ?? (led.some((one) => one.startsWith(`${path}/`)) ? path : null);
}

/** Where a link in the repository leads, as a path in it; null where it leads out of it. Pure. */
export function targetOf(path: string, link: string): string | null {
  const target = posix.normalize(posix.join(posix.dirname(path), link)).replace(/\/+$/, "");
  return link.startsWith("/") || target === "." || target === ".." || target.startsWith("../") ? null : target;
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
  const led = await ledTo(git, ours);
  const rootOf = (path: string) => guardedRoot(path, led);
  const differing = [...theirs.keys()].filter((path) => rootOf(path) !== null && ours.get(path) !== theirs.get(path));
  const hidden = await git(["update-index", "-z", "--skip-worktree", "--stdin"], { input: differing.map((path) => `${path}\0`).join("") });
  if (!hidden.ok) return broken(hidden.text);
  await mkdir(join(folder, THEIRS), { recursive: true });
  for (const path of differing) await keepTheirs(folder, path);
  for (const path of new Set(differing.map((one) => rootOf(one) ?? one))) await rm(join(folder, path), { recursive: true, force: true });
  const isOurs = (path: string) => rootOf(path) !== null;
  const wanted = [...ours.keys()].filter((path) => isOurs(path) && canStand(path, theirs, isOurs));
  const missing: string[] = [];
  for (const path of wanted) if ((await lstat(join(folder, path)).catch(() => null)) === null) missing.push(path);
  const failed = failureOf(await takeFrom(git, folder, base, missing));
  if (failed !== null) return failed;
  const untracked = missing.filter((path) => !theirs.has(path) && !path.includes("\n"));
  await mkdir(join(folder, ".git", "info"), { recursive: true });
  await appendFile(join(folder, ".git", "info", "exclude"), untracked.map((path) => `/${path.replace(/[\\*?[\] ]/g, "\\$&")}\n`).join(""));
  return null;
}

/** Where guarded links of the base lead within the repository, link by link: what stands there is obeyed by the link's name. */
async function ledTo(git: Git, ours: Entries): Promise<string[]> {
  const led: string[] = [];
  const links = [...ours].filter(([, entry]) => entry.startsWith(`${LINK} `));
  for (let found = true; found; ) {
    found = false;
    for (const [path, entry] of links) {
      if (guardedRoot(path, led) === null) continue;
      const content = await git(["cat-file", "blob", entry.slice(LINK.length + 1)]);
      const target = content.ok ? targetOf(path, content.out) : null;
      if (target === null || guardedRoot(target) !== null || led.includes(target)) continue;
      led.push(target);
      found = true;
    }
  }
  return led;
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
function canStand(path: string, theirs: Entries, isOurs: (path: string) => boolean): boolean {
  const names = path.split("/");
  return names.slice(1).every((_, index) => {
    const parent = names.slice(0, index + 1).join("/");
    return !theirs.has(parent) || isOurs(parent);
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
