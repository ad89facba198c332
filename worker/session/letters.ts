/**
 * Letters: what errand has to say to one person alone, beside the thread: how to link an account. Each person has the newest one. It goes out once the turn it is
 * about is seen in its thread, is tried again where that may help, and where it can't be delivered the thread says so, without what stands in it.
 */
import type { Outcome } from "../../bots/surface.ts";
import type { Person } from "../../protocol/request.ts";
import { backoffMs } from "./delivery.ts";
import type { Tables } from "./schema.ts";
import type { Voice } from "./voice.ts";

/** Whoever asks twice within this time, in ms, gets one letter. */
const ONE_LETTER_MS = 60_000;
/** A letter waits this long, in ms, for the turn's own message: a thread without a reply shows none that only one person sees. */
const AFTER_MESSAGE_MS = 10_000;
const LOOK_MS = 500;
/** Times that a letter is tried whose fate is not known. */
const MOST_TRIES = 4;
/** While one is on its way, the alarm stands this far off, in ms. */
const DEADMAN_MS = 15_000;

/** A letter to somebody about what their turn lacks. `due` null: it went out, or was given up. */
export type Letter = {
  who: Person;
  turn: number;
  thread: string;
  lacks: "slack" | "github";
  wantedAt: number;
  due: number | null;
  tries: number;
};

export const letterTables: Tables = {
  part: "letters",
  steps: ["CREATE TABLE letters (person TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID"],
};

export type LetterPorts = {
  now: () => number;
  random: () => number;
  /** Delivers it. A letter that is sent again has a link of its own, and the earlier one ends. */
  deliver: (letter: Letter) => Promise<Outcome>;
  store: (work: () => void) => void;
  again: () => void;
  report: (entry: Record<string, unknown>) => void;
};

export class Letters {
  readonly #sql: SqlStorage;
  readonly #voice: Voice;
  readonly #ports: LetterPorts;
  #letters: Map<string, Letter> | undefined;
  #sending = false;

  constructor(sql: SqlStorage, voice: Voice, ports: LetterPorts) {
    this.#sql = sql;
    this.#voice = voice;
    this.#ports = ports;
  }

  #all(): Map<string, Letter> {
    this.#letters ??= new Map(
      this.#sql
        .exec<{ person: string; body: string }>("SELECT person, body FROM letters")
        .toArray()
        .map(({ person, body }) => [person, JSON.parse(body) as Letter]),
    );
    return this.#letters;
  }

  #set(letter: Letter): void {
    this.#all().set(letter.who.id, letter);
    this.#sql.exec(
      "INSERT INTO letters (person, body) VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
      letter.who.id,
      JSON.stringify(letter),
    );
  }

  /** Wants one. Who got one about the same a moment ago gets no second one. */
  want(letter: Pick<Letter, "who" | "turn" | "thread" | "lacks">, now: number): void {
    const before = this.#all().get(letter.who.id);
    if (before && before.lacks === letter.lacks && now - before.wantedAt < ONE_LETTER_MS) return;
    this.#set({ ...letter, wantedAt: now, due: now, tries: 0 });
  }

  /** Nothing is lacking any more. */
  drop(person: string): void {
    if (!this.#all().delete(person)) return;
    this.#sql.exec("DELETE FROM letters WHERE person = ?", person);
  }

  nextDue(now: number): number | undefined {
    const dues = [...this.#all().values()].flatMap(({ due }) => (due === null ? [] : [due]));
    if (dues.length === 0) return undefined;
    return this.#sending ? now + DEADMAN_MS : Math.min(...dues);
  }

  /** Sends what is due, one after the other. */
  decide(now: number): void {
    const letter = this.#sending ? undefined : [...this.#all().values()].find(({ due }) => due !== null && due <= now);
    if (!letter) return;
    if (now - letter.wantedAt < AFTER_MESSAGE_MS && this.#voice.isUnseen(letter.turn)) {
      this.#all().set(letter.who.id, { ...letter, due: now + LOOK_MS });
      return;
    }
    this.#sending = true;
    const { deliver, store, again, report } = this.#ports;
    void deliver(letter)
      .catch((error: unknown): Outcome => ({ kind: "unknown", why: error instanceof Error ? error.message : String(error) }))
      .then((outcome) => {
        this.#sending = false;
        if (outcome.kind !== "sent") report({ message: "letter", how: outcome.kind, why: outcome.kind === "gone" ? "" : outcome.why });
        store(() => this.#sent(letter, outcome));
        again();
      });
  }

  #sent(letter: Letter, outcome: Outcome): void {
    const { now, random } = this.#ports;
    // Meanwhile it may be needed no more, or another one be wanted.
    if (this.#all().get(letter.who.id)?.wantedAt !== letter.wantedAt) return;
    const tries = letter.tries + 1;
    if (outcome.kind === "sent") return this.#set({ ...letter, due: null, tries });
    if (outcome.kind === "wait" && tries < MOST_TRIES * 3) return this.#set({ ...letter, tries, due: now() + outcome.ms });
    if (outcome.kind === "unknown" && tries < MOST_TRIES)
      return this.#set({ ...letter, tries, due: now() + backoffMs(tries + 1, random()) });
    this.#set({ ...letter, due: null, tries });
    const text = "I can't send you a message here that only you see. Write `link` to me in a direct message instead.";
    this.#voice.note("letter_not_sent", text, letter.who, {
      turn: letter.turn,
      cause: `letter:${letter.who.id}:${letter.wantedAt}`,
      where: { thread: letter.thread, place: null },
    });
  }

  /** Forgets what memory holds beyond storage, after a transaction was rolled back. */
  forget(): void {
    this.#letters = undefined;
  }
}
