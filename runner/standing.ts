/** Where the work in the workspace stands: what of it belongs to the session's branch, and what does not. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { START_KEY } from "./git.ts";
import type { Git } from "./git-run.ts";
import { said } from "./git-run.ts";

/**
 * `branch`: on the session's branch. `beyond`: on a branch of the agent's own, or on none, that goes on from the session's
 * branch: its commits are the session's work. `elsewhere`: on something else. `unfinished`: in the middle of a merge, a
 * rebase or the like, which nobody else can end.
 */
export type Standing = {
  at: "branch" | "beyond" | "elsewhere" | "unfinished";
  /** What HEAD is called, for a person. */
  name: string;
  /** The commit that is to be on the server as the session's branch; null where there is none yet. */
  tip: string | null;
};

/** Files in `.git` that stand for something unfinished. */
const UNFINISHED = ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply"];

/** Looks where HEAD is. */
export async function standingOf(git: Git, workspace: string, branch: string): Promise<Standing> {
  const [on, head, local, ...states] = await Promise.all([
    git(["symbolic-ref", "-q", "HEAD"]).then(said),
    commitAt(git, "HEAD"),
    commitAt(git, `refs/heads/${branch}`),
    ...UNFINISHED.map((name) => stat(join(workspace, ".git", name)).catch(() => null)),
  ]);
  const name =
    on === null ? `a commit without a branch (${head?.slice(0, 7) ?? "none"})` : `the branch \`${on.replace(/^refs\/heads\//, "")}\``;
  if (states.some((state) => state !== null)) return { at: "unfinished", name, tip: local };
  if (on === `refs/heads/${branch}`) return { at: "branch", name, tip: head };
  const from = local ?? said(await git(["config", "--local", "--get", START_KEY]));
  if (head === null || from === null || !(await isAncestor(git, from, head))) return { at: "elsewhere", name, tip: local };
  // What the server has already is somebody's branch that was checked out, not work that was done here.
  const isNew = head === local || (await count(git, [head, "--not", "--remotes"])) > 0;
  return isNew ? { at: "beyond", name, tip: head } : { at: "elsewhere", name, tip: local };
}

/** Places whose commits are neither in `tip` nor on the server, as a person calls them, each with its commit. */
export async function strays(git: Git, tip: string | null): Promise<{ name: string; commit: string }[]> {
  const refs = await git(["for-each-ref", "--format=%(objectname) %(refname:short)", "refs/heads"]);
  const head = await commitAt(git, "HEAD");
  const detached = (await git(["symbolic-ref", "-q", "HEAD"])).ok || head === null ? [] : [`${head} `];
  const found: { name: string; commit: string }[] = [];
  for (const line of [...(refs.ok ? refs.out.split("\n") : []), ...detached]) {
    const [commit = "", name = ""] = line.split(" ");
    if (commit === "" || commit === tip || found.length >= 5) continue;
    const known = tip === null ? [] : [tip];
    if ((await count(git, [commit, "--not", "--remotes", ...known])) > 0) {
      found.push({
        name: name === "" ? `the commit ${commit.slice(0, 7)} without a branch` : `the branch \`${name.slice(0, 200)}\``,
        commit,
      });
    }
  }
  return found;
}

/** The commit of a revision; null where there is none. */
export async function commitAt(git: Git, revision: string): Promise<string | null> {
  return said(await git(["rev-parse", "-q", "--verify", `${revision}^{commit}`]));
}

/** Whether a commit is part of another's history, or the same. */
export async function isAncestor(git: Git, older: string, newer: string): Promise<boolean> {
  return (await git(["merge-base", "--is-ancestor", older, newer])).ok;
}

/** How many commits `git rev-list` finds; 0 where it fails. */
export async function count(git: Git, revisions: readonly string[]): Promise<number> {
  const ran = await git(["rev-list", "--count", ...revisions]);
  return ran.ok ? Number.parseInt(ran.out, 10) || 0 : 0;
}
