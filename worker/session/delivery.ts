/** When a message is sent, and what follows from how a write ended. Pure, so that the rules stand in tables of tests. */
import { type Found, type MessageKind, type Outcome, type Pace, PRIORITIES, type Priority } from "../../bots/surface.ts";
import { isOver, type TurnView, type View } from "../../protocol/view.ts";

/** One row of the outbox: a message errand keeps up to date, or has to post once. */
export type Row = {
  key: string;
  thread: string;
  /** Where in the thread, in the surface's own words. */
  place: string | null;
  kind: MessageKind;
  turn: number | null;
  /** The ask's or offer's id, the commit of a status, or the note's text and mention as JSON. */
  ref: string;
  /** Order of creation: what comes first in the thread. */
  seq: number;
  /** Its last content, once nothing will change any more; null while it follows the view. */
  frozen: string | null;
  /** The content that the surface has, or null. */
  sent: string | null;
  nativeId: string | null;
  /** A post was begun at this time and its outcome is not known, ms since 1970. */
  postingSince: number | null;
  attempts: number;
  /** Not before this time, ms since 1970. */
  due: number;
  sentAt: number;
  /** When it was first wanted, ms since 1970. */
  wantedAt: number;
  /** Why it was given up, or null. */
  dead: string | null;
};

/** Kinds of messages that follow the view until they are frozen; the others change once, when they are. */
const LIVING: readonly MessageKind[] = ["progress", "status", "final"];
export const isLiving = (row: Row): boolean => LIVING.includes(row.kind);

/** Smallest time between two edits of one message before its last one, in ms. */
export const LAST_EDIT_GAP_MS = 1_000;
/** A running turn's message is looked at again after this time even without an event, for its clock. */
export const HEARTBEAT_MS = 60_000;
/** Longest wait between two tries, in ms. */
export const BACKOFF_MAX_MS = 60_000;
/** After an unknown outcome, wait this long before looking: the write may still be on its way. */
export const SETTLE_MS = 1_500;
/** A message that could not be delivered for this long is given up and listed, in ms. */
export const GIVE_UP_AFTER_MS = 24 * 3600_000;

/** What of a turn is worth an edit at once: states, not text. */
export function urgency(view: View, turn: TurnView): string {
  const plan = turn.plan.map((item) => item.status[0]).join("");
  const asks = turn.asks.map((ask) => ask.state[0]).join("");
  const pull = view.pull && `${view.pull.number}${view.pull.state}${view.pull.checks.state}`;
  return `${pull}|${turn.state}|${view.sandbox.state}|${view.sandbox.phases.filter((phase) => phase.ms !== null).length > 0}|${plan}|${asks}|${turn.retry !== null}`;
}

/** For how long a turn has run at that time, in ms. */
const elapsedAt = (turn: TurnView, at: number): number => Math.max(0, at - (turn.startedAt ?? turn.queuedAt));

/**
 * When a message that follows the view should next be edited, given that something changed at `changedAt` (undefined: nothing did).
 * `urgent`: a state changed, so only the smallest gap is kept. `pace`: the surface's, by how long the turn has run.
 */
export function editDue(
  row: Row,
  turn: TurnView,
  changedAt: number | undefined,
  urgent: boolean,
  pace: (elapsed: number) => Pace,
): number | undefined {
  if (row.sent === null) return row.due;
  // Beside an outcome that stands in the thread already, a message that still works is wrong: the last edit waits less.
  // An outcome changes seldom, and then it tells something new.
  const soon = row.frozen !== null || row.kind === "final";
  const gap = Math.max(row.due, row.sentAt + (soon ? LAST_EDIT_GAP_MS : pace(elapsedAt(turn, row.sentAt)).gap));
  if (urgent || row.frozen !== null) return gap;
  if (changedAt !== undefined) return Math.max(gap, changedAt + pace(elapsedAt(turn, changedAt)).trailing);
  if (row.kind !== "progress") return undefined;
  return isOver(turn.state) || turn.state === "queued" ? undefined : Math.max(gap, row.sentAt + HEARTBEAT_MS);
}

/** The priority with which a permit is asked for. */
export function priorityOf(row: Row, urgent: boolean): Priority {
  if (row.kind === "offer") return "ask";
  if (row.kind === "ask" || row.kind === "note") return row.kind;
  if (row.kind === "overview") return "note";
  if (row.nativeId === null) return row.kind === "final" ? "final" : "receipt";
  return urgent || row.frozen !== null ? "state" : "heartbeat";
}

/** Which row goes first: posts in the order of the thread, then edits by priority. */
export function compareRows(a: Row, b: Row): number {
  const posts = Number(a.nativeId !== null) - Number(b.nativeId !== null);
  if (posts !== 0) return posts;
  if (a.nativeId === null) return a.seq - b.seq;
  return PRIORITIES.indexOf(priorityOf(a, false)) - PRIORITIES.indexOf(priorityOf(b, false)) || a.seq - b.seq;
}

/** Full-jitter backoff: 1, 2, 4 … 60 s at most, in ms. `random` is in [0, 1). */
export function backoffMs(attempts: number, random: number): number {
  const ceiling = Math.min(BACKOFF_MAX_MS, 1_000 * 2 ** Math.min(attempts, 10));
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}

/** What was tried, with which content. A look for a message that was posted already is a `find`. */
export type Tried = { write: "find" | "post" | "edit"; content: string };

/** What to store after one attempt. A newer content than the one that was sent stays to be sent. */
export function afterAttempt(
  row: Row,
  { write, content }: Tried,
  outcome: Outcome | Extract<Found, { kind: "found" }>,
  now: number,
  random: number,
): Partial<Row> {
  if ((outcome.kind === "wait" || outcome.kind === "unknown") && now - row.wantedAt > GIVE_UP_AFTER_MS && row.attempts > 5) {
    return { dead: outcome.why, postingSince: null };
  }
  switch (outcome.kind) {
    case "sent":
      return { sent: content, nativeId: outcome.id, postingSince: null, attempts: 0, due: now, sentAt: now };
    case "found":
      // What was posted then may be older than what is wanted now: an edit brings it up to date.
      return { nativeId: outcome.id, postingSince: null, attempts: 0, due: now };
    case "wait":
      return {
        // A look that has to wait has found out nothing: the post that it looks for may be there.
        ...(write === "find" ? {} : { postingSince: null }),
        attempts: row.attempts + 1,
        due: now + Math.max(outcome.ms, row.attempts > 2 ? backoffMs(row.attempts, random) : 0),
      };
    case "unknown":
      return { attempts: row.attempts + 1, due: now + Math.max(SETTLE_MS, backoffMs(row.attempts, random)) };
    case "refused":
      return { dead: outcome.why, postingSince: null };
    case "gone":
      // Somebody deleted it: a message that was seen is not forced back into the thread, an outcome or an ask that was not is.
      return row.kind === "progress" || (isLiving(row) && row.sent !== null)
        ? { dead: outcome.why, postingSince: null }
        : { nativeId: null, sent: null, postingSince: null, due: now };
  }
}
