/** Commits what the agent left uncommitted, so that no work is lost with the workspace. */
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import type { Git } from "./git-run.ts";
import { parts } from "./git-run.ts";

/** Larger files are never committed by errand, in bytes: GitHub warns from 50 MiB on and refuses 100. */
export const LARGEST = 50 * 1024 * 1024;
/** New folders of these names are what tools install or cache, wherever nobody told git to ignore them. */
const INSTALLED = new Set(["node_modules", ".venv", "__pycache__", ".pytest_cache", ".mypy_cache"]);

/** What came of it. `large`: files left out for their size; `nested`: folders that are git repositories of their own. */
export type Committed = { committed: boolean; large: string[]; nested: string[]; failed: string | null };

/** Commits all changes, new files included that git does not ignore. The caller has made sure that it may. */
export async function commitLeftovers(git: Git, workspace: string, message: string): Promise<Committed> {
  const [changed, added] = await Promise.all([
    git(["diff", "--name-only", "--no-ext-diff", "--ignore-submodules=dirty", "-z"]),
    git(["ls-files", "--others", "--exclude-standard", "-z"]),
  ]);
  const nothing = { committed: false, large: [], nested: [], failed: null };
  if (!changed.ok || !added.ok) return { ...nothing, failed: changed.ok ? added.text : changed.text };
  const fresh = parts(added).filter((path) => !path.split("/").some((name) => INSTALLED.has(name)));
  const nested = fresh.filter((path) => path.endsWith("/"));
  const candidates = [...parts(changed), ...fresh.filter((path) => !path.endsWith("/"))];
  const large: string[] = [];
  for (const path of candidates) if ((await sizeOf(join(workspace, path))) > LARGEST) large.push(path);
  const wanted = candidates.filter((path) => !large.includes(path));
  if (wanted.length > 0) {
    const input = wanted.map((path) => `${path}\0`).join("");
    const add = await git(["--literal-pathspecs", "add", "-A", "--pathspec-from-file=-", "--pathspec-file-nul"], { input });
    if (!add.ok) return { ...nothing, large, nested, failed: add.text };
  }
  large.push(...(await unstageLarge(git, workspace)));
  const isSame = await git(["diff", "--cached", "--quiet"]);
  if (isSame.ok) return { ...nothing, large, nested };
  const made = await git(["commit", "-q", "--no-verify", "--cleanup=whitespace", "-F", "-"], { input: message });
  return { committed: made.ok, large, nested, failed: made.ok ? null : made.text };
}

/** Takes large files out of what the agent staged itself. */
async function unstageLarge(git: Git, workspace: string): Promise<string[]> {
  const staged = parts(await git(["diff", "--cached", "--name-only", "--diff-filter=d", "-z"]));
  const large: string[] = [];
  for (const path of staged) if ((await sizeOf(join(workspace, path))) > LARGEST) large.push(path);
  for (const path of large) await git(["--literal-pathspecs", "reset", "-q", "--", path]);
  return large;
}

async function sizeOf(path: string): Promise<number> {
  const info = await lstat(path).catch(() => null);
  return info?.isFile() ? info.size : 0;
}

/** What was left out, in one sentence for a person; null where nothing was. Pure. */
export function leftOut({ large, nested }: Pick<Committed, "large" | "nested">): string | null {
  const named = (paths: readonly string[]) =>
    `${paths
      .slice(0, 5)
      .map((path) => `\`${path.slice(0, 200)}\``)
      .join(", ")}${paths.length > 5 ? ` and ${paths.length - 5} more` : ""}`;
  const said = [
    ...(large.length > 0 ? [`${named(large)}, larger than ${LARGEST / 1024 / 1024} MB`] : []),
    ...(nested.length > 0 ? [`${named(nested)}, a git repository of its own`] : []),
  ];
  return said.length === 0 ? null : `Not committed: ${said.join("; ")}.`;
}
