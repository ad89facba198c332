/**
 * Webhooks to Apps: signed as GitHub signs, sent once and never again by themselves. Each try stays in the log with its state,
 * until somebody asks for another one. A delivery counts as failed without an answer below 400 within ten seconds.
 */
import { createHmac, randomUUID } from "node:crypto";
import type { App, Installation, Json } from "./records.ts";

/** How long GitHub waits for an answer, in ms. Source: GitHub's "Best practices for using webhooks". */
export const DELIVERY_TIMEOUT_MS = 10_000;
/** The state of a try that is not answered yet; GitHub lists those that are. */
export const PENDING = "pending";
/** How many tries the log keeps; GitHub keeps three days. */
const KEPT = 5_000;

/** One try of one delivery, in GitHub's words. The `guid` is the event's and stays the same when it is sent again. */
export interface Delivery {
  id: number;
  guid: string;
  app_id: number;
  delivered_at: string;
  redelivery: boolean;
  /** Seconds. */
  duration: number;
  status: string;
  /** What the App answered; 0 where it did not, and while it is waited for. */
  status_code: number;
  event: string;
  action: string | null;
  installation_id: number | null;
  repository_id: number | null;
  throttled_at: null;
  url: string;
  request: { headers: Record<string, string>; payload: Json };
  response: { headers: Record<string, string>; payload: string | null };
}

/** `X-Hub-Signature-256` of a body. */
export const signature = (secret: string, body: string) => `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;

/** How deliveries are made. */
export interface DeliverOptions {
  now: () => number;
  fetch: typeof fetch;
  timeoutMs: number;
  changed: () => void;
}

/** What is sent. */
export interface Parcel {
  app: App;
  event: string;
  payload: Json;
  installation: Installation | null;
  repositoryId: number | null;
}

/** Starts making deliveries. `kept` is the log of an earlier run. */
export function makeDeliveries(options: DeliverOptions, kept: Delivery[]) {
  // What was on its way when an earlier run ended may have arrived or not: as far as anyone knows, it failed.
  const log: Delivery[] = kept.map((one) => (one.status === PENDING ? { ...one, status: "failed to connect to host" } : one));
  const waiting = new Set<Promise<unknown>>();
  let paused = false;
  let nextId = Math.max(31_000_000_000, ...kept.map((one) => one.id)) + 1;

  async function send(delivery: Delivery, secret: string) {
    const body = JSON.stringify(delivery.request.payload);
    const headers = {
      "content-type": "application/json",
      accept: "*/*",
      "user-agent": "GitHub-Hookshot/local",
      "x-github-event": delivery.event,
      "x-github-delivery": delivery.guid,
      "x-github-hook-id": String(delivery.app_id),
      "x-github-hook-installation-target-type": "integration",
      "x-github-hook-installation-target-id": String(delivery.app_id),
      "x-hub-signature-256": signature(secret, body),
      "x-hub-signature": `sha1=${createHmac("sha1", secret).update(body).digest("hex")}`,
    };
    delivery.request.headers = headers;
    const start = options.now();
    const signal = AbortSignal.timeout(options.timeoutMs);
    try {
      const answer = await options.fetch(delivery.url, { method: "POST", body, headers, signal, redirect: "manual" });
      delivery.response = { headers: Object.fromEntries(answer.headers), payload: await answer.text() };
      delivery.status_code = answer.status;
      delivery.status = answer.status < 400 ? "OK" : `Invalid HTTP Response: ${answer.status}`;
    } catch {
      delivery.status = signal.aborted ? "timed out" : "failed to connect to host";
    }
    delivery.duration = (options.now() - start) / 1000;
    options.changed();
  }

  function enter(delivery: Delivery, secret: string): Promise<Delivery> {
    log.push(delivery);
    if (log.length > KEPT) log.shift();
    const sending = send(delivery, secret).then(() => delivery);
    waiting.add(sending);
    void sending.finally(() => waiting.delete(sending));
    options.changed();
    return sending;
  }

  const blank = (url: string, redelivery: boolean) => ({
    id: nextId++,
    delivered_at: new Date(options.now()).toISOString(),
    redelivery,
    duration: 0,
    status: PENDING,
    status_code: 0,
    throttled_at: null,
    url,
    response: { headers: {}, payload: null },
  });

  return {
    /** Every try so far, oldest first (the last 5,000). */
    log,
    /** Sends a webhook, if its App has an address; returns at once. */
    deliver({ app, event, payload, installation, repositoryId }: Parcel) {
      if (!app.webhook_url || paused) return;
      const delivery: Delivery = {
        ...blank(app.webhook_url, false),
        guid: randomUUID(),
        app_id: app.app_id,
        event,
        action: typeof payload.action === "string" ? payload.action : null,
        installation_id: installation?.installation_id ?? null,
        repository_id: repositoryId,
        request: { headers: {}, payload },
      };
      void enter(delivery, app.webhook_secret ?? "");
    },
    /** Sends a delivery again, under its GUID and to where the App's webhooks go now; false where there is none of that id. */
    redeliver(id: number, app: App): Promise<Delivery> | null {
      const before = log.find((one) => one.id === id && one.app_id === app.app_id);
      if (!before || !app.webhook_url) return null;
      const again = { ...before, ...blank(app.webhook_url, true), request: { headers: {}, payload: before.request.payload } };
      return enter(again, app.webhook_secret ?? "");
    },
    /** Of each event the tries; an event is settled when one of them was taken. */
    failed: (): Delivery[] => {
      const taken = new Set(log.filter((one) => one.status_code >= 200 && one.status_code < 400).map((one) => one.guid));
      return log.filter((one) => !taken.has(one.guid) && one.status !== PENDING);
    },
    /** While paused, events are dropped as by a GitHub that is down: they are in no log. */
    pause: (value: boolean) => {
      paused = value;
    },
    /** Resolves when nothing is on its way. */
    async settled(): Promise<void> {
      while (waiting.size > 0) await Promise.all(waiting);
    },
  };
}

/** See `makeDeliveries`. */
export type Deliveries = ReturnType<typeof makeDeliveries>;
