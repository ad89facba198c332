/**
 * The outbox: the messages errand keeps up to date in the session's threads. A row says which message is wanted; its
 * content is rendered from the view when it is sent, so progress skips states by itself. One write at a time goes out
 * per session, and each asks the workspace's RateBudget for a permit first.
 *
 * Posting cannot be repeated blindly: before a post the row says that one began, and after an unknown outcome (also a
 * crash) the thread is searched for our key before anything is posted again. Edits send the whole content.
 */
import type { Address, Content, Found, Message, Outcome, Surface } from "../../bots/surface.ts";
import type { View } from "../../protocol/view.ts";
import type { Budget } from "./bucket.ts";
import {
  afterAttempt,
  BACKOFF_MAX_MS,
  compareRows,
  editDue,
  isLiving,
  priorityOf,
  type Row,
  SETTLE_MS,
  type Tried,
  urgency,
} from "./delivery.ts";
import type { Tables } from "./schema.ts";

export const outboxTables: Tables = {
  part: "outbox",
  steps: ["CREATE TABLE outbox (key TEXT PRIMARY KEY, seq INTEGER NOT NULL, row TEXT NOT NULL) WITHOUT ROWID"],
};

/** While a write is on its way, the alarm stands this far off, in ms. */
const DEADMAN_MS = 5_000;

/** What the outbox is handed: everything with an effect comes from outside. */
export type OutboxPorts = {
  now: () => number;
  random: () => number;
  surfaceOf: (thread: string) => Surface | undefined;
  /** What the thread's surface needs to write in it, in its own words. */
  nativeOf: (thread: string) => string | null;
  budgetOf: (workspace: string) => Budget;
  view: () => View;
  message: (row: Row, view: View) => Message | undefined;
  /** Called after a write ended and was stored. */
  settled: (row: Row) => void;
  log: (entry: Record<string, unknown>) => void;
};

export class Outbox {
  readonly #sql: SqlStorage;
  readonly #ports: OutboxPorts;
  #rows: Map<string, Row> | undefined;
  #sending = false;
  /** The last place in the order of creation that was given out. */
  #seq = 0;
  /** Since when a living message differs from what was sent, by key; after a restart everything is looked at again. */
  readonly #changed = new Map<string, number>();
  readonly #urgency = new Map<string, string>();

  constructor(sql: SqlStorage, ports: OutboxPorts) {
    this.#sql = sql;
    this.#ports = ports;
  }

  #open(): Map<string, Row> {
    if (!this.#rows) {
      this.#rows = new Map();
      const now = this.#ports.now();
      for (const { row } of this.#sql.exec<{ row: string }>("SELECT row FROM outbox ORDER BY seq")) {
        // Rows of earlier versions have no place.
        const parsed = JSON.parse(row) as Row;
        parsed.place ??= null;
        this.#seq = Math.max(this.#seq, parsed.seq);
        if (parsed.dead !== null) continue;
        // A post of this object's last life may be on its way still.
        if (parsed.postingSince !== null) parsed.due = Math.max(parsed.due, now + SETTLE_MS);
        this.#rows.set(parsed.key, parsed);
        this.#changed.set(parsed.key, now);
      }
    }
    return this.#rows;
  }

  /** Wants a message. The same key again, while it is open, changes nothing; the caller wants each message once. */
  want(wanted: Pick<Row, "key" | "thread" | "place" | "kind" | "turn" | "ref">): void {
    if (this.#ports.surfaceOf(wanted.thread)?.shows(wanted.kind) !== true) return;
    if (this.#open().has(wanted.key)) return;
    this.#seq += 1;
    const seq = this.#seq;
    const now = this.#ports.now();
    const row: Row = {
      ...wanted,
      seq,
      frozen: null,
      sent: null,
      nativeId: null,
      postingSince: null,
      attempts: 0,
      due: now,
      sentAt: 0,
      wantedAt: now,
      dead: null,
    };
    this.#open().set(row.key, row);
    this.#sql.exec(
      "INSERT INTO outbox (key, seq, row) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq, row = excluded.row",
      row.key,
      seq,
      JSON.stringify(row),
    );
  }

  /** Fixes the last content of a message: the view it shows may be gone later. */
  freeze(key: string): void {
    const row = this.#open().get(key);
    if (!row || row.frozen !== null) return;
    try {
      row.frozen = this.#content(row) ?? row.sent;
    } catch (error) {
      // A fault of rendering must not keep a turn from ending: the message stays live, and is tried again when it is sent.
      this.#ports.log({ message: "not rendered", key, error: error instanceof Error ? error.message : String(error) });
      return;
    }
    if (row.frozen === null || (row.frozen === row.sent && !this.#sending)) this.#close(row);
    else this.#store(row);
  }

  /** The view changed. */
  touch(): void {
    const now = this.#ports.now();
    for (const row of this.#open().values()) if (isLiving(row) && !this.#changed.has(row.key)) this.#changed.set(row.key, now);
  }

  /** Somebody changed a message of ours on the surface: it gets its content again. Messages that are done are left as they are. */
  restore(nativeId: string): void {
    for (const row of this.#open().values()) {
      if (row.nativeId !== nativeId) continue;
      row.sent = null;
      this.#store(row);
    }
  }

  /** The open messages of a kind, by key. */
  keysOf(kind: Row["kind"]): string[] {
    return [...this.#open().values()].filter((row) => row.kind === kind && row.frozen === null).map((row) => row.key);
  }

  /** Whether a message still waits to be seen for the first time. */
  isUnseen(key: string): boolean {
    return this.#open().get(key)?.nativeId === null;
  }

  #address(row: Row): Address {
    return { thread: row.thread, place: row.place, native: this.#ports.nativeOf(row.thread) };
  }

  #store(row: Row): void {
    this.#sql.exec("UPDATE outbox SET row = ? WHERE key = ?", JSON.stringify(row), row.key);
  }

  #close(row: Row): void {
    this.#open().delete(row.key);
    this.#changed.delete(row.key);
    this.#urgency.delete(row.key);
    // What was given up stays, to be listed.
    if (row.dead === null) this.#sql.exec("DELETE FROM outbox WHERE key = ?", row.key);
    else this.#store({ ...row, sent: null });
  }

  #content(row: Row): string | undefined {
    const message = this.#ports.message(row, this.#ports.view());
    const surface = this.#ports.surfaceOf(row.thread);
    return message && surface ? JSON.stringify(surface.render(message)) : undefined;
  }

  #urgent(row: Row): boolean {
    const view = this.#ports.view();
    const turn = view.turns.find((candidate) => candidate.id === row.turn);
    return turn !== undefined && this.#urgency.get(row.key) !== urgency(view, turn);
  }

  #dueOf(row: Row): number | undefined {
    if (!isLiving(row) || row.nativeId === null)
      return row.sent === null || (row.frozen !== null && row.frozen !== row.sent) ? row.due : undefined;
    const turn = this.#ports.view().turns.find((candidate) => candidate.id === row.turn);
    if (!turn) return row.due;
    const pace = this.#ports.surfaceOf(row.thread)?.pace ?? (() => ({ gap: 0, trailing: 0 }));
    return editDue(row, turn, this.#changed.get(row.key), this.#changed.has(row.key) && this.#urgent(row), pace);
  }

  /** When the next write may go out, ms since 1970. While one is on its way: when to look again, should this object end meanwhile. */
  nextDue(): number | undefined {
    if (this.#sending) return this.#ports.now() + DEADMAN_MS;
    const dues = [...this.#open().values()].map((row) => this.#dueOf(row)).filter((due) => due !== undefined);
    return dues.length > 0 ? Math.min(...dues) : undefined;
  }

  /** Sends what is due, one write at a time, until nothing is. Never throws. */
  async pump(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      for (let row = this.#next(); row; row = this.#next()) {
        try {
          await this.#send(row);
        } catch (error) {
          this.#hold(row, error);
        }
        this.#ports.settled(row);
      }
    } finally {
      this.#sending = false;
    }
  }

  #next(): Row | undefined {
    const now = this.#ports.now();
    const due = [...this.#open().values()].filter((row) => (this.#dueOf(row) ?? Number.POSITIVE_INFINITY) <= now).sort(compareRows);
    for (const row of due) {
      let content: string | undefined;
      try {
        content = row.frozen ?? this.#content(row);
      } catch (error) {
        this.#hold(row, error);
        continue;
      }
      if (content !== undefined && content !== row.sent) return row;
      // Nothing to show after all: what changed is not visible here.
      this.#changed.delete(row.key);
      this.#remember(row);
      if (content === undefined || row.frozen !== null) this.#close(row);
      else row.sentAt = now;
    }
    return undefined;
  }

  /** A fault of ours in one message: the others go on, and this one is tried again later. */
  #hold(row: Row, error: unknown): void {
    row.due = this.#ports.now() + BACKOFF_MAX_MS;
    this.#ports.log({
      message: "message failed",
      key: row.key,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }

  #remember(row: Row): void {
    const view = this.#ports.view();
    const turn = view.turns.find((candidate) => candidate.id === row.turn);
    if (turn) this.#urgency.set(row.key, urgency(view, turn));
  }

  async #send(row: Row): Promise<void> {
    const { now, random, log } = this.#ports;
    const surface = this.#ports.surfaceOf(row.thread);
    if (!surface) return this.#close(row);
    const look = row.nativeId === null && row.postingSince !== null;
    const write = look ? "find" : row.nativeId === null ? "post" : "edit";
    const { workspace, method, channel } = surface.budget(this.#address(row), write);
    const budget = this.#ports.budgetOf(workspace);
    const waitMs = await budget.take({ method, channel, priority: priorityOf(row, this.#urgent(row)) }).catch(() => 1_000);
    if (waitMs > 0) {
      // Kept in memory only: a permit refused is not worth a row, and after a restart one is asked for again.
      row.due = now() + waitMs;
      return;
    }
    // Forgotten while the permit was waited for: what stands in storage goes out, by its own row.
    if (!this.#holds(row)) return;
    const content = row.frozen ?? this.#content(row);
    if (content === undefined) return this.#close(row);
    // What changes while the write is on its way is not in it, and is due again afterwards.
    const changedAt = this.#changed.get(row.key);
    this.#changed.delete(row.key);
    this.#remember(row);
    const { tried, outcome } = await this.#write(surface, row, write, content);
    if (outcome.kind === "wait" && outcome.method !== null)
      await budget.penalise({ method: outcome.method, ms: outcome.ms }).catch(() => undefined);
    if (!this.#holds(row)) return;
    Object.assign(row, afterAttempt(row, { write: tried, content }, outcome, now(), random()));
    if (outcome.kind !== "sent") {
      this.#changed.set(row.key, changedAt ?? now());
      this.#urgency.delete(row.key);
    }
    if (outcome.kind !== "sent" && outcome.kind !== "found")
      log({ message: "not delivered", key: row.key, outcome: outcome.kind, why: outcome.why, attempts: row.attempts });
    if (row.dead !== null || (row.frozen !== null && row.frozen === row.sent) || (row.kind === "note" && row.sent !== null))
      this.#close(row);
    else this.#store(row);
  }

  #holds(row: Row): boolean {
    return this.#rows?.get(row.key) === row;
  }

  /** One write. A look that shows that nothing was posted goes on with the post. */
  async #write(
    surface: Surface,
    row: Row,
    write: Tried["write"],
    content: string,
  ): Promise<{ tried: Tried["write"]; outcome: Outcome | Extract<Found, { kind: "found" }> }> {
    let tried = write;
    const to = this.#address(row);
    const what = JSON.parse(content) as Content;
    try {
      if (write === "edit" && row.nativeId !== null) return { tried, outcome: await surface.edit(to, row.nativeId, row.key, what) };
      if (write === "find") {
        const found = await surface.find(to, row.key, row.postingSince ?? 0, what);
        if (found.kind !== "absent") return { tried, outcome: found };
      }
      tried = "post";
      row.postingSince = this.#ports.now();
      this.#store(row);
      return { tried, outcome: await surface.post(to, row.key, what) };
    } catch (error) {
      return { tried, outcome: { kind: "unknown", why: error instanceof Error ? error.message : String(error) } };
    }
  }

  /** Forgets what memory holds beyond storage, after a transaction was rolled back. */
  forget(): void {
    this.#rows = undefined;
    this.#seq = 0;
  }
}
