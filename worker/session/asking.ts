/** The agent's asks in the conversation: shown, answered by who may, expired, closed. Runs inside the transaction of its caller. */
import type { Ask } from "../../protocol/events.ts";
import type { Person } from "../../protocol/request.ts";
import { ASKS_A_TURN } from "../../protocol/view.ts";
import { type Asks, type OpenAsk, readAnswer } from "./asks.ts";
import type { Log } from "./log.ts";
import type { RunnerLink } from "./runner-link.ts";
import type { Turns } from "./turns.ts";
import type { Voice, Where } from "./voice.ts";

type Parts = { log: Log; turns: Turns; asks: Asks; link: RunnerLink; voice: Voice };

/** What somebody said to an ask: one of its choices, or text. */
export type Said = { who: Person; choice?: string | undefined; text?: string | undefined; cause: string; where: Where };

export class Asking {
  readonly #parts: Parts;
  readonly #now: () => number;

  constructor(parts: Parts, now: () => number) {
    this.#parts = parts;
    this.#now = now;
  }

  /** Takes an answer, or says why it is not one. Only who asked for the turn may answer, and the machine's owner. */
  answer(open: OpenAsk, said: Said): void {
    const { turns, voice } = this.#parts;
    const { who, cause, where } = said;
    const asked = turns.open().find((turn) => turn.id === open.turn);
    const about = { turn: open.turn, cause, where };
    if (asked && asked.who.id !== who.id && who.id !== "owner")
      return voice.note("not_yours", "Only the person who asked for this turn may answer that.", who, about);
    const reading = readAnswer(open.ask, said);
    if (reading.kind === "wrong") return voice.note("wrong_answer", reading.why, who, about);
    return this.#settle(open, who, reading, false);
  }

  #settle(
    open: OpenAsk,
    by: Person | null,
    reading: { label: string; choice?: string; text?: string; reject: boolean },
    expired: boolean,
  ): void {
    const { asks, log, link, voice } = this.#parts;
    if (!asks.settle(open.ask.id)) return;
    const { label, choice, text, reject } = reading;
    log.append([{ type: "ask.settled", at: this.#now(), turn: open.turn, id: open.ask.id, by, label, expired }]);
    link.command({
      do: "answer",
      turn: open.turn,
      ask: open.ask.id,
      ...(choice === undefined ? {} : { choice }),
      ...(text === undefined ? {} : { text }),
      reject,
    });
    voice.settleAsk(open.ask.id);
  }

  /** Declines what nobody answered in time. */
  expire(now: number): void {
    for (const open of this.#parts.asks.expired(now)) this.#settle(open, null, { label: "No answer in time", reject: true }, true);
  }

  /** Closes a turn's asks, since the agent that asked is gone and nobody waits for an answer. */
  close(turn: number, why: string): void {
    for (const { ask } of this.of(turn)) {
      this.#parts.log.append([{ type: "ask.closed", at: this.#now(), turn, id: ask.id, why }]);
      this.shut(ask.id);
    }
  }

  /** The open asks of a turn. */
  of(turn: number): OpenAsk[] {
    return this.#parts.asks.open().filter((open) => open.turn === turn);
  }

  /** Nobody waits for its answer any more. */
  shut(ask: string): void {
    this.#parts.asks.settle(ask);
    this.#parts.voice.settleAsk(ask);
  }

  /** A runner that was started again tells of asks that may be settled; one beyond the most that a turn may have is declined. */
  open(turn: number, ask: Ask, at: number): void {
    const { asks, log, link, voice } = this.#parts;
    const shown = log.view().turns.find((candidate) => candidate.id === turn);
    const known = shown?.asks.find((candidate) => candidate.id === ask.id);
    if (known?.state === "open") {
      asks.add(turn, ask, at);
      voice.ask(turn, ask.id);
    }
    if (known) return;
    link.command({ do: "answer", turn, ask: ask.id, reject: true });
    const message = `The agent asked more than ${ASKS_A_TURN} times in this turn; further questions are declined.`;
    if (!shown?.notices.includes(message)) log.append([{ type: "turn.notice", at: this.#now(), turn, code: "too_many_asks", message }]);
  }
}
