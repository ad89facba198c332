/**
 * Frames between a runner and its SessionAgent, over one WebSocket.
 *
 * Runner events carry consecutive numbers per generation, from 1. The SessionAgent stores what is to be stored, then
 * acknowledges the highest number up to which nothing is needed any more; the runner keeps the rest and replays it.
 * Commands carry consecutive numbers per session; the SessionAgent keeps them until acknowledged and sends them again
 * on every connection. Both sides apply a number once.
 *
 * Upgrade: GET /sandbox/<session>/runner?generation=<g> with `Authorization: Bearer <runner token>`.
 * 401 wrong token; 409 the generation has ended (the runner must exit).
 */
import * as z from "zod";
import { RunnerEvent } from "./events.ts";
import { Guest, Service } from "./grant.ts";
import { Sites } from "./sites.ts";

/** Version of these frames. A runner of another version is not worked with: its sandbox is replaced. */
export const RUNNER_PROTOCOL = 2;
/** Close code for a runner whose generation is over: terminate, do not reconnect. Own range 4000–4999 of RFC 6455. */
export const CLOSE_FENCED = 4409;
/** Text frame answered with `pong` without waking the SessionAgent. */
export const PING = "ping";
export const PONG = "pong";
/** The runner pings this often, in ms, and reconnects when two pings went unanswered. */
export const PING_EVERY_MS = 10_000;
/** The runner sends at most one frame of events per this time, in ms. */
export const COALESCE_MS = 250;
/** The largest frame either side sends, in characters. */
export const MAX_FRAME = 1_000_000;

const seq = z.number().int().nonnegative();

/** A name and address as commits carry them. */
export const Identity = z.object({ name: z.string().min(1).max(200), email: z.string().min(3).max(320) });
export type Identity = z.infer<typeof Identity>;

/** What the runner asks of the SessionAgent and waits for. Nothing of it is stored on either side. */
export const RunnerAsk = z.discriminatedUnion("what", [
  /** git wants to sign in at `url` (protocol, host and path, without credentials). */
  z.object({ what: z.literal("credential"), url: z.string().min(1).max(1_000) }),
  /** Who of those with something open may still have it open? */
  z.object({ what: z.literal("guests"), guests: z.array(Guest).min(1).max(500) }),
]);
export type RunnerAsk = z.infer<typeof RunnerAsk>;

/** The answer. A credential is secret: never logged. `expiresAt` in ms since 1970. */
export const RunnerAnswer = z.discriminatedUnion("is", [
  z.object({ is: z.literal("credential"), username: z.string(), password: z.string(), expiresAt: z.number() }),
  /** By place in the question: these may no longer, and of these it could not be found out. Everybody else may. */
  z.object({ is: z.literal("guests"), gone: z.array(seq), unsure: z.array(seq).optional() }),
  z.object({ is: z.literal("no"), why: z.string() }),
]);
export type RunnerAnswer = z.infer<typeof RunnerAnswer>;
/** An ask that has no answer after this time counts as refused, in ms. */
export const RUNNER_ASK_MS = 20_000;

/** What the SessionAgent asks of the runner. Idempotent by `turn` and by the command's number. */
export const Command = z.discriminatedUnion("do", [
  z.object({
    do: z.literal("prompt"),
    turn: z.number().int().positive(),
    text: z.string(),
    /** Facts for the agent about this turn: who asks, where. Appended to the system prompt. */
    system: z.string(),
    /** `provider/model` as in the sandbox's OpenCode configuration. */
    model: z.string(),
    /** What stands around the prompt: given to the agent with it, marked as data. */
    context: z.string().optional(),
    /** Who the turn's commits are by; the committer is `committer`, and is named as co-author. */
    author: Identity.optional(),
    committer: Identity.optional(),
  }),
  /** Adds to the running turn. */
  z.object({ do: z.literal("steer"), turn: z.number().int().positive(), text: z.string() }),
  z.object({ do: z.literal("stop"), turn: z.number().int().positive() }),
  z.object({
    do: z.literal("answer"),
    turn: z.number().int().positive(),
    ask: z.string(),
    choice: z.string().optional(),
    text: z.string().optional(),
    reject: z.boolean(),
  }),
]);
export type Command = z.infer<typeof Command>;

/** What the runner says. */
export const FromRunner = z.discriminatedUnion("t", [
  /** First frame of a connection. `commands`: highest command number this sandbox has applied. */
  z.object({ t: z.literal("hello"), protocol: z.number().int(), generation: z.number().int().positive(), commands: seq }),
  /** Contiguous events; `first` is the number of the first. */
  z.object({ t: z.literal("events"), first: z.number().int().positive(), items: z.array(RunnerEvent).min(1).max(1_000) }),
  /** Commands up to this number were applied. */
  z.object({ t: z.literal("ack"), commands: seq }),
  /** `id` is the runner's, new for each ask on a connection. */
  z.object({ t: z.literal("ask"), id: z.string().min(1).max(80), ask: RunnerAsk }),
  /** People used these services since the last such frame: the sandbox is not idle. */
  z.object({ t: z.literal("used"), services: z.array(Service).min(1).max(10) }),
]);
export type FromRunner = z.infer<typeof FromRunner>;

/** What the SessionAgent says. */
export const ToRunner = z.discriminatedUnion("t", [
  /** Answer to `hello`. `received`: highest event number known here now; send what comes after it. `sites`: how browsers reach the gateway, once known. `grantKeys`: what grants are signed with now (public JWK with `kid`). */
  z.object({
    t: z.literal("welcome"),
    received: seq,
    sites: Sites.nullable(),
    grantKeys: z.array(z.record(z.string(), z.unknown())).min(1).optional(),
  }),
  /** Events up to this number are safe: drop them. */
  z.object({ t: z.literal("ack"), events: seq }),
  /** A gap was seen: send again from this number. */
  z.object({ t: z.literal("resend"), from: z.number().int().positive() }),
  z.object({ t: z.literal("command"), seq: z.number().int().positive(), command: Command }),
  z.object({ t: z.literal("sites"), sites: Sites }),
  /** The answer to the `ask` of that id. */
  z.object({ t: z.literal("answer"), id: z.string(), answer: RunnerAnswer }),
  /** The runner must end: its generation is over. */
  z.object({ t: z.literal("bye"), reason: z.string() }),
]);
export type ToRunner = z.infer<typeof ToRunner>;
