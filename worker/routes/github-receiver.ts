/** What stands between GitHub's POST and its handler: the signature, the form of a delivery, and a Probot for this delivery alone. */
import { type Options, Probot, ProbotOctokit } from "probot";
import * as z from "zod";
import { hmacKey } from "../../protocol/hmac.ts";

/**
 * Whether the bytes were signed with the webhook's secret (`X-Hub-Signature-256`; the SHA-1 header beside it is not looked at). The
 * comparison takes the same time wherever the signatures differ.
 */
export async function isSignedByGitHub(secret: string, signature: string, body: Uint8Array): Promise<boolean> {
  const hex = /^sha256=([0-9a-f]{64})$/.exec(signature)?.[1];
  if (!hex) return false;
  const mac = Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  return crypto.subtle.verify("HMAC", await hmacKey(secret), mac, body);
}

/** A delivery as its headers name it. `signature` is not checked yet. */
export type Delivery = { event: string; id: string; signature: string };

const EVENT = /^[a-z0-9_]{1,64}$/;
const GUID = /^[\w-]{1,100}$/;

/** The delivery's headers, or what is wrong with them. */
export function deliveryOf(headers: Headers): Delivery | { wrong: string } {
  const [event, id, signature] = ["x-github-event", "x-github-delivery", "x-hub-signature-256"].map((name) => headers.get(name));
  if (!event || !EVENT.test(event)) return { wrong: "X-GitHub-Event: missing, or no name of an event" };
  if (!id || !GUID.test(id)) return { wrong: "X-GitHub-Delivery: missing, or no id" };
  if (!signature) return { wrong: "X-Hub-Signature-256: missing; set a secret for the App's webhook" };
  return { event, id, signature };
}

const Payload = z.record(z.string(), z.unknown());
/** A payload: a JSON object, whose parts are checked where they are read. */
export type Payload = z.infer<typeof Payload>;

/** The payload of a body, or undefined where it is no JSON object in UTF-8. */
export function payloadOf(body: Uint8Array): Payload | undefined {
  try {
    return Payload.safeParse(JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body))).data;
  } catch {
    return undefined;
  }
}

/**
 * Probot's log, which says nothing: a fault comes back as a rejection and becomes the delivery's one line. Without it Probot makes itself a
 * logger that no Worker has.
 */
const quiet: Record<string, unknown> = { level: "silent" };
for (const level of ["trace", "debug", "info", "warn", "error", "fatal", "silent"]) quiet[level] = () => undefined;
quiet.child = () => quiet;
const log = quiet as unknown as NonNullable<Options["log"]>;

/**
 * Probot asks this for the client of a delivery. Calls go through `bots/github/client.ts`, whose tokens are values: Probot's own way shares
 * promises between requests, and in a Worker one request that ends early would hang all that wait for the same one.
 */
function noAuth({ octokit }: { octokit: unknown }) {
  const refuse = (): never => {
    throw new Error("Probot's own client is not used");
  };
  return Object.assign(async (wanted?: { type?: string }) => (wanted?.type === "event-octokit" ? octokit : refuse()), { hook: refuse });
}

/** Has Probot work on a delivery whose signature was right. Resolves when the handler is done; rejects with its error when it failed. */
export async function dispatch(
  delivery: Delivery,
  payload: Payload,
  secret: string,
  handle: (event: string, id: string, payload: Payload) => Promise<void>,
): Promise<void> {
  // One each: nothing that a request began is waited for by another.
  const probot = new Probot({
    githubToken: "unused",
    secret,
    log,
    Octokit: ProbotOctokit.defaults((options: object) => ({
      ...options,
      authStrategy: noAuth,
      throttle: { enabled: false },
      retry: { enabled: false },
    })) as typeof ProbotOctokit,
  });
  await probot.load((app) => {
    app.onAny((context) => handle(context.name, context.id, payload));
  });
  try {
    await probot.receive({ id: delivery.id, name: delivery.event, payload } as unknown as Parameters<typeof probot.receive>[0]);
  } catch (error) {
    throw error instanceof AggregateError ? error.errors[0] : error;
  }
}
