/**
 * What a runner does with what it is told: takes each command once, runs prompts one after another, and tells each turn's
 * end. The journal is written before anything is acknowledged, so that a restarted runner neither loses nor repeats.
 */
import type { Failure, RunnerEvent } from "../protocol/events.ts";
import type { Command } from "../protocol/runner.ts";
import type { RunnerConfig } from "../sandbox/boot/ipc.ts";
import { briefing } from "./briefing.ts";
import type { Carried, TurnEnd } from "./carry.ts";
import { carryTurn, retell } from "./carry.ts";
import { nextTurn, takeCommand, takeLate, takeOver, withoutPrompt } from "./commands.ts";
import { type EndingOptions, settleTurn } from "./ending.ts";
import { gitIn } from "./git-run.ts";
import type { ActiveTurn, FinishedTurn, Journal, JournalFile, Prompt } from "./journal.ts";
import { wasStopped, withFinished } from "./journal.ts";
import type { OpenCode } from "./opencode.ts";
import { delay } from "./opencode-stream.ts";
import type { OpenCodeEvent } from "./opencode-types.ts";
import { openPublisher } from "./publisher.ts";
import { getReady } from "./readiness.ts";
import { giveSteer, tooLate } from "./steer.ts";
import { countUsage, type Usage } from "./usage.ts";

/** An end that is told again waits for its push at most this long, ms. */
const AGAIN_MS = 10_000;

/** The turn under way. `ending`: the agent is done with it, and its work is being pushed. */
type Running = {
  turn: number;
  carried: Carried | null;
  ending: boolean;
  stopped: boolean;
  stop: () => void;
  /** Adds what the turn used before it went on with a late message. */
  spend: (usage: Usage) => Usage;
};

/** What the conductor needs. */
export type ConductOptions = {
  config: RunnerConfig;
  openCode: OpenCode;
  journal: JournalFile;
  /** Configuration value of git's credential helper. */
  helper: string;
  emit: (event: RunnerEvent) => void;
  /** Tells that commands up to this number were taken. */
  ack: (commands: number) => void;
  /** The agent can take prompts, or never will here. */
  onSettled: () => void;
  now: () => number;
  log: (message: string) => void;
  signal: AbortSignal;
};

/** The rim's handle on the conductor. */
export type Conductor = {
  onCommand: (seq: number, command: Command) => void;
  onSafe: (events: readonly RunnerEvent[]) => void;
  onOpenCode: (state: "up" | "down") => void;
  applied: () => number;
};

/** Starts to work: gets ready, goes on with what an earlier process of this generation left, then takes commands. */
export function conduct(options: ConductOptions): Conductor {
  const { config, openCode, now, log } = options;
  const takenOver = takeOver(options.journal.read(), config.generation);
  let { journal, held } = takenOver;
  const { again } = takenOver;
  let diskTold = false;
  let running: Running | null = null;
  let working = false;
  save();

  const publisher = openPublisher({
    ...config,
    git: gitIn({ home: config.home, signal: options.signal, helper: options.helper }, config.workspace),
    told: journal.pushed,
    emit: options.emit,
    wait: (ms) => delay(ms, options.signal),
    now,
    log,
    signal: options.signal,
  });

  const emit = (event: RunnerEvent): void => {
    const told = event.type === "turn.usage" && running?.turn === event.turn ? running.spend(event) : event;
    options.emit(told);
    if (event.type === "tool.finished" && event.tool === "bash" && running?.turn === event.turn) publisher.poke(event.turn);
  };

  const ready = getReady({
    config,
    openCode,
    helper: options.helper,
    emit,
    knownSession: () => journal.openCodeSession,
    keepSession: (id) => save({ openCodeSession: id }),
    knownReadyMs: () => (journal.ready?.generation === config.generation ? journal.ready.ms : null),
    keepReady: (ms) => save({ ready: { generation: config.generation, ms } }),
    onEvent: (event: OpenCodeEvent) => running?.carried?.feed({ type: "event", event }),
    onConnected: () => running?.carried?.resync(),
    now,
    log,
    onSettled: options.onSettled,
    signal: options.signal,
  });
  const ending: EndingOptions = { ...config, openCode, publisher, workspaceReady: ready.workspaceReady, emit, now };
  void work();

  function save(fields: Partial<Journal> = {}): void {
    journal = { ...journal, ...fields };
    if (options.journal.write(journal)) {
      diskTold = false;
      return;
    }
    const turn = running?.turn;
    if (turn === undefined || diskTold) return;
    diskTold = true;
    emit({ type: "turn.notice", at: now(), turn, code: "disk_full", message: "The sandbox's disk does not take any more data." });
  }

  function onCommand(seq: number, command: Command): void {
    const taken = takeCommand(journal, held, seq, command);
    if (taken.journal !== journal) save(taken.journal);
    if (taken.again !== null) again.push(taken.again);
    options.ack(journal.applied);
    if (taken.control && command.do !== "prompt") void control(seq, command);
    void work();
  }

  async function control(seq: number, command: Exclude<Command, Prompt>): Promise<void> {
    const target = running?.turn === command.turn ? running : null;
    if (command.do === "stop") stop(command.turn, target);
    // A message that comes while the turn's work is being pushed is one more thing to do in it.
    else if (target?.ending === true && command.do === "steer") return;
    else if (target === null || target.ending) {
      const late = tooLate(command, now());
      if (late !== null) emit(late);
    } else {
      // The turn has not come to OpenCode yet: when it does, it takes what waits for it.
      if (target.carried === null || !target.carried.hasBegun()) return;
      if (command.do === "answer") target.carried.feed({ type: "answer", answer: command });
      else await steer(seq, command);
    }
    save({ pending: journal.pending.filter((one) => one.seq !== seq) });
  }

  function stop(turn: number, target: typeof running): void {
    if (target !== null) {
      target.stopped = true;
      target.stop();
      target.carried?.feed({ type: "stop" });
      return;
    }
    if (journal.finished.some((one) => one.turn === turn)) return;
    if (held?.prompt.turn === turn) held = null;
    save(withoutPrompt(journal, turn));
    tellEnd({ turn, session: null, given: null, outcome: "stopped", told: false });
  }

  async function steer(seq: number, command: Extract<Command, { do: "steer" }>): Promise<void> {
    const { active } = journal;
    if (active === null) return;
    const begun = journal.pending.some((one) => one.seq === seq && one.begun);
    const begin = () => save({ pending: journal.pending.map((one) => (one.seq === seq ? { ...one, begun: true } : one)) });
    const { model } = modelOf(active.prompt.model);
    if (await giveSteer({ openCode, active, command, model, begun, begin, now, signal: options.signal })) return;
    const message = "A message could not be given to the agent.";
    emit({ type: "turn.notice", at: now(), turn: command.turn, code: "steer_failed", message });
  }

  /** Prompts one after another, and ends that are to be told again. */
  async function work(): Promise<void> {
    if (working) return;
    working = true;
    for (let next = takeNext(); next !== null && !options.signal.aborted; next = takeNext()) {
      if ("outcome" in next) await tellAgain(next);
      else await run(next);
    }
    working = false;
  }

  function takeNext(): FinishedTurn | ActiveTurn | null {
    const finished = again.shift();
    if (finished !== undefined) return finished;
    if (journal.active !== null) return journal.active;
    const next = nextTurn(journal, held);
    if (next === null) return null;
    held = null;
    save(next.journal);
    return next.active;
  }

  async function run(active: ActiveTurn): Promise<void> {
    const { turn } = active.prompt;
    let stop = () => {};
    const stopped = new Promise<TurnEnd>((done) => {
      stop = () => done({ outcome: "stopped", tree: new Set() });
    });
    const spending = countUsage();
    const mine: Running = { turn, carried: null, ending: false, stopped: false, stop, spend: spending.add };
    running = mine;
    for (let next: ActiveTurn | null = active; next !== null; ) {
      const { prompt }: ActiveTurn = next;
      const end: TurnEnd = await Promise.race([stopped, carry(next, mine)]).then(async (first) =>
        mine.carried === null ? first : await mine.carried.end,
      );
      mine.ending = true;
      const { outcome, tree } = end;
      const settling = { turn, outcome, tree, failure: end.failure, request: prompt.text };
      // A stop that ended the turn has its own time for the push; one that comes during the push ends the waiting.
      const hurry = mine.stopped ? new Promise(() => undefined) : stopped;
      const failure = options.signal.aborted ? undefined : await settleTurn(ending, settling, hurry);
      if (options.signal.aborted) return;
      const late = outcome === "done" && !mine.stopped ? takeLate(journal, turn) : null;
      if (late !== null) {
        save(late.journal);
        spending.goOn();
      } else {
        const { session, given } = journal.active ?? { session: null, given: null };
        tellEnd({ turn, session, given, outcome, told: false, ...withFailure(failure) });
      }
      next = late?.active ?? null;
      Object.assign(mine, { ending: false, carried: null });
    }
    running = null;
    for (const entry of journal.pending)
      if (entry.command.do !== "prompt" && entry.command.turn === turn) void control(entry.seq, entry.command);
  }

  async function carry(active: ActiveTurn, mine: Running): Promise<TurnEnd> {
    const state = await ready.wait();
    if (!state.ok) return { outcome: "failed", failure: state.failure, tree: new Set() };
    await publisher.begin(active.prompt);
    if (mine.stopped) return { outcome: "stopped", tree: new Set() };
    // A prompt that was given to a session which is gone has to be given again.
    const current = active.session === null || active.session === state.session ? active : { ...active, given: null };
    mine.carried = carryTurn({
      active: { ...current, session: state.session },
      session: state.session,
      workspace: config.workspace,
      system: briefing(active.prompt, config),
      afterStop: wasStopped(journal),
      ...modelOf(active.prompt.model),
      openCode,
      save: (changed) => save({ active: changed }),
      emit,
      now,
      log,
    });
    await mine.carried.begun;
    for (const entry of journal.pending)
      if (entry.command.do !== "prompt" && entry.command.turn === active.prompt.turn) void control(entry.seq, entry.command);
    return mine.carried.end;
  }

  function tellEnd(finished: FinishedTurn): void {
    const { turn, outcome, failure } = finished;
    save(withFinished(journal, finished));
    emit({ type: "turn.finished", at: now(), turn, outcome, ...withFailure(failure) });
  }

  /** The model of a prompt that may name none, and whether its price is known. */
  function modelOf(named: string): { model: string; priced: boolean } {
    const model = named || config.modelDefault;
    return { model, priced: config.pricedModels.includes(model) };
  }

  async function tellAgain(finished: FinishedTurn): Promise<void> {
    const { turn, session, given, outcome, failure } = finished;
    const state = given === null ? null : await ready.wait();
    if (state?.ok === true && session === state.session) {
      emit({ type: "turn.accepted", at: now(), turn });
      const prompt: Prompt = { do: "prompt", turn, text: "", system: "", model: config.modelDefault };
      const active: ActiveTurn = { prompt, session, given, deaths: 0, answers: {} };
      await retell({ active, session, workspace: config.workspace, ...modelOf(""), openCode, emit, now, log });
      // Its work may not have been told, or not even pushed: what was to be committed was.
      await settleTurn(ending, { turn, outcome, failure, tree: new Set(), request: null }, delay(AGAIN_MS));
    }
    emit({ type: "turn.finished", at: now(), turn, outcome, ...withFailure(failure) });
  }

  return {
    onCommand,
    applied: () => journal.applied,
    onSafe: (events) => {
      const pushed = events.findLast((event) => event.type === "branch.pushed")?.commit;
      if (pushed !== undefined) save({ pushed });
      const turns = new Set(events.flatMap((event) => (event.type === "turn.finished" ? [event.turn] : [])));
      if (turns.size > 0) save({ finished: journal.finished.map((one) => (turns.has(one.turn) ? { ...one, told: true } : one)) });
    },
    onOpenCode: (state) => {
      if (state === "down") running?.carried?.feed({ type: "down" });
      else running?.carried?.resync();
    },
  };
}

function withFailure(failure: Failure | undefined): { failure?: Failure } {
  return failure === undefined ? {} : { failure };
}
