/** git in bare repositories: running it, and the questions and changes that a forge has for one. Commit ids are full. */
import { spawn } from "node:child_process";

/** git without the user's or the machine's configuration, so that it does the same everywhere. */
export const gitEnvironment = () => ({
  PATH: process.env.PATH ?? "",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  HOME: "/nonexistent",
});

/** How a run of git ended. `out` and `error` are what it printed. */
export interface Ran {
  code: number;
  out: string;
  error: string;
}

/** Runs git in a folder; `input` goes to its standard input, `env` is added to its environment. Throws only where git cannot be started. */
export function tryGit(folder: string, args: string[], input?: string | Buffer, env: Record<string, string> = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn("git", ["-C", folder, ...args], { env: { ...gitEnvironment(), ...env }, stdio: ["pipe", "pipe", "pipe"] });
    const out: Buffer[] = [];
    const error: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => error.push(chunk));
    child.stdin.on("error", () => undefined);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, out: Buffer.concat(out).toString(), error: Buffer.concat(error).toString() }));
    child.stdin.end(input);
  });
}

/** As `tryGit`, but gives what was printed and throws where git fails. */
export async function git(folder: string, args: string[], input?: string | Buffer, env: Record<string, string> = {}): Promise<string> {
  const ran = await tryGit(folder, args, input, env);
  if (ran.code !== 0) throw new Error(`git ${args.join(" ")} failed: ${ran.error}`);
  return ran.out;
}

/** A person, as commits name one. */
export interface Signature {
  name: string;
  email: string;
}

/** What a commit says. Times are ISO 8601. */
export interface CommitRow {
  sha: string;
  tree: string;
  parents: string[];
  author: Signature & { date: string };
  committer: Signature & { date: string };
  message: string;
}

const FORMAT = ["%H", "%T", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%B"].join("%x1f");

function commitsOf(text: string): CommitRow[] {
  return text
    .split("\x1e")
    .map((one) => one.replace(/^\n/, "").split("\x1f"))
    .filter((fields) => fields.length > 9)
    .map(([sha = "", tree = "", parents = "", an = "", ae = "", ad = "", cn = "", ce = "", cd = "", message = ""]) => ({
      sha,
      tree,
      parents: parents.split(" ").filter(Boolean),
      author: { name: an, email: ae, date: ad },
      committer: { name: cn, email: ce, date: cd },
      message: message.trimEnd(),
    }));
}

/** The commit that a branch, tag or commit id names; null where there is none. */
export async function resolve(folder: string, name: string): Promise<string | null> {
  if (name.startsWith("-")) return null;
  for (const ref of name.startsWith("refs/") ? [name] : [`refs/heads/${name}`, `refs/tags/${name}`, name]) {
    const ran = await tryGit(folder, ["rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`]);
    if (ran.code === 0) return ran.out.trim();
  }
  return null;
}

/** The commits of `range` (such as `base..head`), newest first, at most `max`. */
export async function log(folder: string, range: string, max = 250): Promise<CommitRow[]> {
  return commitsOf(await git(folder, ["log", `--format=${FORMAT}%x1e`, `--max-count=${max}`, "--end-of-options", range]));
}

/** The changes from the place where `head` left `base`, as a patch. Empty where the two have nothing in common. */
export async function patchBetween(folder: string, base: string, head: string): Promise<string> {
  const ran = await tryGit(folder, ["diff", "--no-color", "--no-ext-diff", "--find-renames", `${base}...${head}`]);
  return ran.code === 0 ? ran.out : "";
}

/** Where two commits left each other; null where they have nothing in common. */
export async function mergeBase(folder: string, one: string, other: string): Promise<string | null> {
  const ran = await tryGit(folder, ["merge-base", one, other]);
  return ran.code === 0 ? ran.out.trim() : null;
}

/** The tree that merging `head` into `base` gives; null where they conflict. */
export async function mergedTree(folder: string, base: string, head: string): Promise<string | null> {
  const ran = await tryGit(folder, ["merge-tree", "--write-tree", base, head]);
  return ran.code === 0 ? (ran.out.split("\n")[0] ?? null) : null;
}

/** Makes a commit of a tree, on no branch. `seconds` since 1970. */
export async function commitTree(
  folder: string,
  commit: { tree: string; parents: string[]; message: string; by: Signature; seconds: number },
): Promise<string> {
  const date = `${commit.seconds} +0000`;
  const env = {
    GIT_AUTHOR_NAME: commit.by.name,
    GIT_AUTHOR_EMAIL: commit.by.email,
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_NAME: commit.by.name,
    GIT_COMMITTER_EMAIL: commit.by.email,
    GIT_COMMITTER_DATE: date,
  };
  const parents = commit.parents.flatMap((parent) => ["-p", parent]);
  return (await git(folder, ["commit-tree", commit.tree, ...parents, "-F", "-"], commit.message, env)).trim();
}

/** An entry of a folder in a commit. `size` in bytes, for files. */
export interface Entry {
  mode: string;
  type: "blob" | "tree" | "commit";
  sha: string;
  size: number | null;
  path: string;
}

/** The entries of a folder in a commit; `recursive` for all below it. Paths are whole. Empty where there is no such folder. */
export async function entries(folder: string, commit: string, path: string, recursive = false): Promise<Entry[]> {
  const args = ["ls-tree", "-z", "--long", "--full-tree", ...(recursive ? ["-r"] : []), `${commit}:${path}`];
  const ran = await tryGit(folder, args);
  if (ran.code !== 0) return [];
  return ran.out
    .split("\0")
    .filter(Boolean)
    .map((line) => {
      const [head = "", name = ""] = line.split("\t");
      const [mode = "", type = "", sha = "", size = "-"] = head.split(/ +/);
      const kind = type === "tree" ? "tree" : type === "commit" ? "commit" : "blob";
      return { mode, type: kind, sha, size: size === "-" ? null : Number(size), path: path ? `${path}/${name}` : name };
    });
}

/** A file's bytes in a commit, in base64, and its id; null where there is no such file. */
export async function file(folder: string, commit: string, path: string): Promise<{ sha: string; base64: string; size: number } | null> {
  const found = await tryGit(folder, ["rev-parse", "--verify", "--quiet", "--end-of-options", `${commit}:${path}`]);
  const sha = found.out.trim();
  if (found.code !== 0 || (await git(folder, ["cat-file", "-t", sha])).trim() !== "blob") return null;
  const bytes = await bytesOf(folder, sha);
  return { sha, base64: bytes.toString("base64"), size: bytes.length };
}

function bytesOf(folder: string, sha: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn("git", ["-C", folder, "cat-file", "blob", sha], { env: gitEnvironment(), stdio: ["ignore", "pipe", "ignore"] });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(Buffer.concat(chunks)) : reject(new Error(`no blob ${sha} in ${folder}`))));
  });
}

/** Makes a commit on a branch: `files` by path, null for one that is removed. A branch that is not there begins at `from`. Gives the commit's id. */
export async function commitFiles(
  folder: string,
  commit: { branch: string; from: string; files: Record<string, string | null>; message: string; by: Signature; seconds: number },
): Promise<string> {
  const ref = `refs/heads/${commit.branch}`;
  const parent = (await resolve(folder, ref)) ?? commit.from;
  const data = (text: string) => `data ${Buffer.byteLength(text)}\n${text}\n`;
  const changes = Object.entries(commit.files).map(([path, text]) =>
    text === null ? `D ${JSON.stringify(path)}\n` : `M 100644 inline ${JSON.stringify(path)}\n${data(text)}`,
  );
  const who = `committer ${commit.by.name} <${commit.by.email}> ${commit.seconds} +0000`;
  const input = `commit ${ref}\n${who}\n${data(commit.message)}from ${parent}\n${changes.join("")}\ndone\n`;
  await git(folder, ["fast-import", "--quiet", "--done"], input);
  return git(folder, ["rev-parse", ref]).then((sha) => sha.trim());
}
