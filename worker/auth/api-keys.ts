/**
 * Keys for programs: each is one user's, has a scope and an end, and is known by its hash alone. Who holds one may what its user may in sessions, as far as the
 * scope goes; never an admin's power, and nothing of the user's own account.
 */
import { and, desc, eq, gt, isNull, lt, or, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type ApiKeyRow, apiKeys, type UserRow, users } from "../db/schema.ts";
import { isToken, newToken, type Random, sha256 } from "./token.ts";

/** What every key begins with, so that people and scanners of leaked secrets know one. */
const PREFIX = "errand_";
/** The role of whoever comes with a key, also of an admin's. */
export const KEY_ROLE = "member";
/** How long a key lasts unless it is said, and the longest, in days. */
export const KEY_DAYS = 90;
export const MAX_KEY_DAYS = 366;
/** The most keys that a user has at once. */
export const MAX_KEYS = 50;
/** How stale `usedAt` may be, in ms: rows written are the bill. */
const USED_MS = 10 * 60_000;
/** How long a key that ended is kept, in ms. */
const KEPT_MS = 30 * 24 * 3600_000;
const DAY_MS = 24 * 3600_000;
/** How much of a key's hash stands for it in lists and addresses. */
const ID = 16;

/** Whether the text has the form of a key. */
export const isApiKey = (text: string): boolean => text.startsWith(PREFIX) && isToken(text.slice(PREFIX.length));

/** The name of a key in lists and addresses. It opens nothing. */
export const apiKeyId = (hash: string): string => hash.slice(0, ID);

const live = (now: number) => and(gt(apiKeys.expiresAt, now), isNull(apiKeys.revokedAt));

/** Makes a key and returns it, which is the only time that anybody sees it; null: the user has as many as there may be. `name` 1 to 80 characters, `days` up to the longest. */
export async function makeApiKey(
  db: D1Database,
  wanted: { userId: string; name: string; scope: ApiKeyRow["scope"]; days: number },
  now: number,
  from?: Random,
): Promise<{ key: string; row: ApiKeyRow } | null> {
  const { userId, name, scope, days } = wanted;
  const key = PREFIX + newToken(from);
  const hash = await sha256(key);
  const d1 = drizzle(db);
  const own = sql`(select count(*) from ${apiKeys} where ${apiKeys.userId} = ${userId} and ${live(now)})`;
  await d1.batch([
    d1.delete(apiKeys).where(or(lt(apiKeys.expiresAt, now - KEPT_MS), lt(apiKeys.revokedAt, now - KEPT_MS))),
    d1
      .insert(apiKeys)
      .select(sql`select ${hash}, ${userId}, ${name}, ${scope}, ${now}, ${now + days * DAY_MS}, null, null where ${own} < ${MAX_KEYS}`),
  ]);
  const [row] = await d1.select().from(apiKeys).where(eq(apiKeys.hash, hash));
  return row ? { key, row } : null;
}

/** The key of a hash and its user; null where there is none, it ended, or the user is disabled. Rejects where D1 cannot be read. */
export async function findApiKey(db: D1Database, hash: string, now: number): Promise<{ key: ApiKeyRow; user: UserRow } | null> {
  const d1 = drizzle(db);
  const [found] = await d1
    .select({ key: apiKeys, user: users })
    .from(apiKeys)
    .innerJoin(users, eq(users.id, apiKeys.userId))
    .where(and(eq(apiKeys.hash, hash), live(now), isNull(users.disabledAt)));
  if (!found) return null;
  if ((found.key.usedAt ?? 0) < now - USED_MS) await d1.update(apiKeys).set({ usedAt: now }).where(eq(apiKeys.hash, hash));
  return found;
}

/** A user's keys that still last, the newest first. */
export async function listApiKeys(db: D1Database, userId: string, now: number): Promise<ApiKeyRow[]> {
  return drizzle(db)
    .select()
    .from(apiKeys)
    .where(and(eq(apiKeys.userId, userId), live(now)))
    .orderBy(desc(apiKeys.createdAt))
    .limit(MAX_KEYS);
}

/** Ends one key of a user, named as `apiKeyId` does. Its name, or null where there was none to end. */
export async function revokeApiKey(db: D1Database, userId: string, id: string, now: number): Promise<string | null> {
  const one = and(eq(apiKeys.userId, userId), eq(sql`substr(${apiKeys.hash}, 1, ${ID})`, id), live(now));
  const [ended] = await drizzle(db).update(apiKeys).set({ revokedAt: now }).where(one).returning({ name: apiKeys.name });
  return ended?.name ?? null;
}
