/**
 * Processes killed in the middle of a turn on the real parts: the Worker's workerd, the runner, OpenCode, the whole
 * backend with its sandboxes. The turn goes on, or ends in honest text, once, and the thread shows it.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Errand, MENTION } from "./errand.ts";
import { kill, processes, processesOf } from "./processes.ts";

const errand = new Errand();
beforeAll(() => errand.start());
afterAll(() => errand.remove());

/** A turn that works for a while, seen working. */
async function busy(): Promise<{ thread: string; session: string }> {
  const thread = await errand.say(`${MENTION} do something slow, sleep for 12 seconds`);
  const { session } = await errand.message(thread, "turn:1:progress", /Run .{0,20}sleep|sleep 1\b/);
  return { thread, session };
}

async function outcomeOf(thread: string, pattern: RegExp): Promise<string> {
  const outcome = await errand.message(thread, "turn:1:final", pattern, 120_000);
  await errand.message(thread, "turn:1:progress", /Worked for|Failed|Stopped/);
  await new Promise((done) => setTimeout(done, 1_000));
  const replies = await errand.replies(thread);
  expect(replies.filter((reply) => reply.key === "turn:1:final")).toHaveLength(1);
  expect(replies.filter((reply) => reply.key === "turn:1:progress")).toHaveLength(1);
  return outcome.all;
}

describe("killed in the middle of a turn", () => {
  it("workerd: the turn goes on unharmed", async () => {
    const { thread, session } = await busy();
    kill(errand, /workerd serve.*--control-fd|workerd serve/);
    const text = await outcomeOf(thread, /Done/);
    expect(text).not.toMatch(/Failed/);
    expect((await errand.view(session)).sandbox.generation).toBe(1);
  });

  it("the runner: its successor goes on with the turn", async () => {
    const { thread, session } = await busy();
    kill(errand, /runner\.mjs/);
    await outcomeOf(thread, /Done/);
    expect((await errand.view(session)).sandbox.generation).toBe(1);
  });

  it("OpenCode: it is started again, the turn goes on, and the thread says so", async () => {
    const { thread } = await busy();
    kill(errand, /opencode serve|opencode.*--port/);
    await outcomeOf(thread, /Done|restarted|stopped/i);
    const living = await errand.message(thread, "turn:1:progress");
    expect(living.all).toMatch(/restarted/);
  });

  it("the backend and so every sandbox: the session goes on in the next generation", async () => {
    const { thread, session } = await busy();
    kill(errand, /sandbox\/main\.ts/);
    await outcomeOf(thread, /Done|again/);
    expect((await errand.view(session)).sandbox.generation).toBe(2);
  });

  it("everything by SIGKILL leaves no process, and the next start goes on with the turn", async () => {
    const { thread } = await busy();
    await errand.stop("SIGKILL");
    await expect
      .poll(
        () =>
          processes()
            .filter((each) => each.command.includes(errand.data))
            .map((each) => each.command),
        { timeout: 15_000 },
      )
      .toEqual([]);
    await errand.start();
    await outcomeOf(thread, /Done|again/);
  });
});

it("a gateway that is killed is started again, and links work on", async () => {
  const thread = await errand.say(`${MENTION} what did you do?`);
  const { session } = await errand.message(thread, "turn:1:final");
  kill(errand, /gateway\.mjs/);
  await expect
    .poll(async () => (await fetch(`${errand.origin}/s/${session}/open/terminal`, { headers: { accept: "text/html" } })).text(), {
      timeout: 30_000,
      interval: 500,
    })
    .toMatch(/_errand\/auth/);
});

it("no secret of the sandbox stands in its processes' environment or command lines", async () => {
  const secrets = JSON.parse(readFileSync(`${errand.data}/secrets.json`, "utf8")) as {
    sessionKey: string;
    backendKey: string;
    slackSigningSecret: string;
    grantKey: { d: string };
  };
  const values = [secrets.sessionKey, secrets.backendKey, secrets.slackSigningSecret, secrets.grantKey.d];
  for (const { pid, command } of processesOf(errand)) {
    let environment = "";
    try {
      environment = readFileSync(`/proc/${pid}/environ`, "utf8");
      readlinkSync(`/proc/${pid}/exe`);
    } catch {
      continue;
    }
    for (const value of values) {
      expect(command.includes(value), command).toBe(false);
      // wrangler gives the Worker its settings; whatever runs in or for a sandbox gets none of them.
      if (/bwrap|\.mjs|opencode|code-server|ttyd|Xvnc|sandbox\/main/.test(command))
        expect(environment.includes(value), command).toBe(false);
    }
  }
  const found = (value: string): string => spawnSync("grep", ["-rslF", value, `${errand.data}/sandboxes`], { encoding: "utf8" }).stdout;
  // By what it names, not by its exit code: a sandbox's files come and go under it, and one that is gone makes it end
  // with 2. That it does look is seen by what must be there.
  expect(found("[core]")).toMatch(/\.git\/config/);
  for (const value of values) expect(found(value)).toBe("");
});
