/**
 * The session's log: events in one order, a batch in one statement if it fits, and the view reduced from them. Text in progress
 * changes the view and reaches viewers, and is stored when it settles, since rows written are the bill.
 */
import { isStored, type NumberedEvent, type RunnerEvent, type SessionEvent } from "../../protocol/events.ts";
import { apply, applyEvent, emptyView, VIEW_VERSION, type View } from "../../protocol/view.ts";
import type { Tables } from "./schema.ts";

/** Stored events after which the view is saved, so that waking replays few. */
const SNAPSHOT_EVERY = 500;
/** The most that is handed to SQLite as one value, in bytes: Cloudflare refuses 2 MB and more, workerd alone does not. */
const VALUE_LIMIT = 1_900_000;

/** The most that is read at once: what goes to a route or a viewer in one piece has at most 32 MiB, two bytes a character and escapes included. */
const READ_CHARACTERS = 4_000_000;

export const logTables: Tables = {
  part: "log",
  steps: [
    `CREATE TABLE events (n INTEGER PRIMARY KEY, generation INTEGER NOT NULL, seq INTEGER NOT NULL, data TEXT NOT NULL);
     CREATE TABLE snapshot (id INTEGER PRIMARY KEY CHECK (id = 1), n INTEGER NOT NULL, view TEXT NOT NULL)`,
  ],
};

export class Log {
  readonly #sql: SqlStorage;
  #view: View | undefined;
  #last: number | undefined;
  #savedAt = 0;
  /** Stored since the last `fresh()`, for the viewers. */
  #fresh: NumberedEvent[] = [];
  /** Highest runner event number seen, by generation: what was stored, and what only changed the view. */
  #stored = new Map<number, number>();
  #received = new Map<number, number>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Number of the last stored event; 0 before the first. */
  last(): number {
    if (this.#last !== undefined) return this.#last;
    const last = this.#sql.exec<{ n: number | null }>("SELECT max(n) AS n FROM events").one().n ?? 0;
    this.#last = last;
    // Of a transaction that was rolled back nothing is shown; what was committed before it still is.
    this.#fresh = this.#fresh.filter(({ n }) => n <= last);
    return last;
  }

  /** The view with everything known, text in progress included. Do not change it. */
  view(): View {
    if (this.#view) return this.#view;
    const saved = this.#sql.exec<{ n: number; view: string }>("SELECT n, view FROM snapshot").toArray()[0];
    const parsed = saved && (JSON.parse(saved.view) as View);
    const view = parsed?.version === VIEW_VERSION ? parsed : emptyView();
    this.#savedAt = view.n;
    for (const { n, event } of this.#read("SELECT n, data FROM events WHERE n > ? ORDER BY n", view.n)) apply(view, { n, event });
    this.#view = view;
    return view;
  }

  *#read(query: string, ...params: number[]): Generator<NumberedEvent> {
    for (const row of this.#sql.exec<{ n: number; data: string }>(query, ...params))
      yield { n: row.n, event: JSON.parse(row.data) as SessionEvent };
  }

  /** Events after `n`, oldest first: at most `limit` and about `READ_CHARACTERS`, but at least one if there is one. */
  after(n: number, limit: number): NumberedEvent[] {
    const events: NumberedEvent[] = [];
    let read = 0;
    for (const row of this.#sql.exec<{ n: number; data: string }>("SELECT n, data FROM events WHERE n > ? ORDER BY n LIMIT ?", n, limit)) {
      read += row.data.length;
      if (read > READ_CHARACTERS && events.length > 0) break;
      events.push({ n: row.n, event: JSON.parse(row.data) as SessionEvent });
    }
    return events;
  }

  /** Highest number of a runner event of that generation known here now. */
  received(generation: number): number {
    return this.#received.get(generation) ?? this.stored(generation);
  }

  /** Highest number of a runner event of that generation that is stored: what may be acknowledged. */
  stored(generation: number): number {
    const known = this.#stored.get(generation);
    if (known !== undefined) return known;
    // The generation's events come after the one that began it: older ones are not read for it.
    const { sandbox } = this.view();
    const from = sandbox.generation === generation ? sandbox.n : 0;
    const row = this.#sql
      .exec<{ seq: number }>("SELECT seq FROM events WHERE n > ? AND generation = ? ORDER BY n DESC LIMIT 1", from, generation)
      .toArray()[0];
    const seq = row?.seq ?? 0;
    this.#stored.set(generation, seq);
    return seq;
  }

  /** Stores events of the SessionAgent's own and applies them. */
  append(events: readonly SessionEvent[]): void {
    this.#insert(
      0,
      events.map((event) => ({ seq: 0, event })),
    );
  }

  /**
   * Takes a contiguous batch from the runner: skips what is known, stores what is to be stored, applies all of it.
   * Returns the stored events with their numbers and the others, or undefined when events before `first` are missing.
   */
  take(generation: number, first: number, items: readonly RunnerEvent[]): { stored: NumberedEvent[]; live: RunnerEvent[] } | undefined {
    const received = this.received(generation);
    if (first > received + 1) return undefined;
    const fresh = items
      .slice(Math.max(0, received + 1 - first))
      .map((event, index) => ({ seq: Math.max(first, received + 1) + index, event }));
    if (fresh.length === 0) return { stored: [], live: [] };
    const view = this.view();
    const stored: NumberedEvent[] = [];
    const live: RunnerEvent[] = [];
    // In their order: text in progress must be applied before the event that follows it.
    let run: { seq: number; event: RunnerEvent }[] = [];
    for (const item of fresh) {
      if (isStored(item.event)) {
        run.push(item);
        continue;
      }
      stored.push(...this.#insert(generation, run));
      run = [];
      applyEvent(view, item.event);
      live.push(item.event);
    }
    stored.push(...this.#insert(generation, run));
    this.#received.set(generation, first + items.length - 1);
    return { stored, live };
  }

  #insert(generation: number, items: readonly { seq: number; event: SessionEvent }[]): NumberedEvent[] {
    if (items.length === 0) return [];
    const view = this.view();
    const from = this.last() + 1;
    for (let n = from, rest = items.map(({ seq, event }) => JSON.stringify({ s: seq, d: JSON.stringify(event) })); rest.length > 0; ) {
      const count = fitting(rest);
      this.#sql.exec(
        "INSERT INTO events (n, generation, seq, data) SELECT ?1 + key, ?2, value ->> 's', value ->> 'd' FROM json_each(?3)",
        n,
        generation,
        `[${rest.slice(0, count).join(",")}]`,
      );
      n += count;
      rest = rest.slice(count);
    }
    this.#last = from + items.length - 1;
    if (generation > 0) this.#stored.set(generation, items.at(-1)?.seq ?? 0);
    const numbered = items.map(({ event }, index) => ({ n: from + index, event }));
    for (const each of numbered) apply(view, each);
    this.#fresh.push(...numbered);
    if (this.#last - this.#savedAt >= SNAPSHOT_EVERY) this.save();
    return numbered;
  }

  /**
   * Saves the view. Text in progress is left out: the runner still holds it and sends it again. A view that is too large
   * for a row is not saved: it is read from the last one that was, and the events since.
   */
  save(): void {
    const view = this.view();
    const settled = { ...view, turns: view.turns.map((turn) => ({ ...turn, parts: turn.parts.filter((part) => part.done) })) };
    this.#savedAt = view.n;
    const json = JSON.stringify(settled);
    if (bytes(json) > VALUE_LIMIT) return;
    this.#sql.exec(
      "INSERT INTO snapshot (id, n, view) VALUES (1, ?, ?) ON CONFLICT DO UPDATE SET n = excluded.n, view = excluded.view",
      view.n,
      json,
    );
  }

  /** The events stored since the last call. */
  fresh(): NumberedEvent[] {
    if (this.#fresh.length > 0) this.last();
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }

  /** Forgets what memory holds beyond storage, after a transaction was rolled back. */
  forget(): void {
    this.#view = undefined;
    this.#last = undefined;
    this.#stored.clear();
    this.#received.clear();
  }
}

/** How many of the texts, at least one, make an array that SQLite takes as one value. */
function fitting(texts: readonly string[]): number {
  let room = VALUE_LIMIT - 2;
  const count = texts.findIndex((text) => {
    room -= bytes(text) + 1;
    return room < 0;
  });
  return count === -1 ? texts.length : Math.max(1, count);
}

const utf8 = new TextEncoder();
const bytes = (text: string): number => utf8.encode(text).length;
