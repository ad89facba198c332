/**
 * Guests: people with something open in the sandbox. Its gateway asks about them again as long as they have, and ends what belongs to
 * those who may no longer.
 */
import type { Guest } from "../../protocol/grant.ts";
import type { RunnerAnswer } from "../../protocol/runner.ts";
import { limiter } from "../auth/rate-limit.ts";

/** People asked about at once. */
const AT_ONCE = 10;
/** Whoever is not decided about after this time, in ms, is one of whom it is not known: the runner waits for 20 s. */
export const ANSWER_BY_MS = 15_000;

/**
 * People that one sandbox may have decided about: each costs questions to the database that all sessions share, and whatever runs in a sandbox can ask. A
 * gateway asks about 500 at most, every half minute.
 */
const RATE = { burst: 1_000, perSecond: 20 } as const;

export type GuestPorts = {
  /** Whether somebody may still have it open. Null: it could not be found out. Rejects where not even that is known, as without a database. */
  mayStay: (guest: Guest) => Promise<boolean | null>;
  /** Settles after so many ms, or when it is not waited for any more. */
  wait: (ms: number, signal: AbortSignal) => Promise<unknown>;
  report: (entry: Record<string, unknown>) => void;
  /** The clock, in ms; the real one unless given. */
  now?: () => number;
};

export class Guests {
  readonly #ports: GuestPorts;
  readonly #rate = limiter(RATE);
  #answering = false;

  constructor(ports: GuestPorts) {
    this.#ports = ports;
  }

  /** Who of them may no longer, by place. One question at a time: whatever runs in a sandbox can ask. Never rejects. */
  async answer(guests: readonly Guest[]): Promise<RunnerAnswer> {
    if (this.#answering) return { is: "no", why: "another question about guests is being answered" };
    const now = (this.#ports.now ?? Date.now)();
    if (guests.some(() => this.#rate.take("", now) > 0)) return { is: "no", why: "it was asked about too many people in too short a time" };
    this.#answering = true;
    try {
      return await this.#answer(guests);
    } finally {
      this.#answering = false;
    }
  }

  async #answer(guests: readonly Guest[]): Promise<RunnerAnswer> {
    const gone: number[] = [];
    const unsure = new Set(guests.keys());
    const decide = async (index: number, guest: Guest): Promise<void> => {
      try {
        const may = await this.#ports.mayStay(guest);
        if (may !== null) unsure.delete(index);
        if (may === false) gone.push(index);
      } catch (error) {
        this.#ports.report({ message: "a guest's right is not known", error: error instanceof Error ? error.message : "unknown" });
      }
    };
    // What one person has open is decided one after the other, so that the forge is asked about them once.
    const people = [...Map.groupBy(guests.entries(), ([, { sub }]) => sub).values()];
    const over = new AbortController();
    const some = async (): Promise<void> => {
      for (let person = people.shift(); person && !over.signal.aborted; person = people.shift())
        for (const one of person) await decide(...one);
    };
    await Promise.race([
      Promise.all(Array.from({ length: AT_ONCE }, some)),
      this.#ports.wait(ANSWER_BY_MS, over.signal).catch(() => undefined),
    ]);
    // Nothing is left waiting: it would keep this object in memory.
    over.abort();
    return { is: "guests", gone: gone.toSorted((a, b) => a - b), ...(unsure.size > 0 ? { unsure: [...unsure] } : {}) };
  }
}
