/** Asking the Worker about everyone with something open, again and again: a right that was taken back ends what it opened. */
import type { Guest } from "../protocol/grant.ts";
import type { Sessions } from "./sessions.ts";

/** How often is asked while there is anybody, in ms: with the way to the Worker and back, nobody stays a minute longer than they may. */
export const ASK_MS = 30_000;
/** Most people in one question. Of more, those come first who waited longest; the others' turn is the next time. */
const ASKED_AT_ONCE = 500;

export interface Guests {
  /** Asks, where it is time to. To be called about every second. */
  tick(): void;
  /**
   * Takes an answer, in places of the list of the question of that id: `gone` may no longer; of the `unsure` it was not found out, so they stay
   * as long as their last yes counts. Returns how many sessions it ended.
   */
  answer(id: number, gone: readonly number[], unsure?: readonly number[]): number;
}

/** `now` gives epoch ms; `ask` sends a question on, whose answer may never come. */
export function createGuests(deps: { now(): number; sessions: Sessions; ask(id: number, guests: Guest[]): void }): Guests {
  const { sessions } = deps;
  let ids = 0;
  let asked = { at: Number.NEGATIVE_INFINITY, id: 0, names: [] as string[] };

  return {
    tick() {
      const at = deps.now();
      if (at - asked.at < ASK_MS) return;
      const waiting = new Map<string, Guest>();
      for (const { guest } of sessions.all().sort((one, other) => one.confirmedAt - other.confirmedAt)) {
        if (waiting.size < ASKED_AT_ONCE) waiting.set(nameOf(guest), guest);
      }
      if (waiting.size === 0) return;
      asked = { at, id: ++ids, names: [...waiting.keys()] };
      deps.ask(asked.id, [...waiting.values()]);
    },
    answer(id, gone, unsure = []) {
      // An older answer could let in again whom a newer one has put out, or the other way round.
      if (id !== asked.id) return 0;
      const { at, names } = asked;
      asked = { at, id: 0, names: [] };
      const out = new Set(gone.flatMap((place) => names[place] ?? []));
      const ended = sessions.end((guest) => out.has(nameOf(guest)));
      const open = new Set(unsure.flatMap((place) => names[place] ?? []));
      const stay = new Set(names.filter((name) => !open.has(name)));
      sessions.confirm((guest) => stay.has(nameOf(guest)), at);
      return ended;
    },
  };
}

/** One name for everybody whose right is decided alike: the person, by which sign-in, how far, and by what power. */
function nameOf({ sub, sid, mode, admin }: Guest): string {
  return JSON.stringify([sub, sid ?? null, mode, admin]);
}
