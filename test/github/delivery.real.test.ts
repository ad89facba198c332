import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { gitHubSurface } from "../../bots/github/deliver.ts";
import { keyMark } from "../../bots/github/marker.ts";
import type { Address, Outcome, Surface } from "../../bots/surface.ts";
import { type GitHost, startGitHost } from "../world/git-host.ts";
import type { Fault } from "../world/github/faults.ts";
import { REPOSITORIES } from "../world/github/seed.ts";
import { type GitHub, startGitHub } from "../world/github/start.ts";
import { asking, begun, finished, gitHubView, LINKS, offered, pulled, START, working } from "./views.ts";

const COMMENTS = "/repos/acme/sample/issues/*/comments";
const COMMENT = "/repos/acme/sample/issues/comments/*";

let dir = "";
let git: GitHost;
let github: GitHub;
let surface: Surface;
/** A pull request, its head, and the first comment of a line of it. */
let pull = { number: 0, sha: "", top: 0 };

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "errand-delivery-"));
  git = await startGitHost({ dataDir: join(dir, "git") });
  github = await startGitHub({ dataDir: null, webUrl: "http://127.0.0.1:9/github", webhookUrl: null, webhookSecret: "s", git });
  surface = surfaceBy({});
  const pushed = await github.push({ branch: "errand/one", files: { "README.md": "# sample\n\nNew.\n" }, message: "One" });
  if (!pushed.ok) throw new Error(pushed.error);
  const made = await github.call("ada", "POST", "/repos/acme/sample/pulls", { title: "One", head: "errand/one", base: "main" });
  const number = Number(made.body.number);
  const first = { body: "why?", commit_id: pushed.sha, path: "README.md", line: 1, side: "RIGHT" };
  const commented = await github.call("ada", "POST", `/repos/acme/sample/pulls/${number}/comments`, first);
  expect([made.status, commented.status]).toEqual([201, 201]);
  pull = { number, sha: pushed.sha, top: Number(commented.body.id) };
});
afterAll(async () => {
  await github.stop();
  await git.stop();
  await rm(dir, { recursive: true, force: true });
});
beforeEach(() => github.faults.clear());

function surfaceBy(more: Partial<Parameters<typeof gitHubSurface>[0]>): Surface {
  const { appId, slug, privateKey, apiUrl } = github;
  return gitHubSurface({ appId, slug, privateKey, apiUrl, webUrl: git.url, timeoutMs: 1_500, cache: new Map(), ...more });
}

const to = (number = 1, more: Partial<Address> & { repository?: string; private?: boolean } = {}): Address => {
  const { repository = REPOSITORIES.sample, private: hidden = false, ...rest } = more;
  const native = JSON.stringify({ installation: github.installationId, repository, private: hidden });
  return { thread: `github:${github.repositoryId(repository)}:${number}`, place: null, native, ...rest };
};
const progress = (...story: Parameters<typeof gitHubView>) =>
  surface.render({ kind: "progress", turn: 1, view: gitHubView(...story), links: LINKS, now: START + 90_000 });
const note = (text: string) => surface.render({ kind: "note", code: "test", text, mention: null });
const status = (...story: Parameters<typeof gitHubView>) =>
  surface.render({ kind: "status", turn: 1, commit: pull.sha, view: gitHubView(...story), links: LINKS });
const since = () => Date.now() - 60_000;
let counter = 0;
const newKey = () => `abc:note:${++counter}`;
const idOf = (outcome: Outcome): string => {
  if (outcome.kind !== "sent") throw new Error(JSON.stringify(outcome));
  return outcome.id;
};
const commentOf = async (id: string) => (await github.call("ada", "GET", `/repos/acme/sample/issues/comments/${id.split(":")[1]}`)).body;

describe("writing on the local GitHub", () => {
  it("posts a comment, edits the whole of it, and finds it again", async () => {
    const key = "abc:turn:1:progress";
    const id = idOf(await surface.post(to(), key, progress(...begun)));
    expect(id).toMatch(/^issue:\d+$/);
    expect(await commentOf(id)).toMatchObject({
      user: { login: "errand[bot]", type: "Bot" },
      body: expect.stringContaining("### ⏳ Working on acme/sample"),
    });
    expect(await surface.edit(to(), id, key, progress(...working, ...finished))).toEqual({ kind: "sent", id });
    const { body } = await commentOf(id);
    expect(body).toContain("### ✅ Worked for 2m 09s");
    expect(body).toMatch(/\n\n<!-- errand:key=abc:turn:1:progress -->$/);
    expect(await surface.find(to(), key, since(), progress(...begun))).toEqual({ kind: "found", id });
    expect(await surface.find(to(), "abc:turn:2:progress", since(), progress(...begun))).toEqual({ kind: "absent" });
    expect(await surface.find(to(2), key, since(), progress(...begun))).toEqual({ kind: "absent" });
  });

  it.each([
    ["final", () => surface.render({ kind: "final", turn: 1, view: gitHubView(...working, ...pulled(), ...finished), links: LINKS })],
    ["ask", () => surface.render({ kind: "ask", turn: 1, ask: "per_1", view: gitHubView(...working, ...asking), links: LINKS })],
    ["offer", () => surface.render({ kind: "offer", offer: "fix:9f86d08", view: gitHubView(...working, ...offered), links: LINKS })],
  ])("posts every kind of message: %s", async (_name, content) => {
    expect(await surface.post(to(), newKey(), content())).toMatchObject({ kind: "sent" });
  });

  it("shows the ways into the sandbox on a private repository only", async () => {
    const open = await commentOf(idOf(await surface.post(to(), newKey(), progress(...working))));
    expect(open.body).toContain("[Live view](https://errand.example/s/abc)\n");
    expect(open.body).not.toContain("/open/");
    const hidden = await commentOf(idOf(await surface.post(to(1, { private: true }), newKey(), progress(...working))));
    expect(hidden.body).toContain(
      "[Live view](https://errand.example/s/abc) · [VS Code](https://errand.example/s/abc/open/vscode) · [Desktop]",
    );
  });

  it("takes a secret out at the last moment too", async () => {
    const secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    const { body } = await commentOf(idOf(await surface.post(to(), newKey(), { kind: "comment", body: `a ${secret} b`, ways: "" })));
    expect(body).toContain("a [redacted] b");
  });

  it("takes an answer as long as it renders one", async () => {
    const view = gitHubView(...begun, ...finished);
    for (const turn of view.turns) turn.parts = [{ id: "p", text: "語 <@ \n\n".repeat(30_000), done: true }];
    expect(await surface.post(to(), newKey(), surface.render({ kind: "final", turn: 1, view, links: LINKS }))).toMatchObject({
      kind: "sent",
    });
  });

  it("answers in the thread of a review, and finds and edits it there", async () => {
    const place = `review:${pull.top}`;
    const there = to(pull.number, { place });
    const key = newKey();
    const id = idOf(await surface.post(there, key, note("because")));
    expect(id).toMatch(/^review:\d+$/);
    const answer = await github.call("ada", "GET", `/repos/acme/sample/pulls/comments/${id.split(":")[1]}`);
    expect(answer.body).toMatchObject({ in_reply_to_id: pull.top, user: { login: "errand[bot]" } });
    expect(await surface.edit(there, id, key, note("because of that"))).toEqual({ kind: "sent", id });
    expect(await surface.find(there, key, since(), note(""))).toEqual({ kind: "found", id });
  });

  it("answers in the conversation where the thread of a review is gone, and looks there too", async () => {
    const there = to(pull.number, { place: "review:999999" });
    const key = newKey();
    const id = idOf(await surface.post(there, key, note("anyway")));
    expect(id).toMatch(/^issue:\d+$/);
    expect(await surface.find(there, key, since(), note(""))).toEqual({ kind: "found", id });
  });

  it("shows a turn as a check run beside the commit", async () => {
    const key = `abc:turn:1:status:${pull.sha}`;
    const id = idOf(await surface.post(to(pull.number), key, status(...working)));
    expect(id).toMatch(/^check:\d+$/);
    const run = async () => (await github.call("ada", "GET", `/repos/acme/sample/check-runs/${id.split(":")[1]}`)).body;
    expect(await run()).toMatchObject({
      name: "errand",
      head_sha: pull.sha,
      status: "in_progress",
      conclusion: null,
      details_url: LINKS.session,
    });
    expect(await surface.edit(to(pull.number), id, key, status(...working, ...finished))).toEqual({ kind: "sent", id });
    expect(await run()).toMatchObject({ status: "completed", conclusion: "success", output: { title: "Worked for 2m 09s" } });
    expect(await surface.find(to(pull.number), key, since(), status(...working))).toEqual({ kind: "found", id });
    expect(await surface.find(to(pull.number), "other", since(), status(...working))).toEqual({ kind: "absent" });
  });

  it("does not take a mark in somebody else's comment for its own", async () => {
    const key = newKey();
    await github.call("mallory", "POST", "/repos/acme/sample/issues/1/comments", { body: `mine\n\n${keyMark(key)}` });
    await github.call("ada", "POST", "/repos/acme/sample/issues/1/comments", { body: keyMark(key) });
    expect(await surface.find(to(), key, since(), note(""))).toEqual({ kind: "absent" });
  });

  it("finds a comment among many, page by page", async () => {
    const key = newKey();
    for (let index = 0; index < 120; index += 1)
      await github.call("ada", "POST", "/repos/acme/sample/issues/3/comments", { body: `${index}` });
    const id = idOf(await surface.post(to(3), key, note("late")));
    expect(await surface.find(to(3), key, since(), note(""))).toEqual({ kind: "found", id });
    expect(await surface.find(to(3), key, Date.now() + 180_000, note(""))).toEqual({ kind: "absent" });
  });
});

describe("what went wrong, told truthfully", () => {
  const table: [string, Fault, object, number][] = [
    ["a secondary limit", { kind: "secondary limit", retryAfterSeconds: 7 }, { kind: "wait", ms: 7_000, method: "github.content" }, 0],
    ["429", { kind: "429", retryAfterSeconds: 9 }, { kind: "wait", ms: 9_000, method: "github.content" }, 0],
    ["the primary limit", { kind: "primary limit", resetSeconds: 90 }, { kind: "wait", method: "github.content" }, 0],
    ["500", { kind: "status", status: 500 }, { kind: "unknown" }, 0],
    ["502", { kind: "status", status: 502 }, { kind: "unknown" }, 0],
    ["a lost reply", { kind: "lost reply" }, { kind: "unknown" }, 1],
    ["no answer", { kind: "hang" }, { kind: "unknown", why: "no answer from GitHub: timed out" }, 0],
    ["a late answer", { kind: "slow", ms: 2_500 }, { kind: "unknown" }, 1],
    [
      "a locked conversation",
      { kind: "status", status: 403, message: "Unable to create comment because issue is locked." },
      { kind: "refused", code: "http_403", why: expect.stringContaining("locked") },
      0,
    ],
    ["a deleted issue", { kind: "status", status: 410, message: "This issue was deleted" }, { kind: "refused", code: "http_410" }, 0],
    ["422", { kind: "status", status: 422, message: "Validation Failed" }, { kind: "refused", code: "http_422" }, 0],
  ];
  it.each(table)("%s", async (_name, fault, outcome, applied) => {
    const key = newKey();
    github.faults.next(`POST ${COMMENTS}`, fault);
    expect(await surface.post(to(2), key, note("hello"))).toMatchObject(outcome);
    // Whatever was told: looking finds the comment exactly if it is there.
    await expect
      .poll(async () => (await surface.find(to(2), key, since(), note("hello"))).kind, { timeout: 5_000 })
      .toBe(applied ? "found" : "absent");
  });

  it("calls an edited comment gone when it was deleted", async () => {
    const key = newKey();
    const id = idOf(await surface.post(to(), key, note("hello")));
    await github.call("ada", "DELETE", `/repos/acme/sample/issues/comments/${id.split(":")[1]}`);
    expect((await surface.edit(to(), id, key, note("again"))).kind).toBe("gone");
  });

  it("says of an edit what it says of a post", async () => {
    const key = newKey();
    const id = idOf(await surface.post(to(), key, note("hello")));
    github.faults.next(`PATCH ${COMMENT}`, { kind: "lost reply" });
    expect((await surface.edit(to(), id, key, note("one"))).kind).toBe("unknown");
    github.faults.next(`PATCH ${COMMENT}`, { kind: "secondary limit", retryAfterSeconds: 5 });
    expect(await surface.edit(to(), id, key, note("two"))).toMatchObject({ kind: "wait", ms: 5_000, method: "github.content" });
  });

  it("says of a look that it has to wait", async () => {
    github.faults.next(`GET ${COMMENTS}`, { kind: "secondary limit", retryAfterSeconds: 5 });
    expect(await surface.find(to(), "k", since(), note(""))).toMatchObject({ kind: "wait", ms: 5_000, method: "github.read" });
    github.faults.next(`GET ${COMMENTS}`, { kind: "status", status: 500 });
    expect((await surface.find(to(), "k", since(), note(""))).kind).toBe("unknown");
  });

  it("goes on with a new token where the old one has ended", async () => {
    await surface.post(to(), newKey(), note("before"));
    github.expireTokens();
    expect(await surface.post(to(), newKey(), note("after"))).toMatchObject({ kind: "sent" });
  });

  it("refuses where it may not write, and where nothing is known of the installation", async () => {
    const outside = to(1, { repository: REPOSITORIES.fork });
    expect(await surface.post(outside, newKey(), note("hello"))).toMatchObject({
      kind: "refused",
      why: expect.stringContaining(REPOSITORIES.fork),
    });
    for (const native of [null, "", "{", "{}", '{"installation":1,"repository":"x","private":true}'])
      expect(await surface.post(to(1, { native }), newKey(), note("hello"))).toMatchObject({ kind: "refused", code: "no_installation" });
    const wrong = surfaceBy({ privateKey: "none" });
    expect(await wrong.post(to(), newKey(), note("hello"))).toMatchObject({
      kind: "refused",
      why: expect.stringContaining("GITHUB_PRIVATE_KEY"),
    });
  });

  it("knows that nothing was applied where nobody listens", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const port = typeof address === "object" && address ? address.port : 0;
    await new Promise((resolve) => server.close(resolve));
    const nobody = surfaceBy({ apiUrl: `http://127.0.0.1:${port}` });
    expect(await nobody.post(to(), newKey(), note("hello"))).toMatchObject({ kind: "wait", method: null });
  });

  it("names the budget of a write, and edits the slower the longer a turn takes", async () => {
    const workspace = `github:${github.installationId}`;
    expect(surface.budget(to(), "edit")).toEqual({ workspace, method: "github.content", channel: to().thread });
    expect(surface.budget(to(), "find")).toEqual({ workspace, method: "github.read", channel: to().thread });
    expect([1_000, 60_000, 300_000, 900_000].map((ms) => surface.pace(ms).gap)).toEqual([3_000, 15_000, 30_000, 60_000]);
    await expect(surface.post({ ...to(), thread: "slack:T1:C1:1.1" }, "k", note(""))).rejects.toThrow("not a thread on GitHub");
  });
});
