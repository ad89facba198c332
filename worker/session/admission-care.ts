/** Has each turn that has to be admitted asked about, holds it, lets it go on or ends it. Asks one thing at a time; what is lost on the way is asked again. */
import type { Failure, SessionEvent } from "../../protocol/events.ts";
import { type Admissions, type Answer, answered, begun, dueOf, nextOf, type Step, timed } from "./admission.ts";
import { backoffMs } from "./delivery.ts";
import type { Letters } from "./letters.ts";
import type { Log } from "./log.ts";
import type { Members } from "./members.ts";
import type { Turn, Turns } from "./turns.ts";

/** While a question is on its way, the alarm stands this far off, in ms. */
const DEADMAN_MS = 15_000;

export type AdmissionPorts = {
  now: () => number;
  random: () => number;
  /** Whether what this person says in the session has to be admitted. */
  concerns: (person: string) => boolean;
  /** Whether the person may have work done in the session. Rejects, or says `unknown`, where that could not be found out. */
  ask: (person: string) => Promise<Answer>;
  end: (turn: number, failure: Failure) => void;
  /** A turn may begin: what waited for that happens. */
  admitted: (turn: Turn) => void;
  store: (work: () => void) => void;
  again: () => void;
  report: (entry: Record<string, unknown>) => void;
};

type Parts = { admissions: Admissions; letters: Letters; turns: Turns; log: Log; members: Members };

export class AdmissionCare {
  readonly #parts: Parts;
  readonly #ports: AdmissionPorts;
  /** Who is being asked about. */
  #asking: string | null = null;
  /** Something changed about that person meanwhile, so that the answer may be an old one. */
  #stale = false;

  constructor(parts: Parts, ports: AdmissionPorts) {
    this.#parts = parts;
    this.#ports = ports;
  }

  readonly #concerns = (turn: Turn): boolean => this.#ports.concerns(turn.who.id);

  /** The turn that may begin now. */
  next(now: number): Turn | undefined {
    const all = this.#parts.admissions.all();
    return nextOf(this.#parts.turns.queued(), this.#concerns, (turn) => all.get(turn), now);
  }

  isHeld(turn: number): boolean {
    return this.#parts.admissions.all().get(turn)?.state === "held";
  }

  /** The address for the commits of a turn's author, where it is known by the linked account. */
  emailOf(turn: number): string | null {
    return this.#parts.admissions.all().get(turn)?.email ?? null;
  }

  /** What is linked to a person has changed: whatever waits for that is asked again at once, and an earlier yes counts no more. */
  changed(person: string): void {
    const now = this.#ports.now();
    if (this.#asking === person) this.#stale = true;
    for (const admission of this.#parts.admissions.all().values()) {
      if (admission.person !== person) continue;
      const again = admission.state === "held" ? admission : { ...admission, state: "asking" as const, since: now };
      this.#parts.admissions.set({ ...again, nextTry: now });
    }
  }

  nextDue(now: number): number | undefined {
    const open = new Map(this.#parts.turns.queued().map((turn) => [turn.id, turn]));
    const dues = [...this.#parts.admissions.all().values()].flatMap((one) => {
      const due = open.has(one.turn) ? dueOf(one, now) : undefined;
      return due === undefined ? [] : [this.#asking === null ? due : Math.max(due, now + DEADMAN_MS)];
    });
    return dues.length === 0 ? undefined : Math.min(...dues);
  }

  /** Decides about every waiting turn, and asks the next question. Runs inside reconcile's transaction. */
  decide(now: number): void {
    const { admissions, turns } = this.#parts;
    const open = new Set(turns.open().map((turn) => turn.id));
    for (const { turn } of admissions.all().values()) if (!open.has(turn)) admissions.drop(turn);
    for (const turn of turns.queued()) {
      const known = admissions.all().get(turn.id);
      if (!this.#concerns(turn)) {
        // It had to be, and has not any more.
        if (known?.state === "held") this.#append({ type: "turn.released", at: now, turn: turn.id });
        admissions.drop(turn.id);
      } else if (!known) admissions.set(begun(turn.id, turn.who.id, now));
      else this.#do(turn, timed(known, now, turns.running() === undefined), now);
    }
    this.#ask(now);
  }

  #append(event: SessionEvent): void {
    this.#parts.log.append([event]);
  }

  #do(turn: Turn, step: Step | null, now: number): void {
    if (step === null) return;
    const { admissions, letters, members } = this.#parts;
    if (step.do === "end") {
      admissions.drop(turn.id);
      return this.#ports.end(turn.id, step.failure);
    }
    const { admission } = step;
    admissions.set(admission);
    if (step.held) this.#append({ type: "turn.held", at: now, turn: turn.id, why: "link", until: admission.until });
    if (step.released) this.#append({ type: "turn.released", at: now, turn: turn.id });
    if (step.say !== undefined) this.#append({ type: "turn.notice", at: now, turn: turn.id, code: "not_known_yet", message: step.say });
    if (step.tell) letters.want({ who: turn.who, turn: turn.id, thread: turn.thread, lacks: admission.lacks }, now);
    if (admission.state === "allowed") {
      members.add(turn.who.id);
      letters.drop(turn.who.id);
      this.#ports.admitted(turn);
    }
  }

  #ask(now: number): void {
    if (this.#asking !== null) return;
    const { admissions, turns, log } = this.#parts;
    const queued = new Set(turns.queued().map((turn) => turn.id));
    const due = [...admissions.all().values()].find((one) => queued.has(one.turn) && one.state !== "allowed" && one.nextTry <= now);
    if (!due) return;
    const { person } = due;
    const { ask, store, again, report } = this.#ports;
    const { repository } = log.view();
    this.#asking = person;
    this.#stale = false;
    void ask(person)
      .catch((error: unknown): Answer => {
        report({ message: "admission", why: error instanceof Error ? error.message : String(error) });
        return { kind: "unknown" };
      })
      .then((answer) => {
        this.#asking = null;
        // What was said about one repository says nothing about another one, to which the thread was moved meanwhile.
        const stale = this.#stale || log.view().repository !== repository;
        if (!stale) store(() => this.#take(person, answer));
        again();
      });
  }

  /** One answer is for all that the person asked for here. */
  #take(person: string, answer: Answer): void {
    const now = this.#ports.now();
    const { admissions, turns } = this.#parts;
    for (const turn of turns.queued()) {
      const known = admissions.all().get(turn.id);
      if (turn.who.id !== person || !known || known.state === "allowed") continue;
      this.#do(turn, answered(known, answer, now, backoffMs(known.failed + 1, this.#ports.random())), now);
    }
  }
}
