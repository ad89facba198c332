/**
 * The registry of sessions in D1: what the list page shows. Nothing else reads it; the truth about a session is in its
 * object, so a row that is late or missing costs a line in a list and nothing more.
 */
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const sessions = sqliteTable(
  "sessions",
  {
    id: text().primaryKey(),
    /** The thread key it was started in. */
    thread: text().notNull(),
    surface: text({ enum: ["slack", "github", "page"] }).notNull(),
    repository: text(),
    title: text().notNull(),
    /** Milliseconds since 1970. */
    createdAt: integer("created_at").notNull(),
    updatedAt: integer("updated_at").notNull(),
    /** State of its newest turn, as in the view. */
    state: text().notNull(),
  },
  (table) => [index("sessions_by_update").on(table.updatedAt)],
);

export type SessionRow = typeof sessions.$inferSelect;

/** Registrations of a GitHub App that were begun and not ended: each belongs to one browser, works once, and not for long. */
export const registrations = sqliteTable("registrations", {
  /** Hashes of the state that GitHub hands back, and of the cookie of the browser that began. */
  state: text().primaryKey(),
  browser: text().notNull(),
  /** Where the App's webhooks go. */
  webhook: text().notNull(),
  /** Milliseconds since 1970. */
  expiresAt: integer("expires_at").notNull(),
});

export type Registration = typeof registrations.$inferSelect;
