/** What the session says in its threads: which messages are wanted, under which keys, and what is noted in the log with them. */
import type { Person, Request } from "../../protocol/request.ts";
import { type TurnView, wasRefused } from "../../protocol/view.ts";
import type { Log } from "./log.ts";
import type { Outbox } from "./outbox.ts";

/** Where something is said. */
export type Where = { thread: string; place: string | null };

/** Where a request is answered. */
export const whereOf = (request: Request): Where => ({ thread: request.thread, place: request.place ?? null });

export class Voice {
  readonly #log: Log;
  readonly #outbox: Outbox;
  readonly #ports: { sessionId: () => string; now: () => number };

  constructor(parts: { log: Log; outbox: Outbox }, ports: { sessionId: () => string; now: () => number }) {
    this.#log = parts.log;
    this.#outbox = parts.outbox;
    this.#ports = ports;
  }

  /** Keys are unique in the whole workspace: they start with the session. */
  key(rest: string): string {
    return `${this.#ports.sessionId()}:${rest}`;
  }

  /** The session's first thread, where nothing says otherwise. */
  home(): Where {
    return { thread: this.#log.view().thread, place: null };
  }

  /** Where a turn's messages go. */
  whereOf(turn: number | null): Where {
    const shown = this.#turn(turn);
    return shown ? { thread: shown.thread, place: shown.place } : this.home();
  }

  #turn(id: number | null): TurnView | undefined {
    return this.#log.view().turns.find((candidate) => candidate.id === id);
  }

  /** A short remark, in the log and in the thread. `cause` names what made it: the same one is said once. */
  note(code: string, text: string, to: Person | null, about: { turn: number | null; cause: string; where: Where }): void {
    const { turn, cause, where } = about;
    this.#log.append([{ type: "note", at: this.#ports.now(), turn, code, text }]);
    this.#outbox.want({
      key: this.key(`note:${cause}`),
      ...where,
      kind: "note",
      turn: null,
      ref: JSON.stringify({ code, text, mention: to?.id ?? null }),
    });
  }

  /** Where things stand now. `cause` names who asked: the same one is answered once. It changes nothing, so no event tells of it. */
  overview(cause: string, where: Where): void {
    const key = this.key(`overview:${cause}`);
    this.#outbox.want({ key, ...where, kind: "overview", turn: null, ref: "" });
    // What stands later is not what was asked for.
    this.#outbox.freeze(key);
  }

  /** The living message of a turn that was just queued. */
  begin(turn: number): void {
    this.#outbox.want({ key: this.key(`turn:${turn}:progress`), ...this.whereOf(turn), kind: "progress", turn, ref: "" });
  }

  /** Whether the turn's living message is not in its thread yet. */
  isUnseen(turn: number): boolean {
    return this.#outbox.isUnseen(this.key(`turn:${turn}:progress`));
  }

  /** The turn's state beside a commit. Of a turn only the newest commit is followed. */
  beside(turn: number, commit: string, thread: string): void {
    const key = this.key(`turn:${turn}:status:${commit}`);
    for (const other of this.#outbox.keysOf("status")) if (other !== key) this.#outbox.freeze(other);
    this.#outbox.want({ key, thread, place: null, kind: "status", turn, ref: commit });
  }

  /** A turn's message stays as it is. */
  settle(turn: number): void {
    this.#outbox.freeze(this.key(`turn:${turn}:progress`));
    for (const key of this.#outbox.keysOf("status")) if (key.startsWith(this.key(`turn:${turn}:status:`))) this.#outbox.freeze(key);
  }

  /** The one reply of a turn that is over. It is kept current, as to its pull request and to what is served, until another turn has one. */
  outcome(turn: number): void {
    const shown = this.#turn(turn);
    // One that was refused says nothing about the work that is there.
    const refused = shown !== undefined && wasRefused(shown);
    if (!refused) this.settleOutcomes();
    const final = this.key(`turn:${turn}:final`);
    this.#outbox.want({ key: final, ...this.whereOf(turn), kind: "final", turn, ref: "" });
    if (refused) this.#outbox.freeze(final);
  }

  /** What was said of ended turns stays as it is. */
  settleOutcomes(): void {
    for (const key of this.#outbox.keysOf("final")) this.#outbox.freeze(key);
  }

  ask(turn: number, ask: string): void {
    this.#outbox.want({ key: this.key(`ask:${ask}`), ...this.whereOf(turn), kind: "ask", turn, ref: ask });
  }

  settleAsk(ask: string): void {
    this.#outbox.freeze(this.key(`ask:${ask}`));
  }

  /** An offer, in each of these threads. */
  offer(offer: string, threads: readonly string[]): void {
    for (const [index, thread] of threads.entries()) {
      const key = this.key(`offer:${offer}${index === 0 ? "" : `:${index + 1}`}`);
      this.#outbox.want({ key, thread, place: null, kind: "offer", turn: null, ref: offer });
    }
  }

  settleOffer(offer: string): void {
    const key = this.key(`offer:${offer}`);
    for (const other of this.#outbox.keysOf("offer")) if (other === key || other.startsWith(`${key}:`)) this.#outbox.freeze(other);
  }

  /** Somebody changed a message of ours on its surface. */
  restore(nativeId: string): void {
    this.#outbox.restore(nativeId);
  }
}
