/** Real servers of real processes, among all that listens on this machine. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { RunnerEvent } from "../protocol/events.ts";
import { SANDBOX_MARK } from "../sandbox/boot/marked.ts";
import { probe } from "./port-probe.ts";
import { watchPorts } from "./port-watch.ts";

const MARK = `test-${process.pid}`;
const soon = { timeout: 20_000, interval: 100 };
let run: string;
let over: AbortController;
let events: RunnerEvent[];
const children: ChildProcess[] = [];
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), "errand-ports-"));
  over = new AbortController();
  events = [];
});
afterEach(() => {
  over.abort();
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(run, { recursive: true });
});

/** Starts a server and returns its port. `make` makes it, `where` it listens. */
async function serve(make: string, where: string, mark = MARK): Promise<{ port: number; stop: () => void }> {
  const script = `const server = ${make}; server.listen({ port: 0, ${where} }, () => console.log(server.address().port));`;
  const child = spawn(process.execPath, ["-e", script], {
    env: { PATH: process.env.PATH, [SANDBOX_MARK]: mark },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  if (!child.stdout) throw new Error("no output");
  const lines = createInterface({ input: child.stdout });
  const port = await new Promise<number>((done) => lines.once("line", (line) => done(Number(line))));
  return { port, stop: () => child.kill("SIGKILL") };
}
const PAGE = `require("http").createServer((q, s) => { s.setHeader("content-type", "text/html; charset=utf-8"); s.end("<title>Caf\\u00e9 &amp; Bar</title>" + "x".repeat(1e6)); })`;
const API = `require("http").createServer((q, s) => { s.statusCode = 404; s.end("{}"); })`;
const ECHO = `require("net").createServer((c) => c.pipe(c))`;
const MUTE = `require("net").createServer(() => undefined)`;
const V4 = 'host: "127.0.0.1"';
const V6 = 'host: "::1"';

const watch = (mark: string | null, reservedPorts: number[] = [], read?: () => string[]) =>
  watchPorts({
    config: { run, reservedPorts, mark },
    emit: (event) => events.push(event),
    now: Date.now,
    signal: over.signal,
    ...(read && { read }),
  });
const opened = () => events.flatMap((event) => (event.type === "port.opened" ? [{ port: event.port, title: event.title }] : []));
const closed = () => events.flatMap((event) => (event.type === "port.closed" ? [event.port] : []));

it("tells what speaks HTTP on loopback, with its title, and when it ended", async () => {
  watch(MARK);
  const page = await serve(PAGE, V4);
  const api = await serve(API, V6);
  const everywhere = await serve(PAGE, 'host: "::"');
  const others = [await serve(ECHO, V4), await serve(MUTE, V4), await serve(PAGE, V4, "of-another-sandbox")].map(({ port }) => port);
  await expect.poll(opened, soon).toHaveLength(3);
  expect(opened()).toEqual(
    expect.arrayContaining([
      { port: page.port, title: "Café & Bar" },
      { port: api.port, title: undefined },
      { port: everywhere.port, title: "Café & Bar" },
    ]),
  );
  page.stop();
  await expect.poll(closed, soon).toEqual([page.port]);
  expect(opened().some(({ port }) => others.includes(port))).toBe(false);
});

it("where the network is the sandbox's own, tells of all but errand's ports", async () => {
  const one = await serve(PAGE, V4, "");
  const reserved = await serve(PAGE, V4, "");
  // What else listens on this machine is not asked anything by a test.
  const hex = [one, reserved].map(({ port }) => `:${port.toString(16).toUpperCase().padStart(4, "0")} `);
  const read = () => {
    const lines = readFileSync("/proc/net/tcp", "utf8").split("\n");
    return [lines.filter((line) => hex.some((port) => line.includes(port))).join("\n")];
  };
  watch(null, [reserved.port], read);
  await expect.poll(() => opened().map(({ port }) => port), soon).toContain(one.port);
  expect(opened().map(({ port }) => port)).not.toContain(reserved.port);
});

it.each([
  ["says nothing", MUTE],
  ["speaks something else", ECHO],
  ["ends every connection", `require("net").createServer((c) => c.destroy())`],
])("does not wait for long for what %s", async (_, make) => {
  const { port } = await serve(make, V4);
  const began = Date.now();
  expect(await probe({ port, by: "127.0.0.1" }, over.signal)).toBeNull();
  expect(Date.now() - began).toBeLessThan(4_000);
});

it("takes the title of a page that never ends", async () => {
  const endless = `require("http").createServer((q, s) => { s.setHeader("content-type", "text/html"); if (q.method === "HEAD") s.end(); else s.write("<title>Endless</title>"); })`;
  const { port } = await serve(endless, V4);
  expect(await probe({ port, by: "127.0.0.1" }, over.signal)).toEqual({ title: "Endless" });
});
