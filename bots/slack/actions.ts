/** The names our buttons carry to Slack and back. */

/** `action_id`s. Those of choices are followed by `:` and their place, since they must differ within a block. */
export const ACTION = {
  stop: "errand_stop",
  choice: "errand_choice",
  choose: "errand_choose",
  take: "errand_take",
  open: "errand_open",
  /** The number that links an account: the field for it, and the button beside it. */
  number: "errand_number",
  confirm: "errand_number_confirm",
} as const;

/** The `block_id` of a question's buttons. An id of an ask has at most 200 characters, so this stays below Slack's 255. */
export const blockOfAsk = (turn: number, ask: string): string => `ask:${turn}:${ask}`;

/** The ask that a `block_id` names, or undefined where it names none. */
export function askOfBlock(blockId: string): string | undefined {
  return /^ask:\d+:(.+)$/s.exec(blockId)?.[1];
}
