/** Faults on demand, and the log of all Web API calls: what lets a test say "Slack loses the answer to the next post". */
import type { Json } from "./records.ts";
import { WORKSPACE } from "./workspace.ts";

/**
 * What goes wrong. `429` and `500` answer without applying the call. `hang` neither applies nor answers, until the caller
 * goes away. `lost reply` applies the call and then destroys the connection. `slow` applies and answers after `ms`.
 */
export type Fault =
  | { kind: "429"; retryAfterSeconds?: number }
  | { kind: "500" }
  | { kind: "hang" }
  | { kind: "lost reply" }
  | { kind: "slow"; ms: number }
  | { kind: "error"; error: string };

/** One call as the log keeps it. `n` counts calls of this method from 1; `at` is ms since 1970. */
export interface Call {
  method: string;
  n: number;
  at: number;
  ms: number | undefined;
  /** The user whose token it carried, or undefined without a valid one. */
  user: string | undefined;
  args: Json;
  fault: Fault["kind"] | undefined;
  status: number | undefined;
  answer: Json | undefined;
}

/** Where a call stands: not applied yet, applied but not answered, answered. */
export type Phase = "before" | "after" | "replied";

/** Hears of calls. What it returns is awaited before the call goes on, so it can stop the caller right there. */
export type CallListener = (event: { method: string; phase: Phase; n: number; call: Call }) => void | Promise<void>;

interface Armed {
  method: string | "*";
  fault: Fault;
  times: number;
  where: (call: Call) => boolean;
}

/** Makes the switchboard of faults of one Slack. */
export function makeFaults(now: () => number) {
  let armed: Armed[] = [];
  const listeners = new Set<CallListener>();
  const calls: Call[] = [];
  const counts = new Map<string, number>();

  return {
    /** Every call so far, oldest first (the last 20,000). */
    calls,
    /** Calls of one method. */
    callsOf: (method: string) => calls.filter((call) => call.method === method),
    /**
     * The next `times` calls (default 1) of a method, or of any with `*`, go wrong in this way. `where` narrows it. Faults armed
     * first are used first. Only calls of the bot are hit unless `where` says otherwise.
     */
    next(method: string, fault: Fault, more: { times?: number; where?: (call: Call) => boolean } = {}) {
      const bot = (call: Call) => call.user === undefined || call.user === WORKSPACE.bot;
      armed.push({ method, fault, times: more.times ?? 1, where: more.where ?? bot });
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
    begin(method: string, user: string | undefined, args: Json): { call: Call; fault: Fault | undefined } {
      const n = (counts.get(method) ?? 0) + 1;
      counts.set(method, n);
      const call: Call = { method, n, at: now(), ms: undefined, user, args, fault: undefined, status: undefined, answer: undefined };
      calls.push(call);
      if (calls.length > 20_000) calls.shift();
      const hit = armed.find((one) => (one.method === "*" || one.method === method) && one.where(call));
      if (!hit) return { call, fault: undefined };
      hit.times -= 1;
      if (hit.times <= 0) armed = armed.filter((one) => one !== hit);
      call.fault = hit.fault.kind;
      return { call, fault: hit.fault };
    },
    /** For the server: tells listeners of a phase and waits for them. */
    async tell(call: Call, phase: Phase): Promise<void> {
      for (const listener of listeners) await listener({ method: call.method, phase, n: call.n, call });
    },
  };
}

/** What `makeFaults` gives. */
export type Faults = ReturnType<typeof makeFaults>;
