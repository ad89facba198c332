/** Permits by priority: the rules of the RateBudget, pure, so that they stand in tables of tests. */
import type { Priority } from "../../bots/surface.ts";

/** What a session asks for. `channel` matters for methods limited per channel. */
export type Permit = { method: string; channel: string; priority: Priority };

export interface Budget {
  /** 0: go ahead, the permit is used up. Otherwise ms after which to ask again. */
  take(permit: Permit): Promise<number>;
  /** The platform said 429 for this method: nobody in the workspace calls it for `ms`. */
  penalise(penalty: { method: string; ms: number }): Promise<void>;
}

/** `perMinute` calls on average, `burst` at once. `channel`: counted per channel, otherwise for the workspace. */
export type Limit = { perMinute: number; burst: number; scope: "workspace" | "channel" };

/**
 * Limits kept, a little under the platforms': all of a method's hold together. Slack's tiers: chat.update and conversations.replies
 * 50 a minute and workspace, chat.postMessage one a second and channel with short bursts. GitHub's secondary limits: 80 content
 * creations a minute and 500 an hour for an installation, edits counted as such; 900 points a minute for reading. Methods not named
 * are not limited.
 */
export const LIMITS: Record<string, readonly Limit[]> = {
  "chat.update": [{ perMinute: 45, burst: 20, scope: "workspace" }],
  "conversations.replies": [{ perMinute: 45, burst: 10, scope: "workspace" }],
  "chat.postMessage": [{ perMinute: 60, burst: 3, scope: "channel" }],
  "github.content": [
    { perMinute: 60, burst: 20, scope: "workspace" },
    { perMinute: 400 / 60, burst: 400, scope: "workspace" },
  ],
  "github.read": [{ perMinute: 300, burst: 60, scope: "workspace" }],
};

/** Share of a bucket that must be left over for a permit of that priority. */
const RESERVE: Record<Priority, number> = { ask: 0, final: 0, note: 0.1, receipt: 0.1, state: 0.25, heartbeat: 0.5 };

/** `slot`: the latest time that a refused permit was told to come back at, so that the next is told a later one. */
export type Bucket = { tokens: number; at: number; slot: number };

/** Nobody is told to wait longer than this, in ms: what it waits for may change meanwhile. */
const LONGEST_WAIT_MS = 60_000;

/** The bucket now, and how long to wait (0: a token was taken). Pure. */
export function draw(bucket: Bucket | undefined, limit: Limit, priority: Priority, now: number): { bucket: Bucket; waitMs: number } {
  const perMs = limit.perMinute / 60_000;
  const before = bucket ?? { tokens: Math.max(1, limit.burst / 2), at: now, slot: 0 };
  const tokens = Math.min(limit.burst, before.tokens + Math.max(0, now - before.at) * perMs);
  const needed = 1 + RESERVE[priority] * (limit.burst - 1);
  if (tokens >= needed) return { bucket: { tokens: tokens - 1, at: now, slot: before.slot }, waitMs: 0 };
  const own = now + Math.ceil((needed - tokens) / perMs);
  // What must not wait is not put behind progress; the others come back one after another, not all at once.
  const behind = RESERVE[priority] > 0 && before.slot > now ? before.slot + Math.ceil(1 / perMs) : 0;
  const slot = Math.min(Math.max(own, behind), now + LONGEST_WAIT_MS);
  return { bucket: { tokens, at: now, slot: RESERVE[priority] === 0 ? before.slot : slot }, waitMs: slot - now };
}

/** A permit from several buckets at once: all give a token, or none does. `buckets` in the order of `limits`; those that are returned are to be kept. Pure. */
export function drawAll(
  buckets: readonly (Bucket | undefined)[],
  limits: readonly Limit[],
  priority: Priority,
  now: number,
): { buckets: (Bucket | undefined)[]; waitMs: number } {
  const draws = limits.map((limit, index) => draw(buckets[index], limit, priority, now));
  const waitMs = Math.max(0, ...draws.map((one) => one.waitMs));
  if (waitMs === 0) return { buckets: draws.map((one) => one.bucket), waitMs };
  // A token drawn beside a refusal is not used up.
  return { buckets: draws.map((one, index) => (one.waitMs > 0 ? one.bucket : buckets[index])), waitMs };
}
