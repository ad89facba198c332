/** Rows of the emulator's GitHub tables, as far as this world reads or writes them, with the fields it adds to them. */

/** A JSON object of GitHub's. */
export type Json = { [key: string]: unknown };

/** The time an emulator's row was made and last changed, ISO with milliseconds. */
interface Times {
  created_at?: string;
  updated_at?: string;
}

/** A person or a bot. */
export interface User extends Times {
  login: string;
  node_id: string;
  avatar_url: string;
  gravatar_id: string;
  type: "User" | "Bot";
  site_admin: boolean;
  name: string | null;
  company: string | null;
  blog: string;
  location: string | null;
  email: string | null;
  hireable: null;
  bio: string | null;
  twitter_username: null;
  public_repos: number;
  public_gists: number;
  followers: number;
  following: number;
}

/** An organisation. */
export interface Org extends Times {
  login: string;
  node_id: string;
}

/** A repository. */
export interface Repo extends Times {
  node_id: string;
  name: string;
  full_name: string;
  owner_id: number;
  owner_type: "User" | "Organization";
  private: boolean;
  description: string | null;
  fork: boolean;
  forked_from_id: number | null;
  default_branch: string;
  visibility: "public" | "private";
  [more: string]: unknown;
}

/** Who may do what in a repository. */
export interface Collaborator extends Times {
  repo_id: number;
  user_id: number;
  permission: "pull" | "triage" | "push" | "maintain" | "admin";
}

/** An issue; every pull request has one of its number, marked. */
export interface Issue extends Times {
  node_id: string;
  number: number;
  repo_id: number;
  title: string;
  body: string | null;
  state: "open" | "closed";
  state_reason: string | null;
  locked: boolean;
  active_lock_reason: null;
  user_id: number;
  assignee_ids: number[];
  label_ids: number[];
  milestone_id: number | null;
  comments: number;
  closed_at: string | null;
  closed_by_id: number | null;
  is_pull_request: boolean;
}

/** A line of an issue's history. */
export interface IssueEvent extends Times {
  node_id: string;
  repo_id: number;
  issue_number: number;
  event: string;
  actor_id: number;
  commit_id: null;
  commit_url: null;
  label_name: string | null;
  assignee_id: number | null;
  milestone_title: null;
  rename: null;
}

/** A pull request. */
export interface Pull extends Times {
  node_id: string;
  number: number;
  repo_id: number;
  title: string;
  body: string | null;
  state: "open" | "closed";
  user_id: number;
  assignee_ids: number[];
  label_ids: number[];
  head_ref: string;
  head_sha: string;
  head_repo_id: number;
  base_ref: string;
  base_sha: string;
  base_repo_id: number;
  merged: boolean;
  merged_at: string | null;
  merged_by_id: number | null;
  merge_commit_sha: string | null;
  mergeable: boolean | null;
  mergeable_state: string;
  review_comments: number;
  commits: number;
  additions: number;
  deletions: number;
  changed_files: number;
  draft: boolean;
  closed_at: string | null;
  requested_reviewer_ids: number[];
}

/** A comment on an issue or pull request, on a line of a pull request, or on a commit. */
export interface Comment extends Times {
  node_id: string;
  repo_id: number;
  issue_number: number | null;
  pull_number: number | null;
  commit_sha: string | null;
  body: string;
  user_id: number;
  in_reply_to_id: number | null;
  path: string | null;
  position: number | null;
  line: number | null;
  side: "LEFT" | "RIGHT" | null;
  subject_type: "line" | "file" | null;
  comment_type: "issue" | "review" | "commit";
  review_id: number | null;
  /** Ours: what the emulator's rows lack. */
  diff_hunk?: string;
  original_line?: number | null;
  original_commit_id?: string;
  start_line?: number | null;
  start_side?: "LEFT" | "RIGHT" | null;
}

/** A review of a pull request. */
export interface Review extends Times {
  node_id: string;
  repo_id: number;
  pull_number: number;
  user_id: number;
  body: string | null;
  state: "PENDING" | "COMMENTED" | "APPROVED" | "CHANGES_REQUESTED" | "DISMISSED";
  commit_id: string;
  submitted_at: string | null;
}

/** A label. */
export interface Label extends Times {
  node_id: string;
  repo_id: number;
  name: string;
  description: string | null;
  color: string;
  default: boolean;
}

/** A branch as the emulator knows it; the truth is in the git host. */
export interface Branch extends Times {
  repo_id: number;
  name: string;
  sha: string;
  protected: boolean;
}

/** A check run. */
export interface CheckRun extends Times {
  node_id: string;
  repo_id: number;
  head_sha: string;
  name: string;
  status: "queued" | "in_progress" | "completed";
  conclusion: string | null;
  started_at: string | null;
  completed_at: string | null;
  external_id: string;
  details_url: string | null;
  actions: { identifier: string; label: string; description: string }[] | null;
  output: { title: string | null; summary: string | null; text: string | null; annotations: Json[] };
  check_suite_id: number;
  app_id: number;
  /** Ours: what the job of the run printed, where it is one of a workflow. */
  log?: string;
  run_id?: number;
}

/** The check runs of one App on one commit. */
export interface CheckSuite extends Times {
  node_id: string;
  repo_id: number;
  head_branch: string | null;
  head_sha: string;
  status: "queued" | "in_progress" | "completed";
  conclusion: string | null;
  before: string;
  after: string;
  app_id: number;
}

/** A GitHub App. */
export interface App extends Times {
  app_id: number;
  slug: string;
  name: string;
  private_key: string;
  permissions: Record<string, string>;
  events: string[];
  webhook_url: string | null;
  webhook_secret: string | null;
  description: string | null;
  client_id?: string;
  /** Ours: with what the App proves who it is where people sign in, and where they may be sent back to. */
  client_secret?: string;
  callback_urls?: string[];
}

/** An App on an account. */
export interface Installation extends Times {
  installation_id: number;
  app_id: number;
  account_type: "User" | "Organization";
  account_id: number;
  account_login: string;
  repository_selection: "all" | "selected";
  repository_ids: number[];
  permissions: Record<string, string>;
  events: string[];
  suspended_at: string | null;
}

/** A reaction; `subject` is `issue:<row>`, or `comment:<row>`. Ours: the emulator has none. */
export interface Reaction extends Times {
  subject: string;
  content: string;
  user_id: number;
}

/** A comment that was folded away. Ours; beside the comment's row, whose time of change it must not touch. */
export interface Minimized extends Times {
  node_id: string;
  reason: string;
}

/** An address of a person. Ours: the emulator makes one up. */
export interface Email extends Times {
  user_id: number;
  email: string;
  primary: boolean;
  verified: boolean;
  visibility: "public" | "private" | null;
}

/** Who belongs to an organisation (`team` null) or to a team in it. Ours: in the emulator a team's members get rights by it. */
export interface Membership extends Times {
  org_id: number;
  user_id: number;
  /** The team's slug. */
  team: string | null;
  role: "admin" | "member" | "maintainer";
  state: "active" | "pending";
}

/** A commit status. Ours: the emulator has none. */
export interface CommitStatus extends Times {
  repo_id: number;
  sha: string;
  state: "error" | "failure" | "pending" | "success";
  context: string;
  description: string | null;
  target_url: string | null;
  user_id: number;
}
