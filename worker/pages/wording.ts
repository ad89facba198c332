/** Words for states, so that every page says the same. Pure. */
import type { Person } from "../../protocol/request.ts";
import type { SandboxView, TurnState, TurnView } from "../../protocol/view.ts";
import type { ModelUse } from "../session/model-caps.ts";
import { count, dollars, duration } from "./time.ts";

/** The state of a turn in words. */
export const TURN_WORDS: Record<TurnState, string> = {
  queued: "queued",
  starting: "starting",
  working: "working",
  waiting: "waiting for an answer",
  stopping: "stopping",
  done: "done",
  failed: "failed",
  stopped: "stopped",
  withdrawn: "withdrawn",
};

/** A person as the pages call them: the name where it is known, which on GitHub is the login; Slack's messages carry none, so there it is the id that Slack shows in a profile. */
export function personWords(who: Person): string {
  const user = /^slack:[^:]+:(.+)$/.exec(who.id)?.[1];
  return who.name ?? (user === undefined ? who.id : `${user} on Slack`);
}

/** The sandbox in a few words. */
export function sandboxWords(sandbox: SandboxView): string {
  switch (sandbox.state) {
    case "none":
      return "no sandbox yet";
    case "starting":
      return "sandbox starting";
    case "connected":
      return sandbox.phases.some((phase) => phase.error !== null) ? "sandbox running, but not ready" : "sandbox starting";
    case "ready":
      return sandbox.readyMs === null ? "sandbox ready" : `sandbox ready after ${duration(sandbox.readyMs)}`;
    case "lost":
      return "sandbox lost";
  }
}

/** What a turn took and cost, in one line; parts that are not known are left out. */
export function turnFigures(turn: TurnView, now: number): string[] {
  const figures: string[] = [];
  if (turn.startedAt !== null) figures.push(duration((turn.endedAt ?? now) - turn.startedAt));
  if (turn.steps > 0) figures.push(turn.steps === 1 ? "1 step" : `${turn.steps} steps`);
  if (turn.tokens)
    figures.push(
      `${count(turn.tokens.input + turn.tokens.cacheRead + turn.tokens.cacheWrite)} tokens in, ${count(turn.tokens.output + turn.tokens.reasoning)} out`,
    );
  if (turn.cost !== null) figures.push(dollars(turn.cost));
  return figures;
}

/** One boot phase as a line. */
export type PhaseLine = { name: string; state: "running" | "done" | "failed"; time: string; error: string | null };

/** The boot phases as lines, in their order. A running one shows how long it has run. */
export function phaseLines(sandbox: SandboxView, now: number): PhaseLine[] {
  return sandbox.phases.map(({ name, startedAt, ms, error }) => ({
    name,
    state: error !== null ? "failed" : ms === null ? "running" : "done",
    time: ms === null ? duration(now - startedAt) : duration(ms),
    error,
  }));
}

/** What the Worker counted of the model in a session. A turn's own figures are the agent's. */
export function useWords({ calls, prompt, cached, completion, estimated }: ModelUse): string {
  const called = calls === 1 ? "1 call" : `${count(calls)} calls`;
  const guessed = estimated > 0 ? `, of ${count(estimated)} of them estimated` : "";
  return `Model tokens counted: ${called}, ${count(prompt)} tokens in (${count(cached)} cached), ${count(completion)} out${guessed}.`;
}
