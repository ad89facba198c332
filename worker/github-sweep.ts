/**
 * Finds deliveries that GitHub could not make, and asks for them again: GitHub itself never tries twice. It reads the App's log of
 * deliveries, which says how each attempt ended and keeps an event's id across them, so that whatever did arrive is heard once.
 */
import * as z from "zod";
import type { GitHubApp } from "../bots/github/client.ts";
import { sortCall, statusOf } from "../bots/github/errors.ts";
import {
  askedAgain,
  beginSweep,
  dueDeliveries,
  endSweep,
  giveUpDeliveries,
  type Missed,
  noteDeliveries,
  type SweepState,
} from "./db/github.ts";

const MINUTE = 60_000;
/** Read once more beyond the newest that was seen: attempts appear in the log when they have ended, not in the order they began. */
const OVERLAP = 10 * MINUTE;
/** How far the first sweep looks back. */
const FIRST = 60 * MINUTE;
/** GitHub makes a delivery again for three days. */
const KEPT = 3 * 24 * 60 * MINUTE;
/** An attempt this young may be followed by another already under way. */
const SETTLED = MINUTE;
/** Waits between one try and the next, so that an outage of an hour costs nothing: after the last of them it is given up. */
const WAITS = [15 * MINUTE, 90 * MINUTE, 8 * 60 * MINUTE] as const;
/** Sweeps do not begin closer to each other than this. */
const GAP = 30_000;
/** A Worker's free plan has 50 calls an invocation. */
const MOST_PAGES = 20;
const MOST_TRIES = 20;
/** Calls of the App's hour that are left to others. */
const SPARE_CALLS = 200;

const Attempt = z.object({
  // The client gives a number beyond 2^53 as a bigint.
  id: z.union([z.int().positive(), z.bigint()]).transform(String),
  guid: z.string().min(1).max(100),
  delivered_at: z
    .string()
    .transform((text) => Date.parse(text))
    .pipe(z.number()),
  event: z.string().max(100),
  status_code: z.number(),
});
type Attempt = z.infer<typeof Attempt>;

/** What a sweep did. `late`: it did not get back to where the last one ended, and goes on there the next time. `why` it ended early. */
export type Swept = { seen: number; missed: number; again: number; givenUp: string[]; late: boolean; why: string | null };

/** Looks once. Null where one began moments ago. Rejects where D1 can't be read or written. */
export async function sweepDeliveries(app: GitHubApp, db: D1Database, now: number): Promise<Swept | null> {
  const state = await beginSweep(db, now, GAP, now - FIRST);
  if (!state) return null;
  const swept: Swept = { seen: 0, missed: 0, again: 0, givenUp: [], late: false, why: null };
  const attempts: Attempt[] = [];
  const next = await read(app, state, attempts, swept, now);
  swept.seen = attempts.length;
  const { missed, arrived } = sorted(attempts, now);
  swept.missed = missed.length;
  await noteDeliveries(db, missed, arrived);
  await endSweep(db, next);
  swept.givenUp = (await giveUpDeliveries(db, now, now - 2 * KEPT, WAITS.length)).map(({ guid }) => guid);
  if (swept.why === null) await askAgain(app, db, swept, now);
  return swept;
}

/** Attempts by event: which have arrived at last, and which never did. Pure. */
export function sorted(attempts: readonly Attempt[], now: number): { missed: Missed[]; arrived: string[] } {
  const events = new Map<string, Attempt[]>();
  for (const attempt of attempts) events.set(attempt.guid, [...(events.get(attempt.guid) ?? []), attempt]);
  const missed: Missed[] = [];
  const arrived: string[] = [];
  for (const [guid, tried] of events) {
    // Not by the log's own filter for failures: it leaves out what nobody answered, whose status is 0.
    if (tried.some(({ status_code }) => status_code >= 200 && status_code < 400)) {
      arrived.push(guid);
      continue;
    }
    const times = tried.map(({ delivered_at }) => delivered_at);
    const newest = tried.reduce((one, other) => (other.delivered_at > one.delivered_at ? other : one));
    const firstAt = Math.min(...times);
    if (newest.delivered_at > now - SETTLED || firstAt < now - KEPT) continue;
    missed.push({ guid, delivery: newest.id, event: newest.event, firstAt, tries: 0, nextAt: now });
  }
  return { missed, arrived };
}

/** Reads the log from its newest back to the watermark, then what an earlier sweep had to leave. Returns how far it came. */
async function read(app: GitHubApp, state: SweepState, into: Attempt[], swept: Swept, now: number): Promise<SweepState> {
  let pages = MOST_PAGES;
  /** Goes back in the log to a time. Returns where it had to stop, or null when it got there. */
  async function back(from: string | null, until: number): Promise<string | null> {
    let cursor = from;
    while (pages > 0) {
      pages -= 1;
      const page = await onePage(app, cursor, now);
      if ("why" in page) {
        swept.why = page.why;
        return cursor ?? "";
      }
      into.push(...page.attempts);
      const oldest = page.attempts.at(-1)?.delivered_at ?? 0;
      if (page.next === null || oldest < until) return null;
      cursor = page.next;
      if (page.left < SPARE_CALLS) {
        swept.why = `only ${page.left} calls are left this hour`;
        return cursor;
      }
    }
    return cursor;
  }
  const until = state.watermark - OVERLAP;
  const stopped = await back(null, until);
  // Nothing at all could be read: everything stays as it was.
  if (stopped === "") return state;
  const watermark = into.reduce((newest, { delivered_at }) => Math.max(newest, delivered_at), state.watermark);
  if (stopped !== null) {
    swept.late = true;
    return { watermark, cursor: stopped, until: Math.min(until, state.until ?? until) };
  }
  if (state.cursor === null || state.until === null) return { watermark, cursor: null, until: null };
  const left = await back(state.cursor, state.until);
  swept.late = left !== null;
  return { watermark, cursor: left, until: left === null ? null : state.until };
}

type Page = { attempts: Attempt[]; next: string | null; left: number } | { why: string };

async function onePage(app: GitHubApp, cursor: string | null, now: number): Promise<Page> {
  try {
    const { data, headers } = await app.asApp().request("GET /app/hook/deliveries", {
      per_page: 100,
      ...(cursor === null ? {} : { cursor }),
    });
    const attempts = z
      .array(z.unknown())
      .parse(data)
      .flatMap((one) => Attempt.safeParse(one).data ?? []);
    const link = /<([^>]+)>;\s*rel="next"/.exec(headers.link ?? "")?.[1];
    const next = link && URL.canParse(link) ? new URL(link).searchParams.get("cursor") : null;
    return { attempts, next, left: Number(headers["x-ratelimit-remaining"] ?? Number.POSITIVE_INFINITY) };
  } catch (error) {
    return { why: sortCall(error, { app, repository: null, write: false, now }).why };
  }
}

async function askAgain(app: GitHubApp, db: D1Database, swept: Swept, now: number): Promise<void> {
  for (const missed of await dueDeliveries(db, now, now - KEPT, WAITS.length, MOST_TRIES)) {
    try {
      await app.asApp().request(`POST /app/hook/deliveries/${missed.delivery}/attempts`);
      swept.again += 1;
    } catch (error) {
      const unsettled = sortCall(error, { app, repository: null, write: true, now });
      // A limit is one for all of them. What cannot be had any more counts as tried.
      if (unsettled.kind === "wait" || statusOf(error) === 401) {
        swept.why = unsettled.why;
        return;
      }
    }
    await askedAgain(db, missed.guid, now + (WAITS[missed.tries] ?? KEPT));
  }
}
