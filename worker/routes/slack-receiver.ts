/** Bolt's receiver for a Worker: checks that Slack sent it, has Bolt work on it, and answers only when that is done. */
import type { App, Receiver, ReceiverEvent } from "@slack/bolt";
import * as z from "zod";
import { hmacKey } from "../../protocol/hmac.ts";

const utf8 = new TextEncoder();

/** Slack's window for the age of a request, in seconds. */
const WINDOW = 300;

/**
 * Whether the body was signed with Slack's signing secret within the last five minutes. The comparison takes the same time wherever the
 * signatures differ. `now` in ms since 1970.
 */
export async function isSignedBySlack(secret: string, headers: Headers, body: Uint8Array, now: number): Promise<boolean> {
  const time = headers.get("x-slack-request-timestamp") ?? "";
  const signature = /^v0=([0-9a-f]{64})$/.exec(headers.get("x-slack-signature") ?? "")?.[1];
  if (!signature || !/^\d{1,12}$/.test(time) || Math.abs(now / 1000 - Number(time)) > WINDOW) return false;
  const mac = Uint8Array.from(signature.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  const start = utf8.encode(`v0:${time}:`);
  const signed = new Uint8Array(start.length + body.length);
  signed.set(start);
  signed.set(body, start.length);
  return crypto.subtle.verify("HMAC", await hmacKey(secret), mac, signed);
}

const Payload = z.record(z.string(), z.unknown());
/** A JSON object of Slack's. Its parts are checked where they are read. */
export type Payload = z.infer<typeof Payload>;

/** The payload of a request: JSON for events, a form (with JSON in `payload`, for clicks) for the rest. Undefined where it is neither. */
export function parsePayload(contentType: string | null, body: Uint8Array): Payload | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
    if (contentType?.includes("application/json")) return Payload.parse(JSON.parse(text));
    if (!contentType?.includes("application/x-www-form-urlencoded")) return undefined;
    const form = new URLSearchParams(text);
    const payload = form.get("payload");
    return payload === null ? Object.fromEntries(form) : Payload.parse(JSON.parse(payload));
  } catch {
    return undefined;
  }
}

/** How work on a payload ended, for the answer to Slack and the log. */
export type Ending = { status: 200 | 400; outcome: string; why: string | null };

/** What travels with a payload through Bolt to the listener, which sets `ending`. */
export type Delivery<Handed> = { handed: Handed; ending: Ending };

/** A receiver whose answer waits for the listener. Bolt itself would answer first, and a lost hand-over would never be repeated. */
export class WorkerReceiver<Handed> implements Receiver {
  #app: App | undefined;

  init(app: App): void {
    this.#app = app;
  }
  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  /** Has Bolt work on a payload. Resolves when its listeners are done; rejects when one failed. */
  async process(payload: Payload, headers: Headers, handed: Handed): Promise<Ending> {
    if (!this.#app) throw new Error("the receiver was not given to an App");
    const delivery: Delivery<Handed> = { handed, ending: { status: 200, outcome: "ignored", why: "nothing here handles it" } };
    const retry = Number(headers.get("x-slack-retry-num"));
    const event: ReceiverEvent = {
      body: payload,
      ...(retry > 0 ? { retryNum: retry, retryReason: headers.get("x-slack-retry-reason") ?? "" } : {}),
      customProperties: { delivery },
      ack: async () => undefined,
    };
    await this.#app.processEvent(event);
    return delivery.ending;
  }
}
