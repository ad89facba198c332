/**
 * Viewers: pages and programs that look on at a session over a WebSocket. What they have is a number; they get the rest. Whether people who
 * signed in still may is asked again as long as they look on.
 */
import * as z from "zod";
import { EVENTS_PER_FRAME, type ToClient } from "../../protocol/client.ts";
import type { NumberedEvent, SessionEvent } from "../../protocol/events.ts";
import type { Log } from "./log.ts";

export const VIEWER = "viewer";
/** The most viewers of one session at once. */
export const MAX_VIEWERS = 500;

/** After this time, in ms, it is asked again whether a viewer still may: often enough that nobody looks on for a minute who may not. */
export const CHECK_AGAIN_MS = 45_000;
/** With these codes sockets are closed whose person may no longer see the session, or of whom that could not be found out. */
export const MAY_NOT = 4403;
export const NOT_KNOWN = 1013;
/** Viewers asked about at once. */
const AT_ONCE = 10;

/** Who looks on: the session they are signed in with, and until when by an admin's power, if by that. */
const Viewer = z.object({ sessionHash: z.string().length(64), adminUntil: z.number().nullable() });
export type Viewer = z.infer<typeof Viewer>;
const Attached = Viewer.extend({ at: z.number() });

/** A viewer as a query, for the way to the object. */
export const viewerQuery = (viewer: Viewer): [string, string][] => [["viewer", JSON.stringify(viewer)]];

/** The viewer of such a query; null: somebody who is not asked about again, as the machine's owner. Throws where it is something else. */
export function readViewer(query: URLSearchParams): Viewer | null {
  const text = query.get("viewer");
  return text === null ? null : Viewer.parse(JSON.parse(text));
}

export type ViewerPorts = {
  now: () => number;
  /** Whether somebody may still see the session. Null: it could not be found out. */
  maySee: (viewer: Viewer) => Promise<boolean | null>;
  /** Something is due at another time. */
  again: () => void;
  report: (entry: Record<string, unknown>) => void;
};

export class Viewers {
  readonly #ctx: DurableObjectState;
  readonly #log: Log;
  readonly #ports: ViewerPorts;
  /** When the check that is under way began, ms since 1970. */
  #checking: number | null = null;

  constructor(ctx: DurableObjectState, log: Log, ports: ViewerPorts) {
    this.#ctx = ctx;
    this.#log = log;
    this.#ports = ports;
  }

  /** When somebody is to be asked about again, ms since 1970. */
  nextDue(): number | undefined {
    const times = this.#asked().map(([, { at }]) => at + CHECK_AGAIN_MS);
    if (times.length === 0) return undefined;
    // A check that ends with this object is taken up by the next one.
    return this.#checking === null ? Math.min(...times) : this.#checking + CHECK_AGAIN_MS;
  }

  #asked(): [WebSocket, z.infer<typeof Attached>][] {
    return this.#ctx.getWebSockets(VIEWER).flatMap((socket) => {
      const attached = Attached.safeParse(socket.deserializeAttachment());
      return attached.success && socket.readyState === WebSocket.OPEN ? [[socket, attached.data]] : [];
    });
  }

  /** Asks about those whose time has come, and closes the sockets of those who may no longer. */
  checkAgain(now: number): void {
    const due = this.#asked().filter(([, { at }]) => at + CHECK_AGAIN_MS <= now);
    if (due.length === 0 || this.#checking !== null) return;
    this.#checking = now;
    const work = async () => {
      for (let i = 0; i < due.length; i += AT_ONCE) await Promise.all(due.slice(i, i + AT_ONCE).map((one) => this.#check(...one)));
    };
    const over = () => {
      this.#checking = null;
      this.#ports.again();
    };
    this.#ctx.waitUntil(work().then(over, over));
  }

  async #check(socket: WebSocket, { sessionHash, adminUntil }: Viewer): Promise<void> {
    let may: boolean | null = null;
    try {
      may = await this.#ports.maySee({ sessionHash, adminUntil });
    } catch (error) {
      this.#ports.report({ message: "a viewer's right is not known", error: error instanceof Error ? error.message : "unknown" });
    }
    try {
      if (may) socket.serializeAttachment({ sessionHash, adminUntil, at: this.#ports.now() });
      else if (may === false) socket.close(MAY_NOT, "you may no longer see this session");
      else socket.close(NOT_KNOWN, "whether you may see this session is not known now");
    } catch {
      // Gone meanwhile.
    }
  }

  /** Takes a viewer. `after`: the highest event number it has; undefined for a fresh one, which gets a snapshot. */
  connect(after: number | undefined, viewer: Viewer | null): Response {
    if (this.#ctx.getWebSockets(VIEWER).length >= MAX_VIEWERS) return new Response(`at most ${MAX_VIEWERS} viewers`, { status: 429 });
    const { 0: client, 1: server } = new WebSocketPair();
    this.#ctx.acceptWebSocket(server, [VIEWER]);
    if (viewer) server.serializeAttachment({ ...viewer, at: this.#ports.now() });
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
