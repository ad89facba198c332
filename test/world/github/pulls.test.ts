import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Bench, SAMPLE, startBench, statusOf } from "./testing.ts";

let bench: Bench;
let token = "";
beforeAll(async () => {
  bench = await startBench();
  const installation_id = bench.github.installationId;
  const scope = { installation_id, repositories: ["sample"], permissions: { contents: "write" as const } };
  token = (await bench.asApp().rest.apps.createInstallationAccessToken(scope)).data.token;
});
afterAll(() => bench.stop());
beforeEach(async () => void (await bench.news()));

const installed = () => bench.asApp(bench.github.installationId);
const names = async () => (await bench.news()).map((one) => `${one.event}.${one.payload.action}`);

/** A clone with one more commit; gives the folder's name. */
async function work(name: string, file = "new.txt", text = "one\ntwo\n"): Promise<string> {
  await bench.run(".", "clone", "--quiet", bench.git.cloneUrl("acme/sample"), name);
  await writeFile(join(bench.folder, name, file), text);
  await bench.run(name, "add", "-A");
  await bench.run(name, "commit", "--quiet", "-m", `Add ${file}`);
  return name;
}
/** Commits on a branch and opens a pull request; gives it. */
async function pullOf(branch: string, more: { draft?: boolean; body?: string; files?: Record<string, string> } = {}) {
  const { files = { [`${branch.replaceAll("/", "-")}.txt`]: "one\ntwo\n" }, ...rest } = more;
  await bench.github.push({ branch, files, message: `Work on ${branch}` });
  return (await installed().rest.pulls.create({ ...SAMPLE, head: branch, base: "main", title: branch, ...rest })).data;
}

describe("git", () => {
  test("asks for a token to push, and takes every branch with it but the default one", async () => {
    const at = await work("pushing");
    const url = bench.address("acme/sample", token);
    expect((await bench.run(at, "push", "origin", "HEAD:errand/nobody")).text).toContain("terminal prompts disabled");
    expect((await bench.run(at, "push", bench.address("acme/sample", "ghs_wrong"), "HEAD:errand/wrong")).text).toContain(
      "Authentication failed",
    );
    expect((await bench.run(at, "push", bench.address("acme/sample", bench.github.tokenOf("mallory")), "HEAD:errand/no")).text).toContain(
      "403",
    );
    expect((await bench.run(at, "push", url, "HEAD:fix/anything")).ok).toBe(true);
    expect((await bench.run(at, "push", url, "HEAD:main")).text).toContain("Protected branch update failed for refs/heads/main");
    expect((await bench.run(at, "push", url, "HEAD:refs/pull/9/head")).text).toContain("deny updating a hidden ref");
    expect((await bench.run(at, "push", bench.address("acme/sample", bench.github.tokenOf("grace")), "HEAD:grace")).ok).toBe(true);
  });

  test("refuses workflows of an App without that right", async () => {
    await bench.run(".", "clone", "--quiet", bench.git.cloneUrl("acme/sample"), "flows");
    await bench.run("flows", "checkout", "--quiet", "-b", "flows");
    await mkdir(join(bench.folder, "flows/.github/workflows"), { recursive: true });
    await writeFile(join(bench.folder, "flows/.github/workflows/ci.yml"), "on: push\n");
    await bench.run("flows", "add", "-A");
    await bench.run("flows", "commit", "--quiet", "-m", "CI");
    const refused = await bench.run("flows", "push", bench.address("acme/sample", token), "HEAD:flows");
    expect(refused.text).toContain("refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml`");
    expect((await bench.run("flows", "push", bench.address("acme/sample", bench.github.tokenOf("ada")), "HEAD:flows")).ok).toBe(true);
  });

  test("shows a private repository to those who may see it", async () => {
    const clone = (name: string, holder?: string) =>
      bench.run(".", "clone", "--quiet", holder ? bench.address("acme/ledger", holder) : bench.git.cloneUrl("acme/ledger"), name);
    expect((await clone("nobody")).ok).toBe(false);
    expect((await clone("other", token)).text).toContain("not found");
    expect((await clone("mallory", bench.github.tokenOf("mallory"))).text).toContain("not found");
    expect((await clone("grace", bench.github.tokenOf("grace"))).ok).toBe(true);
  });

  test("sends browsers on to the pages", async () => {
    const answer = await fetch(`${bench.git.url}/acme/sample/issues/1?a=b`, { redirect: "manual" });
    expect([answer.status, answer.headers.get("location")]).toEqual([302, "http://127.0.0.1:1/github/acme/sample/issues/1?a=b"]);
  });
});

describe("a pull request", () => {
  test("has the numbers of the real repository, and gets the commits that are pushed", async () => {
    const at = await work("growing");
    const url = bench.address("acme/sample", token);
    await bench.run(at, "push", "--quiet", url, "HEAD:errand/growing");
    const { data } = await installed().rest.pulls.create({
      ...SAMPLE,
      head: "errand/growing",
      base: "main",
      title: "Growing",
      body: "Fixes #2",
      draft: true,
    });
    expect(data).toMatchObject({
      draft: true,
      additions: 2,
      deletions: 0,
      changed_files: 1,
      commits: 1,
      mergeable: true,
      user: { login: "errand[bot]" },
    });
    expect(data.html_url).toBe(`http://127.0.0.1:1/github/acme/sample/pull/${data.number}`);
    await writeFile(join(bench.folder, at, "more.txt"), "x\n");
    await bench.run(at, "add", "-A");
    await bench.run(at, "commit", "--quiet", "-m", "More");
    await bench.run(at, "push", "--quiet", url, "HEAD:errand/growing");
    const [opened, synchronize] = await bench.news();
    expect(opened).toMatchObject({
      event: "pull_request",
      payload: { action: "opened", number: data.number, pull_request: { additions: 2 } },
    });
    const head = await bench.github.head("acme/sample", "errand/growing");
    expect(synchronize?.payload).toMatchObject({
      action: "synchronize",
      before: data.head.sha,
      after: head,
      pull_request: { head: { sha: head, ref: "errand/growing" }, commits: 2, changed_files: 2 },
      sender: { login: "errand[bot]" },
    });
    const remote = await bench.run(".", "ls-remote", bench.git.cloneUrl("acme/sample"), `refs/pull/${data.number}/head`);
    expect(remote.text).toContain(head);
    const files = await installed().rest.pulls.listFiles({ ...SAMPLE, pull_number: data.number });
    expect(files.data.map((one) => [one.filename, one.status, one.additions])).toEqual([
      ["more.txt", "added", 1],
      ["new.txt", "added", 2],
    ]);
    const found = await installed().rest.repos.listPullRequestsAssociatedWithCommit({ ...SAMPLE, commit_sha: head });
    expect(found.data.map((one) => one.number)).toEqual([data.number]);
  });

  test("is an issue too", async () => {
    const pull = await pullOf("errand/issue-too");
    await bench.news();
    const { data } = await installed().rest.issues.get({ ...SAMPLE, issue_number: pull.number });
    expect(data).toMatchObject({ number: pull.number, pull_request: { html_url: pull.html_url }, draft: false });
    await bench.as("ada").rest.issues.createComment({ ...SAMPLE, issue_number: pull.number, body: "@errand go on" });
    await bench.as("ada").rest.issues.addLabels({ ...SAMPLE, issue_number: pull.number, labels: ["errand"] });
    const [commented, labelled] = await bench.news();
    expect(commented?.payload.issue).toMatchObject({ number: pull.number, pull_request: { html_url: pull.html_url } });
    expect(commented?.payload.comment).toMatchObject({ html_url: expect.stringContaining(`/pull/${pull.number}#issuecomment-`) });
    expect(labelled).toMatchObject({
      event: "pull_request",
      payload: { action: "labeled", label: { name: "errand" }, number: pull.number },
    });
    await bench.as("ada").rest.issues.update({ ...SAMPLE, issue_number: pull.number, title: "Another" });
    expect((await bench.news())[0]).toMatchObject({ event: "pull_request", payload: { changes: { title: { from: "errand/issue-too" } } } });
    const list = await bench.as("ada").rest.issues.listForRepo({ ...SAMPLE, state: "all", per_page: 100 });
    expect(list.data.filter((one) => one.pull_request).map((one) => one.number)).toContain(pull.number);
  });

  test.each([
    ["a branch that is not there", { head: "errand/nothing" }, "head"],
    ["a base that is not there", { head: "errand/issue-too", base: "nothing" }, "base"],
    ["a second of the same branch", { head: "errand/issue-too" }, "A pull request already exists for acme:errand/issue-too."],
    ["nothing to merge", { head: "main" }, "No commits between main and main"],
  ])("is refused for %s", async (_what, given, said) => {
    const call = installed().rest.pulls.create({ ...SAMPLE, base: "main", title: "x", ...given });
    await expect(call).rejects.toMatchObject({ status: 422, message: expect.stringContaining(said) });
  });

  test("is merged in the real repository, and closes what it fixes", async () => {
    const { data: issue } = await bench.as("ada").rest.issues.create({ ...SAMPLE, title: "To fix" });
    const pull = await pullOf("errand/merged", { draft: true, body: `Fixes #${issue.number}` });
    const merge = () => bench.as("ada").rest.pulls.merge({ ...SAMPLE, pull_number: pull.number });
    await expect(merge()).rejects.toMatchObject({ status: 405, message: expect.stringContaining("draft") });
    const query = "mutation($id:ID!){ markPullRequestReadyForReview(input:{pullRequestId:$id}){ pullRequest { isDraft } } }";
    await installed().graphql(query, { id: pull.node_id });
    await bench.news();
    const { data } = await merge();
    expect(await bench.github.head("acme/sample", "main")).toBe(data.sha);
    expect((await bench.run(".", "ls-remote", bench.git.cloneUrl("acme/sample"), "refs/heads/main")).text).toContain(data.sha);
    const told = await bench.news();
    expect(told.map((one) => `${one.event}.${one.payload.action}`)).toEqual(["pull_request.closed", "issues.closed"]);
    expect(told[0]?.payload.pull_request).toMatchObject({
      merged: true,
      merged_by: { login: "ada" },
      merge_commit_sha: data.sha,
      state: "closed",
    });
    await expect(merge()).rejects.toMatchObject({ status: 405 });
  });

  test("that conflicts says so, and one whose branch goes is closed", async () => {
    const first = await pullOf("errand/left", { files: { "AGENTS.md": "left\n" } });
    const second = await pullOf("errand/right", { files: { "AGENTS.md": "right\n" } });
    await bench.as("ada").rest.pulls.merge({ ...SAMPLE, pull_number: first.number, merge_method: "squash" });
    const { data } = await installed().rest.pulls.get({ ...SAMPLE, pull_number: second.number });
    expect([data.mergeable, data.mergeable_state]).toEqual([false, "dirty"]);
    await bench.news();
    await bench.as("ada").rest.git.deleteRef({ ...SAMPLE, ref: "heads/errand/right" });
    const [closed] = await bench.news();
    expect(closed?.payload).toMatchObject({ action: "closed", pull_request: { merged: false, number: second.number } });
  });

  test("of a stranger's fork can be read, not pushed to", async () => {
    const made = await bench.github.pullFromFork({ title: "Mine", files: { "mine.txt": "x\n" } });
    if (!made.ok) throw new Error(made.error);
    const { data } = await installed().rest.pulls.get({ ...SAMPLE, pull_number: made.number });
    expect(data).toMatchObject({
      user: { login: "mallory" },
      head: { sha: made.sha, ref: "patch-1", repo: { full_name: "mallory/sample", fork: true } },
    });
    const fetched = await bench.run(".", "ls-remote", bench.git.cloneUrl("acme/sample"), `refs/pull/${made.number}/head`);
    expect(fetched.text).toContain(made.sha);
    const at = await work("to-fork");
    expect((await bench.run(at, "push", bench.address("mallory/sample", token), "HEAD:patch-1")).text).toContain("403");
    await bench.github.push({
      repository: "mallory/sample",
      branch: "patch-1",
      files: { "mine.txt": "y\n" },
      message: "Again",
      by: "mallory",
    });
    expect(await names()).toEqual(["pull_request.opened", "pull_request.synchronize"]);
  });
});

describe("reviews", () => {
  test("tell of each comment and of the whole, with what stands there", async () => {
    const pull = await pullOf("errand/reviewed", { files: { "AGENTS.md": "# New\n\nOne.\nTwo.\n" } });
    await bench.news();
    const on = { ...SAMPLE, pull_number: pull.number };
    const { data } = await bench.as("grace").rest.pulls.createReview({
      ...on,
      event: "REQUEST_CHANGES",
      body: "Two things",
      comments: [
        { path: "AGENTS.md", line: 3, body: "@errand why?" },
        { path: "AGENTS.md", start_line: 3, line: 4, body: "and this" },
      ],
    });
    expect(data.state).toBe("CHANGES_REQUESTED");
    const told = await bench.news();
    expect(told.map((one) => `${one.event}.${one.payload.action}`)).toEqual([
      "pull_request_review_comment.created",
      "pull_request_review_comment.created",
      "pull_request_review.submitted",
    ]);
    expect(told[0]?.payload.comment).toMatchObject({
      path: "AGENTS.md",
      line: 3,
      side: "RIGHT",
      pull_request_review_id: data.id,
      commit_id: pull.head.sha,
    });
    expect(told[1]?.payload.comment).toMatchObject({ start_line: 3, line: 4 });
    expect(told[2]?.payload.review).toMatchObject({ state: "changes_requested", body: "Two things", commit_id: pull.head.sha });

    const { data: comments } = await installed().rest.pulls.listCommentsForReview({ ...on, review_id: data.id });
    expect(comments[0]?.diff_hunk).toMatch(/^@@ .*\n[\s\S]*\+One\.$/);
    const top = comments[0]?.id ?? 0;
    const { data: reply } = await installed().rest.pulls.createReplyForReviewComment({ ...on, comment_id: top, body: "Because." });
    const { data: second } = await bench.as("grace").rest.pulls.createReplyForReviewComment({ ...on, comment_id: reply.id, body: "Ah." });
    expect([reply.in_reply_to_id, second.in_reply_to_id]).toEqual([top, top]);
    expect(reply).toMatchObject({ path: "AGENTS.md", line: 3, diff_hunk: comments[0]?.diff_hunk });
    const replies = await bench.news();
    expect(replies.map((one) => one.event)).toEqual([
      "pull_request_review_comment",
      "pull_request_review",
      "pull_request_review_comment",
      "pull_request_review",
    ]);
    expect(replies[1]?.payload.review).toMatchObject({ state: "commented", body: null });
    const { data: all } = await installed().rest.pulls.listReviewComments(on);
    expect(all).toHaveLength(4);
    expect(
      (await installed().rest.reactions.createForPullRequestReviewComment({ ...SAMPLE, comment_id: top, content: "eyes" })).status,
    ).toBe(201);
    await bench.as("grace").rest.pulls.updateReviewComment({ ...SAMPLE, comment_id: top, body: "@errand why so?" });
    expect((await bench.news())[0]?.payload).toMatchObject({ action: "edited", changes: { body: { from: "@errand why?" } } });
  });

  test("are refused where GitHub refuses them", async () => {
    const pull = await pullOf("errand/refused");
    const on = { ...SAMPLE, pull_number: pull.number };
    const bot = installed().rest.pulls;
    expect(
      await statusOf(bot.createReviewComment({ ...on, path: "errand-refused.txt", line: 9, body: "x", commit_id: pull.head.sha })),
    ).toBe(422);
    expect(await statusOf(bot.createReviewComment({ ...on, path: "nothing.txt", line: 1, body: "x", commit_id: pull.head.sha }))).toBe(422);
    expect(await statusOf(bot.createReview({ ...on, event: "APPROVE" }))).toBe(422);
    expect(await statusOf(bot.createReview({ ...on, event: "COMMENT" }))).toBe(422);
    expect(await statusOf(bench.as("grace").rest.pulls.createReview({ ...on, event: "APPROVE" }))).toBeUndefined();
  });
});

describe("checks", () => {
  test("of a CI are told and can be read, with the log of the job", async () => {
    const pull = await pullOf("errand/checked");
    await bench.news();
    const log = "npm test\nError: no\n";
    const made = await bench.github.check({ sha: "errand/checked", name: "test (20)", conclusion: "failure", log });
    if (!made.ok) throw new Error(made.error);
    const told = await bench.news();
    expect(told.map((one) => `${one.event}.${one.payload.action}`)).toEqual([
      "check_run.created",
      "check_run.completed",
      "check_suite.completed",
      "workflow_run.completed",
    ]);
    expect(told[2]?.payload.check_suite).toMatchObject({
      head_sha: pull.head.sha,
      head_branch: "errand/checked",
      conclusion: "failure",
      app: { slug: "github-actions" },
      pull_requests: [{ number: pull.number }],
    });
    const { data } = await installed().rest.checks.listForRef({ ...SAMPLE, ref: "errand/checked" });
    expect(data.check_runs).toMatchObject([
      { id: made.checkRun, name: "test (20)", conclusion: "failure", pull_requests: [{ number: pull.number }] },
    ]);
    const { data: jobs } = await installed().rest.actions.listJobsForWorkflowRun({ ...SAMPLE, run_id: made.runId ?? 0 });
    expect(jobs.jobs).toMatchObject([{ id: made.checkRun, conclusion: "failure", steps: [{}, { conclusion: "failure" }] }]);
    const printed = await installed().rest.actions.downloadJobLogsForWorkflowRun({ ...SAMPLE, job_id: made.checkRun });
    expect([printed.data, new URL(printed.url).pathname]).toEqual([log, expect.stringMatching(/^\/_logs\//)]);
    await bench.github.check({ sha: pull.head.sha, name: "lint", conclusion: "success", app: "ci" });
    const suites = await installed().rest.checks.listSuitesForRef({ ...SAMPLE, ref: pull.head.sha });
    expect(suites.data.check_suites.map((one) => [one.app?.slug, one.conclusion])).toEqual([
      ["github-actions", "failure"],
      ["ci", "success"],
    ]);
    await bench.as("ada").rest.repos.createCommitStatus({ ...SAMPLE, sha: pull.head.sha, state: "pending", context: "deploy" });
    const status = await installed().rest.repos.getCombinedStatusForRef({ ...SAMPLE, ref: pull.head.sha });
    expect(status.data).toMatchObject({ state: "pending", statuses: [{ context: "deploy" }] });
  });

  test("of the App have buttons that only it hears of", async () => {
    const pull = await pullOf("errand/buttons");
    const actions = [{ label: "Stop", description: "Stops this run", identifier: "stop" }];
    const run = { ...SAMPLE, name: "errand", head_sha: pull.head.sha, status: "in_progress", actions } as const;
    const { data } = await installed().rest.checks.create(run);
    expect(data).toMatchObject({ app: { slug: "errand" }, pull_requests: [{ number: pull.number }] });
    await bench.news();
    expect(bench.github.actionsOf("acme/sample", data.id)).toEqual(actions);
    const press = (identifier: string) =>
      bench.github.pressAction({ repository: "acme/sample", checkRun: data.id, identifier, login: "ada" });
    expect([(await press("stop")).ok, (await press("other")).ok]).toEqual([true, false]);
    const [pressed] = await bench.news();
    expect(pressed?.payload).toMatchObject({
      action: "requested_action",
      requested_action: { identifier: "stop" },
      check_run: { id: data.id },
      sender: { login: "ada" },
    });
    await installed().rest.checks.update({
      ...SAMPLE,
      check_run_id: data.id,
      conclusion: "neutral",
      output: { title: "Done", summary: "x" },
    });
    expect(await names()).toEqual(["check_run.completed", "check_suite.completed"]);
    const long = { ...SAMPLE, check_run_id: data.id, output: { title: "x", summary: "x".repeat(65_536) } };
    expect(await statusOf(installed().rest.checks.update(long))).toBe(422);
    expect(await statusOf(bench.as("ada").rest.checks.create(run))).toBe(403);
  });
});

test("files of the default branch are read from the real repository", async () => {
  await bench.github.push({ branch: "main", files: { ".github/errand.yml": "checks: off\n" }, message: "Configure" });
  const { data } = await installed().rest.repos.getContent({ ...SAMPLE, path: ".github/errand.yml" });
  expect(data).toMatchObject({ type: "file", encoding: "base64", content: Buffer.from("checks: off\n").toString("base64") });
  expect(await statusOf(installed().rest.repos.getContent({ ...SAMPLE, path: ".github/nothing.yml" }))).toBe(404);
  const raw = await installed().rest.repos.getContent({ ...SAMPLE, path: ".github/errand.yml", mediaType: { format: "raw" } });
  expect(raw.data).toBe("checks: off\n");
  const folder = await installed().rest.repos.getContent({ ...SAMPLE, path: ".github" });
  expect(folder.data).toMatchObject([{ name: "errand.yml", type: "file" }]);
  const id = bench.github.repositoryId("acme/sample");
  expect((await installed().request("GET /repositories/{id}", { id })).data).toMatchObject({
    full_name: "acme/sample",
    clone_url: bench.git.cloneUrl("acme/sample"),
  });
});
