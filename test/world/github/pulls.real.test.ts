import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Bench, SAMPLE, startBench } from "./testing.ts";

let bench: Bench;
let token = "";
beforeAll(async () => {
  bench = await startBench();
  token = await bench.pushToken();
});
afterAll(() => bench.stop());
beforeEach(async () => void (await bench.news()));

const installed = () => bench.asApp(bench.github.installationId);
const names = async () => (await bench.news()).map((one) => `${one.event}.${one.payload.action}`);

describe("a pull request", () => {
  test("has the numbers of the real repository, and gets the commits that are pushed", async () => {
    const at = await bench.work("growing");
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
    const pull = await bench.pull("errand/issue-too");
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
    const pull = await bench.pull("errand/merged", { draft: true, body: `Fixes #${issue.number}` });
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
    const first = await bench.pull("errand/left", { files: { "AGENTS.md": "left\n" } });
    const second = await bench.pull("errand/right", { files: { "AGENTS.md": "right\n" } });
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
    const at = await bench.work("to-fork");
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
