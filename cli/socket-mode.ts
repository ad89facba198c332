/**
 * The bridge for a real Slack without a public address: holds the app's socket (Socket Mode) and posts what comes over it to the
 * Worker, signed as Slack signs, so that the Worker has one way in.
 */
import { createHmac } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { LogLevel, SocketModeClient } from "@slack/socket-mode";
import { z } from "zod";

/** How the bridge is started. */
export type SocketModeOptions = {
  /** The app-level token (`xapp-…`) with the scope `connections:write`. */
  appToken: string;
  signingSecret: string;
  /** The Worker's `/slack/events`. */
  target: string;
  /** Base of Slack's Web API, ending in `/api/`; Slack itself unless given. */
  apiUrl?: string | null;
  /** Takes one line for each thing worth knowing, never what people wrote. */
  log?: (line: string) => void;
  now?: () => number;
  fetch?: typeof fetch;
};

/** A running bridge. */
export type SocketMode = { stop(): Promise<void> };

/** Slack wants an acknowledgement within 3 s, in ms. */
const ANSWER_WITHIN = 2_900;

const Delivery = z.object({
  type: z.string(),
  body: z.record(z.string(), z.unknown()),
  ack: z.custom<(answer?: Record<string, unknown>) => Promise<void>>((value) => typeof value === "function"),
  retry_num: z.number().nullish(),
  retry_reason: z.string().nullish(),
  accepts_response_payload: z.boolean().nullish(),
});
type Delivery = z.infer<typeof Delivery>;

/** The HTTP request Slack would have made for what came over the socket. `now` in ms since 1970. Pure. */
export function requestFor(
  delivery: Pick<Delivery, "type" | "body" | "retry_num" | "retry_reason">,
  signingSecret: string,
  now: number,
): { headers: Record<string, string>; body: string } {
  const json = delivery.type === "events_api";
  const fields = delivery.type === "slash_commands" ? delivery.body : { payload: JSON.stringify(delivery.body) };
  const form = () => new URLSearchParams(Object.entries(fields).map(([name, value]): [string, string] => [name, String(value)])).toString();
  const body = json ? JSON.stringify(delivery.body) : form();
  const time = String(Math.floor(now / 1000));
  const signature = createHmac("sha256", signingSecret).update(`v0:${time}:${body}`).digest("hex");
  const retry = delivery.retry_num
    ? { "x-slack-retry-num": String(delivery.retry_num), "x-slack-retry-reason": delivery.retry_reason ?? "" }
    : {};
  return {
    body,
    headers: {
      "content-type": json ? "application/json" : "application/x-www-form-urlencoded",
      "x-slack-request-timestamp": time,
      "x-slack-signature": `v0=${signature}`,
      ...retry,
    },
  };
}

function answerOf(text: string): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch {
    return { text };
  }
}

const CAUSES: Record<string, string> = {
  invalid_auth: "Slack does not know the app-level token. Set SLACK_APP_TOKEN to the token that starts with xapp-.",
  not_authed: "Set SLACK_APP_TOKEN.",
  not_allowed_token_type: "SLACK_APP_TOKEN has to be an app-level token (it starts with xapp-).",
  missing_scope: "The app-level token needs the scope connections:write.",
  forbidden_team: "The app is not installed in this workspace.",
};

/** Why Slack gives no socket: in words that say what to do, and whether trying again can help. */
function explain(error: unknown): { why: string; final: boolean } {
  const data = z.object({ data: z.object({ error: z.string() }) }).safeParse(error);
  if (data.success) return { why: CAUSES[data.data.data.error] ?? data.data.data.error, final: data.data.data.error in CAUSES };
  return { why: error instanceof Error ? error.message : "the connection was closed", final: false };
}

/** Waits before the tries to connect again: 1, 2, 4 … 30 s, in ms. */
const waitBefore = (attempt: number) => Math.min(30_000, 1_000 * 2 ** Math.min(attempt, 5));

/**
 * Connects and stays connected: Slack closes every socket after some hours, and a laptop sleeps. Throws where the first connection
 * fails. The client's own way of connecting again is off: it gives up when the network is away, by an unhandled rejection.
 */
export async function startSocketMode(options: SocketModeOptions): Promise<SocketMode> {
  const log = options.log ?? console.log;
  const now = options.now ?? Date.now;
  const send = options.fetch ?? fetch;
  const quiet = () => undefined;
  const client = new SocketModeClient({
    appToken: options.appToken,
    autoReconnectEnabled: false,
    // The client's own log has payloads in it.
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet, setLevel: quiet, getLevel: () => LogLevel.ERROR, setName: quiet },
    clientOptions: { retryConfig: { retries: 0 }, timeout: 10_000, ...(options.apiUrl ? { slackApiUrl: options.apiUrl } : {}) },
  });
  const stopped = new AbortController();
  let connected = false;

  async function forward(delivery: Delivery): Promise<void> {
    const { headers, body } = requestFor(delivery, options.signingSecret, now());
    const started = now();
    let response: Response;
    try {
      response = await send(options.target, { method: "POST", headers, body, signal: AbortSignal.timeout(ANSWER_WITHIN) });
    } catch (error) {
      // Without an acknowledgement Slack sends an event again.
      return log(`${delivery.type} not delivered: ${error instanceof Error ? error.name : "error"}`);
    }
    const text = await response.text();
    if (!response.ok) return log(`${delivery.type} not taken: the Worker answered ${response.status}`);
    await (text !== "" && delivery.accepts_response_payload ? delivery.ack(answerOf(text)) : delivery.ack());
    log(`${delivery.type} delivered in ${now() - started} ms`);
  }

  async function connect(): Promise<void> {
    await client.start();
    connected = true;
    log("connected by Socket Mode");
  }

  async function connectAgain(): Promise<void> {
    for (let attempt = 0; !stopped.signal.aborted; attempt += 1) {
      try {
        return await connect();
      } catch (error) {
        const { why, final } = explain(error);
        if (final) return log(`no longer connected. ${why} Then start errand again.`);
        log(`not connected (${why}), trying again in ${waitBefore(attempt) / 1000} s`);
      }
      await setTimeout(waitBefore(attempt), undefined, { signal: stopped.signal }).catch(quiet);
    }
  }

  client.on("slack_event", (event: unknown) => {
    const delivery = Delivery.safeParse(event);
    if (!delivery.success) return log("something came that has not the form of a delivery");
    forward(delivery.data).catch((error: unknown) => log(`acknowledging failed: ${error instanceof Error ? error.message : "error"}`));
  });
  client.on("disconnected", () => {
    if (!connected) return;
    connected = false;
    if (stopped.signal.aborted) return;
    log("the connection ended, connecting again");
    void connectAgain();
  });
  client.on("error", (error: unknown) => log(`connection error: ${error instanceof Error ? error.message : "unknown"}`));

  try {
    await connect();
  } catch (error) {
    stopped.abort();
    throw new Error(`Slack gave no connection by Socket Mode: ${explain(error).why}`);
  }
  return {
    async stop() {
      stopped.abort();
      if (connected) await client.disconnect();
    },
  };
}
