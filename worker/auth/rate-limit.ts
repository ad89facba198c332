/**
 * How often somebody may ask: a bucket of tokens for each address or person, in the memory of one isolate. Cloudflare runs several isolates, so
 * in a deployment the whole is a multiple of this; it stops loops and guesses from one place, and a flood is the edge's to stop.
 */
import type { MiddlewareHandler } from "hono";
import type { App, AppContext } from "../routes/app.ts";
import { problem } from "../routes/errors.ts";

/** `burst` at once, then `perSecond`. */
export type Rate = { burst: number; perSecond: number };

/** Beginning and ending a sign-in, and fetching a token: people do this a few times a day. */
export const SIGN_IN_RATE: Rate = { burst: 20, perSecond: 1 / 3 };
/** Everything else of the API: a page that is open asks several times a second at most. */
export const API_RATE: Rate = { burst: 600, perSecond: 20 };

/** Buckets kept; beyond that the one longest unused is forgotten. */
const KEPT = 10_000;

type Bucket = { left: number; at: number };

/** Buckets by key. */
export type Limiter = {
  /** Takes one: 0, or how many whole seconds to wait. `now` in ms. */
  take(key: string, now: number): number;
};

/** A new set of buckets of one rate. */
export function limiter({ burst, perSecond }: Rate): Limiter {
  const buckets = new Map<string, Bucket>();
  const filled = (bucket: Bucket, now: number): number => Math.min(burst, bucket.left + (Math.max(0, now - bucket.at) / 1000) * perSecond);
  return {
    take(key, now) {
      const bucket = buckets.get(key);
      const left = bucket ? filled(bucket, now) : burst;
      // Written again, so that the map's order is that of use.
      buckets.delete(key);
      buckets.set(key, { left: left >= 1 ? left - 1 : left, at: now });
      if (buckets.size > KEPT) buckets.delete(buckets.keys().next().value ?? "");
      return left >= 1 ? 0 : Math.ceil((1 - left) / perSecond);
    },
  };
}

/** Whom a request counts for before anybody is recognised. Without an edge before the Worker the address may be missing: then all count as one. */
const addressOf = (c: AppContext): string => c.req.header("cf-connecting-ip") ?? "unknown";

/** 429 with `retry-after` in s. */
function tooMany(c: AppContext, seconds: number): Response {
  c.header("retry-after", String(seconds));
  return problem(c, 429, "too_many", `Too many requests. Try again in ${seconds} s.`, { seconds });
}

/** Refuses with 429 who asks too often, by address. */
export function limitedByAddress(rate: Rate, now: () => number = Date.now): MiddlewareHandler<App> {
  const buckets = limiter(rate);
  return async (c, next) => {
    const seconds = buckets.take(addressOf(c), now());
    return seconds > 0 ? tooMany(c, seconds) : next();
  };
}

const people = limiter(API_RATE);

/** The refusal for a person who asks too often; null: go on. For the doors, which know the person. */
export function tooOften(c: AppContext, person: string, now = Date.now()): Response | null {
  const seconds = people.take(person, now);
  return seconds > 0 ? tooMany(c, seconds) : null;
}
