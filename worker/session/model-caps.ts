/** How much a session may use of the model, and what is said when it has. Pure. */
import type { Settings } from "../settings.ts";

/** What calls of the model used, in tokens. `cached` is part of `prompt`. */
export type ModelUse = {
  calls: number;
  prompt: number;
  cached: number;
  completion: number;
  /** Of so many calls the provider said nothing, and their tokens are an estimate. */
  estimated: number;
};

/** Most calls of the model that one session has under way at once: far above what an agent with its subagents makes. */
export const MAX_UNDER_WAY = 16;

/** A cap that is reached, in words: what it is, the number, and what to do. */
export type Reached = { cap: keyof Caps; limit: number; used: number; why: string; action: string };

/** The caps of this installation; null: none. Tokens are those of prompts and of answers together, cached ones too. */
export type Caps = Pick<Settings, "MODEL_CALLS_PER_TURN" | "MODEL_TOKENS_PER_TURN" | "MODEL_TOKENS_PER_SESSION" | "MODEL_TOKENS_PER_DAY">;

/** Prompts and answers together: what caps count. */
export const tokensOf = ({ prompt, completion }: Pick<ModelUse, "prompt" | "completion">): number => prompt + completion;

const grouped = (count: number): string => count.toLocaleString("en-US");

/**
 * The first cap that is reached, or null. `today`: what the whole installation used since midnight UTC. The words name no context and no "limit of"
 * so many tokens: OpenCode takes such an error for a conversation that is too long, and goes on after shortening it.
 */
export function reachedCap(caps: Caps, used: { turn: ModelUse; session: ModelUse; today: number }): Reached | null {
  const inTurn = "Ask again to go on from here";
  const checks: [keyof Caps, number, (used: string, limit: string) => string, string][] = [
    [
      "MODEL_CALLS_PER_TURN",
      used.turn.calls,
      (count, limit) => `this turn has called the model ${count} times, and one turn may do so ${limit} times`,
      `${inTurn}, perhaps in smaller steps, or have MODEL_CALLS_PER_TURN raised.`,
    ],
    [
      "MODEL_TOKENS_PER_TURN",
      tokensOf(used.turn),
      (count, limit) => `this turn has used ${count} tokens of the model, and one turn may use ${limit}`,
      `${inTurn}, perhaps in smaller steps, or have MODEL_TOKENS_PER_TURN raised.`,
    ],
    [
      "MODEL_TOKENS_PER_SESSION",
      tokensOf(used.session),
      (count, limit) => `this session has used ${count} tokens of the model, and one session may use ${limit}`,
      "Begin a new session to go on, or have MODEL_TOKENS_PER_SESSION raised.",
    ],
    [
      "MODEL_TOKENS_PER_DAY",
      used.today,
      (count, limit) => `all sessions together have used ${count} tokens of the model today, and a day may use ${limit}`,
      "Ask again after midnight UTC, or have MODEL_TOKENS_PER_DAY raised.",
    ],
  ];
  for (const [cap, count, words, action] of checks) {
    const limit = caps[cap];
    if (limit === null || count < limit) continue;
    return { cap, limit, used: count, why: `The model is not called any more: ${words(grouped(count), grouped(limit))}.`, action };
  }
  return null;
}
