/**
 * What errand's messages say, the same on every surface: texts without any markup, with what people and models wrote in them as it is.
 * Whoever shows them escapes them. Pure.
 */
import type { FileChange, Pull, ServiceName } from "../protocol/events.ts";
import { type AskView, isOver, type OfferView, queuedTurns, runningTurn, type TurnView, type View, wasRefused } from "../protocol/view.ts";
import { cost, count, duration, elapsed, ordinal, tokens } from "./format.ts";

/** A working agent without a tool, thoughts or words is said to be silent after this, in ms. */
const SILENT_MS = 30_000;
/** Characters of a failure that stand within a longer sentence. */
const FAILURE = 900;

/** The services of a sandbox that messages link to. */
export const SERVICES = [
  { service: "vscode", label: "VS Code" },
  { service: "desktop", label: "Desktop" },
  { service: "terminal", label: "Terminal" },
] as const satisfies { service: ServiceName; label: string }[];

/** A repository as people call it: the last two parts of its address. */
export function repositoryName(repository: string): string {
  const parts = repository
    .replace(/\.git$/, "")
    .replace(/\/+$/, "")
    .split(/[/:]/)
    .filter(Boolean);
  return parts.slice(-2).join("/") || repository;
}

/** Services that are known not to be there, with the reason. A sandbox that sleeps or was lost wakes at a click, so nothing is missing then. */
export function missingServices(view: View): { labels: string[]; reason: string }[] {
  if (view.sandbox.state === "none" || view.sandbox.state === "lost") return [];
  const byReason = new Map<string, string[]>();
  for (const { service, label } of SERVICES) {
    const state = view.sandbox.services[service];
    if (state?.state !== "unavailable") continue;
    const reason = state.reason ?? "no reason given";
    byReason.set(reason, [...(byReason.get(reason) ?? []), label]);
  }
  return [...byReason].map(([reason, labels]) => ({ labels, reason }));
}

/** What a turn is at, in one line. */
export function titleOf(view: View, turn: TurnView, now: number): string {
  const since = turn.startedAt ?? turn.queuedAt;
  const on = view.repository ? ` on ${repositoryName(view.repository)}` : "";
  const took = duration((turn.endedAt ?? now) - since);
  const steps = turn.steps > 0 ? ` · ${count(turn.steps, "step")}` : "";
  switch (turn.state) {
    case "queued": {
      if (turn.held !== null) return "Waiting for an account to be linked";
      // What is held is overtaken.
      const place =
        queuedTurns(view)
          .filter((queued) => queued.held === null)
          .findIndex((queued) => queued.id === turn.id) + 1;
      if (place > 1) return `Queued, ${ordinal(place)} in line`;
      return runningTurn(view) ? "Queued, next in line" : `Starting${on}`;
    }
    case "starting":
      return `Starting${on} · ${elapsed(now - since)}`;
    case "working":
      return `Working${on} · ${elapsed(now - since)}`;
    case "waiting":
      return "Waiting for your answer";
    case "stopping":
      return "Stopping…";
    case "done":
      return `Worked for ${took}${steps}`;
    case "failed":
      return wasRefused(turn) ? "Not begun" : `Failed after ${took}${steps}`;
    case "stopped":
      return turn.startedAt === null ? "Stopped before it began" : `Stopped after ${took}${steps}`;
    case "withdrawn":
      return "Withdrawn before work began";
  }
}

/** For how long the agent has given no sign, where nothing it does explains that; null while that is short. */
function silence(turn: TurnView, now: number): number | null {
  if (turn.state !== "working" || turn.thinking || turn.tools.length > 0 || !turn.activeAt) return null;
  const silent = now - turn.activeAt;
  return silent >= SILENT_MS ? silent : null;
}

/** What keeps the model from answering, if anything does. */
export function modelTrouble(turn: TurnView, now: number): string | null {
  if (turn.retry && !isOver(turn.state)) {
    const wait = turn.retry.nextAt - now;
    const when = wait > 1_000 ? `next try in ${elapsed(wait)}` : "trying again";
    return `The model failed: ${turn.retry.message.slice(0, FAILURE)} · ${when}`;
  }
  const silent = silence(turn, now);
  return silent === null ? null : `Waiting for the model, nothing new for ${elapsed(silent)}`;
}

/** What runs now, or what ran last, where the tasks do not say it. Steps are counted as in the title of a turn that is over. */
export function stepOf(turn: TurnView): string {
  if (isOver(turn.state) || turn.state === "queued") return "";
  const tool = turn.tools[0];
  const planned = turn.plan.length > 0;
  if (tool) return [turn.steps > 0 ? `step ${turn.steps + 1}` : "", planned ? tool.title : ""].filter((part) => part !== "").join(": ");
  if (!planned) return "";
  if (turn.thinking) return "thinking";
  return turn.lastStep ? `${count(turn.steps, "step")} done, last: ${turn.lastStep}` : "";
}

/** Whether a turn waits for the work before it. */
export const waits = (view: View, turn: TurnView): boolean =>
  turn.state === "queued" && turn.held === null && runningTurn(view) !== undefined;

/** How a turn ended, in one line, and what a person can do then. `again`: how somebody goes on with this session where they read it. */
export function outcomeOf(turn: TurnView, again: (what: string) => string): { head: string; action: string | null } {
  switch (turn.state) {
    case "done":
      return { head: "Done.", action: null };
    case "stopped":
      return { head: `Stopped. ${again("continue")}`, action: null };
    case "withdrawn":
      return { head: "Withdrawn before work began.", action: null };
    case "failed":
      return {
        head: `${wasRefused(turn) ? "Not begun" : "Failed"}: ${turn.failure?.message ?? "The work ended without saying why."}`,
        action: turn.failure?.action ?? again("try again"),
      };
    default:
      return { head: "Still at work.", action: null };
  }
}

/** Whether other requests came while this one was under way: they stand between it and its reply, which then says what it is to. */
export const overtaken = (view: View, turn: TurnView): boolean =>
  view.turns.some((other) => other.id > turn.id && turn.endedAt !== null && other.queuedAt <= turn.endedAt && other.thread === turn.thread);

/** What a turn took: time, steps, tokens, money. */
export function figuresOf(turn: TurnView): string[] {
  const took = turn.startedAt !== null && turn.endedAt !== null ? duration(turn.endedAt - turn.startedAt) : "";
  // A turn that never reached the agent used nothing; saying "unknown" would be wrong.
  const used = turn.acceptedAt === null && turn.tokens === null ? [] : [tokens(turn.tokens), cost(turn.cost)];
  return [took, turn.steps > 0 ? count(turn.steps, "step") : "", ...used].filter((part) => part !== "");
}

const SIGN: Record<FileChange["status"], string> = { added: "new", deleted: "deleted", renamed: "renamed", modified: "" };

/** The files a turn changed, the first `most` of them: each path, what was done to it, and how many are left out. */
export function filesOf(turn: TurnView, most: number): { total: number; rows: { path: string; change: string }[]; more: number } {
  const total = Math.max(turn.filesTotal, turn.files.length);
  const rows = turn.files.slice(0, most).map((file) => {
    const sign = SIGN[file.status];
    return { path: file.path, change: `+${file.additions} −${file.deletions}${sign ? ` (${sign})` : ""}` };
  });
  return { total, rows, more: total - rows.length };
}

/** Who asks for what. */
export const ASKS = { question: "asks", permission: "asks for permission" } as const;

/** How an ask was settled. `answered`: a person did, with those words. */
export function settlementOf(ask: AskView): { text: string; answered: boolean } {
  const answer = (ask.answer ?? "").trim();
  if (ask.state === "closed") return { text: `No longer needed: ${answer || "the agent went on"}`, answered: false };
  if (ask.expired) return { text: `Nobody answered in time: ${answer || "the agent was told so"}`, answered: false };
  return { text: answer || "Answered", answered: true };
}

/** What the button or box of an offer says. */
const TAKE = "Fix it";

/** What taking an offer is called, on its box or button. */
export const takeWords = (offer: OfferView): string => offer.label ?? TAKE;

/** What became of an offer, without who took it. */
export const offerWords = (offer: OfferView): string =>
  offer.state === "open" ? (offer.auto ? "Being done" : "Open") : offer.state === "taken" ? "Taken" : "No longer needed";

const PULL_STATE: Record<Pull["state"], string> = { open: "open", draft: "draft", merged: "merged", closed: "closed" };

/** A pull request that a message tells of. `current`: the message is kept up to date, so that it can say how the pull request stands. */
export type ToldPull = { pull: Pull; current: boolean };

/** A pull request in words: its name and, as long as that is kept current, its state and size and what its checks say; `failing` names those that fail. */
export function pullWords({ pull, current }: ToldPull): {
  name: string;
  facts: string[];
  checks: string;
  failing: { name: string; url: string | null }[];
} {
  const name = `#${pull.number} ${pull.title}`.trim();
  if (!current) return { name, facts: [], checks: "", failing: [] };
  const size = pull.files > 0 || pull.additions > 0 || pull.deletions > 0;
  const facts = [PULL_STATE[pull.state], size ? `+${pull.additions} −${pull.deletions} in ${count(pull.files, "file")}` : ""];
  const over = pull.state === "merged" || pull.state === "closed";
  const CHECKS = { none: "", pending: "checks are running", passing: "checks pass", failing: "checks fail" } as const;
  const checks = over ? "" : CHECKS[pull.checks.state];
  return {
    name,
    facts: facts.filter((fact) => fact !== ""),
    checks,
    failing: over || pull.checks.state !== "failing" ? [] : pull.checks.failing,
  };
}

/** Whether no later turn has come to an end: the reply of this one tells how the conversation stands. One that was withdrawn or refused came to nothing. */
export const isLatest = (view: View, turn: TurnView): boolean =>
  !view.turns.some((other) => other.id > turn.id && isOver(other.state) && other.state !== "withdrawn" && !wasRefused(other));

/**
 * The pull request that a turn's messages tell of: not where its own conversation is, which shows it, and after the end only where
 * the turn has to do with it. After the end the living message changes no more, and neither does the reply when a later turn has one.
 */
export function pullFor(view: View, turn: TurnView, message: "progress" | "final"): ToldPull | null {
  if (view.pull === null || view.pull.thread === turn.thread) return null;
  const newest = view.turns.findLast((other) => other.state !== "withdrawn" && !wasRefused(other))?.id === turn.id;
  if (isOver(turn.state) && turn.pushed === null && !newest) return null;
  return { pull: view.pull, current: message === "final" ? isLatest(view, turn) : !isOver(turn.state) };
}

/** Ports named in one message; the others are counted. */
const MOST_PORTS = 5;

/**
 * What the agent serves, in words, for a message that is kept current: the living one until its turn ends, the reply after that, and, with null, an answer to
 * who asks. `more`: how many are left out.
 */
export function servedFor(
  view: View,
  told: { turn: TurnView; message: "progress" | "final" } | null,
): { rows: { port: number; label: string }[]; more: number } {
  const current = told === null || (told.message === "final" ? isLatest(view, told.turn) : !isOver(told.turn.state));
  const ports = current && view.closed === null && view.sandbox.state !== "lost" ? view.sandbox.ports : [];
  const rows = ports.slice(0, MOST_PORTS).map(({ port, title }) => ({ port, label: title ? `Port ${port}: ${title}` : `Port ${port}` }));
  return { rows, more: ports.length - rows.length };
}

/** How the conversation ended; null while it goes on. */
export function closedWords(view: View): string | null {
  switch (view.closed?.how) {
    case undefined:
      return null;
    case "merged":
      return "The pull request was merged, so this session has ended.";
    case "closed":
      return "The conversation was closed, so this session has ended.";
    case "gone":
      return "The conversation is gone, so this session has ended.";
  }
}
