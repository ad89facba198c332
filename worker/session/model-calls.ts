/**
 * Calls of the model: which are allowed, which are under way, and what they used. Allowed are those of the newest sandbox, while a turn runs, up to the caps of the
 * installation. What was used is counted by turn, from what the Worker reads in the provider's answers, and stands in SQLite: a restart of this object forgets nothing.
 */
import type { CallUsage, ModelCall } from "./contract.ts";
import { type Caps, MAX_UNDER_WAY, type ModelUse, reachedCap, tokensOf } from "./model-caps.ts";
import type { ModelDay } from "./model-day.ts";
import type { Tables } from "./schema.ts";

/** The longest that one call may take, in ms. The Worker ends it then; a call that is older was lost with the Worker that carried it. */
export const CALL_LIMIT_MS = 30 * 60_000;
/** Turns whose use is told, the newest. */
const TURNS_TOLD = 50;

export const modelTables: Tables = {
  part: "model",
  steps: [
    `CREATE TABLE model_turns (turn INTEGER PRIMARY KEY, calls INTEGER NOT NULL, prompt INTEGER NOT NULL, cached INTEGER NOT NULL,
       completion INTEGER NOT NULL, estimated INTEGER NOT NULL);
     CREATE TABLE model_calls (id INTEGER PRIMARY KEY AUTOINCREMENT, turn INTEGER NOT NULL, generation INTEGER NOT NULL, at INTEGER NOT NULL)`,
  ],
};

/** What all turns of a session used, and each of the newest. */
export type SessionUse = { session: ModelUse; turns: ({ turn: number } & ModelUse)[] };

type Under = { id: number; turn: number; generation: number };

const SUM =
  "coalesce(sum(calls), 0) AS calls, coalesce(sum(prompt), 0) AS prompt, coalesce(sum(cached), 0) AS cached, coalesce(sum(completion), 0) AS completion, coalesce(sum(estimated), 0) AS estimated";

export class ModelCalls {
  readonly #sql: SqlStorage;
  readonly #day: ModelDay;
  readonly #ports: { caps: Caps; report: (entry: Record<string, unknown>) => void };
  /** Those who carry calls, waiting to hear that they are over. After a restart of this object they ask again. */
  readonly #carriers = new Map<number, { call: Under; over: (why: string) => void }>();

  constructor(sql: SqlStorage, day: ModelDay, ports: { caps: Caps; report: (entry: Record<string, unknown>) => void }) {
    this.#sql = sql;
    this.#day = day;
    this.#ports = ports;
  }

  /** Counts one call of a turn, or says why there can be none. Call inside a transaction. */
  begin(generation: number, turn: { id: number; stopAt: number | null } | undefined, now: number): ModelCall {
    if (turn === undefined)
      return { ok: false, status: 403, code: "no_turn", why: "No turn is running: what the model is to do is said in the thread." };
    if (turn.stopAt !== null) return { ok: false, status: 403, code: "turn_stopped", why: "This turn is being stopped." };
    const used = { turn: this.#used("WHERE turn = ?", turn.id), session: this.#used(""), today: this.#day.today() };
    const reached = reachedCap(this.#ports.caps, used);
    if (reached) {
      const { why, action, cap, limit } = reached;
      this.#ports.report({ message: "a cap on the model is reached", turn: turn.id, cap, limit, used: reached.used });
      return { ok: false, status: 402, code: "budget_reached", why, action, cap };
    }
    this.#sql.exec("DELETE FROM model_calls WHERE at < ?", now - CALL_LIMIT_MS);
    const { count } = this.#sql.exec<{ count: number }>("SELECT count(*) AS count FROM model_calls WHERE generation = ?", generation).one();
    if (count >= MAX_UNDER_WAY)
      return {
        ok: false,
        status: 429,
        code: "too_many_at_once",
        why: `${MAX_UNDER_WAY} calls of the model are under way, the most there can be.`,
      };
    this.#sql.exec(
      "INSERT INTO model_turns (turn, calls, prompt, cached, completion, estimated) VALUES (?, 1, 0, 0, 0, 0) ON CONFLICT DO UPDATE SET calls = calls + 1",
      turn.id,
    );
    const { id } = this.#sql
      .exec<{ id: number }>("INSERT INTO model_calls (turn, generation, at) VALUES (?, ?, ?) RETURNING id", turn.id, generation, now)
      .one();
    return { ok: true, call: id };
  }

  /** A call has ended, and used so much; null: nothing. Counted once, however often it is told. Call inside a transaction. */
  end(call: number, usage: CallUsage | null): void {
    this.#carriers.get(call)?.over("it has ended");
    this.#carriers.delete(call);
    const [ended] = this.#sql.exec<Under>("DELETE FROM model_calls WHERE id = ? RETURNING id, turn, generation", call).toArray();
    if (!ended || !usage) return;
    const { prompt, cached, completion, estimated } = usage;
    this.#sql.exec(
      "UPDATE model_turns SET prompt = prompt + ?, cached = cached + ?, completion = completion + ?, estimated = estimated + ? WHERE turn = ?",
      prompt,
      cached,
      completion,
      estimated ? 1 : 0,
      ended.turn,
    );
    this.#day.add(tokensOf(usage));
  }

  /** Resolves with the reason once a call must not go on: it has ended, or what it was for has. */
  over(call: number): Promise<string> {
    const [under] = this.#sql.exec<Under>("SELECT id, turn, generation FROM model_calls WHERE id = ?", call).toArray();
    if (!under) return Promise.resolve("it has ended");
    return new Promise((over) => this.#carriers.set(call, { call: under, over }));
  }

  /** Tells those who carry a call of an older sandbox, or of a turn that does not run any more, that it is over. */
  cut(generation: number | null, turn: number | undefined): void {
    for (const [id, { call, over }] of this.#carriers) {
      if (call.generation === generation && call.turn === turn) continue;
      this.#carriers.delete(id);
      over(call.generation === generation ? "the turn is over" : "the sandbox has ended");
    }
  }

  /** What was used. */
  use(): SessionUse {
    const turns = this.#sql
      .exec<{ turn: number } & ModelUse>("SELECT * FROM (SELECT * FROM model_turns ORDER BY turn DESC LIMIT ?) ORDER BY turn", TURNS_TOLD)
      .toArray();
    return { session: this.#used(""), turns };
  }

  #used(where: string, ...values: number[]): ModelUse {
    return this.#sql.exec<ModelUse>(`SELECT ${SUM} FROM model_turns ${where}`, ...values).one();
  }
}
