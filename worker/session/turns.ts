/** Turns: prompts in their order, one running at a time. */
import type { Options, Person } from "../../protocol/request.ts";
import type { Tables } from "./schema.ts";

/** The longest a turn may take, in ms, before it is stopped with an honest word. */
export const TURN_LIMIT_MS = 2 * 3600_000;
/** After a stop was asked for, the SessionAgent itself ends the turn when the runner has not within this time, in ms. */
export const STOP_LIMIT_MS = 5_000;

export type Prompt = {
  who: Person;
  text: string;
  options: Options;
  contentKey: string;
  /** Where its messages go. */
  thread: string;
  place: string | null;
  /** What stands around the text, for the agent. */
  context: string | null;
  /** The offer it was begun by. */
  offer: string | null;
  /** When it was said, in ms since 1970, by the clock of its surface; 0 where that is not known. */
  saidAt: number;
};
export type Turn = Prompt & { id: number; state: "queued" | "running" | "over"; startedAt: number | null; stopAt: number | null };

export const turnTables: Tables = {
  part: "turns",
  steps: ["CREATE TABLE turns (id INTEGER PRIMARY KEY, state TEXT NOT NULL, started_at INTEGER, stop_at INTEGER, body TEXT NOT NULL)"],
};

type Row = { id: number; state: Turn["state"]; body: string; started_at: number | null; stop_at: number | null };

export class Turns {
  readonly #sql: SqlStorage;
  /** Turns that are not over, in order. */
  #open: Turn[] | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Turns that are not over, oldest first. */
  open(): readonly Turn[] {
    this.#open ??= this.#sql
      .exec<Row>("SELECT * FROM turns WHERE state <> 'over' ORDER BY id")
      .toArray()
      .map((row) => ({
        // Rows of earlier versions have only the first four.
        ...{ thread: "", place: null, context: null, offer: null, saidAt: 0 },
        ...(JSON.parse(row.body) as Prompt),
        id: row.id,
        state: row.state,
        startedAt: row.started_at,
        stopAt: row.stop_at,
      }));
    return this.#open;
  }

  running(): Turn | undefined {
    return this.open().find((turn) => turn.state === "running");
  }

  queued(): Turn[] {
    return this.open().filter((turn) => turn.state === "queued");
  }

  add(prompt: Prompt): number {
    this.open();
    const { id } = this.#sql
      .exec<{ id: number }>("INSERT INTO turns (state, body) VALUES ('queued', ?) RETURNING id", JSON.stringify(prompt))
      .one();
    this.#open?.push({ ...prompt, id, state: "queued", startedAt: null, stopAt: null });
    return id;
  }

  /** Puts another text in place of a queued prompt's. */
  replace(id: number, text: string, options: Options): void {
    const turn = this.#find(id);
    if (!turn) return;
    Object.assign(turn, { text, options });
    const { who, contentKey, thread, place, context, offer, saidAt } = turn;
    const body: Prompt = { who, text, options, contentKey, thread, place, context, offer, saidAt };
    this.#sql.exec("UPDATE turns SET body = ? WHERE id = ?", JSON.stringify(body), id);
  }

  start(id: number, now: number): void {
    const turn = this.#find(id);
    if (!turn) return;
    Object.assign(turn, { state: "running", startedAt: now });
    this.#sql.exec("UPDATE turns SET state = 'running', started_at = ? WHERE id = ?", now, id);
  }

  /** Remembers that a stop was asked for; it must have happened by `stopAt`. */
  stopping(id: number, stopAt: number): void {
    const turn = this.#find(id);
    if (!turn) return;
    turn.stopAt = stopAt;
    this.#sql.exec("UPDATE turns SET stop_at = ? WHERE id = ?", stopAt, id);
  }

  /** Ends a turn. `begun`: it was not taken back before. Returns false if it was over already: then nothing more is to be done about it. */
  end(id: number, begun: boolean): boolean {
    if (!this.#find(id)) return false;
    this.#open = this.open().filter((turn) => turn.id !== id);
    // What was said is in the log; rows stay, short, so that no number is used again. What is in no log is kept of the last one, for a retry.
    if (begun) this.#sql.exec("UPDATE turns SET body = '{}' WHERE state = 'over' AND body <> '{}'");
    this.#sql.exec("UPDATE turns SET state = 'over', body = iif(?, body, '{}') WHERE id = ?", begun ? 1 : 0, id);
    return true;
  }

  /** What stood around the prompt of the last turn that is over, for the agent. */
  lastContext(): string | null {
    const [last] = this.#sql
      .exec<{ body: string }>("SELECT body FROM turns WHERE state = 'over' AND body <> '{}' ORDER BY id DESC LIMIT 1")
      .toArray();
    return last === undefined ? null : ((JSON.parse(last.body) as Partial<Prompt>).context ?? null);
  }

  #find(id: number): Turn | undefined {
    return this.open().find((turn) => turn.id === id);
  }

  /** Forgets what memory holds beyond storage, after a transaction was rolled back. */
  forget(): void {
    this.#open = undefined;
  }

  /** When the running turn must have stopped, ms since 1970. */
  nextDue(): number | undefined {
    const turn = this.running();
    if (!turn?.startedAt) return undefined;
    return Math.min(turn.stopAt ?? Number.POSITIVE_INFINITY, turn.startedAt + TURN_LIMIT_MS);
  }
}
