/** Viewers: pages and programs that watch a session over a WebSocket. What they have is a number; they get the rest. */
import { EVENTS_PER_FRAME, type ToClient } from "../../protocol/client.ts";
import type { NumberedEvent, SessionEvent } from "../../protocol/events.ts";
import type { Log } from "./log.ts";

export const VIEWER = "viewer";
/** The most viewers of one session at once. */
export const MAX_VIEWERS = 500;

export class Viewers {
  readonly #ctx: DurableObjectState;
  readonly #log: Log;

  constructor(ctx: DurableObjectState, log: Log) {
    this.#ctx = ctx;
    this.#log = log;
  }

  /** Takes a viewer. `after`: the highest event number it has; undefined for a fresh one, which gets a snapshot. */
  connect(after: number | undefined): Response {
    if (this.#ctx.getWebSockets(VIEWER).length >= MAX_VIEWERS) return new Response(`at most ${MAX_VIEWERS} viewers`, { status: 429 });
    const { 0: client, 1: server } = new WebSocketPair();
    this.#ctx.acceptWebSocket(server, [VIEWER]);
    const last = this.#log.last();
    if (after === undefined || after > last) this.#send(server, { t: "snapshot", n: last, view: this.#log.view() });
    else {
      for (let n = after; n < last; ) {
        const events = this.#log.after(n, EVENTS_PER_FRAME);
        n = events.at(-1)?.n ?? last;
        this.#send(server, { t: "events", events });
      }
      for (const event of this.#unsettled()) this.#send(server, { t: "live", event });
    }
    return new Response(null, { status: 101, webSocket: client });
  }

  /** Text in progress as events that put it in place of whatever the viewer has of it. */
  *#unsettled(): Generator<SessionEvent> {
    for (const turn of this.#log.view().turns) {
      for (const part of turn.parts.filter((candidate) => !candidate.done)) {
        yield { type: "text.dropped", at: turn.queuedAt, turn: turn.id, part: part.id };
        yield { type: "text.delta", at: turn.queuedAt, turn: turn.id, part: part.id, text: part.text };
      }
    }
  }

  /** Sends everyone what is new. */
  show(stored: readonly NumberedEvent[], live: readonly SessionEvent[]): void {
    const sockets = this.#ctx.getWebSockets(VIEWER);
    if (sockets.length === 0) return;
    const frames: ToClient[] = live.map((event) => ({ t: "live", event }));
    if (stored.length > 0) frames.push({ t: "events", events: [...stored] });
    for (const frame of frames) {
      const text = JSON.stringify(frame);
      for (const socket of sockets) this.#sendText(socket, text);
    }
  }

  #send(socket: WebSocket, frame: ToClient): void {
    this.#sendText(socket, JSON.stringify(frame));
  }

  #sendText(socket: WebSocket, text: string): void {
    try {
      socket.send(text);
    } catch {
      // A viewer that is gone comes back and resumes by number.
    }
  }
}
