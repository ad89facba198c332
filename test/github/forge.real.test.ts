/** The forge against the local GitHub: the real client, the real `emulate` with its corrections, and real git. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Credential, Forge } from "../../bots/forge.ts";
import type { GitHubAccess } from "../../bots/github/client.ts";
import { gitHubForge } from "../../bots/github/forge.ts";
import type { Links } from "../../bots/surface.ts";
import type { AgentEvent, Pull, RunnerEvent } from "../../protocol/events.ts";
import { apply, emptyView, type View } from "../../protocol/view.ts";
import { type GitHost, startGitHost } from "../world/git-host.ts";
import { type GitHub, startGitHub } from "../world/github/start.ts";

const run = promisify(execFile);
const links: Links = { session: "https://errand.test/s/abc", vscode: "", desktop: "", terminal: "", preview: "" };
const SAMPLE = "acme/sample";

let folder: string;
let git: GitHost;
let github: GitHub;
let access: GitHubAccess;
let forge: Forge;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "errand-forge-"));
  git = await startGitHost({ port: 0, dataDir: join(folder, "git") });
  github = await startGitHub({ dataDir: null, webUrl: "http://127.0.0.1:1/github", webhookUrl: null, webhookSecret: "secret", git });
  const { appId, slug, privateKey, apiUrl } = github;
  access = { appId, slug, privateKey, apiUrl, webUrl: git.url };
  forge = gitHubForge(access);
});
afterEach(() => github.faults.clear());
afterAll(async () => {
  await github.stop();
  await git.stop();
  await rm(folder, { recursive: true, force: true });
});

/** The view of a session of that thread that works on a branch; each answer is a turn that pushed and ended well. */
function viewOf(branch: string, answers: string[], thread = "slack:T1:C1:1.1"): View {
  const who = { id: "github:1", name: "ada" };
  const events: (AgentEvent | RunnerEvent)[] = [
    { type: "session.created", version: 2, at: 1, id: "abc", thread, who, repository: SAMPLE, branch, model: "m" },
    { type: "git.ready", at: 1, branch, base: "main", commit: "c0ffee" },
    ...answers.flatMap((text, index): (AgentEvent | RunnerEvent)[] => [
      { type: "turn.queued", at: 2, turn: index + 1, who, text: "add the option", options: {}, contentKey: `k${index}` },
      { type: "turn.started", at: 3, turn: index + 1 },
      { type: "text.done", at: 4, turn: index + 1, part: "a", text },
      { type: "branch.pushed", at: 5, turn: index + 1, branch, commit: "c0ffee", commits: 1 },
      { type: "turn.finished", at: 6, turn: index + 1, outcome: "done" },
    ]),
  ];
  return events.reduce((view, event, index) => apply(view, { n: index + 1, event }), emptyView());
}

async function pushed(branch: string): Promise<string> {
  const done = await github.push({ branch, files: { [`${branch.replaceAll("/", "-")}.txt`]: "one\ntwo\n" }, message: "work", by: "ada" });
  if (!done.ok) throw new Error(done.error);
  return done.sha;
}

async function opened(branch: string, view: View): Promise<Pull> {
  await pushed(branch);
  const result = await forge.openPull(SAMPLE, view, links);
  if (result.kind !== "pull") throw new Error(JSON.stringify(result));
  return result.pull;
}

const bodyOf = async (number: number) => String((await github.call("ada", "GET", `/repos/${SAMPLE}/pulls/${number}`)).body.body);

describe("the App on its repositories", () => {
  it("knows its repositories by their clone addresses", () => {
    expect(forge.repositoryOf(`${git.url}/${SAMPLE}.git`)).toBe(SAMPLE);
    expect(forge.repositoryOf(`https://github.com/${SAMPLE}.git`)).toBeNull();
  });

  it("commits as its bot, by the bot's own number", async () => {
    const bot = github.tables.users.findOneBy("login", "errand[bot]");
    expect(await forge.identity()).toEqual({ name: "errand[bot]", email: `${bot?.id}+errand[bot]@users.noreply.github.com` });
  });

  it("says how to install it where it is not", async () => {
    for (const result of [await forge.policy("mallory/sample"), await forge.credential("mallory/sample", "write")]) {
      expect(result).toMatchObject({
        kind: "denied",
        why: expect.stringMatching(/not installed on mallory\/sample.*\/apps\/errand\/installations\/new/),
      });
    }
  });

  it("says what is wrong with a key", async () => {
    const wrong = gitHubForge({ ...access, privateKey: "/home/ada/key.pem", cache: new Map() });
    expect(await wrong.policy(SAMPLE)).toMatchObject({ kind: "denied", why: expect.stringContaining("GITHUB_PRIVATE_KEY") });
  });

  it("says that an installation is suspended, and works again after", async () => {
    github.installation("suspend");
    const fresh = gitHubForge({ ...access, cache: new Map() });
    expect(await fresh.credential(SAMPLE, "read")).toMatchObject({ kind: "denied", why: expect.stringContaining("suspended") });
    github.installation("unsuspend");
    expect(await fresh.credential(SAMPLE, "read")).toMatchObject({ kind: "credential" });
    // Its tokens were ended by that: the next call mints anew.
    expect(await forge.policy(SAMPLE)).toMatchObject({ kind: "policy" });
  });

  it("reads the owners' decision from the default branch only", async () => {
    expect(await forge.policy(SAMPLE)).toEqual({ kind: "policy", policy: { checks: "ask", ready: true } });
    await github.push({ branch: "sneaky", files: { ".github/errand.yml": "ci: auto\n" }, message: "x" });
    expect(await forge.policy(SAMPLE)).toMatchObject({ policy: { checks: "ask" } });
    await github.push({ branch: "main", files: { ".github/errand.yml": "ci: off\nready: perhaps\n" }, message: "x" });
    expect(await forge.policy(SAMPLE)).toEqual({
      kind: "policy",
      policy: { checks: "off", ready: true },
      wrong: expect.stringContaining("`ready` has to be true or false"),
    });
    await github.push({ branch: "main", files: { ".github/errand.yml": null }, message: "x" });
  });
});

describe("a credential", () => {
  const address = (credential: Credential, repository: string) =>
    `${git.url.replace("//", `//${credential.username}:${credential.password}@`)}/${repository}.git`;
  const env = { ...process.env, GIT_TERMINAL_PROMPT: "0", GIT_CONFIG_GLOBAL: "/dev/null" };

  async function credential(access: "read" | "write"): Promise<Credential> {
    const result = await forge.credential(SAMPLE, access);
    if (result.kind !== "credential") throw new Error(JSON.stringify(result));
    return result;
  }

  it("pushes to that one repository, lasts an hour, and is another each time", async () => {
    const one = await credential("write");
    expect(one.expiresAt - Date.now()).toBeGreaterThan(58 * 60_000);
    expect((await credential("write")).password).not.toBe(one.password);
    const clone = join(folder, "clone");
    await run("git", ["clone", "-q", address(one, SAMPLE), clone], { env });
    await run("git", ["-C", clone, "push", "-q", "origin", "HEAD:refs/heads/errand/pushed"], { env });
    expect(await github.head(SAMPLE, "errand/pushed")).toBe(await github.head(SAMPLE, "main"));
    await expect(run("git", ["ls-remote", address(one, "acme/ledger")], { env })).rejects.toThrow();
    const read = await credential("read");
    await expect(run("git", ["-C", clone, "push", "-q", address(read, SAMPLE), "HEAD:refs/heads/errand/no"], { env })).rejects.toThrow();
  });
});

describe("a credential for a repository that is known by its number", () => {
  it("is for that one, whatever has its name by now", async () => {
    const env = { ...process.env, GIT_TERMINAL_PROMPT: "0", GIT_CONFIG_GLOBAL: "/dev/null" };
    const reads = async (id: number): Promise<boolean> => {
      const found = await forge.credential(SAMPLE, "write", id);
      if (found.kind !== "credential") throw new Error(JSON.stringify(found));
      const address = `${git.url.replace("//", `//${found.username}:${found.password}@`)}/${SAMPLE}.git`;
      return run("git", ["push", "--dry-run", address, "HEAD:refs/heads/errand/number"], { env, cwd: join(folder, "clone") }).then(
        () => true,
        () => false,
      );
    };
    expect(await reads(github.repositoryId(SAMPLE))).toBe(true);
    expect(await reads(github.repositoryId("acme/ledger"))).toBe(false);
  });
});

describe("a pull request", () => {
  it("is opened as a draft once, with the issue, the requester and the template, and kept current", async () => {
    await github.push({ branch: "main", files: { ".github/Pull_Request_Template.md": "## Checklist\n- [ ] tests\n" }, message: "x" });
    const thread = `github:${github.repositoryId(SAMPLE)}:1`;
    const branch = "errand/1-characters-abc";
    const view = viewOf(branch, ["Added `--characters`."], thread);
    const commit = await pushed(branch);
    const result = await forge.openPull(SAMPLE, view, links);
    if (result.kind !== "pull") throw new Error(JSON.stringify(result));
    const { pull } = result;
    expect(JSON.parse(result.native)).toEqual({ installation: github.installationId, repository: SAMPLE, private: false });
    expect(pull).toMatchObject({
      repository: SAMPLE,
      thread: `github:${github.repositoryId(SAMPLE)}:${pull.number}`,
      title: "Add a --characters option",
      state: "draft",
      branch,
      base: "main",
      commit,
      additions: 2,
      deletions: 0,
      files: 1,
      checks: { state: "none", failing: [] },
      own: true,
    });
    const body = await bodyOf(pull.number);
    expect(body).toContain(
      `Fixes #1 · Asked for by [ada](${git.url}/ada) · [How it came about](https://errand.test/s/abc)\n\nAdded \`--characters\`.`,
    );
    expect(body).toMatch(/<!-- errand:end -->\n\n## Checklist\n- \[ \] tests$/);

    expect(await forge.openPull(SAMPLE, view, links)).toMatchObject({ kind: "pull", pull: { number: pull.number } });

    // A person fills in the template and writes a title; only errand's own part follows.
    const path = `/repos/${SAMPLE}/pulls/${pull.number}`;
    await github.call("grace", "PATCH", path, { title: "By hand", body: body.replace("- [ ] tests", "- [x] tests") });
    const two = viewOf(branch, ["Added `--characters`.", "Added it to the README."], thread);
    expect(await forge.describe(SAMPLE, pull.number, two, links, false)).toEqual({ kind: "done" });
    const writes = () => github.faults.callsOf(`PATCH ${path}`).length;
    expect(writes()).toBe(1);
    const later = await bodyOf(pull.number);
    expect(later).toContain("Added it to the README.");
    expect(later).toMatch(/- \[x\] tests$/);
    expect(await forge.look(SAMPLE, pull.number)).toMatchObject({ pull: { title: "By hand", state: "draft" } });
    await forge.describe(SAMPLE, pull.number, two, links, false);
    expect(writes()).toBe(1);

    // It is marked as ready once; who makes it a draft again has the last word.
    await forge.describe(SAMPLE, pull.number, two, links, true);
    expect(await forge.look(SAMPLE, pull.number)).toMatchObject({ pull: { state: "open" } });
    const id = github.tables.pullRequests.all().find((one) => one.number === pull.number)?.node_id;
    const query = "mutation ($id: ID!) { convertPullRequestToDraft(input: { pullRequestId: $id }) { pullRequest { isDraft } } }";
    await github.call("ada", "POST", "/graphql", { query, variables: { id } });
    expect(await forge.look(SAMPLE, pull.number)).toMatchObject({ pull: { state: "draft" } });
    await forge.describe(SAMPLE, pull.number, two, links, true);
    expect(await forge.look(SAMPLE, pull.number)).toMatchObject({ pull: { state: "draft" } });

    await github.call("ada", "PATCH", path, { state: "closed" });
    expect(await forge.look(SAMPLE, pull.number)).toMatchObject({ pull: { state: "closed" } });
    const before = await bodyOf(pull.number);
    expect(await forge.describe(SAMPLE, pull.number, view, links, true)).toEqual({ kind: "done" });
    expect(await bodyOf(pull.number)).toBe(before);
  });

  it("is none where there is nothing to merge", async () => {
    const main = await github.head(SAMPLE, "main");
    await github.call("ada", "POST", `/repos/${SAMPLE}/git/refs`, { ref: "refs/heads/errand/empty", sha: main });
    expect(await forge.openPull(SAMPLE, viewOf("errand/empty", ["Nothing."]), links)).toEqual({ kind: "nothing" });
    expect(await forge.openPull(SAMPLE, viewOf("errand/deleted", ["Nothing."]), links)).toEqual({ kind: "nothing" });
    expect(await forge.openPull(SAMPLE, viewOf("main", ["Nothing."]), links)).toEqual({ kind: "nothing" });
  });

  it("is no draft where the plan has none", async () => {
    const branch = "errand/free-plan";
    await pushed(branch);
    github.faults.next(`POST /repos/${SAMPLE}/pulls`, {
      kind: "status",
      status: 422,
      message: "Draft pull requests are not supported in this repository.",
    });
    expect(await forge.openPull(SAMPLE, viewOf(branch, ["Done."]), links)).toMatchObject({
      pull: { state: "open", title: "add the option" },
    });
  });

  it("is found again after its answer was lost", async () => {
    const branch = "errand/lost";
    await pushed(branch);
    github.faults.next(`POST /repos/${SAMPLE}/pulls`, { kind: "lost reply" });
    expect(await forge.openPull(SAMPLE, viewOf(branch, ["Done."]), links)).toMatchObject({ kind: "failed" });
    expect(await forge.openPull(SAMPLE, viewOf(branch, ["Done."]), links)).toMatchObject({ kind: "pull", pull: { branch } });
    expect(github.tables.pullRequests.all().filter((one) => one.head_ref === branch)).toHaveLength(1);
  });

  it("that a person opened stays theirs", async () => {
    const branch = "errand/theirs";
    await pushed(branch);
    const made = await github.call("grace", "POST", `/repos/${SAMPLE}/pulls`, {
      title: "Mine",
      body: "My words",
      head: branch,
      base: "main",
      draft: true,
    });
    const result = await forge.openPull(SAMPLE, viewOf(branch, ["Done."]), links);
    expect(result).toMatchObject({ kind: "pull", pull: { number: made.body.number, own: false, state: "draft" } });
    await forge.describe(SAMPLE, Number(made.body.number), viewOf(branch, ["Done."]), links, true);
    expect(await forge.look(SAMPLE, Number(made.body.number))).toMatchObject({ pull: { title: "Mine", state: "draft" } });
    expect(await bodyOf(Number(made.body.number))).toBe("My words");
  });

  it("of an outsider for errand's branch is not errand's, whatever marks it has, and does not choose where the work goes", async () => {
    const branch = "errand/raced";
    await pushed("release");
    await pushed(branch);
    const body = "<!-- errand:begin -->\n<!-- errand:title=Raced -->\n<!-- errand:end -->";
    const open = (base: string) =>
      github.call("mallory", "POST", `/repos/${SAMPLE}/pulls`, { title: "Raced", body, head: branch, base, draft: true });
    expect((await open("release")).status).toBe(201);
    const view = viewOf(branch, ["Done."]);
    const ours = await forge.openPull(SAMPLE, view, links);
    expect(ours).toMatchObject({ kind: "pull", pull: { own: true, base: "main" } });
    await pushed("errand/marked");
    const theirs = Number(
      (await github.call("mallory", "POST", `/repos/${SAMPLE}/pulls`, { title: "Raced", body, head: "errand/marked", base: "main" })).body
        .number,
    );
    expect(await forge.openPull(SAMPLE, viewOf("errand/marked", ["Done."]), links)).toMatchObject({ pull: { number: theirs, own: false } });
    await forge.describe(SAMPLE, theirs, viewOf("errand/marked", ["Done."]), links, true);
    expect(await bodyOf(theirs)).toBe(body);
  });

  it("waits as long as GitHub says, and does not go on without an answer", async () => {
    const pull = await opened("errand/limits", viewOf("errand/limits", ["Done."]));
    const path = `/repos/${SAMPLE}/pulls/${pull.number}`;
    github.faults.next(`GET ${path}`, { kind: "secondary limit", retryAfterSeconds: 33 });
    expect(await forge.look(SAMPLE, pull.number)).toMatchObject({ kind: "wait", ms: 33_000 });
    github.faults.next(`GET ${path}`, { kind: "primary limit", resetSeconds: 90 });
    const limited = await forge.look(SAMPLE, pull.number);
    expect(limited.kind === "wait" && limited.ms).toBeGreaterThan(85_000);
    github.faults.next(`GET ${path}`, { kind: "status", status: 502 });
    expect(await forge.look(SAMPLE, pull.number)).toMatchObject({ kind: "wait" });
    github.faults.next(`PATCH ${path}`, { kind: "hang" });
    const impatient = gitHubForge({ ...access, timeoutMs: 500 });
    const more = viewOf("errand/limits", ["Done.", "More."]);
    expect(await impatient.describe(SAMPLE, pull.number, more, links, false)).toMatchObject({
      kind: "failed",
      why: expect.stringContaining("timed out"),
    });
    expect(await forge.look(SAMPLE, 9_999)).toMatchObject({ kind: "denied" });
  });

  it("goes on after its tokens ended early", async () => {
    const pull = await opened("errand/expired", viewOf("errand/expired", ["Done."]));
    github.expireTokens();
    expect(await forge.look(SAMPLE, pull.number)).toMatchObject({ kind: "pull" });
  });

  it("is merged, which is a value", async () => {
    const pull = await opened("errand/merged", viewOf("errand/merged", ["Done."]));
    await forge.describe(SAMPLE, pull.number, viewOf("errand/merged", ["Done."]), links, true);
    expect((await github.call("ada", "PUT", `/repos/${SAMPLE}/pulls/${pull.number}/merge`, {})).status).toBe(200);
    expect(await forge.look(SAMPLE, pull.number)).toMatchObject({ pull: { state: "merged" } });
  });
});

describe("checks", () => {
  it("are told as they are, and what failed says why", async () => {
    const branch = "errand/checks";
    const pull = await opened(branch, viewOf(branch, ["Done."]));
    const sha = pull.commit;
    expect(await github.check({ sha, name: "lint", conclusion: "success" })).toMatchObject({ ok: true });
    expect(await forge.look(SAMPLE, pull.number)).toMatchObject({ pull: { checks: { state: "passing", failing: [] } } });

    const secret = `ghs_${"a1".repeat(20)}`;
    const log = [
      "2026-11-23T04:05:06.1234567Z ##[group]Run npm test",
      `2026-11-23T04:05:07.1234567Z \u001b[31mnot ok 3\u001b[0m - counts ${secret}`,
      "2026-11-23T04:05:08.1234567Z ##[error]Process completed with exit code 1.",
    ].join("\n");
    await github.check({ sha, name: "test (20)", conclusion: "failure", log });
    await github.check({ sha, name: "review", conclusion: "failure", app: "ci", summary: "Too long." });
    await github.call("ada", "POST", `/repos/${SAMPLE}/statuses/${sha}`, { state: "error", context: "deploy", description: "No room." });
    const seen = await forge.look(SAMPLE, pull.number);
    if (seen.kind !== "pull") throw new Error(JSON.stringify(seen));
    expect(seen.pull.checks.state).toBe("failing");
    expect(seen.pull.checks.failing.map(({ name }) => name).sort()).toEqual(["deploy", "review", "test (20)"]);

    const read = await forge.failures(SAMPLE, sha);
    if (read.kind !== "failures") throw new Error(JSON.stringify(read));
    const said = Object.fromEntries(read.failing.map(({ name, log: words }) => [name, words]));
    expect(said["test (20)"]).toContain("Run npm test\nnot ok 3 - counts [redacted]\nError: Process completed with exit code 1.");
    expect(said.review).toContain("Too long.");
    expect(said.deploy).toBe("No room.");

    // The log may be gone by then; the check's other words are still of use.
    github.faults.next(`GET /repos/${SAMPLE}/actions/jobs/**`, { kind: "status", status: 410, message: "Gone" });
    const later = await forge.failures(SAMPLE, sha);
    expect(later).toMatchObject({
      kind: "failures",
      failing: expect.arrayContaining([expect.objectContaining({ log: expect.stringContaining("could not read its log (410)") })]),
    });
  });
});
