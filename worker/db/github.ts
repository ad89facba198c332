/** What D1 knows of GitHub: how far its log of deliveries was read, which of them are missing, and where sessions are. */
import { and, asc, eq, gte, inArray, lt, lte, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { githubMissed, githubRepositories, githubSweep, sessions } from "./schema.ts";

/** How far the log was read. Times in ms since 1970. */
export type SweepState = { watermark: number; cursor: string | null; until: number | null };

/** Begins a sweep, unless one began less than `gap` ms ago: then null. `first`: the watermark where none was swept before. */
export async function beginSweep(db: D1Database, now: number, gap: number, first: number): Promise<SweepState | null> {
  const rows = await drizzle(db)
    .insert(githubSweep)
    .values({ id: 1, begunAt: now, watermark: first, cursor: null, until: null })
    .onConflictDoUpdate({ target: githubSweep.id, set: { begunAt: now }, setWhere: lte(githubSweep.begunAt, now - gap) })
    .returning();
  return rows[0] ?? null;
}

/** Remembers how far it came. */
export async function endSweep(db: D1Database, state: SweepState): Promise<void> {
  const { watermark, cursor, until } = state;
  await drizzle(db).update(githubSweep).set({ watermark, cursor, until }).where(eq(githubSweep.id, 1));
}

export type Missed = typeof githubMissed.$inferSelect;

/** Takes down what is missing and strikes off what has arrived. What stands there already keeps its tries. */
export async function noteDeliveries(db: D1Database, missed: readonly Missed[], arrived: readonly string[]): Promise<void> {
  const d1 = drizzle(db);
  // One JSON parameter each: D1 takes at most 100 parameters a statement.
  const guids = sql`(SELECT value FROM json_each(${JSON.stringify(arrived)}))`;
  await d1.delete(githubMissed).where(inArray(githubMissed.guid, guids));
  if (missed.length === 0) return;
  const rows = JSON.stringify(missed);
  await d1.run(sql`INSERT INTO github_missed (guid, delivery, event, first_at, tries, next_at)
    SELECT value->>'guid', value->>'delivery', value->>'event', value->>'firstAt', 0, value->>'nextAt' FROM json_each(${rows}) WHERE true
    ON CONFLICT (guid) DO UPDATE SET delivery = excluded.delivery, first_at = min(first_at, excluded.first_at)`);
}

/** What is to be asked for again now, oldest first: not what was first tried before `oldest`. */
export async function dueDeliveries(db: D1Database, now: number, oldest: number, tries: number, limit: number): Promise<Missed[]> {
  return drizzle(db)
    .select()
    .from(githubMissed)
    .where(and(lte(githubMissed.nextAt, now), gte(githubMissed.firstAt, oldest), lt(githubMissed.tries, tries)))
    .orderBy(asc(githubMissed.firstAt))
    .limit(limit);
}

/** It was asked for again; the next time not before `nextAt`. */
export async function askedAgain(db: D1Database, guid: string, nextAt: number): Promise<void> {
  await drizzle(db)
    .update(githubMissed)
    .set({ tries: sql`${githubMissed.tries} + 1`, nextAt })
    .where(eq(githubMissed.guid, guid));
}

/** The end of what time can be told. */
const NEVER = 8_640_000_000_000_000;

/**
 * Gives up what was tried often enough, and returns it once. It stays written down while GitHub's log still shows it, or it would be taken for
 * a new one; what was first tried before `oldest` goes.
 */
export async function giveUpDeliveries(db: D1Database, now: number, oldest: number, tries: number): Promise<Missed[]> {
  const d1 = drizzle(db);
  await d1.delete(githubMissed).where(lt(githubMissed.firstAt, oldest));
  return d1
    .update(githubMissed)
    .set({ nextAt: NEVER })
    .where(and(gte(githubMissed.tries, tries), lte(githubMissed.nextAt, now)))
    .returning();
}

/** Remembers which installation covers a repository. */
export async function noteRepository(db: D1Database, repository: string, installation: number): Promise<void> {
  await drizzle(db)
    .insert(githubRepositories)
    .values({ id: repository, installation })
    .onConflictDoUpdate({ target: githubRepositories.id, set: { installation } });
}

/** The repositories in which something was asked and that an installation covered. */
export async function repositoriesOf(db: D1Database, installation: number, limit: number): Promise<string[]> {
  const rows = await drizzle(db)
    .select({ id: githubRepositories.id })
    .from(githubRepositories)
    .where(eq(githubRepositories.installation, installation))
    .limit(limit);
  return rows.map(({ id }) => id);
}

/** Threads of sessions in a repository, newest first. */
export async function threadsIn(db: D1Database, repository: string, limit: number): Promise<string[]> {
  const rows = await drizzle(db)
    .select({ thread: sessions.thread })
    .from(sessions)
    // `;` is the character after `:`, so this is every key that begins with the repository's.
    .where(and(gte(sessions.thread, `github:${repository}:`), lt(sessions.thread, `github:${repository};`)))
    .orderBy(sql`${sessions.updatedAt} DESC`)
    .limit(limit);
  return rows.map(({ thread }) => thread);
}
