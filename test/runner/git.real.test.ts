/**
 * The way of a change to the server: real OpenCode, real git over smart HTTP behind sign-in, the real runner. The credential
 * comes by the runner's ask, and is nowhere afterwards.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RunnerAnswer } from "../../protocol/runner.ts";
import { type GitHost, startGitHost } from "../world/git-host.ts";
import type { Script } from "./model.ts";
import { setStage } from "./stage.ts";

/** In the form of GitHub's, which has dots, underscores and hyphens. */
const TOKEN = "ghs_1234567_eyJhbGciOiJSUzI1NiJ9.c2VjcmV0LXNlY3JldA.sig-na_ture";
const author = { name: "Ada Lovelace", email: "1+ada@users.noreply.github.com" };
const committer = { name: "errand[bot]", email: "2+errand[bot]@users.noreply.github.com" };
const EDIT: Script = [
  { calls: [{ name: "edit", args: { filePath: "README.md", oldString: "#", newString: "# More of" } }] },
  { text: "The readme says more." },
];

describe("a change on its way to the server", { timeout: 120_000 }, () => {
  let root = "";
  let host: GitHost;
  let stage: Awaited<ReturnType<typeof setStage>>;
  let answer: () => RunnerAnswer | null;
  const right = (): RunnerAnswer => ({ is: "credential", username: "x-access-token", password: TOKEN, expiresAt: Date.now() + 3_600_000 });
  const onServer = (...args: string[]) =>
    execFileSync("git", args, { cwd: host.pathOf("acme/sample"), encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), "errand-host-"));
    host = await startGitHost({ dataDir: root });
    host.attach({
      admit: ({ user, password }) =>
        user === "x-access-token" && password === TOKEN
          ? { kind: "admitted", login: committer.name, workflows: false }
          : { kind: "refused", status: 401, message: "Sign in." },
      pushed: async () => undefined,
      pageOf: () => null,
    });
    answer = right;
  });
  afterEach(async () => {
    await stage?.close();
    await host.stop();
    rmSync(root, { recursive: true, force: true });
  });

  async function set(scripts: Record<string, Script>): Promise<typeof stage> {
    stage = await setStage(scripts, host.cloneUrl("acme/sample"), () => answer());
    stage.startOpenCode();
    stage.startRunner({ publish: true });
    return stage;
  }

  it("is committed for the requester, pushed, told, and leaves no credential anywhere", async () => {
    const { peer, script } = await set({
      "#work": EDIT,
      "#own": [
        // In pieces, since OpenCode would ask a person before it runs what begins with `git push`.
        {
          calls: [
            { name: "bash", args: { command: "echo x > own.txt && git add . && git commit -qm 'Say why' && env git push -q origin HEAD" } },
          ],
        },
        { calls: [{ name: "bash", args: { command: "git credential-cache exit; env; git config --list --show-origin; git remote -v" } }] },
        { text: "Pushed." },
      ],
    });
    stage.prompt(1, "Say more in the readme #work", { author, committer, context: "<data>The issue says: more!</data>" });
    expect(await peer.finished(1)).toMatchObject({ outcome: "done" });
    const pushed = peer.of("branch.pushed", 1);
    expect(pushed).toMatchObject([{ branch: "errand/session1", commits: 1, commit: onServer("rev-parse", "errand/session1") }]);
    expect(peer.events.findIndex((event) => event.type === "branch.pushed")).toBeLessThan(
      peer.events.findIndex((event) => event.type === "turn.finished"),
    );
    expect(onServer("log", "-1", "--format=%an|%ae|%cn|%ce|%B", "errand/session1")).toBe(
      `${author.name}|${author.email}|${committer.name}|${committer.email}|Say more in the readme #work\n\nCo-authored-by: ${committer.name} <${committer.email}>`,
    );
    expect(peer.of("files.changed", 1).at(-1)).toMatchObject({ total: 1, files: [{ path: "README.md", status: "modified" }] });
    expect(peer.asks).toContainEqual({ what: "credential", url: host.cloneUrl("acme/sample") });
    expect(script.prompts.at(-1)).toContain("<data>The issue says: more!</data>");

    stage.prompt(2, "Push it yourself #own", { author, committer });
    expect(await peer.finished(2)).toMatchObject({ outcome: "done" });
    expect(peer.of("branch.pushed", 2)).toMatchObject([{ commits: 2, commit: onServer("rev-parse", "errand/session1") }]);
    expect(onServer("log", "-1", "--format=%an|%cn|%B", "errand/session1")).toBe(
      `${author.name}|${committer.name}|Say why\n\nCo-authored-by: ${committer.name} <${committer.email}>`,
    );
    expect(peer.of("push.failed")).toEqual([]);
    expect(peer.faults).toEqual([]);

    // The search sees what is there, git's configuration too.
    expect(filesWith(stage.root, author.email)).toContain(join(stage.workspace, ".git", "config"));
    expect(filesWith(stage.root, TOKEN)).toEqual([]);
    expect(processesWith(TOKEN)).toEqual([]);
    expect(JSON.stringify(peer.events)).not.toContain(TOKEN);
    expect(stage.logged.join("")).not.toContain(TOKEN);
  });

  it("says in words why the sign-in was refused, to the agent too, and pushes with the next turn", async () => {
    const { peer } = await set({
      "#work": EDIT,
      "#look": [{ calls: [{ name: "bash", args: { command: "env git fetch origin" } }] }, { text: "No." }],
    });
    await peer.waitFor("the clone", () => peer.of("git.ready")[0]);
    answer = () => ({ is: "no", why: "The app is no longer installed for acme." });
    stage.prompt(1, "Say more #work", { author, committer });
    expect(await peer.finished(1)).toMatchObject({ outcome: "done" });
    expect(peer.of("push.failed", 1)).toMatchObject([
      {
        failure: {
          code: "push_denied",
          message: expect.stringContaining("The app is no longer installed for acme."),
          action: expect.any(String),
        },
      },
    ]);
    stage.prompt(2, "Look #look", { author, committer });
    expect(await peer.finished(2)).toMatchObject({ outcome: "done" });
    const output = peer.of("tool.finished", 2).find((event) => event.tool === "bash")?.output ?? "";
    expect(output).toContain("errand: The app is no longer installed for acme.");
    answer = right;
    stage.prompt(3, "And now #look", { author, committer });
    expect(await peer.finished(3)).toMatchObject({ outcome: "done" });
    expect(peer.of("branch.pushed", 3)).toMatchObject([{ commits: 1 }]);
  });

  it("says that the app may not change workflows", async () => {
    const { peer } = await set({
      "#flow": [
        { calls: [{ name: "write", args: { filePath: ".github/workflows/ci.yml", content: "on: push\n" } }] },
        { text: "Written." },
      ],
    });
    stage.prompt(1, "Add a workflow #flow", { author, committer });
    expect(await peer.finished(1)).toMatchObject({ outcome: "done" });
    expect(peer.of("push.failed", 1)).toMatchObject([{ failure: { code: "push_workflow" } }]);
  });

  it("is pushed by the next process when the runner dies before it is", async () => {
    const { peer } = await set({ "#work": EDIT });
    await peer.waitFor("the clone", () => peer.of("git.ready")[0]);
    // Nobody answers: the push waits for its credential.
    answer = () => null;
    const asked = peer.asks.length;
    stage.prompt(1, "Say more #work", { author, committer });
    await peer.waitFor("the push", () => peer.asks.length > asked);
    await stage.killRunner();
    answer = right;
    stage.startRunner({ publish: true });
    expect(await peer.finished(1)).toMatchObject({ outcome: "done" });
    expect(peer.of("branch.pushed", 1)).toMatchObject([{ commits: 1, commit: onServer("rev-parse", "errand/session1") }]);
    expect(onServer("rev-list", "--count", "main..errand/session1")).toBe("1");
  });

  it("takes one more message while it is being pushed", async () => {
    const { peer } = await set({ "#work": EDIT, "#more": [{ text: "More is done." }] });
    await peer.waitFor("the clone", () => peer.of("git.ready")[0]);
    const asked = peer.asks.length;
    answer = () => {
      if (peer.asks.length === asked + 1) peer.command({ do: "steer", turn: 1, text: "And #more" });
      return right();
    };
    stage.prompt(1, "Say more #work", { author, committer });
    expect(await peer.finished(1)).toMatchObject({ outcome: "done" });
    expect(peer.of("text.done", 1).map((event) => event.text)).toEqual(["The readme says more.", "More is done."]);
    expect(peer.of("turn.notice", 1)).toEqual([]);
    expect(peer.of("turn.finished")).toHaveLength(1);
    expect(peer.of("branch.pushed", 1)).toHaveLength(1);
    const usage = peer.of("turn.usage", 1).at(-1);
    expect(usage?.tokens.input).toBe(300);
  });
});

/** Files below a folder that hold a text. */
function filesWith(folder: string, text: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(text));
}

/** Processes but this one, which made the token, with a text in their environment or on their command line. */
function processesWith(text: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => ["environ", "cmdline"].map((name) => `/proc/${pid}/${name}`))
    .filter((path) => {
      try {
        return readFileSync(path).includes(text);
      } catch {
        return false;
      }
    });
}
