/** A message for a turn that is under way, and what is said of one that comes too late. */
import type { RunnerEvent } from "../protocol/events.ts";
import type { Command } from "../protocol/runner.ts";
import type { ActiveTurn, Prompt } from "./journal.ts";
import type { OpenCode } from "./opencode.ts";
import { retry } from "./reading.ts";

type Steer = Extract<Command, { do: "steer" }>;

/** A steer with what an earlier process may have done of it. */
export type Steering = {
  openCode: OpenCode;
  active: ActiveTurn;
  command: Steer;
  model: string;
  /** It may have been given before; `begin` notes that it may be from now on. */
  begun: boolean;
  begin: () => void;
  now: () => number;
  signal: AbortSignal;
};

/** Adds the message to the running turn; one that an earlier process may have sent is looked for first. False where it can't be given. */
export async function giveSteer({ openCode, active, command, model, begun, begin, now, signal }: Steering): Promise<boolean> {
  const { session } = active;
  if (session === null) return true;
  if (begun) {
    const transcript = await openCode.messages(session);
    const given =
      transcript.ok &&
      transcript.value.some(
        (message) =>
          message.info.role === "user" &&
          message.info.time.created >= (active.given?.at ?? 0) &&
          message.parts.some((part) => part.text === command.text),
      );
    if (given) return true;
  }
  begin();
  return (await retry(openCode, () => openCode.prompt(session, { text: command.text, model }), now, signal)).ok;
}

/** What is told when a command comes for a turn that is over. Null for a stop, which has what it wants. Pure. */
export function tooLate(command: Exclude<Command, Prompt>, at: number): RunnerEvent | null {
  const { turn } = command;
  if (command.do === "answer") return { type: "ask.closed", at, turn, id: command.ask, why: "no longer open" };
  if (command.do === "stop") return null;
  const message = "A message came after the turn had ended and was not used.";
  return { type: "turn.notice", at, turn, code: "steer_late", message };
}
