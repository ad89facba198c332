/** Tells the registry in D1 what a list of sessions shows. Best effort: the truth is here, and a later change tells it again. */
import { parseThreadKey } from "../../protocol/thread.ts";
import { runningTurn, type View } from "../../protocol/view.ts";
import { neighboursOf, registerSession } from "../db/registry.ts";

export type RegistryPorts = {
  report: (entry: Record<string, unknown>) => void;
  /** Other sessions work on the session's branch. Told again whenever the registry is. */
  neighbours: (ids: string[]) => void;
};

export class Registry {
  readonly #db: D1Database | undefined;
  readonly #ports: RegistryPorts;
  #told = "";

  constructor(db: D1Database | undefined, ports: RegistryPorts) {
    this.#db = db;
    this.#ports = ports;
  }

  /** The session changed, or who asked in it. Writes only when something that a list shows did. */
  touch(view: View, members: readonly string[], now: number): void {
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
      branch: view.base === null ? null : view.branch,
      title: first.prompt.slice(0, 200),
      createdAt: view.createdAt,
      updatedAt: now,
      state,
      closed: view.closed !== null,
    };
    const told = JSON.stringify([row.state, row.title, row.repository, row.branch, row.closed, members]);
    if (told === this.#told) return;
    this.#told = told;
    const db = this.#db;
    const tell = async () => {
      await registerSession(db, row, members);
      const others = await neighboursOf(db, row);
      if (others.length > 0) this.#ports.neighbours(others);
    };
    tell().catch((error: unknown) => {
      this.#told = "";
      // The message of a failed query repeats its parameters, the prompt among them.
      this.#ports.report({
        message: "registry not told",
        error: error instanceof Error && error.cause instanceof Error ? error.cause.message : "the query failed",
      });
    });
  }
}
