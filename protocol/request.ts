/** What a surface makes of a native message: who, where, what, and the ids that make handling it once possible. */
import { z } from "zod";

/** A person on a surface. `id` is unique across surfaces: `slack:<team>:<user>`, `github:<id>`, `owner` on this machine. */
export const Person = z.object({ id: z.string().min(1).max(200), name: z.string().max(200).optional() });
export type Person = z.infer<typeof Person>;

/** What can be chosen in the text of a prompt (`repo=`, `branch=`, `model=`). */
export const Options = z.object({
  repository: z.string().max(300).optional(),
  branch: z.string().max(255).optional(),
  model: z.string().max(200).optional(),
});
export type Options = z.infer<typeof Options>;

/** The longest prompt taken, in UTF-16 code units; Slack truncates a message at 40,000 characters. */
export const MAX_PROMPT = 40_000;

const base = {
  /** The platform's id of this delivery, kept across its retries. */
  deliveryId: z.string().min(1).max(300),
  thread: z.string().min(1).max(300),
  who: Person,
  /** When it was said, in ms since 1970, by the platform's clock. */
  at: z.number().int().nonnegative(),
};
/** Names one native message whatever event told of it, such as `slack:C1:1700000000.000100`. */
const contentKey = z.string().min(1).max(300);

export const Request = z.discriminatedUnion("kind", [
  /** Work to do. `joins`: only heard when the thread already has a session (a reply without a mention). */
  z.object({ kind: z.literal("prompt"), ...base, contentKey, text: z.string().max(MAX_PROMPT), options: Options, joins: z.boolean() }),
  /** The text of an earlier prompt was changed. */
  z.object({ kind: z.literal("edit"), ...base, contentKey, text: z.string().max(MAX_PROMPT), options: Options }),
  /** An earlier prompt was deleted. */
  z.object({ kind: z.literal("withdraw"), ...base, contentKey }),
  /** End the running turn; `turn` when a button named it. */
  z.object({ kind: z.literal("stop"), ...base, turn: z.number().int().positive().optional() }),
  /** An answer to an ask: a choice of its buttons, or free text. */
  z.object({
    kind: z.literal("answer"),
    ...base,
    ask: z.string().min(1).max(200),
    choice: z.string().max(500).optional(),
    text: z.string().max(MAX_PROMPT).optional(),
  }),
]);
export type Request = z.infer<typeof Request>;
