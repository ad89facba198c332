/** What a surface makes of a native message: who, where, what, and the ids that make handling it once possible. */
import * as z from "zod";

/** A person on a surface. `id` is unique across surfaces: `slack:<team>:<user>`, `github:<id>`, `owner` on this machine. */
export const Person = z.object({
  id: z.string().min(1).max(200),
  name: z.string().max(200).optional(),
  /** The address that the person's commits carry, where the surface knows one that is meant for it. */
  email: z.string().max(320).optional(),
});
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
/** The longest context taken with a prompt, in UTF-16 code units. */
export const MAX_CONTEXT = 120_000;

const branch = z.string().min(1).max(255);

/** A pull request that a thread is the conversation of, as it was when the request was made. */
export const PullHead = z.object({
  number: z.number().int().positive(),
  url: z.string().max(500),
  title: z.string().max(500),
  /** The branch it asks to merge, and the one it asks to merge into. */
  branch,
  base: branch,
  commit: z.string().max(64),
  draft: z.boolean(),
  /** `owner/name` that the branch lives in when that is not the thread's repository: errand can't push there. */
  fork: z.string().max(300).nullable(),
  /** Written by somebody who may not write to the repository: files that run on checkout are taken from `base`. */
  distrusted: z.boolean(),
});
export type PullHead = z.infer<typeof PullHead>;

/** What a thread is about, where that decides where the work happens. */
export const About = z.object({
  /** `owner/name`. */
  repository: z.string().max(300),
  /** The thread's number and title: names the branch and the pull request that come of it. */
  number: z.number().int().positive(),
  title: z.string().max(500),
  pull: PullHead.nullable(),
});
export type About = z.infer<typeof About>;

const base = {
  /** The platform's id of this delivery, kept across its retries. */
  deliveryId: z.string().min(1).max(300),
  thread: z.string().min(1).max(300),
  who: Person,
  /** When it was said, in ms since 1970, by the platform's clock. */
  at: z.number().int().nonnegative(),
  /** What the surface needs to write in this thread, in its own words: kept with the thread and handed back; the newest one counts. */
  native: z.string().max(2_000).optional(),
  /** The message of ours that was changed to say it, by the surface's id, as told when it was sent: it is to be written again. */
  touched: z.string().min(1).max(200).optional(),
  /** Where in the thread the answer belongs, in the surface's own words: handed back to it with what answers the request, for a prompt every message of its turn. */
  place: z.string().max(300).optional(),
};
/** Names one native message whatever event told of it, such as `slack:C1:1700000000.000100`. */
const contentKey = z.string().min(1).max(300);

export const Request = z.discriminatedUnion("kind", [
  /** Work to do. `joins`: only heard when the thread already has a session (a reply without a mention). */
  z.object({
    kind: z.literal("prompt"),
    ...base,
    contentKey,
    text: z.string().max(MAX_PROMPT),
    options: Options,
    joins: z.boolean(),
    /** What stands around the request, for the agent to read: marked as data, not as instructions. */
    context: z.string().max(MAX_CONTEXT).optional(),
    about: About.optional(),
  }),
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
  /** Say where things stand. Nothing comes of it but the answer. */
  z.object({ kind: z.literal("status"), ...base }),
  /** Do the last turn's work once more. */
  z.object({ kind: z.literal("retry"), ...base }),
  /** Take what errand offered to do next; the newest offer unless one is named. */
  z.object({ kind: z.literal("take"), ...base, offer: z.string().min(1).max(200).optional() }),
  /** Something outside changed that the session keeps an eye on (a pull request, its checks): look again. `pushed`: somebody else added a commit. */
  z.object({
    kind: z.literal("changed"),
    ...base,
    pushed: z.object({ commit: z.string().max(64), by: z.string().max(200) }).optional(),
  }),
  /** The thread has ended; a later prompt begins again. `gone`: it can't be written to any more either. */
  z.object({ kind: z.literal("closed"), ...base, how: z.enum(["closed", "merged", "gone"]) }),
  /** Somebody changed a message of ours, `touched`, and meant nothing that we know. */
  z.object({ kind: z.literal("restore"), ...base }),
]);
export type Request = z.infer<typeof Request>;
