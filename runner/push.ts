/** Brings the session's branch on the server to where the work stands, without losing what anybody else did there. */
import type { Failure } from "../protocol/events.ts";
import { BASE_KEY, isOwnBranch, START_KEY } from "./git.ts";
import { isBehind, isPassing, pushBehind, pushConflict, pushFailure } from "./git-failures.ts";
import type { Git } from "./git-run.ts";
import { parts, said } from "./git-run.ts";
import { commitAt, count, isAncestor, type Standing } from "./standing.ts";

/** A push or fetch may take this long, ms; it goes on beside whatever does not wait for it. */
const TRANSFER_MS = 600_000;
/** How long the second try waits, ms: a host may not know a new credential at once. */
const AGAIN_MS = 1_500;
/** What git itself writes into the log of a ref when a push moved it, and what we write after ours. */
const BY_PUSH = "update by push";

/** Where to push, and how. `final`: at a turn's end. `atRest`: the agent does nothing, so the workspace may be brought together with the server. */
export type Push = {
  repository: string;
  branch: string;
  coauthor: string | null;
  final: boolean;
  atRest: () => boolean;
  wait: (ms: number) => Promise<unknown>;
};

/** `there`: the branch on the server stands at `commit`, brought there from here. `later`: not possible now, and nothing is lost. */
export type Pushed =
  | { kind: "nothing" }
  | { kind: "later" }
  | { kind: "there"; commit: string; commits: number }
  | { kind: "failed"; failure: Failure };

/** Pushes what is new on the session's branch. `standing`: where the work stands now. */
export async function pushBranch(git: Git, push: Push, standing: Standing): Promise<Pushed> {
  const { branch } = push;
  const { tip } = standing;
  const [remote, base, start] = await Promise.all([
    commitAt(git, tracking(branch)),
    git(["config", "--local", "--get", BASE_KEY]).then(said),
    git(["config", "--local", "--get", START_KEY]).then(said),
  ]);
  if (tip === null || (base !== null && (await count(git, [tip, "--not", base])) === 0)) return { kind: "nothing" };
  if (tip === remote) return (await isPushedHere(git, branch, tip)) ? await there(git, branch, tip) : { kind: "nothing" };
  if (start !== null && (await count(git, [tip, "--not", start])) === 0) return { kind: "nothing" };
  if (remote !== null && (await isAncestor(git, tip, remote))) return { kind: "nothing" };
  let sent = await send(git, push, tip, null);
  if (!sent.ok && !isBehind(sent.text) && push.final && isPassing(sent.text)) {
    await push.wait(AGAIN_MS);
    sent = await send(git, push, tip, null);
  }
  if (sent.ok) return await there(git, branch, tip);
  if (!isBehind(sent.text)) return { kind: "failed", failure: pushFailure(sent.text, branch) };
  return await afterRejection(git, push, standing.at, tip, remote);
}

/** The server has commits that are not here: either ours from before the agent rewrote them, or somebody else's. */
async function afterRejection(git: Git, push: Push, at: Standing["at"], tip: string, before: string | null): Promise<Pushed> {
  const { branch } = push;
  const spec = `+refs/heads/${branch}:${tracking(branch)}`;
  const fetched = await git(["fetch", "-q", "--no-tags", "--", push.repository, spec], { timeout: TRANSFER_MS });
  if (!fetched.ok) return { kind: "failed", failure: pushFailure(fetched.text, branch) };
  const remote = (await commitAt(git, tracking(branch))) ?? "";
  if (isOwnBranch(branch) && (await isPushedHere(git, branch, remote))) {
    const forced = await send(git, push, tip, remote);
    if (forced.ok) return await there(git, branch, tip);
    if (!isBehind(forced.text)) return { kind: "failed", failure: pushFailure(forced.text, branch) };
    return push.final ? { kind: "failed", failure: pushBehind(branch, "again while this was being pushed") } : { kind: "later" };
  }
  if (!push.atRest()) return { kind: "later" };
  if (at === "unfinished" || at === "elsewhere") {
    const why = at === "unfinished" ? "a merge or rebase in the workspace is not finished" : "the workspace is on another branch";
    return { kind: "failed", failure: pushBehind(branch, why) };
  }
  if (!(await git(["diff", "--quiet", "HEAD"])).ok)
    return { kind: "failed", failure: pushBehind(branch, "the workspace holds changes that are not committed") };
  const conflict = await bringTogether(git, push, tip, before, remote);
  if (conflict !== null) return { kind: "failed", failure: conflict };
  const joined = (await commitAt(git, "HEAD")) ?? tip;
  if (joined === remote) return { kind: "nothing" };
  const sent = await send(git, push, joined, null);
  if (sent.ok) return await there(git, branch, joined);
  return {
    kind: "failed",
    failure: isBehind(sent.text) ? pushBehind(branch, "once more while the two were brought together") : pushFailure(sent.text, branch),
  };
}

/** Puts our commits on top of the server's; where that does not go, merges. What conflicts either way leaves all as it was. */
async function bringTogether(git: Git, push: Push, tip: string, before: string | null, remote: string): Promise<Failure | null> {
  const upstream = before !== null && (await isAncestor(git, before, tip)) ? before : said(await git(["merge-base", remote, tip]));
  const merges = upstream === null ? 1 : await count(git, ["--merges", tip, "--not", upstream]);
  if (upstream !== null && merges === 0) {
    const plain = ["-c", "rebase.autoSquash=false", "-c", "rebase.updateRefs=false", "-c", "rebase.autoStash=false"];
    if ((await git([...plain, "rebase", "-q", "--no-verify", "--onto", remote, upstream])).ok) return null;
    await git(["rebase", "--abort"]);
  }
  const trailer = push.coauthor === null ? "" : `\n\nCo-authored-by: ${push.coauthor}`;
  const message = `Merge what was pushed to ${push.branch} meanwhile${trailer}`;
  if ((await git(["merge", "-q", "--no-verify", "-m", message, remote])).ok) return null;
  const files = parts(await git(["diff", "--name-only", "--diff-filter=U", "-z"]));
  await git(["merge", "--abort"]);
  return pushConflict(push.branch, files);
}

/** One push. `lease`: the commit that it may replace there; null: none may be lost. */
async function send(git: Git, push: Push, commit: string, lease: string | null): Promise<{ ok: boolean; text: string }> {
  const to = `refs/heads/${push.branch}`;
  const force = lease === null ? [] : [`--force-with-lease=${to}:${lease}`];
  const args = ["push", "--porcelain", "--no-verify", "--recurse-submodules=no", ...force, "--", push.repository, `${commit}:${to}`];
  const ran = await git(args, { timeout: TRANSFER_MS });
  // Pushed to an address and not to `origin`, which the agent may have changed: then git does not note it by itself.
  if (ran.ok) await git(["update-ref", "--create-reflog", "-m", BY_PUSH, tracking(push.branch), commit]);
  return { ok: ran.ok, text: `${ran.text}\n${ran.out.replace(/^(To |Done).*$/gm, "").trim()}` };
}

async function there(git: Git, branch: string, commit: string): Promise<Pushed> {
  // On somebody's branch, what was there before is not this session's work.
  const base = said(await git(["config", "--local", "--get", isOwnBranch(branch) ? BASE_KEY : START_KEY]));
  return { kind: "there", commit, commits: await count(git, base === null ? [commit] : [commit, "--not", base]) };
}

/** Whether a commit came to the server by a push from this workspace, ours or the agent's. */
async function isPushedHere(git: Git, branch: string, commit: string): Promise<boolean> {
  const log = await git(["reflog", "show", "-n", "100", "--format=%H %gs", tracking(branch), "--"]);
  return log.ok && log.out.split("\n").includes(`${commit} ${BY_PUSH}`);
}

function tracking(branch: string): string {
  return `refs/remotes/origin/${branch}`;
}
