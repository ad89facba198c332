/** Tells the registry in D1 what a list of sessions shows. Best effort: the truth is here, and a later change tells it again. */
import { parseThreadKey } from "../../protocol/thread.ts";
import { runningTurn, type View } from "../../protocol/view.ts";
import { registerSession } from "../db/registry.ts";

export class Registry {
  readonly #db: D1Database | undefined;
  readonly #report: (entry: Record<string, unknown>) => void;
  #told = "";

  constructor(db: D1Database | undefined, report: (entry: Record<string, unknown>) => void) {
    this.#db = db;
    this.#report = report;
  }

  /** The session changed. Writes only when something that a list shows did. */
  touch(view: View, now: number): void {
    if (!this.#db || view.id === "") return;
    // A mention that asked for nothing leaves a session without a turn: there is nothing to go back to yet.
    const first = view.turns[0];
    if (!first) return;
    const turn = runningTurn(view) ?? view.turns.findLast((one) => one.state !== "withdrawn") ?? first;
    const state = turn.state;
    const row = {
      id: view.id,
      thread: view.thread,
      surface: parseThreadKey(view.thread)?.surface ?? "page",
      repository: view.repository,
      title: first.prompt.slice(0, 200),
      createdAt: view.createdAt,
      updatedAt: now,
      state,
    };
    const told = JSON.stringify([row.state, row.title, row.repository]);
    if (told === this.#told) return;
    this.#told = told;
    registerSession(this.#db, row).catch((error: unknown) => {
      this.#told = "";
      // The message of a failed query repeats its parameters, the prompt among them.
      this.#report({
        message: "registry not told",
        error: error instanceof Error && error.cause instanceof Error ? error.cause.message : "the query failed",
      });
    });
  }
}
