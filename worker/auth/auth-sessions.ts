/** Where people are signed in: a row for each browser or program, known by the hash of its token, for seven days at most. */
import { and, desc, eq, gt, isNull, lt, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type AuthSessionRow, authSessions, type UserRow, users } from "../db/schema.ts";

/** How long a session lasts from sign-in, in ms: seven days, used or not. */
export const SESSION_MS = 7 * 24 * 3600_000;
/** How stale `seenAt` may be, in ms: rows written are the bill. */
const SEEN_MS = 10 * 60_000;
/** The longest name of a browser kept, in characters. */
const MAX_AGENT = 300;
/** How much of a session's hash stands for it in lists and addresses: enough to tell one user's apart. */
const ID = 16;

/** The name of a session in lists and addresses. It opens nothing. */
export const authSessionId = (hash: string): string => hash.slice(0, ID);

/** The statements that keep a new session and forget those that ended long ago, for a batch. */
export function beginning(db: D1Database, session: { hash: string; userId: string; agent: string | null }, now: number) {
  const d1 = drizzle(db);
  const row = { ...session, agent: (session.agent ?? "").slice(0, MAX_AGENT), createdAt: now, seenAt: now, expiresAt: now + SESSION_MS };
  return [d1.insert(authSessions).values(row), d1.delete(authSessions).where(lt(authSessions.expiresAt, now - SESSION_MS))] as const;
}

const named = (userId: string, id: string) => and(eq(authSessions.userId, userId), eq(sql`substr(${authSessions.hash}, 1, ${ID})`, id));
const live = (now: number) => and(gt(authSessions.expiresAt, now), isNull(authSessions.revokedAt));

/** The session of a hash and its user; null where there is none, it ended, or the user is disabled. Rejects where D1 cannot be read. */
export async function findAuthSession(
  db: D1Database,
  hash: string,
  now: number,
): Promise<{ session: AuthSessionRow; user: UserRow } | null> {
  const d1 = drizzle(db);
  const [found] = await d1
    .select({ session: authSessions, user: users })
    .from(authSessions)
    .innerJoin(users, eq(users.id, authSessions.userId))
    .where(and(eq(authSessions.hash, hash), live(now), isNull(users.disabledAt)));
  if (!found) return null;
  if (found.session.seenAt < now - SEEN_MS) {
    await d1.update(authSessions).set({ seenAt: now }).where(eq(authSessions.hash, hash));
  }
  return found;
}

/** The user of a session that still lasts, by its name as `authSessionId` makes it; null where there is none, or the user is disabled. */
export async function userSignedIn(db: D1Database, userId: string, id: string, now: number): Promise<UserRow | null> {
  const [found] = await drizzle(db)
    .select({ user: users })
    .from(authSessions)
    .innerJoin(users, eq(users.id, authSessions.userId))
    .where(and(named(userId, id), live(now), isNull(users.disabledAt)));
  return found?.user ?? null;
}

/** A user's sessions that still last, the newest first. */
export async function listAuthSessions(db: D1Database, userId: string, now: number): Promise<AuthSessionRow[]> {
  return drizzle(db)
    .select()
    .from(authSessions)
    .where(and(eq(authSessions.userId, userId), live(now)))
    .orderBy(desc(authSessions.createdAt))
    .limit(100);
}

/** Ends one session of a user, named as `authSessionId` does. Whether there was one to end. */
export async function revokeAuthSession(db: D1Database, userId: string, id: string, now: number): Promise<boolean> {
  const one = and(named(userId, id), live(now));
  return (await drizzle(db).update(authSessions).set({ revokedAt: now }).where(one).returning({ hash: authSessions.hash })).length > 0;
}

/** Ends the session of a token, by its hash. */
export async function endAuthSession(db: D1Database, hash: string, now: number): Promise<void> {
  await drizzle(db)
    .update(authSessions)
    .set({ revokedAt: now })
    .where(and(eq(authSessions.hash, hash), live(now)));
}

/** Ends every session of a user; how many there were. */
export async function revokeAllAuthSessions(db: D1Database, userId: string, now: number): Promise<number> {
  const all = and(eq(authSessions.userId, userId), live(now));
  return (await drizzle(db).update(authSessions).set({ revokedAt: now }).where(all).returning({ hash: authSessions.hash })).length;
}
