/**
 * How often somebody may ask: a bucket of tokens for each address or person, in the memory of one isolate. Cloudflare runs several isolates, so
 * in a deployment the whole is a multiple of this; for signing in, `SIGN_IN_LIMIT` of wrangler.jsonc counts for a whole location besides.
 */
import type { MiddlewareHandler } from "hono";
import type { App, AppContext } from "../routes/app.ts";
import { problem } from "../routes/errors.ts";
import type { Identity } from "./identity.ts";

/** `burst` at once, then `perSecond`. */
export type Rate = { burst: number; perSecond: number };

/** Beginning a sign-in, ending it and fetching its token, three of these each: a whole office may come from one address. */
export const SIGN_IN_RATE: Rate = { burst: 60, perSecond: 1 };
/** A person at the API: a page that is open asks several times a second at most. */
const PERSON_RATE: Rate = { burst: 600, perSecond: 20 };
/** An address at the API, whoever asks. */
const ADDRESS_RATE: Rate = { burst: 2_000, perSecond: 100 };

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

/**
 * Whom a request counts for before anybody is recognised: its address, of IPv6 the first 64 bits, which one subscriber has all of. Where no edge
 * stands before the Worker it may be missing: then all count as one.
 */
export function addressOf(headers: Headers): string {
  const address = headers.get("cf-connecting-ip") ?? "unknown";
  if (!address.includes(":") || address.includes(".")) return address;
  const [before = "", after] = address.split("::");
  const groups = before === "" ? [] : before.split(":");
  const rest = after === undefined || after === "" ? [] : after.split(":");
  while (after !== undefined && groups.length + rest.length < 8) groups.push("0");
  return [...groups, ...rest]
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ""))
    .join(":");
}

/** 429 with `retry-after` in s. */
export function tooMany(c: AppContext, seconds: number): Response {
  c.header("retry-after", String(seconds));
  return problem(c, 429, "too_many", `Too many requests. Try again in ${seconds} s.`, { seconds });
}

/** Refuses with 429 who asks too often, by address. Not on a machine of one's own: there the only one to stop would be its owner. */
export function limitedByAddress(rate = ADDRESS_RATE, now: () => number = Date.now): MiddlewareHandler<App> {
  const buckets = limiter(rate);
  return async (c, next) => {
    const seconds = c.var.settings.LOCAL_OWNER === null ? buckets.take(addressOf(c.req.raw.headers), now()) : 0;
    return seconds > 0 ? tooMany(c, seconds) : next();
  };
}

const people = limiter(PERSON_RATE);

/** The refusal for a person who asks too often; null: go on. For the doors, which know the person. */
export function tooOften(c: AppContext, { via, person }: Identity, now = Date.now()): Response | null {
  const seconds = via === "owner" ? 0 : people.take(person.id, now);
  return seconds > 0 ? tooMany(c, seconds) : null;
}
