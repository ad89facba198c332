/** The gateway's sessions: an opaque cookie value for one person and one service, and everything open under it. */
import { createHash } from "node:crypto";
import type { Service } from "../protocol/grant.ts";

/** A session ends this long after its exchange, whatever happens in it, in ms. */
export const SESSION_MS = 8 * 3_600_000;
/** WebSockets that one session may have open at a time. */
export const TUNNELS = 64;

export interface Session {
  readonly sub: string;
  readonly service: Service;
  /** Epoch ms. */
  readonly expiresAt: number;
  /** Registers something open under the session; `close` is called when the session ends. Returns what takes it off again. */
  hold(close: () => void): () => void;
  /** The same for a WebSocket, or undefined where the session has `TUNNELS` of them. */
  holdTunnel(close: () => void): (() => void) | undefined;
}

export interface Sessions {
  /** Opens a session and returns the cookie's value, 32 random bytes in base64url. */
  open(sub: string, service: Service): string;
  /** The live session of a cookie value, if it is one of this service. */
  find(service: Service, value: string): Session | undefined;
  /** Ends the sessions of a person, or all, and what is open under them. Returns how many there were. */
  end(sub?: string): number;
  /** Ends the sessions whose time is over. */
  sweep(): void;
  /** How many there are. */
  count(): number;
}

interface Entry extends Session {
  open: Set<() => void>;
}

/** `now` gives epoch ms, `random` that many random bytes. */
export function createSessions(deps: { now(): number; random(size: number): Uint8Array }): Sessions {
  // Only hashes are kept: the time of a Map look-up then tells nothing about a value, and a memory dump holds no cookie.
  const entries = new Map<string, Entry>();

  function endWhere(gone: (entry: Entry) => boolean): number {
    let ended = 0;
    for (const [key, entry] of entries) {
      if (!gone(entry)) continue;
      entries.delete(key);
      ended++;
      for (const close of [...entry.open]) close();
      entry.open.clear();
    }
    return ended;
  }

  return {
    open(sub, service) {
      const value = Buffer.from(deps.random(32)).toString("base64url");
      entries.set(hash(value), newEntry(sub, service, deps.now() + SESSION_MS));
      return value;
    },
    find(service, value) {
      const entry = entries.get(hash(value));
      return entry && entry.service === service && deps.now() < entry.expiresAt ? entry : undefined;
    },
    end: (sub) => endWhere((entry) => sub === undefined || entry.sub === sub),
    sweep() {
      const now = deps.now();
      endWhere((entry) => now >= entry.expiresAt);
    },
    count: () => entries.size,
  };
}

function newEntry(sub: string, service: Service, expiresAt: number): Entry {
  const open = new Set<() => void>();
  let tunnels = 0;
  const hold = (close: () => void) => {
    open.add(close);
    return () => void open.delete(close);
  };
  return {
    sub,
    service,
    expiresAt,
    open,
    hold,
    holdTunnel(close) {
      if (tunnels >= TUNNELS) return undefined;
      tunnels++;
      const release = hold(close);
      let released = false;
      return () => {
        if (!released) tunnels--;
        released = true;
        release();
      };
    },
  };
}

function hash(value: string): string {
  return createHash("sha256").update(value).digest("base64");
}
