/** A ten-minute turn as the runner tells it: 1,500 events, 1,200 of them text in progress. Pure. */
import type { RunnerEvent } from "../../protocol/events.ts";
import { COALESCE_MS } from "../../protocol/runner.ts";

export const TURN_MS = 600_000;
/** Rounds of writing for ten seconds, then working with tools for ten. */
const ROUNDS = 30;
const ROUND_MS = TURN_MS / ROUNDS;
/** In each: 40 pieces of text, one in a frame; then its end, three tool calls and three changes of the plan. */
const DELTAS = 40;

export type Frame = { at: number; items: RunnerEvent[] };

/** The frames of the turn, by the time since its start in ms. The last says that it is done. */
export function longTurn(turn: number, start: number): Frame[] {
  const frames: Frame[] = [];
  const say = (after: number, ...items: RunnerEvent[]) => frames.push({ at: start + after, items });
  for (let round = 0; round < ROUNDS; round += 1) {
    const began = round * ROUND_MS;
    const part = `prt_${round}`;
    for (let piece = 0; piece < DELTAS; piece += 1) {
      const after = began + (piece + 1) * COALESCE_MS;
      say(after, { type: "text.delta", at: start + after, turn, part, text: `Piece ${piece} of what the agent says in round ${round}. ` });
    }
    const text = `What the agent says in round ${round}: ${"a sentence about the code it has read. ".repeat(40)}`;
    const written = began + DELTAS * COALESCE_MS + COALESCE_MS;
    say(written, { type: "text.done", at: start + written, turn, part, text }, planAt(turn, start + written, 3 * round));
    for (let call = 0; call < 3; call += 1) {
      const at = written + call * 3_000;
      const about = { turn, id: `call_${round}_${call}`, tool: "bash", title: `npm test -- --run file-${round}-${call}.test.ts` };
      say(at + 250, { type: "tool.started", at: start + at + 250, ...about });
      const finished: RunnerEvent = {
        type: "tool.finished",
        at: start + at + 2_750,
        ...about,
        ok: call !== 1,
        ms: 2_500,
        exit: call === 1 ? 1 : 0,
        output: "…",
      };
      // Two of three calls end with another step of the plan done.
      say(at + 2_750, finished, ...(call < 2 ? [planAt(turn, start + at + 2_750, 3 * round + call + 1)] : []));
    }
  }
  const last = frames.at(-1);
  last?.items.push({ type: "turn.finished", at: start + TURN_MS, turn, outcome: "done" });
  return frames;
}

/** The plan after so many of its changes: ten items of which each is begun and ended, again and again as the agent revises it. */
function planAt(turn: number, at: number, change: number): RunnerEvent {
  const done = Math.floor(change / 2) % 10;
  const items = Array.from({ length: 10 }, (_, index) => ({
    text: `Step ${index + 1} of the plan, as agents write them`,
    status: index < done ? ("completed" as const) : index === done && change % 2 === 1 ? ("in_progress" as const) : ("pending" as const),
  }));
  return { type: "plan.updated", at, turn, items };
}
