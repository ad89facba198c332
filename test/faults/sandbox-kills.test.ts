/**
 * The real runner and the real OpenCode in real sandboxes, killed before and after each kind of call to Slack: the
 * receipt, an edit of the living message, the outcome. The turn goes on or ends in honest text, once.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBackend } from "../../cli/backend.ts";
import { partsFolder } from "../../sandbox/image/install/folder.mjs";
import { descendants } from "../sandbox/backend.ts";
import { type ModelServer, scriptedModel, startModel } from "../world/model.ts";
import { type Rig, startRig, until } from "./rig.ts";

const KEY = "a key for the backend of these tests 0123456789";
let rig: Rig;
let model: ModelServer;
let backend: Awaited<ReturnType<typeof startBackend>>;
const data = mkdtempSync(join(tmpdir(), "errand-kills-"));

beforeAll(async () => {
  const work = { name: "bash", args: { command: "sleep 3; echo worked", timeout: 60_000 } };
  const scripts = { WORK: [{ text: "I work.", calls: [work] }, { text: "The work is done." }] };
  // After a restart the agent is asked to go on: whatever it is asked then, it has the same two answers.
  const steps = scripts.WORK;
  model = await startModel({
    respond: scriptedModel({
      scripts: { ...scripts, "go on": steps, "Go on": steps, continue: steps, Continue: steps },
      otherwise: { text: "The work is done." },
    }),
    paceMs: 5,
  });
  rig = await startRig(async (worker) => {
    backend = await startBackend({
      root: resolve(import.meta.dirname, "../.."),
      data,
      parts: partsFolder(process.env),
      port: 0,
      keys: { rig: KEY },
      worker,
      host: "localhost",
      forwards: [],
      onLine: () => undefined,
    });
    return {
      BACKEND_URL: backend.listening,
      BACKEND_KEY: `rig:${KEY}`,
      DEFAULT_REPOSITORY: "",
      MODEL_URL: model.url,
      MODEL_KEY: "none",
    };
  });
});
afterAll(async () => {
  await rig?.stop();
  await backend?.stop();
  await model?.stop();
  rmSync(data, { recursive: true, force: true, maxRetries: 5 });
});

/** Kills the newest process of the sandboxes whose command line matches. Returns whether there was one. */
function kill(pattern: RegExp): boolean {
  const found = descendants(backend.process.pid ?? 0)
    .filter((one) => pattern.test(one.command))
    .at(-1);
  if (found) process.kill(found.pid, "SIGKILL");
  return found !== undefined;
}

const VICTIMS = { runner: /runner\.mjs/, opencode: /opencode serve/ };
const points = (["runner", "opencode"] as const).flatMap((victim) =>
  (["chat.update", "chat.postMessage"] as const).flatMap((method) =>
    (["before", "after"] as const).map((phase) => ({ victim, method, phase })),
  ),
);

describe("killed in a turn", () => {
  it.each(points)("the $victim, $phase a $method", async ({ victim, method, phase }) => {
    let killed = false;
    // A post after the receipt is the outcome; an edit comes while the agent works.
    const nth = method === "chat.postMessage" ? 2 : 1;
    let seen = 0;
    const stop = rig.slack.faults.onCall((event) => {
      if (killed || event.method !== method || event.phase !== phase || event.call.user !== "U0ERRAND01") return;
      seen += 1;
      // The edit must fall into the work, after the agent has taken the prompt.
      if (method === "chat.update" && !JSON.stringify(event.call.args).includes("Working")) return;
      if (method === "chat.postMessage" && seen < nth) return;
      killed = kill(VICTIMS[victim]);
    });
    const thread = await rig.say(`<@U0ERRAND01> WORK on ${victim} ${phase} ${method}`);
    const outcome = await until(
      "the outcome",
      async () => (await rig.replies(thread)).find((reply) => reply.key.endsWith("turn:1:final")),
      120_000,
    );
    stop();
    expect(killed).toBe(true);
    expect(outcome.all).toMatch(/The work is done|stopped|restarted|Reply/);
    await until(
      "the living message's end",
      async () => (await rig.replies(thread)).find((reply) => reply.key.endsWith("turn:1:progress") && /Worked for|Failed/.test(reply.all)),
      20_000,
    );
    const replies = await rig.replies(thread);
    expect(replies.filter((reply) => reply.key.endsWith("turn:1:final"))).toHaveLength(1);
    expect(replies.filter((reply) => reply.key.endsWith("turn:1:progress"))).toHaveLength(1);
    // The session goes on.
    await rig.say("WORK once more", thread);
    const next = await until(
      "the next outcome",
      async () => (await rig.replies(thread)).find((reply) => reply.key.endsWith("turn:2:final")),
      120_000,
    );
    expect(next.all).toMatch(/The work is done/);
    for (const sandbox of descendants(backend.process.pid ?? 0)
      .filter((one) => /bwrap/.test(one.command))
      .slice(0, 1))
      process.kill(sandbox.pid, "SIGKILL");
  });
});
