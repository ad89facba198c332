/** What errand offers to do next: shown in its threads with a box or button, taken by who may ask for work, dropped when it has lost its meaning. */
import type { Person } from "../../protocol/request.ts";
import type { Log } from "./log.ts";
import type { Offer, Pulls } from "./pulls.ts";
import type { Voice } from "./voice.ts";

/** How an offer is shown. `label`: of its box or button, where it is not one to mend something. */
export type Shown = { title: string; detail: string; auto: boolean; label?: string };

export class Offers {
  readonly #parts: { pulls: Pulls; log: Log; voice: Voice };
  readonly #now: () => number;

  constructor(parts: { pulls: Pulls; log: Log; voice: Voice }, now: () => number) {
    this.#parts = parts;
    this.#now = now;
  }

  /** Makes an offer in these threads, in place of one that is open. */
  make(offer: Offer, shown: Shown, threads: readonly string[]): void {
    const { pulls, log, voice } = this.#parts;
    this.drop();
    log.append([{ type: "offer.made", at: this.#now(), id: offer.id, ...shown }]);
    pulls.set({ offer });
    voice.offer(offer.id, threads);
  }

  /** The open offer, if it is the one that is named; where none is named, only one that mends something is meant. */
  find(id: string | undefined): Offer | null {
    const { offer } = this.#parts.pulls.get();
    if (!offer || (id === undefined ? offer.agrees === true : offer.id !== id)) return null;
    return offer;
  }

  /** The open offer is taken; null: it has lost its meaning. */
  settle(by: Person | null): void {
    const { pulls, log, voice } = this.#parts;
    const { offer } = pulls.get();
    if (!offer) return;
    pulls.set({ offer: null });
    log.append([{ type: "offer.settled", at: this.#now(), id: offer.id, by }]);
    voice.settleOffer(offer.id);
  }

  drop(): void {
    this.settle(null);
  }
}
