/** The gateway's sessions: an opaque cookie value for one person and one service, and everything open under it. */
import { createHash } from "node:crypto";
import type { Guest, Service } from "../protocol/grant.ts";

/** A session ends this long after its exchange at the latest, whatever happens in it, in ms. */
export const SESSION_MS = 8 * 3_600_000;
/** Without word of the Worker that its person still may, a session ends after this time, in ms: a right taken back could have been missed. */
export const UNCONFIRMED_MS = 15 * 60_000;
/** WebSockets that one session may have open at a time. */
export const TUNNELS = 64;

/** What a session opens. `port` is for a preview, and for nothing else. */
export interface Opens {
  service: Service;
  port: number | undefined;
}

export interface Session {
  readonly guest: Guest;
  readonly opens: Opens;
  /** Counts up with each session: of two the newer has the higher. */
  readonly number: number;
  /** Epoch ms. */
  readonly expiresAt: number;
  /** When the Worker last said that this person may, epoch ms. The grant was the first word. */
  readonly confirmedAt: number;
  /** Registers something open under the session; `close` is called when the session ends. Returns what takes it off again. */
  hold(close: () => void): () => void;
  /** The same for a WebSocket, or undefined where the session has `TUNNELS` of them. */
  holdTunnel(close: () => void): (() => void) | undefined;
}

export interface Sessions {
  /** Opens a session that ends at `until` (epoch ms) at the latest, and returns the cookie's value, 32 random bytes in base64url. */
  open(guest: Guest, opens: Opens, until?: number): string;
  /** The live session of a cookie value, if it is one of this service and port. */
  find(opens: Opens, value: string): Session | undefined;
  /** All that are there. */
  all(): Session[];
  /** Ends the sessions of those people, with what is open under them. Returns how many there were. */
  end(whose: (guest: Guest) => boolean): number;
  /** Takes down that these people still may, as of a moment (epoch ms). */
  confirm(whose: (guest: Guest) => boolean, at: number): void;
  /** Ends the sessions whose time is over, and those that nobody has confirmed for `UNCONFIRMED_MS`. Returns how many of the latter there were. */
  sweep(): number;
}

interface Entry extends Session {
  confirmedAt: number;
  open: Set<() => void>;
}

/** `now` gives epoch ms, `random` that many random bytes. */
export function createSessions(deps: { now(): number; random(size: number): Uint8Array }): Sessions {
  // Only hashes are kept: the time of a Map look-up then tells nothing about a value, and a memory dump holds no cookie.
  const entries = new Map<string, Entry>();
  let numbers = 0;

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
  const over = (entry: Entry) => deps.now() >= entry.expiresAt;
  const unconfirmed = (entry: Entry) => deps.now() - entry.confirmedAt >= UNCONFIRMED_MS;

  return {
    open(guest, opens, until = Number.POSITIVE_INFINITY) {
      const value = Buffer.from(deps.random(32)).toString("base64url");
      const at = deps.now();
      const expiresAt = Math.min(at + SESSION_MS, until);
      entries.set(hash(value), { ...holder(), guest, opens, number: ++numbers, expiresAt, confirmedAt: at });
      return value;
    },
    find({ service, port }, value) {
      const entry = entries.get(hash(value));
      if (!entry || entry.opens.service !== service || entry.opens.port !== port) return undefined;
      return over(entry) || unconfirmed(entry) ? undefined : entry;
    },
    all: () => [...entries.values()],
    end: (whose) => endWhere((entry) => whose(entry.guest)),
    confirm(whose, at) {
      // Whoever waited too long is out, also in the moment before the next sweep.
      for (const entry of entries.values())
        if (whose(entry.guest) && !unconfirmed(entry)) entry.confirmedAt = Math.max(entry.confirmedAt, at);
    },
    sweep() {
      endWhere(over);
      return endWhere(unconfirmed);
    },
  };
}

function holder(): Pick<Entry, "open" | "hold" | "holdTunnel"> {
  const open = new Set<() => void>();
  let tunnels = 0;
  const hold = (close: () => void) => {
    open.add(close);
    return () => void open.delete(close);
  };
  return {
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
