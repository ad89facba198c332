/**
 * The session's sandbox: whether one is wanted, which generation it is, and what the backend and the runner last said.
 * `step` decides what to do next from that alone; the SessionAgent does it and tells the result.
 */

import type { SandboxView } from "../../protocol/backend.ts";
import type { Failure } from "../../protocol/events.ts";
import type { Sites } from "../../protocol/sites.ts";
import type { Tables } from "./schema.ts";

/** A start must lead to a connected runner within this time, in ms (measured: under 2 s locally; image pulls take longer). */
export const BOOT_LIMIT_MS = 120_000;
/** After losing the runner's connection, its own reconnects get this long before the backend is asked, in ms. */
export const RECONNECT_MS = 1_000;
/** A sandbox that runs but whose runner stays away for this long is replaced, in ms. */
export const AWAY_LIMIT_MS = 90_000;
/** No ping of the runner for this long while connected: its connection counts as lost, in ms (it pings every 10 s). */
export const SILENT_MS = 35_000;
/** How often a connected runner's pings are looked at while a turn runs, in ms. */
export const LOOK_EVERY_MS = 60_000;
/** Starts in a row that may fail before the running turn is told. */
export const MAX_FAILURES = 3;
/** A click on a link, and use of what it opened, keep the sandbox wanted for this long, in ms. */
export const USE_KEEPS_MS = 10 * 60_000;

export type SandboxState = {
  generation: number;
  /** `none`: nothing started or it ended. `starting`: the backend is asked to. `booting`: it has started, no runner yet. `away`: the runner was connected and is not now. */
  state: "none" | "starting" | "booting" | "connected" | "ready" | "away";
  /** Since when in this state, ms since 1970. */
  since: number;
  sandboxId: string | null;
  /** Where browsers reach its gateway, once known. */
  sites: Sites | null;
  /** Failed starts in a row. */
  failures: number;
  /** Not before this time is the backend asked again. */
  nextTry: number;
  /** A click, or use of what it opened, wants it awake until then. */
  wantedUntil: number;
};

export const sandboxTables: Tables = {
  part: "sandbox",
  steps: [
    "CREATE TABLE sandbox (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL)",
    // Of a sandbox that runs, one address was known. Where all of it is reached is asked of the backend when its runner comes back.
    "UPDATE sandbox SET state = json_remove(state, '$.gatewayOrigin')",
  ],
};

const NONE: SandboxState = {
  generation: 0,
  state: "none",
  since: 0,
  sandboxId: null,
  sites: null,
  failures: 0,
  nextTry: 0,
  wantedUntil: 0,
};

/** What is to be done about the sandbox now. `reserve`: begin the next generation. `check`: ask the backend what it knows. */
export type Step = "nothing" | "reserve" | "ensure" | "check" | "replace" | "look";

/** Decides; pure. `wanted`: a turn is open or a click asked. `lastPing`: of the connected runner, ms since 1970. */
export function step(sandbox: SandboxState, wanted: boolean, lastPing: number | undefined, now: number): Step {
  const waited = now - sandbox.since;
  switch (sandbox.state) {
    case "none":
      return wanted && now >= sandbox.nextTry ? "reserve" : "nothing";
    case "starting":
      return now >= sandbox.nextTry ? "ensure" : "nothing";
    case "booting":
      if (waited > BOOT_LIMIT_MS) return "replace";
      return now >= sandbox.nextTry ? "check" : "nothing";
    case "away":
      if (waited > AWAY_LIMIT_MS) return "replace";
      return waited >= RECONNECT_MS && now >= sandbox.nextTry ? "check" : "nothing";
    case "connected":
    case "ready":
      return lastPing !== undefined && now - Math.max(lastPing, sandbox.since) > SILENT_MS ? "look" : "nothing";
  }
}

/** When `step` may say something else, ms since 1970. */
export function nextStep(sandbox: SandboxState, wanted: boolean, now: number): number | undefined {
  switch (sandbox.state) {
    case "none":
      return wanted ? sandbox.nextTry : undefined;
    case "starting":
      return sandbox.nextTry;
    case "booting":
      return Math.min(sandbox.nextTry, sandbox.since + BOOT_LIMIT_MS + 1);
    case "away":
      return Math.min(Math.max(sandbox.nextTry, sandbox.since + RECONNECT_MS), sandbox.since + AWAY_LIMIT_MS + 1);
    default:
      return wanted ? now + LOOK_EVERY_MS : undefined;
  }
}

export class Sandbox {
  readonly #sql: SqlStorage;
  #state: SandboxState | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  get(): SandboxState {
    if (!this.#state) {
      const row = this.#sql.exec<{ state: string }>("SELECT state FROM sandbox").toArray()[0];
      this.#state = row ? { ...NONE, ...(JSON.parse(row.state) as SandboxState) } : NONE;
    }
    return this.#state;
  }

  set(change: Partial<SandboxState>): void {
    const before = this.get();
    const next = { ...before, ...change };
    const json = JSON.stringify(next);
    if (json === JSON.stringify(before)) return;
    this.#state = next;
    this.#sql.exec("INSERT INTO sandbox (id, state) VALUES (1, ?) ON CONFLICT DO UPDATE SET state = excluded.state", json);
  }

  /** Forgets what memory holds beyond storage, after a transaction was rolled back. */
  forget(): void {
    this.#state = undefined;
  }
}

/** Wait before the next start after so many failures, in ms: 1, 4, 16 … 60 s. */
export const retryAfterMs = (failures: number): number => Math.min(60_000, 1_000 * 4 ** Math.max(0, failures - 1));

/** What a person is told when a sandbox ended by itself. */
export function lossOf(view: Pick<SandboxView, "exitCode" | "reason"> | null): Failure {
  if (view?.reason) return { code: "sandbox_ended", message: `The sandbox ended: ${view.reason}` };
  if (view && view.exitCode !== null) return { code: "sandbox_ended", message: `The sandbox ended with exit code ${view.exitCode}.` };
  return { code: "sandbox_lost", message: "The sandbox is gone." };
}
