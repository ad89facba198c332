import { expect, test } from "vitest";
import { type Caps, type ModelUse, reachedCap } from "./model-caps.ts";

const NONE: Caps = { MODEL_CALLS_PER_TURN: 1_000, MODEL_TOKENS_PER_TURN: null, MODEL_TOKENS_PER_SESSION: null, MODEL_TOKENS_PER_DAY: null };
const use = (change: Partial<ModelUse> = {}): ModelUse => ({ calls: 0, prompt: 0, cached: 0, completion: 0, estimated: 0, ...change });
const used = (change: { turn?: Partial<ModelUse>; session?: Partial<ModelUse>; today?: number }) => ({
  turn: use(change.turn),
  session: use(change.session),
  today: change.today ?? 0,
});

test.each([
  [{}, { turn: { calls: 999, prompt: 1e9 }, session: { prompt: 1e9 }, today: 1e9 }],
  [{ MODEL_TOKENS_PER_TURN: 100 }, { turn: { prompt: 90, cached: 90, completion: 9 } }],
  [{ MODEL_TOKENS_PER_DAY: 100 }, { today: 99 }],
])("%j is not reached by %j", (caps, of) => {
  expect(reachedCap({ ...NONE, ...caps }, used(of))).toBeNull();
});

test.each([
  [
    { MODEL_CALLS_PER_TURN: 2 },
    { turn: { calls: 2 } },
    "The model is not called any more: this turn has called the model 2 times, and one turn may do so 2 times.",
  ],
  [
    { MODEL_TOKENS_PER_TURN: 100_000 },
    { turn: { prompt: 100_000, completion: 345 } },
    "The model is not called any more: this turn has used 100,345 tokens of the model, and one turn may use 100,000.",
  ],
  [
    { MODEL_TOKENS_PER_SESSION: 5 },
    { session: { completion: 5 } },
    "The model is not called any more: this session has used 5 tokens of the model, and one session may use 5.",
  ],
  [
    { MODEL_TOKENS_PER_DAY: 7 },
    { today: 9 },
    "The model is not called any more: all sessions together have used 9 tokens of the model today, and a day may use 7.",
  ],
] as [Partial<Caps>, Parameters<typeof used>[0], string][])("%j is reached by %j", (caps, of, why) => {
  const [cap] = Object.keys(caps);
  const reached = reachedCap({ ...NONE, ...caps }, used(of));
  expect(reached).toMatchObject({ cap, why });
  expect(reached?.action).toContain(cap);
});
