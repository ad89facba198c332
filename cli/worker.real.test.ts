import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Child } from "./processes.ts";
import { startWorker } from "./worker.ts";

const root = resolve(import.meta.dirname, "..");
const data = mkdtempSync(join(tmpdir(), "errand-worker-"));
const port = 20_000 + Math.floor(Math.random() * 10_000);
const lines: string[] = [];
let worker: Child;

beforeAll(async () => {
  const secrets = {
    SESSION_KEY: "k".repeat(64),
    SLACK_SIGNING_SECRET: "s",
    SLACK_BOT_TOKEN: "xoxb-t",
    GRANT_KEY: "{}",
    BACKEND_KEY: "a:b",
  };
  // Nothing listens there: what the Worker then logs is looked for below.
  const vars = {
    ...secrets,
    SLACK_API_URL: "http://127.0.0.1:1/api/",
    MODEL_KEY: "m",
    PUBLIC_ORIGIN: `http://127.0.0.1:${port}`,
    LOCAL_OWNER: "ada",
  };
  worker = await startWorker({ root, data, port, vars, onLine: (line) => lines.push(line) });
}, 120_000);
afterAll(async () => {
  await worker?.stop();
  rmSync(data, { recursive: true, force: true });
});

/** The TCP ports on which this process and its descendants listen. */
function portsOf(pid: number): number[] {
  const processes = execFileSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
  const pairs = processes.map((line) => line.trim().split(/\s+/).map(Number));
  const family = new Set([pid]);
  for (let size = 0; size !== family.size; ) {
    size = family.size;
    for (const [child = 0, parent = 0] of pairs) if (family.has(parent)) family.add(child);
  }
  return execFileSync("ss", ["-ltnpH"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => [...line.matchAll(/pid=(\d+)/g)].some((match) => family.has(Number(match[1]))))
    .map((line) => Number(/:(\d+)\s/.exec(line)?.[1]));
}

test("no port of the Worker's processes offers a debugger, which any web page could open", async () => {
  const ports = portsOf(worker.process.pid ?? 0);
  expect(ports).toContain(port);
  for (const each of ports) {
    const answer = await fetch(`http://127.0.0.1:${each}/json`, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
    expect((await answer?.text()) ?? "").not.toContain("webSocketDebuggerUrl");
  }
});

test("the Worker knows its settings, and its sessions are kept in the data folder", async () => {
  const health = await fetch(`http://127.0.0.1:${port}/healthz`);
  expect(await health.json()).toMatchObject({ ok: true, sessions: true, slack: true });
  const listed = await fetch(`http://127.0.0.1:${port}/api/sessions`);
  expect(await listed.json()).toEqual({ sessions: [] });
  expect(statSync(join(data, "worker")).mode & 0o077).toBe(0);
});

test("what the Worker logs is heard", async () => {
  const time = String(Math.floor(Date.now() / 1000));
  const body = JSON.stringify({ type: "event_callback", team_id: "T1", event_id: "Ev1", event: { type: "message" } });
  const signature = createHmac("sha256", "s").update(`v0:${time}:${body}`).digest("hex");
  const headers = {
    "content-type": "application/json",
    "x-slack-request-timestamp": time,
    "x-slack-signature": `v0=${signature}`,
  };
  const answer = await fetch(`http://127.0.0.1:${port}/slack/events`, { method: "POST", headers, body });
  expect(answer.status).toBe(500);
  await vi.waitFor(() => expect(lines.join("\n")).toContain('"id":"Ev1"'));
});
