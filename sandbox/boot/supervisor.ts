/**
 * Keeps the units running: starts each when what it needs is ready, sees whether it answers, starts it again when it dies,
 * and says what happens. What a unit is and when to give up are decided elsewhere (units.ts, restart.ts).
 */
import { randomUUID } from "node:crypto";
import { factsFor, type UnitState } from "./facts.ts";
import type { ToRunnerProcess } from "./ipc.ts";
import { type Life, live } from "./life.ts";
import { waitReady } from "./probe.ts";
import { afterCrash, NO_CRASHES } from "./restart.ts";
import type { Missing, Unit, UnitName } from "./unit.ts";

/** How long a unit waits for the first start of what it comes after, in ms: then it starts without, and shows that it is alone. */
const AFTER_MS = 20_000;

export type Supervisor = {
  /** Sends to the unit's process, if it runs. */
  send(unit: UnitName, message: object): void;
  /** The agent can take prompts: what comes after it starts. */
  agentReady(): void;
  /** A unit with `ready: message` said that it is ready. */
  isReady(unit: UnitName): void;
  /** Everything the runner should know by now. */
  facts(): ToRunnerProcess[];
  /** Starts nothing any more. Gives the runner `runnerMs` to end by itself, then ends all units; resolves when none is left. */
  stop(runnerMs: number, graceMs: number): Promise<void>;
};

/** Phases by unit: the boot phase that is over when the unit is ready for the first time. */
const PHASE: Partial<Record<UnitName, string>> = {
  gateway: "gateway",
  runner: "runner",
  opencode: "opencode",
  vscode: "vscode",
  desktop: "desktop",
  terminal: "terminal",
};

/** Starts everything. `hear` gets what units with IPC say; `began` is called with each new process of a unit. */
export function supervise(options: {
  units: readonly Unit[];
  missing: readonly Missing[];
  logFolder: string;
  now: () => number;
  log: (line: string) => void;
  began: (unit: UnitName, send: (message: object) => void) => void;
  hear: (unit: UnitName, message: unknown) => void;
}): Supervisor {
  const { units, now, log } = options;
  const lives = new Map<UnitName, Life>();
  const ready = new Map<UnitName | "agent", ReturnType<typeof Promise.withResolvers<void>>>(
    [...units.map((unit) => unit.name), "agent" as const].map((name) => [name, Promise.withResolvers<void>()]),
  );
  /** Without a process namespace other sandboxes are in sight, whose units must not be taken for ours. */
  const own = randomUUID();
  let stopping = false;

  const send = (name: UnitName, message: object) => {
    const child = lives.get(name)?.child;
    // The channel may close at any moment; what was not heard is said again to the next process.
    if (child?.connected) child.send(message, () => undefined);
  };
  const facts = factsFor(units, (message) => send("runner", message));

  for (const { service, reason } of options.missing) {
    facts.phase({ at: now(), phase: service, ms: 0, ok: false, error: reason });
    facts.service(service, { state: "unavailable", reason });
  }

  async function keep(unit: Unit): Promise<void> {
    const phase = PHASE[unit.name];
    let crashes = NO_CRASHES;
    let state: UnitState = { state: "starting" };
    const set = (next: UnitState) => {
      state = next;
      facts.unit(unit, next);
    };
    for (let first = true; !stopping; first = false) {
      const waiting = Promise.all(unit.after.map((name) => ready.get(name)?.promise));
      await (first ? Promise.race([waiting, sleep(AFTER_MS)]) : waiting);
      if (stopping) return;
      const startedAt = now();
      if (first) {
        if (phase) facts.phase({ at: startedAt, phase });
        set(state);
      }
      const life = live(unit, `${unit.name}-${own}`, options.logFolder);
      lives.set(unit.name, life);
      life.child.on("message", (message) => options.hear(unit.name, message));
      options.began(unit.name, (message) => send(unit.name, message));

      const over = new AbortController();
      let readySince: number | null = null;
      let late = false;
      const tooLate = setTimeout(() => {
        late = true;
        void life.stop(500);
      }, unit.readyMs);
      const isReady = readiness(unit, life, over.signal).then((answered) => {
        clearTimeout(tooLate);
        if (!answered || over.signal.aborted) return;
        readySince = now();
        if (phase) facts.phase({ at: readySince, phase, ms: readySince - startedAt, ok: true });
        set({ state: "available" });
        ready.get(unit.name)?.resolve();
      });
      const why = await life.ended;
      over.abort();
      clearTimeout(tooLate);
      await isReady;
      if (readySince !== null) ready.set(unit.name, Promise.withResolvers<void>());
      if (stopping) return;

      const next = afterCrash(crashes, now(), readySince);
      crashes = next.crashes;
      const reason = late ? `${unit.name} did not answer within ${unit.readyMs / 1000} s` : why;
      log(`${reason}; ${next.state}, next start in ${next.delayMs} ms`);
      if (phase && readySince === null && next.state === "unavailable")
        facts.phase({ at: now(), phase, ms: now() - startedAt, ok: false, error: reason });
      set({ state: next.state, reason });
      await sleep(next.delayMs);
    }
  }

  const said = new Map<UnitName, () => void>();
  function readiness(unit: Unit, life: Life, signal: AbortSignal): Promise<boolean> {
    if (unit.ready.by === "started") {
      return new Promise((resolve) => {
        life.child.once("spawn", () => resolve(true));
        signal.addEventListener("abort", () => resolve(false));
      });
    }
    if (unit.ready.by === "message") {
      return new Promise((resolve) => {
        said.set(unit.name, () => resolve(true));
        signal.addEventListener("abort", () => resolve(false));
      });
    }
    return waitReady(unit.ready, signal);
  }

  for (const unit of units) void keep(unit);

  return {
    send,
    agentReady: () => ready.get("agent")?.resolve(),
    isReady: (name) => said.get(name)?.(),
    facts: () => facts.all(),
    async stop(runnerMs, graceMs) {
      stopping = true;
      send("runner", { t: "end" });
      await Promise.race([lives.get("runner")?.ended, sleep(runnerMs)]);
      await Promise.all([...lives.values()].map((life) => life.stop(graceMs)));
    },
  };
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
