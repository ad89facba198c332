/** Where a session stands at a moment, for somebody who asks: texts without any markup, as in words.ts. Pure. */
import { queuedTurns, runningTurn, type TurnView, type View } from "../protocol/view.ts";
import { closedWords, modelTrouble, stepOf, titleOf } from "./words.ts";

/** Waiting requests that are named; the others are counted. */
const MOST_WAITING = 5;

export type Overview = {
  /** What runs and for how long, or that nothing does and what was last. */
  head: string;
  /** The turn that `head` tells of; null where there was none. */
  turn: TurnView | null;
  /** What it is at, and what keeps it: a line each. */
  details: string[];
  /** The requests that wait for it, in their order, and how many more there are. */
  waiting: TurnView[];
  more: number;
};

/** Where a session stands. `now` in ms since 1970. */
export function overviewOf(view: View, now: number): Overview {
  const queued = queuedTurns(view);
  const current = runningTurn(view) ?? queued[0];
  const waiting = queued.filter((turn) => turn !== current);
  const turn = current ?? view.turns.findLast((one) => one.state !== "withdrawn") ?? null;
  const details = current ? [stepOf(current), modelTrouble(current, now) ?? ""].filter((text) => text !== "") : [];
  return {
    head: current ? headOf(view, current, now) : idle(view, turn, now),
    turn,
    details,
    waiting: waiting.slice(0, MOST_WAITING),
    more: Math.max(0, waiting.length - MOST_WAITING),
  };
}

/** Who asks need not be who is waited for. */
const headOf = (view: View, turn: TurnView, now: number): string =>
  turn.state === "waiting" ? `Waiting for an answer of ${turn.who.name ?? turn.who.id}` : titleOf(view, turn, now);

function idle(view: View, last: TurnView | null, now: number): string {
  const closed = closedWords(view);
  const before = last === null ? "" : ` Last: ${titleOf(view, last, now)}`;
  return `${closed ?? "Nothing runs."}${before}`;
}
