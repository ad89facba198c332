/** Carries one turn through OpenCode: gives the prompt, feeds the reducer, does what it asks for, until the turn is over. */
import type { Failure, RunnerEvent } from "../protocol/events.ts";
import { promptText } from "./briefing.ts";
import { agentUnavailable, failureOf, promptLost } from "./failures.ts";
import type { ActiveTurn } from "./journal.ts";
import type { Called, OpenCode } from "./opencode.ts";
import { delay } from "./opencode-stream.ts";
import { RETRY_MS, readSnapshot, rejectAsks, retry, split, untilHealthy } from "./reading.ts";
import type { Input } from "./turn.ts";
import { step } from "./turn.ts";
import type { Effect, Turn } from "./turn-state.ts";
import { newTurn } from "./turn-state.ts";

const TICK_MS = 250;
/** A session that is still at work, as after a stop, is waited for this long before it is prompted again, ms. */
const SETTLE_MS = 10_000;
/** OpenCode may be away for this long in the middle of a turn, ms; the supervisor restarts it within seconds. */
const DOWN_MS = 90_000;
/** An unfinished answer right after the prompt is no sign that the work was lost, ms. */
const FRESH_MS = 2_000;
/** Looks in a row that may be answered with an error before the turn is given up. */
const UNREADABLE = 5;

const CONTINUE =
  "Your process was restarted in the middle of the work on the request above, and what it was doing was interrupted. " +
  "Look at what is already done, then go on from there until the request is fulfilled. Do not begin again.";

/** What a turn needs. `save` keeps the active turn's state in the journal. */
export type CarryOptions = {
  active: ActiveTurn;
  session: string;
  workspace: string;
  /** The system prompt of the turn. */
  system: string;
  model: string;
  /** Whether the model's price is known: OpenCode reports a cost of 0 for one without. */
  priced: boolean;
  openCode: OpenCode;
  /** The turn before it was stopped after the agent had its prompt. */
  afterStop: boolean;
  save: (active: ActiveTurn) => void;
  emit: (event: RunnerEvent) => void;
  now: () => number;
  log: (message: string) => void;
};

/** How the turn ended. `tree`: the OpenCode sessions whose asks may be left over. */
export type TurnEnd = { outcome: "done" | "failed" | "stopped"; failure?: Failure; tree: ReadonlySet<string> };

/** A turn on its way. */
export type Carried = {
  /** Resolves when the prompt is given, or the turn is over: from then on steers and answers can be taken. */
  begun: Promise<void>;
  hasBegun: () => boolean;
  end: Promise<TurnEnd>;
  feed: (input: Input) => void;
  /** Reads OpenCode's whole state, after the stream was opened again or the process is back. */
  resync: () => void;
};

/** Begins a turn, or goes on with one that an earlier process began. Everything is told by `emit`, except the end. */
export function carryTurn(options: CarryOptions): Carried {
  const { openCode, session, now, log } = options;
  let active = options.active;
  let turn: Turn | null = null;
  let started = false;
  let finishWith: (end: TurnEnd) => void = () => {};
  let beginWith: () => void = () => {};
  let downTimer: NodeJS.Timeout | null = null;
  /** Looks in a row that OpenCode answered with something that is no state. */
  let unreadable = 0;
  const early: Input[] = [];
  const over = new AbortController();
  const end = new Promise<TurnEnd>((done) => {
    finishWith = (value) => {
      over.abort();
      if (downTimer !== null) clearTimeout(downTimer);
      clearInterval(ticking);
      beginWith();
      done(value);
    };
  });
  const begun = new Promise<void>((done) => {
    beginWith = done;
  });
  const ticking = setInterval(() => feed({ type: "tick" }), TICK_MS);
  void begin();

  function feed(input: Input): void {
    if (over.signal.aborted) return;
    if (turn === null) {
      if (input.type === "stop") finishWith({ outcome: "stopped", tree: new Set([session]) });
      else if (input.type !== "tick") early.push(input);
      return;
    }
    if (input.type === "down") downTimer ??= setTimeout(() => feed({ type: "lost", failure: agentUnavailable(DOWN_MS / 1_000) }), DOWN_MS);
    const stepped = step(turn, input, now());
    turn = stepped.turn;
    if (turn.downAt === null && downTimer !== null) {
      clearTimeout(downTimer);
      downTimer = null;
    }
    for (const event of stepped.events) options.emit(event);
    for (const effect of stepped.effects) void carryOut(effect);
  }

  async function begin(): Promise<void> {
    const [transcript] = await Promise.all([persist(() => openCode.messages(session)), active.given === null ? settle() : undefined]);
    if (over.signal.aborted) return;
    if (!transcript.ok) return finishWith({ outcome: "failed", failure: promptLost(transcript.message), tree: new Set([session]) });
    const messages = transcript.value;
    const given = active.given ?? { after: messages.at(-1)?.info.id ?? null, at: now() };
    const { old, ours } = split(messages, given.after);
    const attached = active.given !== null && ours.some((message) => message.info.role === "user");
    const since = attached ? given.at : now();
    turn = newTurn(
      {
        turn: active.prompt.turn,
        root: session,
        old,
        since,
        workspace: options.workspace,
        priced: options.priced,
        deaths: active.deaths,
        // After a while without work, an unfinished turn was lost with its process.
        downAt: attached && now() - given.at > FRESH_MS ? now() : null,
      },
      now(),
    );
    if (!attached) {
      active = { ...active, session, given: { ...given, at: since } };
      options.save(active);
      const prompted = await givePrompt();
      if (!prompted.ok) return feed({ type: "lost", failure: promptFailure(prompted.message) });
    }
    options.emit({ type: "turn.accepted", at: now(), turn: active.prompt.turn });
    for (const input of early.splice(0)) feed(input);
    started = true;
    beginWith();
    if (attached) await lookNow(0, true);
    else void carryOut({ do: "look", in: 5_000, token: 0, full: false });
  }

  /** Gives the prompt; when the answer is lost, the transcript says whether it was taken. */
  async function givePrompt(): Promise<Called<unknown>> {
    const { system } = options;
    const text = promptText(active.prompt, options.afterStop);
    const deadline = now() + RETRY_MS;
    for (;;) {
      const prompted = await openCode.prompt(session, { text, system, model: options.model });
      if (prompted.ok || prompted.why === "refused" || now() > deadline || over.signal.aborted) return prompted;
      await untilHealthy(openCode, deadline, now, over.signal);
      const transcript = await persist(() => openCode.messages(session));
      if (!transcript.ok) return transcript;
      const { ours } = split(transcript.value, active.given?.after ?? null);
      if (ours.some((message) => message.info.role === "user")) return { ok: true, value: null };
    }
  }

  /** Waits for the session to be quiet and clears asks nobody waits for, as an earlier turn may have left them. */
  async function settle(): Promise<void> {
    for (const deadline = now() + SETTLE_MS; now() < deadline; await delay(200, over.signal)) {
      const busy = await openCode.busy();
      if (!busy.ok || !busy.value.has(session) || over.signal.aborted) break;
    }
    await rejectAsks(openCode, new Set([session]));
  }

  function persist<T>(call: () => Promise<Called<T>>): Promise<Called<T>> {
    return retry(openCode, call, now, over.signal);
  }

  async function carryOut(effect: Effect): Promise<void> {
    switch (effect.do) {
      case "look":
        await delay(effect.in, over.signal);
        return lookNow(effect.token, effect.full);
      case "abort":
        if (!(await openCode.abort(session)).ok) await openCode.abort(session);
        return;
      case "replyQuestion":
        return replied(await persist(() => openCode.replyQuestion(effect.request, effect.answers)));
      case "rejectQuestion":
        return replied(await persist(() => openCode.rejectQuestion(effect.request)));
      case "replyPermission":
        return replied(await persist(() => openCode.replyPermission(effect.request, effect.reply)));
      case "remember":
        active = { ...active, answers: { ...active.answers, [effect.request]: effect.answers.map((one) => [...one]) } };
        return options.save(active);
      case "continue": {
        active = { ...active, deaths: effect.deaths };
        options.save(active);
        const prompted = await persist(() => openCode.prompt(session, { text: CONTINUE, system: options.system, model: options.model }));
        if (!prompted.ok) feed({ type: "lost", failure: promptFailure(prompted.message) });
        return;
      }
      case "finish":
        return finishWith({
          outcome: effect.outcome,
          ...(effect.failure === undefined ? {} : { failure: effect.failure }),
          tree: turn?.tree ?? new Set([session]),
        });
    }
  }

  /** A reply that was refused was too late: a look shows what is still open. */
  async function replied(called: Called<unknown>): Promise<void> {
    if (called.ok) return;
    log(`opencode: an answer was not taken: ${called.message}`);
    await lookNow(turn?.token ?? 0, false);
  }

  async function lookNow(token: number, full: boolean): Promise<void> {
    if (over.signal.aborted || turn === null) return;
    const startedAt = now();
    const snapshot = await readSnapshot(openCode, turn, active, full);
    if (over.signal.aborted) return;
    if (snapshot.ok) {
      unreadable = 0;
      return feed({ type: "snapshot", snapshot: { ...snapshot.value, token, startedAt } });
    }
    log(`opencode: its state could not be read: ${snapshot.message}`);
    // An answer that is an error will stay one, as when somebody deleted the session.
    if (snapshot.status !== null) unreadable += 1;
    if (unreadable >= UNREADABLE) return feed({ type: "lost", failure: promptFailure(snapshot.message) });
    // While its process is away, the stream's next connection looks again.
    if (turn.downAt === null) await carryOut({ do: "look", in: 1_000, token, full });
  }

  return { begun, hasBegun: () => started, end, feed, resync: () => void lookNow(turn?.token ?? 0, true) };
}

/** Tells a finished turn's content again from the transcript: texts, tools, usage. */
export async function retell(options: Omit<CarryOptions, "save" | "system" | "afterStop">): Promise<void> {
  const { active, session, openCode, now } = options;
  if (active.given === null) return;
  const transcript = await openCode.messages(session);
  if (!transcript.ok) return;
  const { old } = split(transcript.value, active.given.after);
  const start = {
    turn: active.prompt.turn,
    root: session,
    old,
    since: active.given.at,
    workspace: options.workspace,
    deaths: active.deaths,
    downAt: null,
  };
  const turn = newTurn({ ...start, priced: options.priced }, now());
  const nothing = { children: [], questions: [], permissions: [], answers: new Map() };
  const told = step(
    turn,
    { type: "snapshot", snapshot: { ...nothing, token: 0, startedAt: now(), busy: true, messages: transcript.value } },
    now(),
  );
  for (const event of told.events) options.emit(event);
}

function promptFailure(message: string): Failure {
  return failureOf({ name: "UnknownError", data: { message } });
}
