/**
 * What a request or a runner's event means for the session: which turn, ask, command and message come of it. Composes
 * the parts; everything here is synchronous and runs inside one transaction with the input it handles.
 */
import { type AgentEvent, type Ask, EVENTS_VERSION, type RunnerEvent } from "../../protocol/events.ts";
import type { Options, Person, Request } from "../../protocol/request.ts";
import { ASKS_A_TURN } from "../../protocol/view.ts";
import type { Settings } from "../settings.ts";
import { type Asks, type OpenAsk, readAnswer } from "./asks.ts";
import type { Log } from "./log.ts";
import type { Outbox } from "./outbox.ts";
import { isSameRepository } from "./repository.ts";
import type { RunnerLink } from "./runner-link.ts";
import { STOP_LIMIT_MS, TURN_LIMIT_MS, type Turns } from "./turns.ts";

/** Most prompts that may wait in one session. */
export const MAX_QUEUED = 20;

export type ConversationPorts = {
  sessionId: () => string;
  settings: Settings;
  now: () => number;
  /** The runner can be told something now. */
  connected: () => boolean;
  /** The next turn is to get a sandbox that is started anew. */
  renewSandbox: () => void;
};

const HELP =
  "Tell me what to do, for example: `@errand fix the failing test in src/app`. Add `repo=owner/name` or `branch=name` to choose where. In this thread, reply to go on, or say `stop`.";

export class Conversation {
  readonly #log: Log;
  readonly #turns: Turns;
  readonly #asks: Asks;
  readonly #outbox: Outbox;
  readonly #link: RunnerLink;
  readonly #ports: ConversationPorts;

  constructor(parts: { log: Log; turns: Turns; asks: Asks; outbox: Outbox; link: RunnerLink }, ports: ConversationPorts) {
    this.#log = parts.log;
    this.#turns = parts.turns;
    this.#asks = parts.asks;
    this.#outbox = parts.outbox;
    this.#link = parts.link;
    this.#ports = ports;
  }

  /** Handles one request from the inbox. */
  handle(request: Request): void {
    const at = this.#ports.now();
    switch (request.kind) {
      case "prompt":
        return this.#prompt(request, at);
      case "edit": {
        const turn = this.#turns.open().find((open) => open.contentKey === request.contentKey);
        if (!turn || turn.text === request.text) return;
        if (turn.state === "running")
          return this.#note(
            "edit_too_late",
            "That request is being worked on already, as it was. Reply with the correction, or stop it first.",
            request.who,
            turn.id,
            request.deliveryId,
          );
        if (request.text.trim() === "") return this.#withdraw(turn.id, at);
        const elsewhere = this.#place(request.options, at);
        if (elsewhere !== null) return this.#note("other_repository", elsewhere, request.who, turn.id, request.deliveryId);
        this.#turns.replace(turn.id, request.text, request.options);
        this.#log.append([{ type: "turn.replaced", at, turn: turn.id, text: request.text, options: request.options }]);
        return;
      }
      case "withdraw": {
        const turn = this.#turns.open().find((open) => open.contentKey === request.contentKey);
        if (turn?.state === "queued") this.#withdraw(turn.id, at);
        return;
      }
      case "stop":
        return this.#stop(request.who, request.turn, request.deliveryId, at);
      case "answer": {
        const open = this.#asks.get(request.ask);
        if (!open) return this.#note("ask_settled", "That was settled already.", request.who, null, request.deliveryId);
        return this.#answer(open, request.who, request, request.deliveryId, at);
      }
      default:
        // A kind of request that is taken but not handled would be passed over in silence.
        request satisfies never;
    }
  }

  /** Says that a request could not be handled. */
  giveUp(request: Request): void {
    const text =
      "Something broke on our side and this request could not be handled. Please say it again; the log of the Worker tells more.";
    // The thread of a session that could not even begin is in no log.
    this.#note("not_handled", text, request.who, null, request.deliveryId, request.thread);
  }

  #prompt(request: Extract<Request, { kind: "prompt" }>, at: number): void {
    if (this.#log.last() === 0) this.#log.append([this.#created(request, at)]);
    const text = request.text.trim();
    if (text === "") return this.#note("help", HELP, request.who, null, request.deliveryId);
    const open = this.#asks.open()[0];
    const running = this.#turns.running();
    // A plain reply while the agent asks is the answer; by someone who may not answer it is a prompt like any other.
    if (open && running?.id === open.turn && running.who.id === request.who.id)
      return this.#answer(open, request.who, { text }, request.deliveryId, at);
    if (this.#turns.queued().length >= MAX_QUEUED) {
      return this.#note(
        "queue_full",
        `Not taken: ${MAX_QUEUED} requests are waiting in this thread already. Stop or delete one, or wait until one is done.`,
        request.who,
        null,
        request.deliveryId,
      );
    }
    const elsewhere = this.#place(request.options, at);
    if (elsewhere !== null) return this.#note("other_repository", elsewhere, request.who, null, request.deliveryId);
    const turn = this.#turns.add({ who: request.who, text, options: request.options, contentKey: request.contentKey });
    this.#outbox.want({ key: this.#key(`turn:${turn}:progress`), thread: this.#log.view().thread, kind: "progress", turn, ref: "" });
    this.#log.append([{ type: "turn.queued", at, turn, who: request.who, text, options: request.options, contentKey: request.contentKey }]);
    const unused = this.#unused(request.options);
    if (unused !== null) this.#note("option_not_used", unused, request.who, turn, request.deliveryId);
  }

  /** What of a request's options changes nothing, and why; null where all are used. */
  #unused({ branch, model }: Options): string | null {
    const view = this.#log.view();
    const lines: string[] = [];
    if (model !== undefined && model !== view.model) lines.push(`\`model=${model}\` is not used: the model here is \`${view.model}\`.`);
    if (branch !== undefined && view.base !== null && branch !== view.base && branch !== view.branch) {
      const began = view.base === "" ? "began empty" : `began at \`${view.base}\``;
      lines.push(`\`branch=${branch}\` is not used: this thread's workspace ${began}. To begin elsewhere, mention me in a new thread.`);
    }
    return lines.length > 0 ? lines.join(" ") : null;
  }

  /**
   * Where the work is to happen, when a request names a place. As long as there is no workspace, since the repository or
   * branch named before does not exist, another one may be named. Returns why the request is not taken, or null.
   */
  #place({ repository, branch }: Options, at: number): string | null {
    const view = this.#log.view();
    const differs = repository !== undefined && !isSameRepository(repository, view.repository, this.#ports.settings.REPOSITORY_BASE_URL);
    const movable = view.base === null && this.#turns.open().length === 0;
    if (differs && !movable) {
      const here = view.repository === null ? "an empty repository" : `\`${view.repository}\``;
      return `Not taken: this thread works on ${here}, and a thread has one workspace. To work on \`${repository}\`, mention me in a new thread.`;
    }
    if (differs) this.#log.append([{ type: "session.repository", at, repository, base: null }]);
    if (movable && (differs || branch !== undefined)) this.#ports.renewSandbox();
    return null;
  }

  #created(request: Extract<Request, { kind: "prompt" }>, at: number): AgentEvent {
    const { settings } = this.#ports;
    const id = this.#ports.sessionId();
    return {
      type: "session.created",
      version: EVENTS_VERSION,
      at,
      id,
      thread: request.thread,
      who: request.who,
      repository: request.options.repository ?? settings.DEFAULT_REPOSITORY,
      branch: `errand/${id.slice(0, 8)}`,
      model: settings.MODEL_NAME ?? "no model set",
    };
  }

  /** Keys are unique in the whole workspace: they start with the session. */
  #key(rest: string): string {
    return `${this.#ports.sessionId()}:${rest}`;
  }

  #note(code: string, text: string, to: Person | null, turn: number | null, cause: string, thread = this.#log.view().thread): void {
    this.#log.append([{ type: "note", at: this.#ports.now(), turn, code, text }]);
    this.#outbox.want({
      key: this.#key(`note:${cause}`),
      thread,
      kind: "note",
      turn: null,
      ref: JSON.stringify({ code, text, mention: to?.id ?? null }),
    });
  }

  #withdraw(turn: number, at: number): void {
    this.#turns.end(turn);
    this.#log.append([{ type: "turn.withdrawn", at, turn }]);
    this.#outbox.freeze(this.#key(`turn:${turn}:progress`));
  }

  #stop(who: Person, named: number | undefined, cause: string, at: number): void {
    const turn =
      named === undefined ? (this.#turns.running() ?? this.#turns.queued()[0]) : this.#turns.open().find((open) => open.id === named);
    if (!turn) return this.#note("nothing_to_stop", "Nothing is running here.", who, null, cause);
    if (turn.state === "queued") return this.#withdraw(turn.id, at);
    if (turn.stopAt !== null) return;
    this.#turns.stopping(turn.id, at + STOP_LIMIT_MS);
    this.#log.append([{ type: "turn.stopping", at, turn: turn.id, who }]);
    this.#link.command({ do: "stop", turn: turn.id });
    // Without a runner nothing works on it: the stop has happened.
    if (!this.#ports.connected()) this.end(turn.id, "stopped");
  }

  #answer(open: OpenAsk, who: Person, answer: { choice?: string | undefined; text?: string | undefined }, cause: string, at: number): void {
    const asked = this.#turns.open().find((turn) => turn.id === open.turn);
    if (asked && asked.who.id !== who.id && who.id !== "owner")
      return this.#note("not_yours", "Only the person who asked for this turn may answer that.", who, open.turn, cause);
    const reading = readAnswer(open.ask, answer);
    if (reading.kind === "wrong") return this.#note("wrong_answer", reading.why, who, open.turn, cause);
    return this.#settle(open, who, reading, at, false);
  }

  #settle(
    open: OpenAsk,
    by: Person | null,
    reading: { label: string; choice?: string; text?: string; reject: boolean },
    at: number,
    expired: boolean,
  ): void {
    if (!this.#asks.settle(open.ask.id)) return;
    const { label, choice, text, reject } = reading;
    this.#log.append([{ type: "ask.settled", at, turn: open.turn, id: open.ask.id, by, label, expired }]);
    this.#link.command({
      do: "answer",
      turn: open.turn,
      ask: open.ask.id,
      ...(choice === undefined ? {} : { choice }),
      ...(text === undefined ? {} : { text }),
      reject,
    });
    this.#outbox.freeze(this.#key(`ask:${open.ask.id}`));
  }

  /** Closes a turn's asks, since the agent that asked is gone and nobody waits for an answer. */
  closeAsks(turn: number, why: string): void {
    for (const { ask } of this.#asksOf(turn)) {
      this.#log.append([{ type: "ask.closed", at: this.#ports.now(), turn, id: ask.id, why }]);
      this.#shut(ask.id);
    }
  }

  #asksOf(turn: number): OpenAsk[] {
    return this.#asks.open().filter((open) => open.turn === turn);
  }

  #shut(ask: string): void {
    this.#asks.settle(ask);
    this.#outbox.freeze(this.#key(`ask:${ask}`));
  }

  /** What time alone has decided: expired asks, stops that did not come, turns that took too long; then the next turn. */
  advance(now: number): void {
    for (const open of this.#asks.expired(now)) this.#settle(open, null, { label: "No answer in time", reject: true }, now, true);
    const running = this.#turns.running();
    if (running?.stopAt && now >= running.stopAt) this.end(running.id, "stopped");
    else if (running?.startedAt && now - running.startedAt > TURN_LIMIT_MS) {
      const hours = TURN_LIMIT_MS / 3600_000;
      this.#link.command({ do: "stop", turn: running.id });
      this.end(running.id, "failed", {
        code: "turn_limit",
        message: `Stopped after ${hours} hours, the most a turn may take.`,
        action: "Reply to go on from here.",
      });
    }
    const next = this.#turns.running() ? undefined : this.#turns.queued()[0];
    if (next) {
      this.#turns.start(next.id, now);
      this.#log.append([{ type: "turn.started", at: now, turn: next.id }]);
      this.prompt(next.id);
    }
  }

  /** Hands the running turn's prompt to the runner; again, when its sandbox was replaced. */
  prompt(id: number): void {
    const turn = this.#turns.open().find((open) => open.id === id);
    if (!turn) return;
    const view = this.#log.view();
    const asker = turn.who.name ? `${turn.who.name} (${turn.who.id})` : turn.who.id;
    const system = [
      `You were asked by ${asker} in the thread ${view.thread}.`,
      view.repository
        ? `The workspace is a clone of ${view.repository}, on the branch ${view.branch}.`
        : "The workspace is an empty git repository: nobody named one.",
    ].join("\n");
    this.#link.command({ do: "prompt", turn: id, text: turn.text, system, model: "errand/main" });
  }

  /** Ends a turn by the SessionAgent's own decision. */
  end(id: number, outcome: "failed" | "stopped", failure?: { code: string; message: string; action?: string }): void {
    if (!this.#turns.open().some((open) => open.id === id)) return;
    this.#log.append([{ type: "turn.ended", at: this.#ports.now(), turn: id, outcome, ...(failure ? { failure } : {}) }]);
    this.#over(id);
  }

  /** What follows from events of the runner that were just stored. */
  follow(event: RunnerEvent): void {
    if (event.type === "turn.finished") this.#over(event.turn);
    if (event.type === "ask.opened" && this.#turns.running()?.id === event.turn) this.#ask(event.turn, event.ask, event.at);
    if (event.type === "ask.closed") this.#shut(event.id);
  }

  /** A runner that was started again tells of asks that may be settled; one beyond the most that a turn may have is declined. */
  #ask(turn: number, ask: Ask, at: number): void {
    const shown = this.#log.view().turns.find((candidate) => candidate.id === turn);
    const known = shown?.asks.find((candidate) => candidate.id === ask.id);
    if (known?.state === "open") {
      this.#asks.add(turn, ask, at);
      this.#outbox.want({ key: this.#key(`ask:${ask.id}`), thread: this.#log.view().thread, kind: "ask", turn, ref: ask.id });
    }
    if (known) return;
    this.#link.command({ do: "answer", turn, ask: ask.id, reject: true });
    const message = `The agent asked more than ${ASKS_A_TURN} times in this turn; further questions are declined.`;
    if (!shown?.notices.includes(message))
      this.#log.append([{ type: "turn.notice", at: this.#ports.now(), turn, code: "too_many_asks", message }]);
  }

  /** A turn is over: its messages get their last content, and the outcome its one reply. */
  #over(id: number): void {
    if (!this.#turns.end(id)) return;
    for (const { ask } of this.#asksOf(id)) this.#shut(ask.id);
    this.#link.drop(id);
    this.#outbox.freeze(this.#key(`turn:${id}:progress`));
    const final = this.#key(`turn:${id}:final`);
    this.#outbox.want({ key: final, thread: this.#log.view().thread, kind: "final", turn: id, ref: "" });
    this.#outbox.freeze(final);
    this.#log.save();
  }
}
