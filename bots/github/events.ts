/**
 * The parts of GitHub's webhook payloads and REST answers that errand reads. Everything else in them is let go. Fields that older servers or
 * other senders leave out are optional here wherever errand can do without them.
 */
import { z } from "zod";

const number = z.number().int().positive();
const text = z.string().nullish();
/** A time of GitHub's (ISO 8601; in old installation payloads seconds since 1970), as ms since 1970. */
const time = z.union([z.string(), z.number()]).transform((said, context) => {
  const ms = typeof said === "number" ? said * 1_000 : Date.parse(said);
  if (Number.isSafeInteger(ms) && ms >= 0) return ms;
  context.addIssue({ code: "custom", message: "not a time" });
  return z.NEVER;
});

/** An account: a person, a bot or an organisation. */
export const Account = z.object({ id: number, login: z.string().min(1).max(100), type: z.string().max(40).catch("") });
export type Account = z.infer<typeof Account>;

/** Deleted people are null. */
const author = z.object({ id: z.number(), login: z.string(), type: z.string().optional() }).nullish();
const viaApp = z.object({ id: z.number() }).nullish();

export const Comment = z.object({
  id: number,
  body: text,
  user: author,
  created_at: z.string(),
  updated_at: text,
  performed_via_github_app: viaApp,
});
export type Comment = z.infer<typeof Comment>;

/** A comment on a line or a file of a pull request. `line` is null where the diff no longer has it. */
export const ReviewComment = z.object({
  ...Comment.shape,
  pull_request_review_id: number.nullish(),
  in_reply_to_id: number.nullish(),
  path: z.string().max(4_000).catch(""),
  line: z.number().nullish(),
  start_line: z.number().nullish(),
  original_line: z.number().nullish(),
  diff_hunk: text,
});
export type ReviewComment = z.infer<typeof ReviewComment>;

/** Webhooks write `state` in lower case, REST in upper case. */
export const Review = z.object({ id: number, body: text, user: author, state: text, submitted_at: text, updated_at: text });
export type Review = z.infer<typeof Review>;

export const PullRequest = z.object({
  number,
  html_url: z.string().max(500),
  title: z.string(),
  body: text,
  draft: z.boolean().nullish(),
  user: author,
  head: z.object({
    ref: z.string().min(1).max(255),
    sha: z.string().max(64),
    /** Null where the fork was deleted. */
    repo: z.object({ full_name: z.string().max(300) }).nullish(),
    user: author,
  }),
  base: z.object({ ref: z.string().min(1).max(255) }),
});
export type PullRequest = z.infer<typeof PullRequest>;
