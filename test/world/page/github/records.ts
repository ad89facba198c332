/** What the page takes from GitHub's REST API: the fields it shows, checked as they come in. Other fields are left out. */
import { z } from "zod";

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? "");
const user = z
  .object({ login: z.string(), type: z.string().default("User") })
  .nullish()
  .transform((value) => value ?? { login: "ghost", type: "User" });
const number = z.number().int();
const reactions = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((counts) => {
    const shown: { content: string; count: number }[] = [];
    for (const [content, count] of Object.entries(counts ?? {})) {
      if (typeof count === "number" && count > 0 && content !== "total_count") shown.push({ content, count });
    }
    return shown;
  });

export const Repository = z.object({
  full_name: z.string(),
  private: z.boolean(),
  description: text,
  default_branch: z.string(),
  allow_merge_commit: z.boolean().default(true),
  allow_squash_merge: z.boolean().default(true),
  allow_rebase_merge: z.boolean().default(true),
});
export type Repository = z.infer<typeof Repository>;

/** The answer of the collaborator-permission endpoint. `permission` is admin, write, read or none. */
export const Permission = z.object({ permission: z.string() });

const label = z.union([z.string(), z.object({ name: z.string() })]).transform((one) => (typeof one === "string" ? one : one.name));

export const Issue = z.object({
  number,
  title: z.string(),
  body: text,
  user,
  state: z.enum(["open", "closed"]),
  state_reason: text,
  created_at: z.string(),
  comments: number.default(0),
  labels: z.array(label).default([]),
  locked: z.boolean().default(false),
  reactions,
  pull_request: z.object({ merged_at: z.string().nullish() }).nullish(),
  draft: z.boolean().default(false),
});
export type Issue = z.infer<typeof Issue>;

export const Comment = z.object({
  id: number,
  body: text,
  user,
  created_at: z.string(),
  updated_at: z.string(),
  reactions,
  /** Hidden by somebody, with the reason: outdated, resolved, spam and others. */
  minimized: z.object({ reason: z.string().nullish() }).nullish(),
});
export type Comment = z.infer<typeof Comment>;

export const ReviewComment = Comment.extend({
  pull_request_review_id: number.nullish(),
  in_reply_to_id: number.nullish(),
  path: z.string(),
  /** Null where the line is not in the diff any more. */
  line: number.nullish(),
  original_line: number.nullish(),
  start_line: number.nullish(),
  side: z.enum(["LEFT", "RIGHT"]).nullish(),
  subject_type: z.string().nullish(),
  diff_hunk: text,
});
export type ReviewComment = z.infer<typeof ReviewComment>;

export const Review = z.object({ id: number, body: text, user, state: z.string(), submitted_at: z.string().nullish() });
export type Review = z.infer<typeof Review>;

const end = z.object({ ref: z.string(), sha: z.string(), label: text, repo: z.object({ full_name: z.string() }).nullish() });

export const Pull = z.object({
  number,
  node_id: z.string(),
  state: z.enum(["open", "closed"]),
  draft: z.boolean().default(false),
  merged: z.boolean().default(false),
  mergeable: z.boolean().nullish(),
  merged_by: user,
  head: end,
  base: end,
  additions: number.default(0),
  deletions: number.default(0),
  changed_files: number.default(0),
});
export type Pull = z.infer<typeof Pull>;

export const Commit = z.object({
  sha: z.string(),
  commit: z.object({ message: z.string(), author: z.object({ name: z.string(), date: z.string() }) }),
});
export type Commit = z.infer<typeof Commit>;

export const ChangedFile = z.object({
  filename: z.string(),
  previous_filename: z.string().nullish(),
  status: z.string(),
  additions: number,
  deletions: number,
  /** Missing for binary files and where the diff is too large. */
  patch: z.string().nullish(),
});
export type ChangedFile = z.infer<typeof ChangedFile>;

export const CheckRun = z.object({
  id: number,
  name: z.string(),
  status: z.string(),
  conclusion: z.string().nullish(),
  details_url: z.string().nullish(),
  output: z.object({ title: text, summary: text, text }).nullish(),
  app: z.object({ slug: z.string() }).nullish(),
});
export type CheckRun = z.infer<typeof CheckRun>;

/** A commit status, the older kind of check. */
export const Status = z.object({ context: z.string(), state: z.string(), description: text, target_url: z.string().nullish() });
export type Status = z.infer<typeof Status>;

/** What happened to an issue beside comments: closed, labelled, merged and others. */
export const IssueEvent = z.object({
  id: number,
  event: z.string(),
  actor: user,
  created_at: z.string(),
  label: z.object({ name: z.string() }).nullish(),
});
export type IssueEvent = z.infer<typeof IssueEvent>;
