/** Registrations of a GitHub App that were begun: a state works once, for the browser that began, for ten minutes. */
import { and, eq, lt } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { sha256 } from "../auth/token.ts";
import { type Registration, registrations } from "./schema.ts";

/** How long a person may take at GitHub, in ms. */
export const REGISTRATION_MS = 10 * 60_000;

/** What a browser brings back; only hashes are kept. */
export type Claim = { state: string; browser: string };

/** Keeps a registration that begins now, and forgets those whose time is over. */
export async function beginRegistration(db: D1Database, claim: Claim, webhook: string, now: number): Promise<void> {
  const row = { state: await sha256(claim.state), browser: await sha256(claim.browser), webhook, expiresAt: now + REGISTRATION_MS };
  await drizzle(db).batch([
    drizzle(db).delete(registrations).where(lt(registrations.expiresAt, now)),
    drizzle(db).insert(registrations).values(row),
  ]);
}

/** Takes the registration of a claim: it is gone after that, so of two that claim it at once one gets null. Another browser's stays where it is. */
export async function takeRegistration(db: D1Database, claim: Claim, now: number): Promise<Registration | null> {
  const mine = and(eq(registrations.state, await sha256(claim.state)), eq(registrations.browser, await sha256(claim.browser)));
  const [row] = await drizzle(db).delete(registrations).where(mine).returning();
  return row && row.expiresAt > now ? row : null;
}

/** Puts a taken one back, with the time it had left: GitHub did not answer, so the same link may be tried again. */
export async function returnRegistration(db: D1Database, row: Registration): Promise<void> {
  await drizzle(db).insert(registrations).values(row).onConflictDoNothing();
}
