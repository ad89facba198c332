/**
 * Sees to it that what was done in the workspace reaches the session's branch on the server: soon after the agent committed,
 * and at each turn's end. One piece of work at a time; what takes too long for a turn goes on beside the next.
 */
import type { RunnerEvent } from "../protocol/events.ts";
import { isOwnBranch } from "./git.ts";
import type { Git } from "./git-run.ts";
import type { Prompt } from "./journal.ts";
import { commitLeftovers, leftOut } from "./leftovers.ts";
import { pushBranch } from "./push.ts";
import { leftoverMessage, type Signatures, setSignatures, signaturesOf } from "./signatures.ts";
import { type Standing, standingOf, strays } from "./standing.ts";

/** After the agent ran a command, its commits are looked for when nothing more happened for this long, ms. */
const DEBOUNCE_MS = 2_000;
/** A turn's end waits for the push at most this long, ms; of a stopped turn, people were promised the end within seconds. */
const END_MS = 30_000;
const STOPPED_MS = 1_500;
/** A turn waits this long for what the one before left to do, ms. */
const REST_MS = 5_000;

/** What the publisher works on and whom it tells. */
export type PublisherOptions = {
  git: Git;
  workspace: string;
  repository: string | null;
  branch: string;
  /** Whether anything may be pushed. */
  publish: boolean;
  /** The last commit that the other side knows to be pushed. */
  told: string | null;
  emit: (event: RunnerEvent) => void;
  now: () => number;
  log: (message: string) => void;
  /** Resolves after that time, or when the sandbox ends. */
  wait: (ms: number) => Promise<unknown>;
  signal: AbortSignal;
};

export type Outcome = "done" | "failed" | "stopped";

/** The rim's handle on it. */
export type Publisher = {
  /** A turn begins: from now on commits are made in its names. */
  begin: (prompt: Prompt) => Promise<void>;
  /** The agent ran a command in this turn. */
  poke: (turn: number) => void;
  /**
   * A turn is at its end: commits what is left when it is done, and pushes. `committed` resolves when the workspace changes no
   * more by it, `pushed` when it was pushed or that takes too long for the turn's end.
   */
  end: (turn: number, outcome: Outcome, request: string | null) => { committed: Promise<void>; pushed: Promise<void> };
};

/** Makes the publisher of a workspace. */
export function openPublisher(options: PublisherOptions): Publisher {
  const { git, workspace, repository, branch, emit, now, log, signal } = options;
  let names: Signatures = signaturesOf({});
  let told = options.told;
  let queue: Promise<unknown> = Promise.resolve();
  let timer: NodeJS.Timeout | null = null;
  /** A push failed in this turn: its end says why, and until then it is not tried again. */
  let held = false;
  /** The agent does nothing, so the workspace may be changed. */
  let resting = true;
  const strayTold = new Set<string>();

  function inTurn(work: () => Promise<void>): Promise<void> {
    const next = queue.then(work).catch((error: unknown) => log(`git: ${error instanceof Error ? error.message : String(error)}`));
    queue = next;
    return next;
  }

  function notice(turn: number, code: string, message: string): void {
    emit({ type: "turn.notice", at: now(), turn, code, message: message.slice(0, 2_000) });
  }

  async function commit(turn: number, request: string): Promise<void> {
    const standing = await standingOf(git, workspace, branch);
    if (standing.at === "elsewhere" || standing.at === "unfinished") return await tellUncommitted(turn, standing);
    const committed = await commitLeftovers(git, workspace, leftoverMessage(request, names.coauthor));
    const left = leftOut(committed);
    if (left !== null) notice(turn, "not_committed", left);
    if (committed.failed !== null) notice(turn, "commit_failed", `What the agent left could not be committed: ${committed.failed}`);
  }

  async function tellUncommitted(turn: number, { at, name }: Standing): Promise<void> {
    const status = await git(["status", "--porcelain", "-z"]);
    if (!status.ok || status.out === "") return;
    const why =
      at === "unfinished" ? "a merge or rebase is not finished" : `the workspace is on ${name}, which does not go on from \`${branch}\``;
    notice(turn, "not_committed", `Changes in the workspace were not committed, since ${why}. They are kept there.`);
  }

  async function push(turn: number, to: string, final: boolean): Promise<void> {
    const standing = await standingOf(git, workspace, branch);
    // What the agent does on a branch of its own is its business until it is at rest.
    if (!final && standing.at !== "branch") return;
    const place = { repository: to, branch, coauthor: names.coauthor, final, atRest: () => final && resting, wait: options.wait };
    const pushed = await pushBranch(git, place, standing);
    if (signal.aborted) return;
    if (pushed.kind === "there" && pushed.commit !== told) {
      told = pushed.commit;
      emit({ type: "branch.pushed", at: now(), turn, branch, commit: pushed.commit, commits: pushed.commits });
      if (standing.at === "beyond") notice(turn, "pushed_from", `What was done on ${standing.name} was pushed to \`${branch}\`.`);
    }
    if (pushed.kind === "failed" && final) emit({ type: "push.failed", at: now(), turn, failure: pushed.failure });
    held = !final && pushed.kind === "failed";
    if (final) await tellStrays(turn, standing);
  }

  /** Commits that nobody would find are named, once. */
  async function tellStrays(turn: number, standing: Standing): Promise<void> {
    const found = (await strays(git, standing.tip)).filter((one) => !strayTold.has(one.commit));
    for (const { commit: at } of found) strayTold.add(at);
    if (found.length === 0) return;
    const where = found.map((one) => one.name).join(", ");
    notice(turn, "not_pushed", `Commits on ${where} are not part of \`${branch}\` and were not pushed. They are kept in the workspace.`);
  }

  return {
    begin: async (prompt) => {
      resting = false;
      held = false;
      names = signaturesOf(prompt);
      // What is left of the turn before may be a rebase, which takes no time; a long push is not waited for.
      await Promise.race([queue, options.wait(REST_MS)]);
      await setSignatures(git, workspace, names).catch((error: unknown) =>
        log(`git: the names for commits could not be set: ${error instanceof Error ? error.message : String(error)}`),
      );
    },
    poke: (turn) => {
      // On a branch that others work on, a commit that the agent still changes could not be taken back.
      if (!options.publish || repository === null || !isOwnBranch(branch)) return;
      if (timer !== null) clearTimeout(timer);
      timer = setTimeout(() => {
        timer = null;
        if (!held && !signal.aborted) void inTurn(() => push(turn, repository, false));
      }, DEBOUNCE_MS);
    },
    end: (turn, outcome, request) => {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      resting = true;
      if (!options.publish || repository === null) return { committed: Promise.resolve(), pushed: Promise.resolve() };
      const ms = outcome === "stopped" ? STOPPED_MS : END_MS;
      const late = options.wait(ms).then(() => undefined);
      const committed = outcome === "done" && request !== null ? inTurn(() => commit(turn, request)) : Promise.resolve();
      const pushed = inTurn(() => push(turn, repository, true));
      return { committed: Promise.race([committed, late]), pushed: Promise.race([pushed, late]) };
    },
  };
}
