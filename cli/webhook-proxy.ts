/**
 * Brings webhooks from a proxy's channel (smee.io, or a server of its kind) to the Worker on this machine, for development: GitHub posts to
 * the channel, this process holds a stream from it. The Worker checks GitHub's signature as ever, so what strangers post there is refused.
 */
import { setTimeout } from "node:timers/promises";
import SmeeClient from "smee-client";
import { z } from "zod";

export type WebhookProxyOptions = {
  channel: string;
  /** The Worker's webhook route. */
  target: string;
  log?: (line: string) => void;
  /** What delivers to the target. */
  fetch?: typeof fetch;
  /** Milliseconds before each try to connect again, the last one for all after it. */
  waits?: readonly number[];
};

export type WebhookProxy = { stop: () => Promise<void> };

/** Time for the Worker to take a delivery, in ms: it answers once the request is on disk. GitHub itself waits 10 s. */
const ANSWER_MS = 10_000;
/** Time for the proxy to open the stream, in ms. */
const CONNECT_MS = 15_000;
const WAITS = [1_000, 2_000, 5_000, 10_000, 30_000] as const;

/** What a channel sends: the body as JSON, and beside it each header in small letters. */
const Passed = z.looseObject({ body: z.record(z.string(), z.unknown()) });

/** GitHub's own headers; those of the proxy's connection stay behind. */
const HEADERS = ["x-github-event", "x-github-delivery", "x-github-hook-id", "x-hub-signature-256", "user-agent"];

/**
 * The request for what a channel sent, or null where that is no delivery. The proxy parses the body and this writes it anew: where GitHub wrote
 * the same JSON in another way (an unusual escape), the signature does not fit any more.
 */
export function requestFrom(sent: string): { headers: Record<string, string>; body: string; event: string } | null {
  let json: unknown;
  try {
    json = JSON.parse(sent);
  } catch {
    return null;
  }
  const passed = Passed.safeParse(json);
  if (!passed.success) return null;
  const { body, ...rest } = passed.data;
  const headers: Record<string, string> = { "content-type": "application/json" };
  for (const name of HEADERS) {
    const value = rest[name];
    if (typeof value === "string" && /^[\x20-\x7e]{1,500}$/.test(value)) headers[name] = value;
  }
  const event = headers["x-github-event"];
  return event === undefined ? null : { headers, body: JSON.stringify(body), event: event.replace(/[^\w.-]/g, "").slice(0, 64) };
}

/** Connects, and stays connected until `stop`. Returns at once: a proxy that is away is tried again, and errand runs without it. */
export function startWebhookProxy(options: WebhookProxyOptions): WebhookProxy {
  const log = options.log ?? console.log;
  const send = options.fetch ?? fetch;
  const waits = options.waits ?? WAITS;
  const stopped = new AbortController();
  const quiet = () => undefined;

  async function deliver(sent: string): Promise<void> {
    const request = requestFrom(sent);
    if (!request) return log("something came by the webhook proxy that is no delivery of GitHub's");
    try {
      const { headers, body, event } = request;
      const answer = await send(options.target, {
        method: "POST",
        headers,
        body,
        redirect: "manual",
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      await answer.body?.cancel();
      if (answer.ok) return log(`${event} delivered`);
      const hint =
        answer.status === 401
          ? ": the signature does not fit. ERRAND_GITHUB_WEBHOOK_SECRET may not be the App's, or the proxy rewrote the payload; a tunnel does not"
          : "";
      log(`${event} not taken: the Worker answered ${answer.status}${hint}`);
    } catch (error) {
      // GitHub counts it as delivered, since the proxy took it; nothing but a redelivery by hand brings it again.
      log(`${request.event} not delivered: ${error instanceof Error ? error.name : "error"}`);
    }
  }

  /** One connection, until it is over. Returns whether it was ever open. */
  async function connection(): Promise<boolean> {
    const client = new SmeeClient({
      source: options.channel,
      target: options.target,
      // Its own way of passing on rejects where nobody listens when something odd comes, and sends what it should not.
      forward: false,
      // Its own log has errors with addresses in them.
      logger: { info: quiet, error: quiet },
    });
    client.onmessage = ({ data }: { data: unknown }) => void deliver(String(data));
    const end = new Promise<void>((done) => {
      // It tries again by itself while the network is away, and closes for good when the proxy answers with an error.
      client.onerror = () => void setTimeout(0).then(() => (events?.readyState === 2 ? done() : undefined));
      stopped.signal.addEventListener("abort", () => done(), { once: true });
    });
    let events: Awaited<ReturnType<typeof client.start>> | undefined;
    // Not its own limit of time, which ends a connection for good that is being made anew just then.
    const tooLong = AbortSignal.any([stopped.signal, AbortSignal.timeout(CONNECT_MS)]);
    const given = new Promise<undefined>((up) => tooLong.addEventListener("abort", () => up(undefined), { once: true }));
    events = await Promise.race([client.start().catch(() => undefined), given]);
    if (events && !stopped.signal.aborted) {
      log("connected to the webhook proxy");
      await end;
    }
    await client.stop();
    return events !== undefined;
  }

  async function stayConnected(): Promise<void> {
    for (let attempt = 0; !stopped.signal.aborted; attempt += 1) {
      const opened = await connection();
      if (stopped.signal.aborted) return;
      if (opened) attempt = 0;
      const wait = waits[Math.min(attempt, waits.length - 1)] ?? 30_000;
      log(`not connected to the webhook proxy at ${new URL(options.channel).host}, trying again in ${wait / 1000} s`);
      await setTimeout(wait, undefined, { signal: stopped.signal }).catch(quiet);
    }
  }

  const running = stayConnected();
  return {
    async stop() {
      stopped.abort();
      await running;
    },
  };
}
