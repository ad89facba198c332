import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Bench, SAMPLE, startBench, statusOf } from "./testing.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.stop());
beforeEach(async () => void (await bench.news()));

const installed = () => bench.asApp(bench.github.installationId);
const names = async () => (await bench.news()).map((one) => `${one.event}.${one.payload.action}`);

describe("reviews", () => {
  test("tell of each comment and of the whole, with what stands there", async () => {
    const pull = await bench.pull("errand/reviewed", { files: { "AGENTS.md": "# New\n\nOne.\nTwo.\n" } });
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
    const pull = await bench.pull("errand/refused");
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
    const pull = await bench.pull("errand/checked");
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
    const pull = await bench.pull("errand/buttons");
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
