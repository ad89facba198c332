/**
 * What a runner does with what it is told: takes each command once, runs prompts one after another, and tells each turn's
 * end. The journal is written before anything is acknowledged, so that a restarted runner neither loses nor repeats.
 */
import { statfs } from "node:fs/promises";
import type { Failure, RunnerEvent } from "../protocol/events.ts";
import type { Command } from "../protocol/runner.ts";
import type { RunnerConfig } from "../sandbox/boot/ipc.ts";
import type { Carried, TurnEnd } from "./carry.ts";
import { carryTurn, retell } from "./carry.ts";
import { nextTurn, takeCommand, takeOver, withoutPrompt } from "./commands.ts";
import { DISK_FULL } from "./failures.ts";
import { changedFiles } from "./git.ts";
import type { ActiveTurn, FinishedTurn, Journal, JournalFile, Prompt } from "./journal.ts";
import { withFinished } from "./journal.ts";
import type { OpenCode } from "./opencode.ts";
import { delay } from "./opencode-stream.ts";
import type { OpenCodeEvent } from "./opencode-types.ts";
import { getReady } from "./readiness.ts";
import { rejectAsks, retry } from "./reading.ts";

/** Below this many free bytes, a failure of any kind is one of the full disk. */
const DISK_RESERVE = 2_000_000;
/** A stopped turn tells its end within two seconds, so what changed is not waited for longer than this, ms. */
const STOPPED_CHANGES_MS = 400;

/** What the conductor needs. */
export type ConductOptions = {
  config: RunnerConfig;
  openCode: OpenCode;
  journal: JournalFile;
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
  const { config, openCode, emit, now, log } = options;
  const takenOver = takeOver(options.journal.read(), config.generation);
  let { journal, held } = takenOver;
  const { again } = takenOver;
  let diskTold = false;
  let running: { turn: number; carried: Carried | null; stopped: boolean; stop: () => void } | null = null;
  let working = false;
  save();

  const ready = getReady({
    config,
    openCode,
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
    else if (target === null) lateControl(command);
    else {
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
    void tellEnd({ turn, session: null, given: null, outcome: "stopped", told: false }, null);
  }

  function lateControl(command: Exclude<Command, Prompt>): void {
    if (command.do === "answer") emit({ type: "ask.closed", at: now(), turn: command.turn, id: command.ask, why: "no longer open" });
    if (command.do === "steer")
      emit({
        type: "turn.notice",
        at: now(),
        turn: command.turn,
        code: "steer_late",
        message: "A message came after the turn had ended and was not used.",
      });
  }

  /** Adds to the running turn; one that an earlier process may have sent is looked for first. */
  async function steer(seq: number, command: Extract<Command, { do: "steer" }>): Promise<void> {
    const session = journal.active?.session;
    if (session === undefined || session === null) return;
    const entry = journal.pending.find((one) => one.seq === seq);
    if (entry?.begun === true) {
      const transcript = await openCode.messages(session);
      const given =
        transcript.ok &&
        transcript.value.some(
          (message) =>
            message.info.role === "user" &&
            message.info.time.created >= (journal.active?.given?.at ?? 0) &&
            message.parts.some((part) => part.text === command.text),
        );
      if (given) return;
    }
    save({ pending: journal.pending.map((one) => (one.seq === seq ? { ...one, begun: true } : one)) });
    const model = journal.active?.prompt.model ?? config.modelDefault;
    const sent = await retry(openCode, () => openCode.prompt(session, { text: command.text, model }), now, options.signal);
    if (!sent.ok)
      emit({
        type: "turn.notice",
        at: now(),
        turn: command.turn,
        code: "steer_failed",
        message: "A message could not be given to the agent.",
      });
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
    const mine = { turn, carried: null as Carried | null, stopped: false, stop };
    running = mine;
    const end = await Promise.race([stopped, carry(active, mine)]).then(async (first) =>
      mine.carried === null ? first : await mine.carried.end,
    );
    if (options.signal.aborted) return;
    await tellEnd(
      {
        turn,
        session: journal.active?.session ?? null,
        given: journal.active?.given ?? null,
        outcome: end.outcome,
        told: false,
        ...(end.failure === undefined ? {} : { failure: end.failure }),
      },
      end.tree,
    );
    running = null;
    for (const entry of journal.pending)
      if (entry.command.do !== "prompt" && entry.command.turn === turn) void control(entry.seq, entry.command);
  }

  async function carry(active: ActiveTurn, mine: { carried: Carried | null; stopped: boolean }): Promise<TurnEnd> {
    const state = await ready.wait();
    if (!state.ok) return { outcome: "failed", failure: state.failure, tree: new Set() };
    if (mine.stopped) return { outcome: "stopped", tree: new Set() };
    // A prompt that was given to a session which is gone has to be given again.
    const current = active.session === null || active.session === state.session ? active : { ...active, given: null };
    mine.carried = carryTurn({
      active: { ...current, session: state.session },
      session: state.session,
      workspace: config.workspace,
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

  async function tellEnd(finished: FinishedTurn, tree: ReadonlySet<string> | null): Promise<void> {
    const { turn, outcome } = finished;
    const [failure] = await Promise.all([
      outcome === "failed" && (await diskIsFull()) ? DISK_FULL : finished.failure,
      tree === null ? undefined : tellChanges(turn, outcome),
      tree === null || tree.size === 0 ? undefined : Promise.race([rejectAsks(openCode, tree), delay(1_000)]),
    ]);
    const ended = { ...finished, ...(failure === undefined ? {} : { failure }) };
    save(withFinished(journal, ended));
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
      await tellChanges(turn, outcome);
    }
    emit({ type: "turn.finished", at: now(), turn, outcome, ...withFailure(failure) });
  }

  async function tellChanges(turn: number, outcome: string): Promise<void> {
    if (!ready.workspaceReady()) return;
    const changes = await Promise.race([changedFiles(config.workspace), ...(outcome === "stopped" ? [delay(STOPPED_CHANGES_MS)] : [])]);
    if (changes) emit({ type: "files.changed", at: now(), turn, ...changes });
  }

  async function diskIsFull(): Promise<boolean> {
    const free = await statfs(config.home).catch(() => null);
    return free !== null && free.bavail * free.bsize < DISK_RESERVE;
  }

  return {
    onCommand,
    applied: () => journal.applied,
    onSafe: (events) => {
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
