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
