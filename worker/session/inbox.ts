/**
 * The inbox: each delivery is handled once, and what it means is on disk before the sender gets its 200. A request that
 * could not be handled, which is a fault of ours, is kept and tried again.
 */
import type { Request } from "../../protocol/request.ts";
import type { Tables } from "./schema.ts";

/** How long a delivery's and a message's key are remembered, in ms. Slack tries for minutes, GitHub's redelivery reaches back days. */
export const REMEMBER_MS = 7 * 24 * 3600_000;

/** A request that could not be handled is tried again after this time, in ms. */
export const RETRY_MS = 10_000;

export const inboxTables: Tables = {
  part: "inbox",
  steps: [
    `CREATE TABLE seen (key TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
     CREATE TABLE inbox (id INTEGER PRIMARY KEY, body TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0)`,
  ],
};

export class Inbox {
  readonly #sql: SqlStorage;
  #purgedAt = 0;
  /** Whether the table may hold something. */
  #kept = true;
  #retryAt = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Remembers a request's delivery, and for prompts its message. Returns false when it was here before. */
  isNew(request: Request, now: number): boolean {
    if (!this.#remember(`d:${request.deliveryId}`, now)) return false;
    // One Slack message arrives as two events with different delivery ids; edits of a message share its key and are not prompts.
    return request.kind !== "prompt" || this.#remember(`c:${request.contentKey}`, now);
  }

  /** The message may be a prompt again. */
  forgetContent(contentKey: string): void {
    this.#sql.exec("DELETE FROM seen WHERE key = ?", `c:${contentKey}`);
  }

  /** Keeps a request that could not be handled. */
  keep(request: Request, now: number): void {
    this.#sql.exec("INSERT INTO inbox (body) VALUES (?)", JSON.stringify(request));
    this.#kept = true;
    this.#retryAt = now + RETRY_MS;
  }

  #remember(key: string, now: number): boolean {
    return this.#sql.exec("INSERT INTO seen (key, at) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING 1", key, now).toArray().length > 0;
  }

  /** The requests that were kept and are to be tried now, oldest first. */
  kept(now: number): { id: number; request: Request; tries: number }[] {
    if (!this.#kept || now < this.#retryAt) return [];
    const rows = this.#sql.exec<{ id: number; body: string; tries: number }>("SELECT id, body, tries FROM inbox ORDER BY id").toArray();
    this.#kept = rows.length > 0;
    return rows.map((row) => ({ id: row.id, request: JSON.parse(row.body) as Request, tries: row.tries }));
  }

  failed(id: number, now: number): void {
    this.#retryAt = now + RETRY_MS;
    this.#sql.exec("UPDATE inbox SET tries = tries + 1 WHERE id = ?", id);
  }

  done(id: number): void {
    this.#sql.exec("DELETE FROM inbox WHERE id = ?", id);
  }

  /** When what was kept is to be tried again, ms since 1970. */
  nextDue(): number | undefined {
    return this.#kept ? this.#retryAt : undefined;
  }

  /** Forgets old keys, at most once an hour. */
  purge(now: number): void {
    if (now - this.#purgedAt < 3600_000) return;
    this.#purgedAt = now;
    this.#sql.exec("DELETE FROM seen WHERE at < ?", now - REMEMBER_MS);
  }
}
