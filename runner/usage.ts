/** What a turn used, where it was carried in several parts: each part counts from nothing. */
import type { RunnerEvent } from "../protocol/events.ts";

export type Usage = Extract<RunnerEvent, { type: "turn.usage" }>;

/** Counts over the parts of one turn: `add` tells the whole, `goOn` begins the next part. */
export function countUsage(): { add: (usage: Usage) => Usage; goOn: () => void } {
  let before: Usage | null = null;
  let newest: Usage | null = null;
  return {
    add: (usage) => {
      newest = before === null ? usage : sum(before, usage);
      return newest;
    },
    goOn: () => {
      before = newest;
    },
  };
}

function sum(one: Usage, other: Usage): Usage {
  const [a, b] = [one.tokens, other.tokens];
  return {
    ...other,
    tokens: {
      input: a.input + b.input,
      output: a.output + b.output,
      reasoning: a.reasoning + b.reasoning,
      cacheRead: a.cacheRead + b.cacheRead,
      cacheWrite: a.cacheWrite + b.cacheWrite,
    },
    cost: one.cost === null || other.cost === null ? null : one.cost + other.cost,
  };
}
