/** Webhook payloads in GitHub's form, for tests: a few things vary, the rest is as github.com has it. */

type User = { id: number; login: string; type: string };

export const ada: User = { id: 1, login: "ada", type: "User" };
export const bob: User = { id: 2, login: "bob", type: "User" };
export const errandBot: User = { id: 900, login: "errand[bot]", type: "Bot" };
export const otherBot: User = { id: 901, login: "dependabot[bot]", type: "Bot" };
export const self = { appId: "77", slug: "errand" };

export const repository = { id: 10, full_name: "acme/sample", private: false };
const common = { repository, installation: { id: 100 } };

/** The second of 2026-01-02, 03:04, as GitHub writes it, and in ms since 1970. */
export const time = (second: number) => `2026-01-02T03:04:${String(second).padStart(2, "0")}Z`;
export const ms = (second: number) => Date.parse(time(second));

export const issue = (more: object = {}) => ({
  number: 7,
  title: "Login fails",
  body: "It answers 500.",
  user: bob,
  comments: 3,
  created_at: time(0),
  updated_at: time(30),
  closed_at: null,
  ...more,
});

export const comment = (body: string, more: object = {}) => ({
  id: 500,
  body,
  user: ada,
  created_at: time(20),
  updated_at: time(20),
  performed_via_github_app: null,
  ...more,
});

export const pull = (more: object = {}) => ({
  number: 8,
  html_url: "https://github.com/acme/sample/pull/8",
  title: "Mend the login",
  body: "Fixes #7",
  draft: false,
  merged: false,
  user: bob,
  created_at: time(0),
  updated_at: time(30),
  closed_at: null,
  head: { ref: "mend", sha: "a".repeat(40), repo: { full_name: "acme/sample" }, user: bob },
  base: { ref: "main", sha: "b".repeat(40), repo: { id: 10, full_name: "acme/sample" } },
  ...more,
});

export const line = (id: number, body: string, more: object = {}) => ({
  id,
  body,
  user: ada,
  created_at: time(10),
  updated_at: time(20),
  pull_request_review_id: 600,
  path: "src/login.ts",
  line: 12,
  diff_hunk: "@@ -10,3 +10,3 @@\n a\n-b\n+c",
  ...more,
});

export const review = (body: string | null, more: object = {}) => ({
  id: 600,
  body,
  user: ada,
  state: "commented",
  submitted_at: time(20),
  ...more,
});

export const onIssue = (action: string, more: object = {}) => ({ action, sender: ada, issue: issue(), ...common, ...more });
export const onPull = (action: string, more: object = {}) => ({ action, sender: ada, pull_request: pull(), ...common, ...more });

/** A comment on issue 7. */
export const said = (body: string, more: object = {}) => onIssue("created", { comment: comment(body), ...more });
/** The same comment, changed. */
export const changed = (from: string, body: string, more: object = {}) =>
  onIssue("edited", { comment: comment(body, { updated_at: time(40) }), changes: { body: { from } }, ...more });
