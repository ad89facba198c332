import { describe, expect, test } from "vitest";
import { basicAuth } from "../git-host.ts";
import { invalid, permissionOf } from "./access.ts";
import { suiteState } from "./checks.ts";
import { changesOf, repairEvent } from "./events.ts";
import { answerOf, patternOf } from "./faults.ts";
import { readMutation } from "./graphql.ts";
import { hunkAt, parsePatch } from "./patch.ts";
import { issueOfPull, type Known, present, pullMark, wholeSeconds } from "./present.ts";
import { closing } from "./pulls.ts";
import type { Comment, Issue, Pull } from "./records.ts";

const PATCH = `diff --git a/README.md b/README.md
index 1111111..2222222 100644
--- a/README.md
+++ b/README.md
@@ -1,3 +1,4 @@
 # tally
-Counts.
+Counts lines.
+And words.
 
@@ -10,2 +11,2 @@ end
 a
-b
+c
\\ No newline at end of file
diff --git a/old name.txt b/new name.txt
similarity index 100%
rename from old name.txt
rename to new name.txt
diff --git "a/\\303\\274.txt" "b/\\303\\274.txt"
new file mode 100644
index 0000000..3333333
--- /dev/null
+++ "b/\\303\\274.txt"
@@ -0,0 +1 @@
+x
diff --git a/logo.png b/logo.png
deleted file mode 100644
index 4444444..0000000
Binary files a/logo.png and /dev/null differ
`;

describe("patches", () => {
  test("are read file by file", () => {
    const files = parsePatch(PATCH);
    expect(files.map(({ patch: _, ...rest }) => rest)).toEqual([
      { filename: "README.md", previous: null, status: "modified", additions: 3, deletions: 2 },
      { filename: "new name.txt", previous: "old name.txt", status: "renamed", additions: 0, deletions: 0 },
      { filename: "ü.txt", previous: null, status: "added", additions: 1, deletions: 0 },
      { filename: "logo.png", previous: null, status: "removed", additions: 0, deletions: 0 },
    ]);
    expect(files.map((one) => one.patch === null)).toEqual([false, true, false, true]);
    expect(parsePatch("")).toEqual([]);
  });

  test.each([
    [2, "RIGHT", "@@ -1,3 +1,4 @@\n # tally\n-Counts.\n+Counts lines."],
    [3, "RIGHT", "@@ -1,3 +1,4 @@\n # tally\n-Counts.\n+Counts lines.\n+And words."],
    [2, "LEFT", "@@ -1,3 +1,4 @@\n # tally\n-Counts."],
    [1, "LEFT", "@@ -1,3 +1,4 @@\n # tally"],
    [12, "RIGHT", "@@ -10,2 +11,2 @@ end\n a\n-b\n+c"],
    [7, "RIGHT", null],
    [99, "LEFT", null],
  ] as const)("the hunk before line %i on the side %s", (line, side, expected) => {
    expect(hunkAt(parsePatch(PATCH)[0]?.patch ?? "", line, side)).toBe(expected);
  });
});

const issue = (number: number, pull: boolean): Issue & { id: number } => ({
  id: 1000 + number,
  node_id: "I",
  number,
  repo_id: 1,
  title: "t",
  body: null,
  state: "open",
  state_reason: null,
  locked: false,
  active_lock_reason: null,
  user_id: 1,
  assignee_ids: [],
  label_ids: [],
  milestone_id: null,
  comments: 2,
  closed_at: null,
  closed_by_id: null,
  is_pull_request: pull,
});
const comment = { id: 9, diff_hunk: "@@ hunk", line: 4, original_line: 4, start_line: 3, start_side: "RIGHT", original_commit_id: "aa" };
const known: Known = {
  apiUrl: "http://api",
  webUrl: "http://page/github",
  gitUrl: "http://git",
  issue: (repository, number) => (repository === "acme/sample" ? issue(number, number === 4) : undefined),
  pull: (_repository, number) =>
    number === 4 ? ({ merged_at: null, draft: true, mergeable: true, state: "open", number: 4 } as Pull & { id: number }) : undefined,
  comment: (id) => (id === 9 ? (comment as Comment & { id: number }) : undefined),
  reactions: (subject): Record<string, number> => (subject === "comment:7" ? { eyes: 2 } : {}),
  minimized: (id) => (id === "folded" ? "outdated" : null),
  appOf: (login) => (login === "errand[bot]" ? { slug: "errand" } : null),
};
const at = "http://api/repos/acme/sample";

describe("what the emulator says", () => {
  test("of times and pages", () => {
    expect(wholeSeconds("2026-01-02T03:04:05.678Z")).toBe("2026-01-02T03:04:05Z");
    expect(wholeSeconds("yesterday")).toBe("yesterday");
    const given = {
      html_url: "http://api/acme",
      url: "http://api/x",
      created_at: "2026-01-02T03:04:05.678Z",
      _links: { html: { href: "http://api/p" } },
    };
    expect(present(known, given)).toEqual({
      html_url: "http://page/github/acme",
      url: "http://api/x",
      created_at: "2026-01-02T03:04:05Z",
      _links: { html: { href: "http://page/github/p" } },
    });
  });

  test("of a row's making, which is no change of it", () => {
    const made = { created_at: "2026-01-02T03:04:05.990Z", updated_at: "2026-01-02T03:04:06.010Z" };
    expect(present(known, made)).toEqual({ created_at: "2026-01-02T03:04:05Z", updated_at: "2026-01-02T03:04:05Z" });
    const changed = { created_at: "2026-01-02T03:04:05.990Z", updated_at: "2026-01-02T03:04:07.010Z" };
    expect(present(known, changed)).toEqual({ created_at: "2026-01-02T03:04:05Z", updated_at: "2026-01-02T03:04:07Z" });
  });

  test("of a repository's clone address", () => {
    expect(present(known, { full_name: "acme/sample", clone_url: "http://api/acme/sample.git" })).toMatchObject({
      clone_url: "http://git/acme/sample.git",
    });
  });

  test("of an issue that is a pull request, and of one that is not", () => {
    const shown = (number: number) =>
      present(known, {
        url: `${at}/issues/${number}`,
        repository_url: at,
        number,
        user: { login: "errand[bot]" },
        html_url: "http://api/x",
      });
    expect(shown(4)).toMatchObject({
      html_url: "http://page/github/acme/sample/pull/4",
      pull_request: { url: `${at}/pulls/4`, merged_at: null },
      performed_via_github_app: { slug: "errand" },
    });
    expect(shown(3)).not.toHaveProperty("pull_request");
  });

  test("of a comment on a pull request", () => {
    const given = { id: 7, node_id: "folded", url: `${at}/issues/comments/7`, issue_url: `${at}/issues/4`, user: { login: "ada" } };
    expect(present(known, given)).toMatchObject({
      html_url: "http://page/github/acme/sample/pull/4#issuecomment-7",
      performed_via_github_app: null,
      minimized: { reason: "outdated" },
      reactions: { url: `${at}/issues/comments/7/reactions`, total_count: 2, eyes: 2, "+1": 0 },
    });
  });

  test("of a comment on a line", () => {
    const given = { id: 9, url: `${at}/pulls/comments/9`, in_reply_to_id: null, diff_hunk: "" };
    expect(present(known, given)).toMatchObject({ diff_hunk: "@@ hunk", line: 4, start_line: 3, original_commit_id: "aa" });
    expect(present(known, given)).not.toHaveProperty("in_reply_to_id");
    expect(present(known, { ...given, in_reply_to_id: 8 })).toMatchObject({ in_reply_to_id: 8 });
  });

  test("of a pull request, also as an issue", () => {
    const given = {
      url: `${at}/pulls/4`,
      issue_url: `${at}/issues/4`,
      number: 4,
      head: {},
      html_url: "http://api/p",
      title: "t",
      draft: true,
    };
    expect(present(known, given)).toMatchObject({ mergeable: true, mergeable_state: "draft", comments: 2 });
    const asIssue = present(known, issueOfPull(given, issue(4, true)));
    expect(asIssue).toMatchObject({
      id: 1004,
      number: 4,
      title: "t",
      draft: true,
      repository_url: at,
      pull_request: pullMark(known, "acme/sample", 4),
    });
  });
});

describe("events", () => {
  const repository = { id: 1, url: at };
  const label = (_repo: object, name: string) => ({ id: 5, name });
  const none = { body: {}, before: undefined };

  test("of labels on a pull request are of pull requests", () => {
    const raw = { action: "labeled", issue: { number: 4, head: {} }, label: { name: "errand" }, repository };
    expect(repairEvent(known, "issues", raw, none, label)).toEqual([
      {
        event: "pull_request",
        payload: { action: "labeled", number: 4, pull_request: { number: 4, head: {} }, label: { id: 5, name: "errand" }, repository },
      },
    ]);
  });

  test("of edits say what was there", () => {
    expect(changesOf({ body: "old" }, { body: "new" })).toEqual({ body: { from: "old" } });
    expect(changesOf({ title: "a", body: null }, { title: "a", body: "x" })).toEqual({ body: { from: "" } });
    const raw = { action: "edited", comment: { body: "new" }, repository };
    expect(repairEvent(known, "issue_comment", raw, { body: {}, before: { body: "old" } }, label)[0]?.payload.changes).toEqual({
      body: { from: "old" },
    });
  });

  test("of asking for reviews are one for each who is asked", () => {
    const raw = {
      action: "review_requested",
      pull_request: { number: 4, requested_reviewers: [{ login: "a" }, { login: "b" }] },
      repository,
    };
    const told = repairEvent(known, "pull_request", raw, { body: { reviewers: ["b"] }, before: undefined }, label);
    expect(told.map((one) => [one.payload.number, one.payload.requested_reviewer])).toEqual([[4, { login: "b" }]]);
  });

  test("without a form are left out", () => expect(repairEvent(known, "issues", "odd", none, label)).toEqual([]));
});

test.each([
  ["push", { permission: "write", role_name: "write" }],
  ["maintain", { permission: "write", role_name: "maintain" }],
  ["triage", { permission: "read", role_name: "triage" }],
  ["pull", { permission: "read", role_name: "read" }],
  ["admin", { permission: "admin", role_name: "admin" }],
  [null, { permission: "none", role_name: "none" }],
] as const)("the role %s in GitHub's words", (role, expected) => expect(permissionOf(role)).toEqual(expected));

test.each([
  ["Fixes #3 and closes #4", [3, 4]],
  ["fixed: #3, resolves #3", [3]],
  ["see #5, prefixes #6", []],
])("%j closes", (text, expected) => expect(closing(text)).toEqual(expected));

test.each([
  [[], { status: "queued", conclusion: null }],
  [
    [
      ["completed", "success"],
      ["in_progress", null],
    ],
    { status: "in_progress", conclusion: null },
  ],
  [
    [
      ["completed", "success"],
      ["completed", "skipped"],
    ],
    { status: "completed", conclusion: "skipped" },
  ],
  [
    [
      ["completed", "failure"],
      ["completed", "cancelled"],
    ],
    { status: "completed", conclusion: "failure" },
  ],
] as const)("the suite of %j", (runs, expected) => {
  expect(suiteState(runs.map(([status, conclusion]) => ({ status, conclusion })))).toEqual(expected);
});

test.each([
  ["POST /repos/*/*/issues/*/comments", "POST /repos/acme/sample/issues/3/comments", true],
  ["POST /repos/*/*/issues/*/comments", "POST /repos/acme/sample/issues/3/comments/4", false],
  ["* /repos/acme/sample/**", "PATCH /repos/acme/sample/issues/comments/1", true],
  ["GET /a.b", "GET /axb", false],
])("the pattern %j and the call %j", (pattern, line, expected) => expect(patternOf(pattern).test(line)).toBe(expected));

test("limits are answered in GitHub's form", () => {
  expect(answerOf({ kind: "secondary limit", retryAfterSeconds: 3 }, 0)).toMatchObject({ status: 403, headers: { "retry-after": "3" } });
  expect(answerOf({ kind: "primary limit", resetSeconds: 5 }, 1_000)).toMatchObject({
    status: 403,
    headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "6" },
  });
  expect(answerOf({ kind: "status", status: 502 }, 0)).toMatchObject({ status: 502 });
  expect(answerOf({ kind: "lost reply" }, 0)).toBeNull();
});

test("mutations are found with what they are given", () => {
  const query = "mutation($id:ID!){ markPullRequestReadyForReview(input:{pullRequestId:$id}){ clientMutationId } }";
  expect(readMutation({ query, variables: { id: "PR_1" } })).toEqual({ mutation: "markPullRequestReadyForReview", given: ["PR_1"] });
  const inline = 'mutation { minimizeComment(input: {subjectId: "IC_1", classifier: OUTDATED}) { clientMutationId } }';
  expect(readMutation({ query: inline })).toEqual({ mutation: "minimizeComment", given: ["IC_1", "OUTDATED"] });
  expect(readMutation({ query: "{ viewer { login } }" }).mutation).toBeNull();
});

test.each([
  [`Basic ${Buffer.from("x-access-token:a:b").toString("base64")}`, { user: "x-access-token", password: "a:b" }],
  ["Bearer x", { user: null, password: null }],
  [undefined, { user: null, password: null }],
])("the sign-in %j", (header, expected) => expect(basicAuth(header)).toEqual(expected));

test("a refusal names the field", async () => {
  const answer = invalid("PullRequest", "head", "invalid").getResponse();
  expect([answer.status, await answer.json()]).toMatchObject([
    422,
    { message: "Validation Failed", errors: [{ resource: "PullRequest", field: "head" }] },
  ]);
});
