/**
 * OpenCode's event stream: opened, watched, opened again. There is no replay, so every (re)connection is told, and whoever
 * follows a session reads its state then.
 */

import type { OpenCodeEvent } from "./opencode-types.ts";
import { readEvent } from "./opencode-types.ts";

/** OpenCode sends a heartbeat every 10 s: after this much silence, in ms, the stream is dead. */
export const SILENCE_MS = 25_000;
/** `server.connected` comes with the first bytes; it may take as long as the directory's instance boots. */
const CONNECT_MS = 10_000;
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 1_000;

/** What the stream needs and whom it tells. */
export type StreamOptions = {
  /** Whether the server answers. A request that arrives while the process starts is accepted and never answered (seen with 1.18.33). */
  isUp: () => Promise<boolean>;
  open: (signal: AbortSignal) => Promise<Response>;
  onEvent: (event: OpenCodeEvent) => void;
  /** `server.connected` was seen. */
  onConnected: () => void;
  /** The stream broke; it is being opened again. */
  onBroken: () => void;
  log: (message: string) => void;
};

/** Follows the stream until `signal` aborts. */
export async function followEvents(options: StreamOptions, signal: AbortSignal): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const silence = new AbortController();
    let connected = false;
    if (!(await options.isUp())) {
      await delay(RETRY_MIN_MS, signal);
      continue;
    }
    let timer = setTimeout(() => silence.abort(), CONNECT_MS);
    try {
      const response = await options.open(AbortSignal.any([signal, silence.signal]));
      if (!response.ok || response.body === null) throw new Error(`GET /event answered ${response.status}`);
      for await (const data of readServerSentEvents(response.body)) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        const read = readEvent(data);
        if (read.kind === "event") options.onEvent(read.event);
        else if (read.kind === "malformed") options.log(`opencode: an event of type ${read.type} has an unexpected shape: ${read.why}`);
        else if (read.type === "server.connected") {
          connected = true;
          failures = 0;
          options.onConnected();
        }
      }
    } catch (error) {
      if (connected && !signal.aborted) options.log(`opencode: event stream: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      clearTimeout(timer);
    }
    if (signal.aborted) return;
    if (connected) options.onBroken();
    await delay(Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** failures), signal);
    failures += 1;
  }
}

/** The parsed `data` of each server-sent event of a body. Lines that are no JSON are skipped. */
export async function* readServerSentEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let pending: string[] = [];
  for await (const chunk of body) {
    const lines = decoder.decode(chunk, { stream: true }).split("\n");
    // One event may come in hundreds of chunks: joined once, when its line ends.
    pending.push(lines[0] ?? "");
    for (const next of lines.slice(1)) {
      const line = pending.join("");
      pending = [next];
      const data = readLine(line);
      if (data !== undefined) yield data;
    }
  }
}

function readLine(line: string): unknown {
  if (!line.startsWith("data:")) return undefined;
  try {
    return JSON.parse(line.slice(5));
  } catch {
    return undefined;
  }
}

/** Resolves after `ms` or at once when `signal` aborts. */
export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal?.aborted) return done();
    const timer = setTimeout(finish, ms);
    function finish() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", finish);
      done();
    }
    signal?.addEventListener("abort", finish);
  });
}
