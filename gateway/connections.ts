/** Connections to the upstreams on loopback. */
import type { LookupFunction } from "node:net";
import { Agent, Pool } from "undici";

/** Longest time an upstream may take to begin its answer, in ms: OpenCode answers a prompt only when the turn is over. */
const ANSWER_MS = 30 * 60_000;
/** Longest time to wait for a connection on loopback, in ms. */
const CONNECT_MS = 3_000;

const OPTIONS = {
  pipelining: 1,
  allowH2: false,
  headersTimeout: ANSWER_MS,
  // Event streams are silent for as long as nothing happens.
  bodyTimeout: 0,
  // Shorter than the upstreams' own (5 s and more), so that a request is not sent into a connection that just closes.
  keepAliveTimeout: 2_000,
  keepAliveMaxTimeout: 2_000,
  maxHeaderSize: 32_768,
} as const;

/** Of every upstream but previews: the connections lead to where they lead. */
export const ORIGIN = "http://127.0.0.1";

const bothLoopbacks: LookupFunction = (_host, _options, found) =>
  found(null, [
    { address: "127.0.0.1", family: 4 },
    { address: "::1", family: 6 },
  ]);

/**
 * How to connect to what the agent serves: 127.0.0.1, or where nothing listens there, ::1, since dev servers bind to `localhost`,
 * which is either. Nothing is looked up: a file in the sandbox could say that `localhost` is elsewhere.
 */
export const LOCALHOST = {
  host: "localhost",
  lookup: bothLoopbacks,
  autoSelectFamily: true,
  // Not to be taken for unreachable where it is only busy: the other address is for the case that it refuses.
  autoSelectFamilyAttemptTimeout: CONNECT_MS,
};

/** Where an upstream is, for a connection of one's own. */
export const addressOf = (upstream: { port: number } | { socket: string }) =>
  "port" in upstream ? { host: "127.0.0.1", port: upstream.port } : { socketPath: upstream.socket };

/** The connections to an upstream. No limit on their number: each belongs to a client's connection, and those are limited. */
export function connectionsTo(upstream: { port: number } | { socket: string }): Pool {
  const where = "port" in upstream ? {} : { socketPath: upstream.socket };
  return new Pool(ORIGIN + ("port" in upstream ? `:${upstream.port}` : ""), { ...OPTIONS, connect: { timeout: CONNECT_MS, ...where } });
}

/** The connections to what the agent serves, on whatever port the origin of a request names. */
export function connectionsToPreviews(): Agent {
  const { lookup, autoSelectFamily, autoSelectFamilyAttemptTimeout } = LOCALHOST;
  return new Agent({ ...OPTIONS, connect: { timeout: 2 * CONNECT_MS, lookup, autoSelectFamily, autoSelectFamilyAttemptTimeout } });
}
