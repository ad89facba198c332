/** Faults on demand, and the log of all API calls: what lets a test say "GitHub loses the answer to the next comment". */
import type { Json } from "./records.ts";

/**
 * What goes wrong. `secondary limit` (403 with `retry-after`), `primary limit` (403, nothing left until the reset), `429` and
 * `status` answer without applying the call. `hang` neither applies nor answers, until the caller goes away. `lost reply`
 * applies the call and then destroys the connection. `slow` applies and answers after `ms`.
 */
export type Fault =
  | { kind: "secondary limit"; retryAfterSeconds?: number }
  | { kind: "primary limit"; resetSeconds?: number }
  | { kind: "429"; retryAfterSeconds?: number }
  | { kind: "status"; status: number; message?: string }
  | { kind: "hang" }
  | { kind: "lost reply" }
  | { kind: "slow"; ms: number };

/** One call as the log keeps it. `n` counts calls from 1; `at` is ms since 1970. */
export interface Call {
  method: string;
  /** Without query. */
  path: string;
  n: number;
  at: number;
  ms: number | undefined;
  /** The login, or the App's slug, or undefined without a valid token. */
  who: string | undefined;
  body: Json;
  fault: Fault["kind"] | undefined;
  status: number | undefined;
}

/** Where a call stands: not applied yet, applied but not answered, answered. */
export type Phase = "before" | "after" | "replied";

/** Hears of calls. What it returns is awaited before the call goes on, so it can stop the caller right there. */
export type CallListener = (event: { phase: Phase; call: Call }) => void | Promise<void>;

interface Armed {
  pattern: RegExp;
  fault: Fault;
  times: number;
  where: (call: Call) => boolean;
}

/**
 * A pattern of calls such as `PATCH /repos/acme/sample/issues/comments/*`: a method (or `*`), and a path in which `*` stands for one part
 * and `**` for any rest. Pure.
 */
export function patternOf(text: string): RegExp {
  const escaped = text.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replace(/\*\*|\*/g, (stars) => (stars === "**" ? ".*" : "[^/ ]+"))}$`);
}

/** What a fault answers instead of the call's result; null where it does something else. `now` in ms. Pure. */
export function answerOf(fault: Fault, now: number): { status: number; body: Json; headers: Record<string, string> } | null {
  const secondary = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
  switch (fault.kind) {
    case "secondary limit":
      return { status: 403, body: { message: secondary }, headers: { "retry-after": String(fault.retryAfterSeconds ?? 60) } };
    case "429":
      return { status: 429, body: { message: secondary }, headers: { "retry-after": String(fault.retryAfterSeconds ?? 60) } };
    case "primary limit": {
      const reset = String(Math.ceil(now / 1000) + (fault.resetSeconds ?? 60));
      const headers = { "x-ratelimit-limit": "5000", "x-ratelimit-remaining": "0", "x-ratelimit-reset": reset };
      return { status: 403, body: { message: "API rate limit exceeded for installation." }, headers };
    }
    case "status":
      return { status: fault.status, body: { message: fault.message ?? "Server Error" }, headers: {} };
    default:
      return null;
  }
}

/** Makes the switchboard of faults of one GitHub. `bot` is the login whose calls are hit unless said otherwise. */
export function makeFaults(now: () => number, bots: readonly string[]) {
  let armed: Armed[] = [];
  const listeners = new Set<CallListener>();
  const calls: Call[] = [];
  let n = 0;

  return {
    /** Every call so far, oldest first (the last 20,000). */
    calls,
    /** Calls that a pattern names, see `patternOf`. */
    callsOf(pattern: string): Call[] {
      const matcher = patternOf(pattern);
      return calls.filter((call) => matcher.test(`${call.method} ${call.path}`));
    },
    /**
     * The next `times` calls (default 1) that a pattern names go wrong in this way. `where` narrows it. Faults armed first are
     * used first. Only calls of errand are hit unless `where` says otherwise.
     */
    next(pattern: string, fault: Fault, more: { times?: number; where?: (call: Call) => boolean } = {}) {
      const ours = (call: Call) => call.who === undefined || bots.includes(call.who);
      armed.push({ pattern: patternOf(pattern), fault, times: more.times ?? 1, where: more.where ?? ours });
    },
    /** Disarms everything that was armed and not used. */
    clear() {
      armed = [];
    },
    /** Hears of every call in its phases; the result ends that. */
    onCall(listener: CallListener): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    /** For the server: opens a log entry and takes the fault armed for this call. */
    begin(method: string, path: string, who: string | undefined, body: Json): { call: Call; fault: Fault | undefined } {
      n += 1;
      const call: Call = { method, path, n, at: now(), ms: undefined, who, body, fault: undefined, status: undefined };
      calls.push(call);
      if (calls.length > 20_000) calls.shift();
      const hit = armed.find((one) => one.pattern.test(`${method} ${path}`) && one.where(call));
      if (!hit) return { call, fault: undefined };
      hit.times -= 1;
      if (hit.times <= 0) armed = armed.filter((one) => one !== hit);
      call.fault = hit.fault.kind;
      return { call, fault: hit.fault };
    },
    /** For the server: tells listeners of a phase and waits for them. */
    async tell(call: Call, phase: Phase): Promise<void> {
      for (const listener of listeners) await listener({ phase, call });
    },
  };
}

/** What `makeFaults` gives. */
export type Faults = ReturnType<typeof makeFaults>;
