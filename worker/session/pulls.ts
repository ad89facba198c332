/**
 * The session's pull request: what is wanted of it, and what is known beside the view. `nextWork` decides what to do next
 * from that alone; pull-care.ts does it with the forge and tells the result.
 */
import type { FailingCheck, Policy } from "../../bots/forge.ts";
import type { Pull } from "../../protocol/events.ts";
import type { Identity } from "../../protocol/runner.ts";
import type { View } from "../../protocol/view.ts";
import type { Tables } from "./schema.ts";

/** Automatic tries to mend failing checks of one pull request. */
export const MAX_AUTOMATIC = 2;
/** While checks are under way they are looked at this often, in ms, should no delivery tell of their end. */
export const LOOK_EVERY_MS = 2 * 60_000;
/** A work that failed this often in a row is given up until something new happens. */
export const MAX_FAILED = 8;

/** Where the workspace starts from when a pull request says so. */
export type Start = {
  head: string | null;
  base: string;
  distrusted: boolean;
  /** Nothing is pushed until somebody who may write agrees: what a stranger wrote would run with the repository's rights. */
  withheld: boolean;
};

/** What taking an offer begins. `agrees`: to taking it, what was withheld may be pushed. */
export type Offer = { id: string; text: string; context: string; agrees?: boolean };

export type PullState = {
  start: Start | null;
  /** A commit was pushed and no pull request of it is known: there is to be one. */
  open: boolean;
  /** It is to be looked at. */
  look: boolean;
  /** Its text is to be brought up to date. `ready`: the last turn ended well. */
  describe: { ready: boolean } | null;
  /** The commit whose failing checks are to be read. */
  read: string | null;
  /** The newest commit whose failing checks were handled. */
  handled: string | null;
  /** How often failing checks were mended without being asked for, and what was wrong last. */
  automatic: number;
  lastFailure: string | null;
  /** What taking the open offer begins. */
  offer: Offer | null;
  /** How many branches the session had before this one. */
  before: number;
  identity: Identity | null;
  /** What the repository's owners decided, read anew before it is acted on; and what of it could not be understood, once said. */
  policy: Policy | null;
  wrong: string | null;
  /** Not before this time is the forge asked again, ms since 1970, and how often in a row it failed. */
  nextTry: number;
  failed: number;
  /** When to look without being told, ms since 1970. */
  lookAt: number | null;
};

/** Nothing is wanted and nothing known. */
export const NONE: PullState = {
  start: null,
  open: false,
  look: false,
  describe: null,
  read: null,
  handled: null,
  automatic: 0,
  lastFailure: null,
  offer: null,
  before: 0,
  identity: null,
  policy: null,
  wrong: null,
  nextTry: 0,
  failed: 0,
  lookAt: null,
};

export const pullTables: Tables = {
  part: "pulls",
  steps: ["CREATE TABLE pulls (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL)"],
};

export class Pulls {
  readonly #sql: SqlStorage;
  #state: PullState | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  get(): PullState {
    if (!this.#state) {
      const row = this.#sql.exec<{ state: string }>("SELECT state FROM pulls").toArray()[0];
      this.#state = { ...NONE, ...(row ? (JSON.parse(row.state) as Partial<PullState>) : {}) };
    }
    return this.#state;
  }

  set(change: Partial<PullState>): void {
    const before = this.get();
    const after = { ...before, ...change };
    if (JSON.stringify(after) === JSON.stringify(before)) return;
    this.#state = after;
    this.#sql.exec(
      "INSERT INTO pulls (id, state) VALUES (1, ?) ON CONFLICT DO UPDATE SET state = excluded.state",
      JSON.stringify(this.#state),
    );
  }

  /** The pull request is over: what was wanted of it is not any more. `elsewhere`: the work goes on on another branch, which begins otherwise. */
  restart(elsewhere: boolean): void {
    const { before, identity, policy, start } = this.get();
    // Another sandbox on the same branch has to begin as carefully as the first.
    this.set({ ...NONE, before: before + 1, identity, policy, start: elsewhere ? null : start });
  }

  /** Forgets what memory holds beyond storage, after a transaction was rolled back. */
  forget(): void {
    this.#state = undefined;
  }
}

export type Work = "identity" | "policy" | "open" | "look" | "describe" | "read";

/** Whether work on it can go on. */
export const isOpen = (pull: Pull | null): pull is Pull & { state: "open" | "draft" } =>
  pull !== null && (pull.state === "open" || pull.state === "draft");

/** What is to be done next, without regard to time. Null: nothing. */
export function nextWork(state: PullState, view: View): Work | null {
  if (view.repository === null) return null;
  if (state.identity === null) return "identity";
  if (state.open) return "open";
  if (state.look && view.pull !== null) return "look";
  const handles = state.describe !== null || state.read !== null;
  if (handles && state.policy === null) return "policy";
  if (state.describe !== null) return "describe";
  return state.read === null ? null : "read";
}

/** The commit whose failing checks are to be read now, or null: only of an own pull request, only once, and only when nobody works on it. */
export function failingCommit(state: PullState, view: View): string | null {
  const { pull } = view;
  if (view.closed !== null || !isOpen(pull) || !pull.own || pull.checks.state !== "failing" || pull.commit === state.handled) return null;
  return view.turns.some((turn) => turn.endedAt === null && turn.held === null) ? null : pull.commit;
}

/** What fails, in one line that is the same when the same fails again: the checks' first complaints, without what numbers differ. Pure. */
export function signatureOf(failing: readonly FailingCheck[]): string {
  const complaints = (log: string) => log.split("\n").filter((line) => /error|fail|not ok|expected/i.test(line));
  return failing
    .map((check) => `${check.name}: ${complaints(check.log).slice(0, 5).join(" / ")}`)
    .join(" | ")
    .replace(/\d+/g, "0")
    .slice(0, 1_000);
}

/** Whether a failing check is mended without being asked for, or offered. `signature`: what was wrong, in one line. */
export function onFailure(state: PullState, policy: Policy, signature: string): "auto" | "offer" | "nothing" {
  if (policy.checks === "off") return "nothing";
  const again = state.lastFailure !== null && state.lastFailure === signature;
  return policy.checks === "auto" && state.automatic < MAX_AUTOMATIC && !again ? "auto" : "offer";
}
