/**
 * The threads of a session: usually the one it began in, and that of the pull request which came of it. Keeps what each
 * thread's surface needs to write there, and which of them still have to be told that they lead here.
 */
import type { Tables } from "./schema.ts";

export const threadTables: Tables = {
  part: "threads",
  steps: ["CREATE TABLE threads (key TEXT PRIMARY KEY, native TEXT, untold INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID"],
};

/** A thread that could not be told is told again after this time, in ms. */
const TELL_AGAIN_MS = 10_000;

type Thread = { native: string | null; untold: boolean };

export class Threads {
  readonly #sql: SqlStorage;
  #known: Map<string, Thread> | undefined;
  #tellAt = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  #all(): Map<string, Thread> {
    if (!this.#known) {
      this.#known = new Map();
      for (const row of this.#sql.exec<{ key: string; native: string | null; untold: number }>("SELECT key, native, untold FROM threads"))
        this.#known.set(row.key, { native: row.native, untold: row.untold === 1 });
    }
    return this.#known;
  }

  #set(key: string, thread: Thread): void {
    this.#all().set(key, thread);
    this.#sql.exec(
      "INSERT INTO threads (key, native, untold) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET native = excluded.native, untold = excluded.untold",
      key,
      thread.native,
      thread.untold ? 1 : 0,
    );
  }

  /** What the thread's surface told last of how to write in it; null where it never said anything. */
  native(key: string): string | null {
    return this.#all().get(key)?.native ?? null;
  }

  /** Keeps what a request says of its thread. */
  keep(key: string, native: string | undefined): void {
    const known = this.#all().get(key);
    if (native === undefined || known?.native === native) return;
    this.#set(key, { native, untold: known?.untold ?? false });
  }

  /** The thread belongs to the session from now on; its own object is to be told. Returns false where it did already. */
  join(key: string, native: string | null): boolean {
    if (this.#all().has(key)) return false;
    this.#set(key, { native, untold: true });
    return true;
  }

  /** A thread whose object is to be told that it leads here, if it is time. */
  untold(now: number): string | undefined {
    if (now < this.#tellAt) return undefined;
    for (const [key, thread] of this.#all()) if (thread.untold) return key;
    return undefined;
  }

  told(key: string): void {
    const thread = this.#all().get(key);
    if (thread?.untold) this.#set(key, { ...thread, untold: false });
  }

  notTold(now: number): void {
    this.#tellAt = now + TELL_AGAIN_MS;
  }

  /** When a thread is to be told, ms since 1970. */
  nextDue(): number | undefined {
    return [...this.#all().values()].some((thread) => thread.untold) ? this.#tellAt : undefined;
  }

  /** Forgets what memory holds beyond storage, after a transaction was rolled back. */
  forget(): void {
    this.#known = undefined;
  }
}
