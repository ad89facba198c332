/**
 * Admission: whether what somebody said in Slack may begin. A turn of somebody whose account is linked to nobody is held until it is, and goes on by itself
 * then. What is known of each waiting turn stands here; who is asked, and how, is handed in. The queue keeps its order but for what is held: who
 * need not wait for anybody goes first.
 */
import type { Failure } from "../../protocol/events.ts";
import type { Tables } from "./schema.ts";
import type { Turn } from "./turns.ts";

/** How long a turn is held for its author to link an account, in ms. */
export const HOLD_MS = 60 * 60_000;
/** A yes counts this long, in ms: what waits behind other work is asked about again before it begins. */
export const YES_HOLDS_MS = 60_000;
/** A turn that is only being asked about keeps its place in the queue this long, in ms. */
export const KEEPS_PLACE_MS = 5_000;
/** A held turn looks again after this time, in ms, should nobody tell it of a link. */
export const LOOK_EVERY_MS = 60_000;
/** After so many ms without an answer it is said, and after so many the turn ends. */
export const SAID_AFTER_MS = 15_000;
export const GIVE_UP_MS = 5 * 60_000;

/** What was found out about a person and the session. `unlinked`: the Slack account is no user's. `no-github`: the user has no account at GitHub. `unknown`: it was not said. */
export type Answer =
  | { kind: "allowed"; email: string | null }
  | { kind: "unlinked" | "no-github" | "unknown" }
  | { kind: "refused"; failure: Failure };

/** What is known of a turn that has to be admitted. Times in ms since 1970. */
export type Admission = {
  turn: number;
  person: string;
  state: "asking" | "allowed" | "held";
  /** Since when the question stands, or the answer. */
  since: number;
  /** Of one that is held: until when, and for want of which link. */
  until: number;
  lacks: "slack" | "github";
  /** When it is asked next, and how often in a row there was no answer. */
  nextTry: number;
  failed: number;
  /** That there is no answer was said. */
  said: boolean;
  /** The address for the person's commits, by the linked account. */
  email: string | null;
};

export const begun = (turn: number, person: string, now: number): Admission => ({
  ...{ turn, person, state: "asking", since: now, until: 0, lacks: "slack", nextTry: now, failed: 0, said: false, email: null },
});

/** What follows from an answer, or from time. `tell`: the person gets the way to link what is missing. */
export type Step =
  | { do: "keep"; admission: Admission; held?: true; released?: true; tell?: true; say?: string }
  | { do: "end"; failure: Failure };

const SILENT: Failure = {
  code: "not_known",
  message: "GitHub did not say whether you may work in this repository, so nothing was begun.",
  action: "Say it again in a few minutes.",
};
const TOO_LATE: Failure = {
  code: "link_late",
  message: `No account was linked within ${HOLD_MS / 60_000} minutes, so this was not begun.`,
  action: "Say it again to get a new link.",
};

/** What an answer makes of a turn that waits for it. `wait`: how long until it is asked again where there was none, in ms. Pure. */
export function answered(before: Admission, answer: Answer, now: number, wait: number): Step {
  const held = before.state === "held";
  switch (answer.kind) {
    case "allowed":
      return {
        do: "keep",
        admission: { ...before, state: "allowed", since: now, failed: 0, email: answer.email },
        ...(held ? { released: true } : {}),
      };
    case "refused":
      return { do: "end", failure: answer.failure };
    case "unknown": {
      const admission = { ...before, nextTry: now + wait, failed: before.failed + 1 };
      if (held || before.said || now - before.since < SAID_AFTER_MS) return { do: "keep", admission };
      return {
        do: "keep",
        admission: { ...admission, said: true },
        say: "GitHub does not say whether you may work in this repository. It is asked again.",
      };
    }
    default: {
      const lacks = answer.kind === "unlinked" ? "slack" : "github";
      const until = held ? before.until : now + HOLD_MS;
      return {
        do: "keep",
        admission: { ...before, state: "held", since: held ? before.since : now, until, lacks, nextTry: now + LOOK_EVERY_MS, failed: 0 },
        ...(held ? {} : { held: true }),
        ...(held && before.lacks === lacks ? {} : { tell: true }),
      };
    }
  }
}

/** What time makes of a waiting turn; null: nothing. `idle`: nothing runs, so that the next turn can begin. Pure. */
export function timed(before: Admission, now: number, idle: boolean): Step | null {
  if (before.state === "held") return now >= before.until ? { do: "end", failure: TOO_LATE } : null;
  if (before.state === "asking") return before.failed > 0 && now - before.since >= GIVE_UP_MS ? { do: "end", failure: SILENT } : null;
  if (!idle || now - before.since < YES_HOLDS_MS) return null;
  return { do: "keep", admission: { ...before, state: "asking", since: now, nextTry: now, failed: 0, said: false } };
}

/** The turn that may begin next. `concerns`: it has to be admitted. Pure. */
export function nextOf(
  queued: readonly Turn[],
  concerns: (turn: Turn) => boolean,
  of: (turn: number) => Admission | undefined,
  now: number,
): Turn | undefined {
  for (const turn of queued) {
    if (!concerns(turn)) return turn;
    const admission = of(turn.id);
    if (admission?.state === "allowed" && now - admission.since < YES_HOLDS_MS) return turn;
    if (!admission || (admission.state !== "held" && now - admission.since < KEEPS_PLACE_MS)) return undefined;
  }
  return undefined;
}

/** When time moves a waiting turn next, ms since 1970; undefined: it does not. */
export function dueOf(admission: Admission, now: number): number | undefined {
  if (admission.state === "allowed") return undefined;
  const place = admission.since + KEEPS_PLACE_MS;
  if (admission.state === "asking" && place > now) return Math.min(admission.nextTry, place);
  return admission.state === "held" ? Math.min(admission.nextTry, admission.until) : admission.nextTry;
}

export const admissionTables: Tables = {
  part: "admissions",
  steps: ["CREATE TABLE admissions (turn INTEGER PRIMARY KEY, body TEXT NOT NULL)"],
};

/** What is stored of the turns that have to be admitted. */
export class Admissions {
  readonly #sql: SqlStorage;
  #rows: Map<number, Admission> | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  all(): ReadonlyMap<number, Admission> {
    this.#rows ??= new Map(
      this.#sql
        .exec<{ body: string }>("SELECT body FROM admissions ORDER BY turn")
        .toArray()
        .map(({ body }) => JSON.parse(body) as Admission)
        .map((row) => [row.turn, row]),
    );
    return this.#rows;
  }

  set(admission: Admission): void {
    this.all();
    this.#rows?.set(admission.turn, admission);
    this.#sql.exec(
      "INSERT INTO admissions (turn, body) VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
      admission.turn,
      JSON.stringify(admission),
    );
  }

  drop(turn: number): void {
    if (!this.all().has(turn)) return;
    this.#rows?.delete(turn);
    this.#sql.exec("DELETE FROM admissions WHERE turn = ?", turn);
  }

  /** Forgets what memory holds beyond storage, after a transaction was rolled back. */
  forget(): void {
    this.#rows = undefined;
  }
}
