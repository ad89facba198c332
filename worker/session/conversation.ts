/**
 * What a request or a runner's event means for the session: which turn, ask, command and message come of it. Composes
 * the parts; everything here is synchronous and runs inside one transaction with the input it handles.
 */
import type { Failure, RunnerEvent } from "../../protocol/events.ts";
import type { Person, Request } from "../../protocol/request.ts";
import { wasRefused } from "../../protocol/view.ts";
import type { Asking } from "./asking.ts";
import type { Asks } from "./asks.ts";
import { unusedOptions } from "./beginning.ts";
import type { Inbox } from "./inbox.ts";
import type { Log } from "./log.ts";
import type { Offers } from "./offers.ts";
import { isOpen, type Pulls } from "./pulls.ts";
import type { RunnerLink } from "./runner-link.ts";
import type { Threads } from "./threads.ts";
import { type Prompt, STOP_LIMIT_MS, TURN_LIMIT_MS, type Turn, type Turns } from "./turns.ts";
import { type Voice, type Where, whereOf } from "./voice.ts";
import type { PromptRequest, Workplace } from "./workplace.ts";

/** Most prompts that may wait in one session. */
export const MAX_QUEUED = 20;
/** Most of them that may be held for their authors to link an account, of one author and of all: the others are not to be kept out by those. */
export const MAX_HELD = { one: 2, all: 10 } as const;

export type ConversationPorts = {
  now: () => number;
  /** The runner can be told something now. */
  connected: () => boolean;
  /** Nobody needs the sandbox any more. */
  endSandbox: () => void;
  /** The queued turn that may begin now. */
  next: (now: number) => Turn | undefined;
  /** Whether what this person says has to be admitted before it begins. */
  concerns: (person: string) => boolean;
  /** Whether a queued turn waits for its author to link an account. */
  isHeld: (turn: number) => boolean;
  /** The address for the commits of a turn's author, where an account that is linked to them tells it. */
  emailOf: (turn: number) => string | null;
};

type Parts = {
  inbox: Inbox;
  log: Log;
  turns: Turns;
  asks: Asks;
  asking: Asking;
  link: RunnerLink;
  threads: Threads;
  pulls: Pulls;
  offers: Offers;
  voice: Voice;
  workplace: Workplace;
};

const HELP =
  "Tell me what to do, for example: `@errand fix the failing test in src/app`. Add `repo=owner/name` or `branch=name` to choose where. In this thread, reply to go on, or say `status` or `stop`.";

export class Conversation {
  readonly #parts: Parts;
  readonly #ports: ConversationPorts;

  constructor(parts: Parts, ports: ConversationPorts) {
    this.#parts = parts;
    this.#ports = ports;
  }

  /** Handles one request from the inbox. */
  handle(request: Request): void {
    const at = this.#ports.now();
    const { asks, asking, link, threads, turns, voice } = this.#parts;
    threads.keep(request.thread, request.native);
    if (request.touched !== undefined) voice.restore(request.touched);
    switch (request.kind) {
      case "prompt":
        return this.#prompt(request, at);
      case "edit":
        return this.#edit(request, at);
      case "withdraw": {
        const turn = turns.open().find((open) => open.contentKey === request.contentKey);
        if (turn?.state === "queued") this.#withdraw(turn.id, at);
        return;
      }
      case "stop":
        return this.#stop(request, at);
      case "answer": {
        const open = asks.get(request.ask);
        if (!open) return this.#note("ask_settled", "That was settled already.", request);
        const { who, choice, text, deliveryId: cause } = request;
        return asking.answer(open, { who, choice, text, cause, where: whereOf(request) });
      }
      case "status":
        return voice.overview(request.deliveryId, whereOf(request));
      case "retry":
        return this.#retry(request, at);
      case "take": {
        const held = this.#tooManyHeld(request.who);
        if (held !== null) return this.#note("too_many_held", held, request);
        if (this.takeOffer(request.who, whereOf(request), request.offer)) return;
        return this.#note("no_offer", "There is nothing to take up: no failing check is known, or it is being worked on already.", request);
      }
      case "changed": {
        const running = turns.running();
        const { pull } = this.#parts.log.view();
        // A fork's branch is another one than that of the work, and who pushes to it need not be allowed to steer.
        if (!request.pushed || !running || !isOpen(pull) || pull.thread !== request.thread) return;
        const { by, commit } = request.pushed;
        const message = `${by} pushed ${commit.slice(0, 10)} to the branch that this work is on.`;
        this.#parts.log.append([{ type: "turn.notice", at, turn: running.id, code: "pushed_by_other", message }]);
        return link.command({
          do: "steer",
          turn: running.id,
          text: `${message} Fetch it and rebase before your next commit; keep what they did.`,
        });
      }
      case "closed":
        // A delivery that was missed comes hours later: what was asked for since then was asked of a thread that is open.
        if (request.how !== "gone" && turns.open().some((turn) => turn.saidAt > request.at)) return;
        return this.close(request.how, request.who);
      case "restore":
        return;
      default:
        // A kind of request that is taken but not handled would be passed over in silence.
        request satisfies never;
    }
  }

  /** Says that a request could not be handled. */
  giveUp(request: Request): void {
    const text =
      "Something broke on our side and this request could not be handled. Please say it again; the log of the Worker tells more.";
    // The thread of a session that could not even begin is in no log: the request's own is used.
    this.#note("not_handled", text, request);
  }

  #note(code: string, text: string, request: Request, turn: number | null = null): void {
    this.#parts.voice.note(code, text, request.who, { turn, cause: request.deliveryId, where: whereOf(request) });
  }

  #prompt(request: PromptRequest, at: number): void {
    const { log, turns, asks, asking, workplace } = this.#parts;
    const text = request.text.trim();
    // A note may stand in the log already, of a first request that could not be handled.
    if (log.view().id === "") workplace.begin(request, at);
    if (text === "") return this.#note("help", HELP, request);
    const open = asks.open()[0];
    const running = turns.running();
    // A plain reply while the agent asks is the answer; by someone who may not answer it is a prompt like any other.
    if (open && running?.id === open.turn && running.who.id === request.who.id)
      return asking.answer(open, { who: request.who, text, cause: request.deliveryId, where: whereOf(request) });
    if (turns.queued().length >= MAX_QUEUED) {
      const full = `Not taken: ${MAX_QUEUED} requests are waiting in this thread already. Stop or delete one, or wait until one is done.`;
      return this.#note("queue_full", full, request);
    }
    const held = this.#tooManyHeld(request.who);
    if (held !== null) return this.#note("too_many_held", held, request);
    const elsewhere = workplace.choose(request.options, at);
    if (elsewhere !== null) return this.#note("other_repository", elsewhere, request);
    if (!this.#ports.concerns(request.who.id)) workplace.goOn(request, at);
    const { thread, place } = whereOf(request);
    const { who, options, contentKey, context, at: saidAt } = request;
    const turn = this.#queue({ who, text, options, contentKey, thread, place, context: context ?? null, offer: null, saidAt }, at);
    const unused = unusedOptions(options, log.view());
    if (unused !== null) this.#note("option_not_used", unused, request, turn);
  }

  /** Why no further request of somebody is held; null where it is taken. */
  #tooManyHeld(who: Person): string | null {
    if (!this.#ports.concerns(who.id)) return null;
    const held = this.#parts.turns.queued().filter((turn) => this.#ports.isHeld(turn.id));
    const own = held.filter((turn) => turn.who.id === who.id).length;
    if (own >= MAX_HELD.one)
      return `Not taken: ${own} requests of yours wait here for you to link an account already. Say \`link\` to get a new link.`;
    if (held.length < MAX_HELD.all) return null;
    return `Not taken: ${held.length} requests wait here for their authors to link an account. Say \`link\` to link yours first, then say this again.`;
  }

  #queue(prompt: Prompt, at: number): number {
    const { turns, log, voice } = this.#parts;
    const turn = turns.add(prompt);
    const { who, text, options, contentKey, thread, place, offer } = prompt;
    log.append([{ type: "turn.queued", at, turn, who, text, options, contentKey, thread, place, ...(offer === null ? {} : { offer }) }]);
    voice.begin(turn);
    const { pull } = log.view();
    if (isOpen(pull)) voice.beside(turn, pull.commit, pull.thread);
    return turn;
  }

  #edit(request: Extract<Request, { kind: "edit" }>, at: number): void {
    const { turns, log, workplace } = this.#parts;
    const turn = turns.open().find((open) => open.contentKey === request.contentKey);
    if (!turn || turn.text === request.text) return;
    if (turn.state === "running") {
      const late = "That request is being worked on already, as it was. Ask for the correction, or stop it first.";
      return this.#note("edit_too_late", late, request, turn.id);
    }
    if (request.text.trim() === "") {
      // It may be asked again by another edit.
      this.#parts.inbox.forgetContent(request.contentKey);
      return this.#withdraw(turn.id, at);
    }
    const elsewhere = workplace.choose(request.options, at);
    if (elsewhere !== null) return this.#note("other_repository", elsewhere, request, turn.id);
    turns.replace(turn.id, request.text, request.options);
    log.append([{ type: "turn.replaced", at, turn: turn.id, text: request.text, options: request.options }]);
  }

  #retry(request: Extract<Request, { kind: "retry" }>, at: number): void {
    const { log, turns, workplace } = this.#parts;
    const held = (turn: { id: number }) => this.#ports.isHeld(turn.id);
    // What its author might not have done is nobody else's wish: who says "retry" means the work that was done here.
    const last = log.view().turns.findLast((turn) => turn.state !== "withdrawn" && !held(turn) && !wasRefused(turn));
    if (!last) return this.#note("nothing_to_retry", "There is nothing to do again here.", request);
    if (turns.open().some((turn) => !held(turn)))
      return this.#note("still_at_work", "That is being worked on. Stop it first, or wait for its end.", request);
    const many = this.#tooManyHeld(request.who);
    if (many !== null) return this.#note("too_many_held", many, request);
    if (!this.#ports.concerns(request.who.id)) workplace.goOn(undefined, at);
    const { prompt: text, options } = last;
    const { thread, place } = whereOf(request);
    const contentKey = `retry:${request.deliveryId}`;
    const context = turns.lastContext();
    this.#queue({ who: request.who, text, options, contentKey, thread, place, context, offer: null, saidAt: 0 }, at);
  }

  /** Begins the turn that an offer stands for. Returns false where there is no such offer. */
  takeOffer(who: Person, where: Where, id?: string): boolean {
    const { offers, turns, workplace } = this.#parts;
    const offer = offers.find(id);
    if (!offer || turns.queued().length >= MAX_QUEUED) return false;
    const at = this.#ports.now();
    // Of somebody who has to be admitted it is not known yet whether they may: until then it stays open for others.
    if (this.#ports.concerns(who.id)) {
      if (offer.agrees || turns.queued().some((turn) => turn.offer === offer.id && turn.who.id === who.id)) return false;
    } else offers.settle(who);
    if (offer.agrees) workplace.agree();
    this.#queue(
      { who, text: offer.text, options: {}, contentKey: `offer:${offer.id}`, ...where, context: offer.context, offer: offer.id, saidAt: 0 },
      at,
    );
    return true;
  }

  /**
   * A turn was let in. What it needs a new branch for has one from now on: that ends the sandbox, and is not for who may not. The offer that it was
   * begun by is taken now, or the turn ends, since that has lost its meaning.
   */
  admitted(turn: Turn): void {
    this.#parts.workplace.goOn(undefined, this.#ports.now());
    const offer = turn.offer === null ? undefined : this.#parts.log.view().offers.find(({ id }) => id === turn.offer);
    if (turn.offer === null || (offer?.state === "taken" && offer.by?.id === turn.who.id)) return;
    if (offer?.state === "open") return this.#parts.offers.settle(turn.who);
    this.end(turn.id, "failed", {
      code: "offer_gone",
      message: "What this was to do was taken up by somebody else, or has lost its meaning.",
    });
  }

  /** The conversation has ended: nothing is worked on any more, and the sandbox goes. A later prompt begins again. */
  close(how: "closed" | "merged" | "gone", who: Person | null): void {
    const { log, turns, link } = this.#parts;
    const { closed } = log.view();
    const at = this.#ports.now();
    // A merge that closes an issue is told twice, in either order: what counts is that it was merged.
    if (closed?.how === "closed" && how === "merged") return void log.append([{ type: "session.closed", at, how, who }]);
    if (closed !== null || log.view().id === "") return;
    // First of all: the last messages of what is ended by it say so.
    log.append([{ type: "session.closed", at, how, who }]);
    for (const turn of turns.queued()) this.#withdraw(turn.id, at);
    const running = turns.running();
    if (running) {
      link.command({ do: "stop", turn: running.id });
      this.end(running.id, "stopped");
    }
    this.#parts.offers.drop();
    this.#ports.endSandbox();
  }

  #withdraw(turn: number, at: number): void {
    const { turns, log, voice } = this.#parts;
    turns.end(turn, false);
    log.append([{ type: "turn.withdrawn", at, turn }]);
    voice.settle(turn);
  }

  #stop(request: Extract<Request, { kind: "stop" }>, at: number): void {
    const { turns, log, link } = this.#parts;
    const named = request.turn;
    // A stop that comes late, as a delivery that was missed, is not meant for what was asked for after it.
    const before = turns.open().filter((open) => open.saidAt <= request.at);
    const turn =
      named === undefined
        ? (before.find((open) => open.state === "running") ?? before.find((open) => open.who.id === request.who.id) ?? before[0])
        : turns.open().find((open) => open.id === named);
    if (!turn) return this.#note("nothing_to_stop", "Nothing is running here.", request);
    if (turn.state === "queued") return this.#withdraw(turn.id, at);
    if (turn.stopAt !== null) return;
    turns.stopping(turn.id, at + STOP_LIMIT_MS);
    log.append([{ type: "turn.stopping", at, turn: turn.id, who: request.who }]);
    link.command({ do: "stop", turn: turn.id });
    // Without a runner nothing works on it: the stop has happened.
    if (!this.#ports.connected()) this.end(turn.id, "stopped");
  }

  /** What time alone has decided: expired asks, stops that did not come, turns that took too long; then the next turn. */
  advance(now: number): void {
    const { asking, turns, link, log } = this.#parts;
    asking.expire(now);
    const running = turns.running();
    if (running?.stopAt && now >= running.stopAt) this.end(running.id, "stopped");
    else if (running?.startedAt && now - running.startedAt > TURN_LIMIT_MS) {
      const hours = TURN_LIMIT_MS / 3600_000;
      link.command({ do: "stop", turn: running.id });
      this.end(running.id, "failed", {
        code: "turn_limit",
        message: `Stopped after ${hours} hours, the most a turn may take.`,
        action: "Ask again to go on from here.",
      });
    }
    const next = turns.running() ? undefined : this.#ports.next(now);
    if (next) {
      turns.start(next.id, now);
      log.append([{ type: "turn.started", at: now, turn: next.id }]);
      this.prompt(next.id);
    }
  }

  /** Hands the running turn's prompt to the runner; again, when its sandbox was replaced. */
  prompt(id: number): void {
    const turn = this.#parts.turns.open().find((open) => open.id === id);
    if (!turn) return;
    const { repository, branch, pull } = this.#parts.log.view();
    const asker = turn.who.name ? `${turn.who.name} (${turn.who.id})` : turn.who.id;
    const of = isOpen(pull) ? `, that of pull request #${pull.number} (into ${pull.base})` : "";
    const system = [
      `You were asked by ${asker} in the thread ${turn.thread}.`,
      repository
        ? `The workspace is a clone of ${repository}, on the branch ${branch}${of}.`
        : "The workspace is an empty git repository: nobody named one.",
    ].join("\n");
    const email = turn.who.email ?? this.#ports.emailOf(id);
    const author = email ? { name: turn.who.name ?? turn.who.id, email } : undefined;
    this.#parts.link.command({
      do: "prompt",
      turn: id,
      text: turn.text,
      system,
      model: "errand/main",
      ...(turn.context === null ? {} : { context: turn.context }),
      ...(author ? { author } : {}),
    });
  }

  /** Ends a turn by the SessionAgent's own decision. */
  end(id: number, outcome: "failed" | "stopped", failure?: Failure): void {
    const { turns, log } = this.#parts;
    if (!turns.open().some((open) => open.id === id)) return;
    log.append([{ type: "turn.ended", at: this.#ports.now(), turn: id, outcome, ...(failure ? { failure } : {}) }]);
    this.#over(id);
  }

  /** What follows from events of the runner that were just stored. */
  follow(event: RunnerEvent): void {
    const { asking, turns } = this.#parts;
    if (event.type === "turn.finished") this.#over(event.turn);
    if (event.type === "ask.opened" && turns.running()?.id === event.turn) asking.open(event.turn, event.ask, event.at);
    if (event.type === "ask.closed") asking.shut(event.id);
  }

  /** A turn is over: its messages get their last content, and the outcome its one reply. */
  #over(id: number): void {
    const { turns, asking, link, voice, log } = this.#parts;
    // One that was not let in leaves the last that was, with all that stood around it, for a retry.
    if (!turns.end(id, turns.running()?.id === id)) return;
    for (const { ask } of asking.of(id)) asking.shut(ask.id);
    link.drop(id);
    voice.settle(id);
    voice.outcome(id);
    log.save();
  }
}
