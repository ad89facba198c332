/** Reads and writes the registry of sessions. It is a convenience: whoever calls this must go on without it. */
import { and, desc, eq, getTableColumns, gt, ne, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type SessionRow, sessionMembers, sessions } from "./schema.ts";

/** A session that was not touched for this long, in ms, is not at work on its branch. */
const AT_WORK_MS = 14 * 24 * 3600_000;
/** The most neighbours told of each other. */
const NEIGHBOURS = 3;

/** The most sessions listed. */
export const SESSIONS_LISTED = 100;

const reason = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
};

/**
 * Writes a session's row, replacing an older one; `createdAt` and `thread` keep their first value. Rejects where
 * the table is missing or D1 is away; the caller logs it and tries with its next change. `members`: ids of those who asked in it; they only
 * ever become more.
 */
export async function registerSession(db: D1Database, row: SessionRow, members: readonly string[]): Promise<void> {
  const { repository, branch, title, updatedAt, state, closed } = row;
  const d1 = drizzle(db);
  await d1
    .insert(sessions)
    .values(row)
    .onConflictDoUpdate({
      target: sessions.id,
      set: { repository, branch, title, updatedAt, state, closed },
      // Writes may arrive out of order; the newest wins.
      setWhere: sql`excluded.updated_at >= ${sessions.updatedAt}`,
    });
  // One value for all of them: D1 takes at most a hundred parameters a statement.
  await d1.run(
    sql`insert into ${sessionMembers} (session, person) select ${row.id}, value from json_each(${JSON.stringify(members)}) where true on conflict do nothing`,
  );
}

/** Which sessions somebody asked in, known by any of these ids, of those among `ids`. Rejects as `registerSession` does. */
export async function sessionsOf(db: D1Database, people: readonly string[], ids: readonly string[]): Promise<Set<string>> {
  const found = await drizzle(db)
    .select({ session: sessionMembers.session })
    .from(sessionMembers)
    .where(
      and(
        sql`${sessionMembers.person} in (select value from json_each(${JSON.stringify(people)}))`,
        sql`${sessionMembers.session} in (select value from json_each(${JSON.stringify(ids)}))`,
      ),
    );
  return new Set(found.map(({ session }) => session));
}

/** Other sessions at work on the same branch of the same repository, by id. Rejects as `registerSession` does. */
export async function neighboursOf(db: D1Database, row: SessionRow): Promise<string[]> {
  const { id, repository, branch, closed, updatedAt } = row;
  if (repository === null || branch === null || closed) return [];
  const others = await drizzle(db)
    .select({ id: sessions.id })
    .from(sessions)
    .where(
      and(
        eq(sessions.repository, repository),
        eq(sessions.branch, branch),
        ne(sessions.id, id),
        eq(sessions.closed, false),
        gt(sessions.updatedAt, updatedAt - AT_WORK_MS),
      ),
    )
    .orderBy(desc(sessions.updatedAt))
    .limit(NEIGHBOURS);
  return others.map((other) => other.id);
}

/** The sessions last touched, newest first and at most `limit`, or why they cannot be read. */
export async function listSessions(db: D1Database, limit = SESSIONS_LISTED): Promise<{ rows: SessionRow[] } | { rows: null; why: string }> {
  try {
    return {
      rows: await drizzle(db).select(getTableColumns(sessions)).from(sessions).orderBy(desc(sessions.updatedAt)).limit(limit),
    };
  } catch (error) {
    console.warn("registry: sessions not read", reason(error));
    const why = "The list of sessions cannot be read. Set it up with `wrangler d1 migrations apply errand` and try again.";
    return { rows: null, why };
  }
}
