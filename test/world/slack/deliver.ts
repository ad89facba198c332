/**
 * Deliveries to the app: signed as Slack signs, in the background, and repeated as Slack repeats them. A delivery counts
 * as failed without a 2xx within 3 s; it is sent again at once, after a minute and after five (four times in all).
 */
import { createHmac } from "node:crypto";
import type { Envelope } from "./events.ts";

/** Slack's waiting times before retry 1, 2 and 3, in ms. Source: Slack's Events API documentation. */
export const RETRY_AFTER_MS = [0, 60_000, 300_000] as const;
/** How long Slack waits for an answer, in ms. */
export const DELIVERY_TIMEOUT_MS = 3_000;

/** `x-slack-retry-reason`. */
export type RetryReason = "http_timeout" | "http_error" | "connection_failed";

/** One try of one delivery, as the log keeps it. `at` is when it was sent, `ms` how long it took. */
export interface Try {
  eventId: string;
  type: string;
  retry: number;
  at: number;
  ms: number;
  status: number | undefined;
  failed: RetryReason | undefined;
}

/** A delivery that still has to be made, as it is kept across a restart. `due` is in ms since 1970. */
export interface Pending {
  envelope: Envelope;
  retry: number;
  reason: RetryReason | undefined;
  due: number;
}

/** The three headers of a signed request; `seconds` since 1970. */
export function signatureHeaders(secret: string, body: string, seconds: number): Record<string, string> {
  const mac = createHmac("sha256", secret).update(`v0:${seconds}:${body}`).digest("hex");
  return { "x-slack-request-timestamp": String(seconds), "x-slack-signature": `v0=${mac}` };
}

/** Where and how deliveries are made. `retryScale` multiplies the waiting times, so that tests need not wait minutes. */
export interface DeliverOptions {
  url: () => string | null;
  signingSecret: string;
  now: () => number;
  fetch: typeof fetch;
  retryScale: number;
  timeoutMs: number;
  changed: () => void;
}

/** Sends one signed request; the outcome is a value. An answer's redirect counts as an error, as it would for Slack's caller. */
export async function send(
  options: Pick<DeliverOptions, "signingSecret" | "now" | "fetch" | "timeoutMs">,
  url: string,
  body: string,
  headers: Record<string, string>,
): Promise<{ ok: true; status: number; body: string } | { ok: false; reason: RetryReason; status?: number; noRetry: boolean }> {
  const signal = AbortSignal.timeout(options.timeoutMs);
  try {
    const response = await options.fetch(url, {
      method: "POST",
      body,
      redirect: "manual",
      signal,
      headers: {
        ...headers,
        "user-agent": "Slackbot 1.0",
        ...signatureHeaders(options.signingSecret, body, Math.floor(options.now() / 1000)),
      },
    });
    const text = await response.text();
    if (response.ok) return { ok: true, status: response.status, body: text };
    return { ok: false, reason: "http_error", status: response.status, noRetry: response.headers.get("x-slack-no-retry") === "1" };
  } catch {
    return { ok: false, reason: signal.aborted ? "http_timeout" : "connection_failed", noRetry: false };
  }
}

/** Starts making deliveries. `stop` gives back what was not delivered, to be handed to the next start. */
export function startDeliveries(options: DeliverOptions, kept: Pending[]) {
  const pending = new Map<string, Pending>();
  const timers = new Map<string, NodeJS.Timeout>();
  const tries: Try[] = [];
  let stopped = false;

  const schedule = (item: Pending) => {
    const id = item.envelope.event_id;
    pending.set(id, item);
    options.changed();
    timers.set(
      id,
      setTimeout(() => void attempt(item), Math.max(0, item.due - options.now())),
    );
  };

  const attempt = async (item: Pending) => {
    const id = item.envelope.event_id;
    timers.delete(id);
    const url = options.url();
    if (stopped || !url) return;
    const at = options.now();
    const retry = item.retry > 0 ? { "x-slack-retry-num": String(item.retry), "x-slack-retry-reason": item.reason ?? "http_error" } : {};
    const result = await send(options, url, JSON.stringify(item.envelope), { "content-type": "application/json", ...retry });
    const outcome = { status: result.status, failed: result.ok ? undefined : result.reason };
    tries.push({ eventId: id, type: item.envelope.event.type, retry: item.retry, at, ms: options.now() - at, ...outcome });
    if (tries.length > 10_000) tries.shift();
    if (stopped) return;
    const wait = RETRY_AFTER_MS[item.retry];
    if (result.ok || result.noRetry || wait === undefined) {
      pending.delete(id);
      options.changed();
      return;
    }
    schedule({ ...item, retry: item.retry + 1, reason: result.reason, due: options.now() + wait * options.retryScale });
  };

  for (const item of kept) schedule(item);

  return {
    /** Every try made so far, oldest first (the last 10,000). */
    tries,
    /** Queues an event; returns at once. Without an address nobody is subscribed, and the event is dropped. */
    deliver(envelope: Envelope) {
      if (!stopped && options.url()) schedule({ envelope, retry: 0, reason: undefined, due: options.now() });
    },
    /** What is not delivered yet. */
    pending: (): Pending[] => [...pending.values()],
    /** Ends all timers. A try that is under way may still reach the app, so it stays among the undelivered. */
    stop() {
      stopped = true;
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}
