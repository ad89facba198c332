/**
 * The parts of GitHub's webhook payloads and REST answers that errand reads. Everything else in them is let go. Fields that older servers or
 * other senders leave out are optional here wherever errand can do without them.
 */
import * as z from "zod";

const number = z.number().int().positive();
const text = z.string().nullish();
/** GitHub takes 65,536 characters for a body; what is longer comes from somewhere else, and is read up to here. */
const LONGEST = 100_000;
/** What somebody wrote. */
const words = z
  .string()
  .transform((said) => said.slice(0, LONGEST))
  .nullish();
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
  body: words,
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
export const Review = z.object({ id: number, body: words, user: author, state: text, submitted_at: text, updated_at: text });
export type Review = z.infer<typeof Review>;

export const PullRequest = z.object({
  number,
  html_url: z.string().max(500).catch(""),
  title: z.string().transform((said) => said.slice(0, LONGEST)),
  body: words,
  draft: z.boolean().nullish(),
  user: author,
  head: z.object({
    ref: z.string().min(1).max(255),
    sha: z.string().max(64),
    /** Null where the fork was deleted. */
    repo: z.object({ full_name: z.string().max(300) }).nullish(),
    user: author,
  }),
  base: z.object({ ref: z.string().min(1).max(255), repo: z.object({ full_name: z.string().max(300) }).nullish() }),
});
export type PullRequest = z.infer<typeof PullRequest>;

/** What a webhook tells of its pull request besides. */
const ToldPull = z.object({
  ...PullRequest.shape,
  created_at: time.optional().catch(undefined),
  updated_at: time,
  closed_at: time.nullish().catch(null),
  merged: z.boolean().nullish(),
});

const Issue = z.object({
  number,
  title: PullRequest.shape.title,
  body: words,
  user: author,
  created_at: time,
  updated_at: time,
  closed_at: time.nullish().catch(null),
  comments: z.number().int().nonnegative().nullish().catch(null),
  /** There when the issue is a pull request. */
  pull_request: z.object({}).nullish(),
});

/** What every delivery of an App about a repository has. */
const about = {
  sender: Account,
  installation: z.object({ id: number }, { error: "missing: the webhook has to be the App's, not a repository's" }),
  repository: z.object({
    id: number,
    full_name: z
      .string()
      .regex(/^[^/\s]+\/[^/\s]+$/)
      .max(300),
    private: z.boolean(),
  }),
};
const changes = z
  .object({ body: z.object({ from: words }).nullish(), title: z.object({ from: words }).nullish() })
  .nullish()
  .catch(null);

export const Told = {
  repository: z.object(about),
  issue: z.object({ ...about, issue: Issue, changes }),
  labeled: z.object({ ...about, issue: Issue, label: z.object({ name: z.string() }).nullish() }),
  assigned: z.object({ ...about, issue: Issue, assignee: z.object({ login: z.string() }).nullish() }),
  comment: z.object({ ...about, issue: Issue, comment: Comment, changes }),
  pull: z.object({ ...about, pull_request: ToldPull, changes, after: z.string().max(64).nullish() }),
  review: z.object({ ...about, pull_request: ToldPull, review: Review, changes }),
  line: z.object({ ...about, pull_request: ToldPull, comment: ReviewComment, changes }),
};
export type Told = { [kind in keyof typeof Told]: z.infer<(typeof Told)[kind]> };

const app = z.object({ id: z.number() }).nullish();
const pulls = z
  .array(z.object({ number, base: z.object({ repo: z.object({ id: z.number() }).nullish() }).nullish() }))
  .nullish()
  .catch([]);
const ran = { head_sha: z.string().min(1).max(64), pull_requests: pulls, app };
export const ToldChecks = {
  check_suite: z.object({ ...about, check_suite: z.object({ ...ran, updated_at: time }) }),
  check_run: z.object({
    ...about,
    check_run: z.object({ ...ran, external_id: text, started_at: time.nullish(), completed_at: time.nullish() }),
    requested_action: z.object({ identifier: z.string() }).nullish(),
  }),
  workflow_run: z.object({ ...about, workflow_run: z.object({ ...ran, updated_at: time }) }),
};

export const ToldInstallation = z.object({
  sender: Account,
  installation: z.object({ id: number, updated_at: time.nullish().catch(null) }),
  repositories_removed: z.array(z.object({ id: number, full_name: z.string() })).nullish(),
});
