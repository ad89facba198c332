/** The inbox: each delivery is handled once, in the order of arrival, and is on disk before the sender gets its 200. */
import { Request } from "../../protocol/request.ts";
import type { Tables } from "./schema.ts";

/** How long a delivery's and a message's key are remembered, in ms. Slack tries for minutes, GitHub's redelivery reaches back days. */
export const REMEMBER_MS = 7 * 24 * 3600_000;

export const inboxTables: Tables = {
  part: "inbox",
  steps: [
    `CREATE TABLE seen (key TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
     CREATE TABLE inbox (id INTEGER PRIMARY KEY, body TEXT NOT NULL)`,
  ],
};

export class Inbox {
  readonly #sql: SqlStorage;
  #purgedAt = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Stores a request unless its delivery, or for prompts its message, was stored before. Returns whether it is new. */
  add(request: Request, now: number): boolean {
    if (!this.#remember(`d:${request.deliveryId}`, now)) return false;
    // One Slack message arrives as two events with different delivery ids; edits of a message share its key and are not prompts.
    if (request.kind === "prompt" && !this.#remember(`c:${request.contentKey}`, now)) return false;
    this.#sql.exec("INSERT INTO inbox (body) VALUES (?)", JSON.stringify(request));
    return true;
  }

  #remember(key: string, now: number): boolean {
    return this.#sql.exec("INSERT INTO seen (key, at) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING 1", key, now).toArray().length > 0;
  }

  /** The oldest request not handled yet. */
  next(): { id: number; request: Request } | undefined {
    const row = this.#sql.exec<{ id: number; body: string }>("SELECT id, body FROM inbox ORDER BY id LIMIT 1").toArray()[0];
    return row && { id: row.id, request: Request.parse(JSON.parse(row.body)) };
  }

  done(id: number): void {
    this.#sql.exec("DELETE FROM inbox WHERE id = ?", id);
  }

  /** Forgets old keys, at most once an hour. */
  purge(now: number): void {
    if (now - this.#purgedAt < 3600_000) return;
    this.#purgedAt = now;
    this.#sql.exec("DELETE FROM seen WHERE at < ?", now - REMEMBER_MS);
  }
}
