/** What reaches the server, with the real git: commits, names, pushes, and what goes wrong on the way. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RunnerEvent } from "../protocol/events.ts";
import { prepareWorkspace } from "./git.ts";
import { gitIn } from "./git-run.ts";
import type { Prompt } from "./journal.ts";
import { type Outcome, openPublisher, type PublisherOptions } from "./publisher.ts";

const ada = { name: "Ada", email: "1+ada@users.noreply.github.com" };
const bot = { name: "errand[bot]", email: "2+errand[bot]@users.noreply.github.com" };
const TRAILER = `Co-authored-by: ${bot.name} <${bot.email}>`;
const prompt: Prompt = { do: "prompt", turn: 1, text: "Greet\nplease", system: "", model: "m", author: ada, committer: bot };

describe("publishing", () => {
  let root = "";
  let origin = "";
  let workspace = "";
  let events: RunnerEvent[] = [];
  const over = new AbortController();
  const run = (folder: string, ...args: string[]) =>
    execFileSync("git", args, {
      cwd: folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env.PATH, HOME: root },
    }).trim();
  const git = (...args: string[]) => run(workspace, ...args);
  const onServer = (branch: string) => run(origin, "rev-parse", `refs/heads/${branch}`);
  const write = (name: string, text: string) => writeFileSync(join(workspace, name), text);
  const told = <T extends RunnerEvent["type"]>(type: T) =>
    events.filter((event): event is Extract<RunnerEvent, { type: T }> => event.type === type);

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "errand-publish-"));
    origin = join(root, "origin.git");
    workspace = join(root, "work");
    events = [];
    run(root, "init", "-q", "--bare", "-b", "main", origin);
    somebody("main", { "a.txt": "one\ntwo\nthree\n", ".gitignore": "ignored\n" });
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** Somebody else pushes files to a branch. */
  function somebody(branch: string, files: Record<string, string>): string {
    const folder = join(root, "somebody");
    run(root, "clone", "-q", origin, folder);
    const there = run(folder, "branch", "-r", "--list", `origin/${branch}`) !== "";
    run(folder, "checkout", "-q", ...(there ? [branch] : ["-B", branch]));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    run(folder, "add", ".");
    run(folder, "-c", "user.name=Bob", "-c", "user.email=bob@x", "commit", "-q", "-m", "By somebody");
    run(folder, "push", "-q", "origin", branch);
    const commit = run(folder, "rev-parse", "HEAD");
    rmSync(folder, { recursive: true });
    return commit;
  }

  /** A workspace on a branch, and its publisher. */
  async function begin(branch = "errand/x", more: Partial<PublisherOptions> = {}) {
    const wish = {
      workspace,
      home: root,
      repository: origin,
      base: null,
      branch,
      head: null,
      distrusted: false,
      helper: null,
      signal: over.signal,
    };
    expect(await prepareWorkspace(wish)).toMatchObject({ ok: true });
    const publisher = openPublisher({
      ...{ git: gitIn({ home: root, signal: over.signal }, workspace), workspace, repository: origin, branch, publish: true, told: null },
      ...{ emit: (event) => events.push(event), now: () => 1, log: (line) => expect(line).toBe(""), signal: over.signal },
      wait: (ms) => new Promise((done) => setTimeout(done, ms).unref()),
      ...more,
    });
    await publisher.begin(prompt);
    return publisher;
  }
  async function end(publisher: Awaited<ReturnType<typeof begin>>, outcome: Outcome = "done", request: string | null = prompt.text) {
    const { committed, pushed } = publisher.end(1, outcome, request);
    await committed;
    await pushed;
  }

  it("commits what is left in the requester's name, and pushes it once", async () => {
    const publisher = await begin();
    write("a.txt", "one\nchanged\n");
    mkdirSync(join(workspace, "über", "node_modules"), { recursive: true });
    write("über/neu.txt", "new");
    write("über/node_modules/x.js", "installed");
    write("ignored", "x");
    write("big.bin", "");
    truncateSync(join(workspace, "big.bin"), 60 * 1024 * 1024);
    run(root, "init", "-q", join(workspace, "nested"));
    write("nested/x", "x");
    await end(publisher);
    const commit = git("rev-parse", "HEAD");
    expect(git("log", "-1", "--format=%an|%ae|%cn|%ce|%B")).toBe(`${ada.name}|${ada.email}|${bot.name}|${bot.email}|Greet\n\n${TRAILER}`);
    expect(git("-c", "core.quotePath=false", "show", "--format=", "--name-only", "HEAD").split("\n")).toEqual(["a.txt", "über/neu.txt"]);
    expect(onServer("errand/x")).toBe(commit);
    expect(told("branch.pushed")).toEqual([{ type: "branch.pushed", at: 1, turn: 1, branch: "errand/x", commit, commits: 1 }]);
    expect(told("turn.notice")).toMatchObject([
      { code: "not_committed", message: expect.stringMatching(/`big\.bin`, larger than 50 MB; `nested\/`/) },
    ]);
    await end(publisher);
    expect(told("branch.pushed")).toHaveLength(1);
  });

  it("changes nothing where nothing was done, where the turn was stopped, and where it may not", async () => {
    const publisher = await begin();
    await end(publisher);
    write("a.txt", "changed\n");
    await end(publisher, "stopped");
    await end(publisher, "failed");
    expect(events).toEqual([]);
    expect(git("status", "--porcelain")).toBe("M a.txt");
    await end(await begin("errand/x", { publish: false }));
    expect(git("status", "--porcelain")).toBe("M a.txt");
    expect(run(origin, "branch", "--list", "errand/*")).toBe("");
  });

  it("pushes what the agent committed before it was stopped, and leaves the rest as it is", async () => {
    const publisher = await begin();
    write("a.txt", "1\n");
    git("commit", "-q", "-am", "First");
    write("a.txt", "half\n");
    await end(publisher, "stopped");
    expect(onServer("errand/x")).toBe(git("rev-parse", "HEAD"));
    expect(git("status", "--porcelain")).toBe("M a.txt");
  });

  it("names the co-author once in the agent's own commits, and leaves those of others and the repository's hook alone", async () => {
    await begin();
    write("a.txt", "1\n");
    git("commit", "-q", "-am", "By the agent");
    git("commit", "-q", "--amend", "--no-edit");
    expect(git("log", "-1", "--format=%an|%cn|%B")).toBe(`Ada|errand[bot]|By the agent\n\n${TRAILER}`);
    const theirs = somebody("other", { "b.txt": "b\n" });
    git("fetch", "-q");
    git("cherry-pick", theirs);
    expect(git("log", "-1", "--format=%an|%B")).toBe("Bob|By somebody");
    const hook = join(workspace, ".git", "hooks", "prepare-commit-msg");
    writeFileSync(hook, '#!/bin/sh\necho own >> "$1"\n', { mode: 0o755 });
    await begin();
    expect(readFileSync(hook, "utf8")).toContain("echo own");
    write("a.txt", "2\n");
    git("commit", "-q", "-am", "With a hook");
    expect(git("log", "-1", "--format=%B")).toBe("With a hook\nown");
  });

  it("pushes soon after a command, and again what the agent rewrote of it", async () => {
    const publisher = await begin();
    write("a.txt", "1\n");
    git("commit", "-q", "-am", "First");
    publisher.poke(1);
    await expect.poll(() => told("branch.pushed").length, { timeout: 8_000 }).toBe(1);
    git("commit", "-q", "--amend", "-m", "Better said");
    await end(publisher);
    expect(onServer("errand/x")).toBe(git("rev-parse", "HEAD"));
    expect(told("branch.pushed")).toMatchObject([{ commits: 1 }, { commits: 1 }]);
  });

  it("takes over what somebody pushed meanwhile", async () => {
    const publisher = await begin();
    write("mine.txt", "mine\n");
    await end(publisher);
    const theirs = somebody("errand/x", { "b.txt": "b\n" });
    write("mine.txt", "more\n");
    await end(publisher);
    expect(git("rev-parse", "HEAD~1")).toBe(theirs);
    expect(onServer("errand/x")).toBe(git("rev-parse", "HEAD"));
    expect(git("log", "-1", "--format=%an|%cn|%B")).toBe(`Ada|errand[bot]|Greet\n\n${TRAILER}`);
    expect(told("branch.pushed")).toMatchObject([{ commits: 1 }, { commits: 3 }]);
  });

  it("leaves the workspace as it was and says what conflicts, also where the agent rewrote its commits", async () => {
    const publisher = await begin();
    write("a.txt", "mine\n");
    await end(publisher);
    const theirs = somebody("errand/x", { "a.txt": "theirs\n" });
    git("commit", "-q", "--amend", "-m", "Rewritten");
    write("a.txt", "mine again\n");
    await end(publisher);
    expect(told("push.failed")).toMatchObject([{ failure: { code: "push_conflict", message: expect.stringContaining("`a.txt`") } }]);
    expect(onServer("errand/x")).toBe(theirs);
    expect(readFileSync(join(workspace, "a.txt"), "utf8")).toBe("mine again\n");
    expect(git("status", "--porcelain=v2", "--branch")).toContain("branch.head errand/x");
    for (const state of ["rebase-merge", "MERGE_HEAD"]) expect(existsSync(join(workspace, ".git", state))).toBe(false);
  });

  it("merges where there are merges, and never rewrites a branch that is not errand's", async () => {
    somebody("feature", { "f.txt": "f\n" });
    const publisher = await begin("feature");
    write("mine.txt", "1\n");
    git("commit", "-q", "-am", "nothing", "--allow-empty");
    git("push", "-q", "origin", "HEAD:feature");
    await end(publisher);
    expect(told("branch.pushed")).toMatchObject([{ commit: git("rev-parse", "HEAD"), commits: 2 }]);
    const before = onServer("feature");
    git("commit", "-q", "--amend", "--allow-empty", "-m", "rewritten");
    somebody("main", { "m.txt": "m\n" });
    git("fetch", "-q", "origin");
    git("merge", "-q", "--no-edit", "origin/main");
    await end(publisher);
    expect(told("push.failed")).toEqual([]);
    run(origin, "merge-base", "--is-ancestor", before, "feature");
    expect(onServer("feature")).toBe(git("rev-parse", "HEAD"));
  });

  it("brings what was done on a branch of the agent's own, and says what it does not bring", async () => {
    const publisher = await begin();
    git("checkout", "-q", "-b", "idea");
    write("a.txt", "idea\n");
    await end(publisher);
    expect(onServer("errand/x")).toBe(git("rev-parse", "idea"));
    expect(told("turn.notice")).toMatchObject([{ code: "pushed_from", message: expect.stringContaining("the branch `idea`") }]);
    git("checkout", "-q", "--orphan", "away");
    git("commit", "-q", "-m", "Away");
    write("a.txt", "not committed\n");
    await end(publisher);
    await end(publisher, "failed");
    expect(told("turn.notice").slice(1)).toMatchObject([
      { code: "not_committed", message: expect.stringContaining("on the branch `away`") },
      { code: "not_pushed", message: expect.stringMatching(/Commits on the branch `(away|idea)`/) },
    ]);
    expect(told("branch.pushed")).toHaveLength(1);
  });

  it("does not take a branch that was only looked at for the session's work", async () => {
    const publisher = await begin();
    somebody("main", { "later.txt": "x\n" });
    git("fetch", "-q");
    git("checkout", "-q", "-B", "main", "origin/main");
    await end(publisher);
    expect(events).toEqual([]);
    expect(run(origin, "branch", "--list", "errand/*")).toBe("");
  });

  it("goes on where another process left off between commit, push and telling", async () => {
    await begin();
    write("a.txt", "1\n");
    git("commit", "-q", "-am", "Committed, then the process died");
    await end(await begin(), "done", null);
    const commit = git("rev-parse", "HEAD");
    expect(onServer("errand/x")).toBe(commit);
    expect(told("branch.pushed")).toHaveLength(1);
    // It died before that was heard; then after.
    await end(await begin(), "done", null);
    expect(told("branch.pushed")).toMatchObject([{ commit }, { commit }]);
    await end(await begin("errand/x", { told: commit }), "done", null);
    expect(told("branch.pushed")).toHaveLength(2);
  });

  it("does not tell of what an earlier sandbox pushed", async () => {
    somebody("errand/x", { "b.txt": "b\n" });
    await end(await begin());
    expect(events).toEqual([]);
  });

  it.each([
    ["is protected", "echo 'error: GH006: Protected branch update failed for refs/heads/errand/x.' >&2; exit 1", "push_protected"],
    ["says something of its own", "echo 'Only on Mondays.' >&2; exit 1", "push_refused"],
  ])("says why, where the branch %s", async (_name, script, code) => {
    writeFileSync(join(origin, "hooks", "update"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const publisher = await begin();
    write("a.txt", "1\n");
    await end(publisher);
    expect(told("push.failed")).toMatchObject([{ failure: { code, action: expect.any(String) } }]);
    expect(told("branch.pushed")).toEqual([]);
    expect(git("log", "-1", "--format=%s")).toBe("Greet");
  });

  it("runs no hook of the repository in its own calls", async () => {
    const publisher = await begin();
    for (const name of ["pre-commit", "pre-push", "commit-msg", "reference-transaction"])
      writeFileSync(join(workspace, ".git", "hooks", name), `#!/bin/sh\ntouch ${join(root, "ran")}\nexit 1\n`, { mode: 0o755 });
    write("a.txt", "1\n");
    await end(publisher);
    expect(told("branch.pushed")).toHaveLength(1);
    expect(existsSync(join(root, "ran"))).toBe(false);
  });

  it("begins the session's next branch in the workspace that is there", async () => {
    const first = await begin();
    write("a.txt", "1\n");
    await end(first);
    const main = somebody("main", { "merged.txt": "x\n" });
    const second = await begin("errand/x-2");
    expect(git("rev-parse", "HEAD")).toBe(main);
    write("c.txt", "2\n");
    await end(second);
    expect(told("branch.pushed")).toMatchObject([{ branch: "errand/x" }, { branch: "errand/x-2", commits: 1 }]);
    expect(git("rev-parse", "HEAD~1")).toBe(main);
  });
});
