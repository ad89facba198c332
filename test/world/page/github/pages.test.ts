import { describe, expect, test } from "vitest";
import { jobPage, newestRuns, standingOf } from "./checks.ts";
import { conversation } from "./conversation.ts";
import { parsePatch, spotOf } from "./diff.ts";
import { githubDocument } from "./document.ts";
import { branchPage, commitPage, filesPage } from "./files.ts";
import { homePage, listPage, newPage } from "./lists.ts";
import { makePending } from "./pending.ts";
import { addressOf, placeAt, spotName, type ThreadPlace } from "./place.ts";
import type { PullParts, Thread } from "./read.ts";
import { CheckRun, Comment, Commit, Issue, IssueEvent, Pull, Repository, Review, ReviewComment } from "./records.ts";
import { threadsOf, timelineOf } from "./timeline.ts";

const EVIL = `"><img src=x onerror="alert(1)"><script>alert(2)</script>'`;
const at = (minute: number) => `2026-01-02T03:${String(minute).padStart(2, "0")}:00Z`;
const user = { login: EVIL, type: "User" };
const repository = Repository.parse({ full_name: EVIL, private: true, description: EVIL, default_branch: EVIL });
const issue = (more: object = {}) =>
  Issue.parse({
    number: 7,
    title: EVIL,
    body: EVIL,
    user,
    state: "open",
    created_at: at(0),
    labels: [EVIL, { name: EVIL }],
    reactions: { [EVIL]: 3, "+1": 1, total_count: 4 },
    ...more,
  });
const comment = (id: number, minute: number, more: object = {}) =>
  Comment.parse({ id, body: `${EVIL}\n\n- [ ] ${EVIL}`, user, created_at: at(minute), updated_at: at(minute + 1), ...more });
const onLine = (id: number, minute: number, more: object = {}) =>
  ReviewComment.parse({
    ...comment(id, minute),
    reactions: {},
    path: EVIL,
    line: 2,
    side: "RIGHT",
    diff_hunk: `@@ -1 +1,2 @@\n a\n+${EVIL}`,
    ...more,
  });
const review = (id: number, minute: number, more: object = {}) =>
  Review.parse({ id, body: "", user, state: "COMMENTED", submitted_at: at(minute), ...more });
const commit = (sha: string, minute: number) =>
  Commit.parse({ sha, commit: { message: `${EVIL}\nmore`, author: { name: EVIL, date: at(minute) } } });
const event = (id: number, minute: number, name: string) =>
  IssueEvent.parse({ id, event: name, actor: user, created_at: at(minute), label: { name: EVIL } });
const run = (id: number, more: object = {}) =>
  CheckRun.parse({
    id,
    name: EVIL,
    status: "completed",
    conclusion: "failure",
    details_url: "javascript:alert(1)",
    output: { title: EVIL, summary: EVIL, text: EVIL },
    ...more,
  });
const end = { ref: EVIL, sha: EVIL, label: EVIL, repo: { full_name: EVIL } };
const pull = Pull.parse({ number: 7, node_id: EVIL, state: "open", head: end, base: end });
const parts: PullParts = {
  pull,
  reviews: [review(1, 5, { body: EVIL, state: "CHANGES_REQUESTED" })],
  comments: [onLine(30, 5, { pull_request_review_id: 1 }), onLine(31, 6, { in_reply_to_id: 30 })],
  commits: [commit("a1b2c3d4e5", 1)],
  files: [
    { filename: EVIL, previous_filename: EVIL, status: EVIL, additions: 1, deletions: 0, patch: `@@ -1 +1,2 @@ ${EVIL}\n a\n+${EVIL}` },
  ],
  checks: [run(1)],
  statuses: [{ context: EVIL, state: "pending", description: EVIL, target_url: "javascript:alert(1)" }],
};
const thread = (more: Partial<Thread> = {}): Thread => ({
  repository,
  mayWrite: true,
  issue: issue({ pull_request: {} }),
  comments: [comment(20, 2)],
  events: [event(1, 3, "labeled")],
  parts,
  ...more,
});
const reader = { me: EVIL, repository: EVIL, origin: "http://127.0.0.1:1", mayWrite: true };
const place = (more: Partial<ThreadPlace> = {}): ThreadPlace => ({
  page: "thread",
  repository: EVIL,
  number: 7,
  pull: true,
  files: false,
  edit: [],
  at: [],
  ...more,
});
const extras = {
  check: () => Promise.resolve({ ok: true as const }),
  pressAction: () => Promise.resolve({ ok: true as const }),
  actionsOf: () => [{ identifier: EVIL, label: EVIL, description: EVIL }],
};
const spot = spotName({ path: EVIL, side: "RIGHT", line: 2 });

/** No tag or attribute may come out of the text: all of it stands escaped. */
function harmless(text: string) {
  expect(text).not.toMatch(/<img|<script>alert|onerror="alert/);
  expect(text).not.toMatch(/href="javascript:/);
  expect(text).toContain("&lt;script&gt;");
}

describe("text from people stays text", () => {
  const pages: [string, () => string][] = [
    ["home", () => homePage([repository]).text],
    [
      "list",
      () =>
        listPage({ repository, mayWrite: true, issues: [issue()] }, { page: "list", repository: EVIL, of: "issues", state: "open" }).text,
    ],
    ["new issue", () => newPage({ repository, mayWrite: true, issues: [] }, reader, { page: "new", repository: EVIL }).text],
    ["conversation", () => conversation(thread(), reader, place(), extras).text],
    [
      "texts being changed",
      () => conversation(thread(), reader, place({ edit: ["issue-7", "issuecomment-20", "discussion_r30"] }), extras).text,
    ],
    [
      "a merged pull request",
      () =>
        conversation(
          thread({ parts: { ...parts, pull: { ...pull, merged: true, state: "closed", merged_by: user } } }),
          reader,
          place(),
          extras,
        ).text,
    ],
    ["files", () => filesPage(thread(), parts, reader, place({ files: true }), []).text],
    [
      "files with a box and a pending comment",
      () =>
        filesPage(thread(), parts, reader, place({ files: true, at: [spot] }), [
          { id: EVIL, path: EVIL, line: 2, side: "RIGHT", body: EVIL },
        ]).text,
    ],
    ["a commit", () => commitPage(commit("a1b2c3d4e5", 1), parts.files, reader).text],
    ["a branch", () => branchPage({ base: EVIL, head: EVIL, commits: parts.commits, files: parts.files }, reader).text],
    ["a job", () => jobPage(run(1), EVIL, reader).text],
    [
      "the frame",
      () =>
        githubDocument({
          title: EVIL,
          main: homePage([repository]),
          nonce: "n",
          live: true,
          people: [{ login: EVIL, about: EVIL }],
          me: EVIL,
          path: EVIL,
          repository: EVIL,
        }).text,
    ],
  ];
  test.each(pages)("%s", (_, page) => harmless(page()));
});

describe("what is shown", () => {
  const plain = (more: Partial<Thread>, who = "ada", mayWrite = true) =>
    conversation({ ...thread(), ...more }, { ...reader, me: who, mayWrite }, place({ pull: Boolean(more.parts) }), extras).text;
  const ada = { login: "ada", type: "User" };
  test("one's own texts can be changed, others' only deleted by those with write access", () => {
    const comments = [comment(1, 1, { user: ada, body: "mine" }), comment(2, 2, { user: { login: "bo", type: "User" }, body: "- [ ] x" })];
    const mine = plain({ comments, parts: null });
    expect(mine).toContain("edit=issuecomment-1");
    expect(mine).not.toContain("edit=issuecomment-2");
    expect(mine.match(/do\/delete/g)).toHaveLength(2);
    expect(mine).toContain("data-tick");
    const outsider = plain({ comments, parts: null }, "mallory", false);
    expect(outsider).not.toMatch(/do\/delete|edit=|do\/label|data-tick/);
    expect(outsider).toContain("disabled");
  });
  test("an edited text, a bot and reactions are marked", () => {
    const bot = comment(1, 1, {
      user: { login: "errand[bot]", type: "Bot" },
      body: "x",
      reactions: { url: "u", total_count: 2, eyes: 2, "+1": 0 },
    });
    const text = plain({ comments: [bot], parts: null, issue: issue({ reactions: {} }) });
    expect(text).toContain('<span class="tag">bot</span>');
    expect(text).toContain("· edited");
    expect(text.match(/class="reaction"/g)).toHaveLength(1);
    expect(text).toContain("👀");
    expect(plain({ comments: [comment(1, 1, { updated_at: at(1) })], parts: null })).not.toContain("· edited");
  });
  test("an outsider sees neither merge nor check buttons", () => {
    const text = plain({ parts, issue: issue({ pull_request: {} }) }, "mallory", false);
    expect(text).not.toMatch(/do\/merge|do\/press|do\/ready/);
    expect(text).toContain("Only people with write access can merge");
    expect(plain({ parts: { ...parts, pull: { ...pull, draft: true } } })).toContain("do/ready");
  });
  test("a locked conversation has no box for outsiders", () => {
    expect(plain({ issue: issue({ locked: true }), parts: null }, "mallory", false)).not.toContain("do/comment");
    expect(plain({ issue: issue({ locked: true }), parts: null })).toContain("do/comment");
  });
});

describe("timeline", () => {
  test("everything in the order of time; commits together; a review with its threads; a silent review not", () => {
    const entries = timelineOf({
      comments: [comment(20, 4)],
      events: [event(1, 9, "closed"), event(2, 9, "merged"), event(3, 8, "subscribed"), event(4, 2, "closed")],
      parts: {
        ...parts,
        reviews: [review(1, 5), review(2, 6), review(3, 7, { state: "APPROVED" }), review(4, 7, { state: "PENDING", submitted_at: null })],
        comments: [
          onLine(30, 5, { pull_request_review_id: 1 }),
          onLine(31, 6, { in_reply_to_id: 30, pull_request_review_id: 2 }),
          onLine(32, 3),
        ],
        commits: [commit("a", 1), commit("b", 1), commit("c", 8)],
      },
    });
    expect(
      entries.map((entry) => (entry.kind === "event" ? entry.event.event : entry.kind === "commits" ? entry.commits.length : entry.kind)),
    ).toEqual([2, "closed", "thread", "comment", "review", "review", 1, "merged"]);
  });
  test("answers stand under the first comment, however they name it; those without one stand alone; a ring ends", () => {
    const threads = threadsOf([
      onLine(3, 3, { in_reply_to_id: 2 }),
      onLine(1, 1),
      onLine(2, 2, { in_reply_to_id: 1 }),
      onLine(9, 9, { in_reply_to_id: 8 }),
    ]);
    expect(threads.map(({ top, replies }) => [top.id, replies.map(({ id }) => id)])).toEqual([
      [1, [2, 3]],
      [9, []],
    ]);
    expect(() => threadsOf([onLine(1, 1, { in_reply_to_id: 2 }), onLine(2, 2, { in_reply_to_id: 1 })])).not.toThrow();
  });
});

describe("diff", () => {
  test("lines are numbered on both sides, and have a place for comments", () => {
    const lines = parsePatch("noise\n@@ -2,3 +2,4 @@ f()\n a\n-b\n+c\n+d\n e\n\\ No newline at end of file\n@@ -10 +11 @@\n-x\n+y");
    expect(lines.map(({ kind, old, new: now, text }) => [kind, old, now, text])).toEqual([
      ["hunk", null, null, "@@ -2,3 +2,4 @@ f()"],
      ["context", 2, 2, "a"],
      ["delete", 3, null, "b"],
      ["add", null, 3, "c"],
      ["add", null, 4, "d"],
      ["context", 4, 5, "e"],
      ["note", null, null, "No newline at end of file"],
      ["hunk", null, null, "@@ -10 +11 @@"],
      ["delete", 10, null, "x"],
      ["add", null, 11, "y"],
    ]);
    expect(lines.map(spotOf)).toEqual([
      undefined,
      { side: "RIGHT", line: 2 },
      { side: "LEFT", line: 3 },
      { side: "RIGHT", line: 3 },
      { side: "RIGHT", line: 4 },
      { side: "RIGHT", line: 5 },
      undefined,
      undefined,
      { side: "LEFT", line: 10 },
      { side: "RIGHT", line: 11 },
    ]);
  });
});

describe("addresses", () => {
  test.each([
    "/github",
    "/github/acme/sample/issues",
    "/github/acme/sample/pulls?state=closed",
    "/github/acme/sample/issues/new",
    "/github/acme/sample/issues/12",
    "/github/acme/sample/pull/12",
    "/github/acme/sample/pull/12/files?edit=discussion_r1&at=R3%3Asrc%2Fa.ts&at=L4%3Ab",
    "/github/acme/sample/commit/a1b2c3d",
    "/github/acme/sample/runs/24700000001",
    "/github/acme/sample/tree/errand/1-count",
    "/github/acme/sample/compare/main...mallory:patch-1",
  ])("%s", (address) => {
    const url = new URL(address, "http://127.0.0.1");
    const found = placeAt(url.pathname, url.searchParams);
    expect(found && addressOf(found)).toBe(address);
  });
  test.each(["/github/acme", "/github/acme/sample/issues/x", "/github/acme/sample/wiki", "/github/a%2Fb/c/issues/1"])(
    "nothing at %s",
    (path) => expect(placeAt(path, new URLSearchParams())).toBeUndefined(),
  );
  test("a repository alone is its issues", () => {
    expect(placeAt("/github/acme/sample", new URLSearchParams())).toMatchObject({ page: "list", of: "issues", state: "open" });
  });
});

describe("checks", () => {
  test.each([
    [{ status: "queued", conclusion: null }, "open"],
    [{ status: "completed", conclusion: "success" }, "good"],
    [{ status: "completed", conclusion: "failure" }, "bad"],
    [{ status: "completed", conclusion: "neutral" }, "neutral"],
    [{ status: "completed", conclusion: "something new" }, "neutral"],
  ])("%j is %s", (check, mood) => expect(standingOf(check).mood).toBe(mood));
  test("only the newest run of a name is shown", () => {
    expect(
      newestRuns([run(1), run(3), run(2), run(4, { name: "b" })])
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual([3, 4]);
  });
});

test("pending comments are each person's own, and not without end", () => {
  let id = 0;
  const pending = makePending(() => String(++id));
  const one = { path: "a", line: 1, side: "RIGHT" as const, body: "x" };
  expect(pending.add("ada", one)).toBe(true);
  expect(pending.of("grace")).toEqual([]);
  pending.remove("ada", "1");
  for (let i = 0; i < 100; i++) pending.add("ada", one);
  expect(pending.add("ada", one)).toBe(false);
  pending.clear("ada");
  expect(pending.of("ada")).toEqual([]);
});
