/**
 * What is kept in D1: the registry of sessions, and what is known of GitHub beyond one session. The truth about a session is in its
 * object, so a row that is late or missing costs a line in a list, or an end that is not told, and nothing more.
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
    /** The branch it works on, once there is a workspace. */
    branch: text(),
    title: text().notNull(),
    /** Milliseconds since 1970. */
    createdAt: integer("created_at").notNull(),
    updatedAt: integer("updated_at").notNull(),
    /** State of its newest turn, as in the view. */
    state: text().notNull(),
    /** Its conversation has ended. */
    closed: integer({ mode: "boolean" }).notNull().default(false),
  },
  (table) => [
    index("sessions_by_update").on(table.updatedAt),
    index("sessions_by_thread").on(table.thread),
    index("sessions_by_branch").on(table.repository, table.branch),
  ],
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

/** Which installation of the GitHub App covers a repository in which something was asked: an installation that ends names no repositories. */
export const githubRepositories = sqliteTable(
  "github_repositories",
  {
    /** GitHub's id of the repository, as in a thread key. */
    id: text().primaryKey(),
    installation: integer().notNull(),
  },
  (table) => [index("github_repositories_by_installation").on(table.installation)],
);

/** How far GitHub's log of deliveries has been read: one row. */
export const githubSweep = sqliteTable("github_sweep", {
  id: integer().primaryKey(),
  /** When it was last begun, ms since 1970. */
  begunAt: integer("begun_at").notNull(),
  /** The newest delivery that was seen, ms since 1970. */
  watermark: integer().notNull(),
  /** Where reading stopped before it was back at the watermark, and the time it has still to go back to. */
  cursor: text(),
  until: integer(),
});

/** Deliveries that GitHub could not make and that are asked for again. */
export const githubMissed = sqliteTable("github_missed", {
  guid: text().primaryKey(),
  /** The newest attempt's number, as text: it may be beyond what a double holds. */
  delivery: text().notNull(),
  event: text().notNull(),
  /** When GitHub first tried, ms since 1970. */
  firstAt: integer("first_at").notNull(),
  /** How often it was asked for again, and when it is to be next. */
  tries: integer().notNull(),
  nextAt: integer("next_at").notNull(),
});
