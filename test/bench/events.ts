/** Events as an agent at work makes them. */
import type { RunnerEvent } from "../../protocol/events.ts";

/** A stored event of about 200 bytes: tool calls that begin and end in turns. */
export function toolEvent(turn: number, index: number): RunnerEvent {
  const call = Math.floor(index / 2);
  const about = { at: 1_750_000_000_000 + index * 100, turn, id: `call_${String(call).padStart(24, "0")}`, tool: "bash" };
  const title = "npm test -- --run src/app/session/reducer.test.ts";
  return index % 2 === 0
    ? { type: "tool.started", ...about, title: `${title} (${call}), the third time` }
    : { type: "tool.finished", ...about, title, ok: true, ms: 1_234, exit: 0 };
}

/** Frames of tool events, `size` in each. */
export const toolFrames = (turn: number, count: number, size: number): RunnerEvent[][] =>
  Array.from({ length: count }, (_, frame) => Array.from({ length: size }, (_, index) => toolEvent(turn, frame * size + index)));
