import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { RunnerEvent } from "../protocol/events.ts";
import type { Answer } from "./port-probe.ts";
import { MOST_PORTS, watchPorts } from "./port-watch.ts";

let run: string;
let over: AbortController;
/** Ports listened on, with the socket of each. */
let sockets: Map<number, number>;
/** What answers on a port, and what was asked. */
let answers: Map<number, Answer>;
let asked: number[];
let told: string[];
let events: RunnerEvent[];

beforeEach(() => {
  vi.useFakeTimers();
  run = mkdtempSync(join(tmpdir(), "errand-ports-"));
  over = new AbortController();
  sockets = new Map();
  answers = new Map();
  asked = [];
  told = [];
  events = [];
});
afterEach(() => {
  over.abort();
  vi.useRealTimers();
  rmSync(run, { recursive: true });
});

const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, "0");
function start(signal = over.signal) {
  return watchPorts({
    config: { run, reservedPorts: [4096], mark: null },
    emit: (event) => {
      events.push(event);
      if (event.type === "port.opened") told.push(`+${event.port}${event.title ? ` ${event.title}` : ""}`);
      if (event.type === "port.closed") told.push(`-${event.port}`);
    },
    now: Date.now,
    signal,
    read: () => [[...sockets].map(([port, inode]) => ` 0: 0100007F:${hex(port)} 0:0 0A 0:0 0:0 0 0 0 ${inode}`).join("\n")],
    ask: async ({ port }) => {
      asked.push(port);
      return answers.get(port) ?? null;
    },
  });
}
const looks = (count: number) => vi.advanceTimersByTimeAsync(count * 2_000);

it("tells what speaks HTTP, once, and when it is gone", async () => {
  start();
  sockets.set(3000, 1).set(4096, 2);
  answers.set(3000, { title: "Shop" }).set(4096, { title: null });
  await looks(5);
  expect(told).toEqual(["+3000 Shop"]);
  expect(asked).toEqual([3000]);
  sockets.delete(3000);
  await looks(3);
  expect(told).toEqual(["+3000 Shop", "-3000"]);
});

it("takes a server that restarts for the same", async () => {
  sockets.set(3000, 1);
  answers.set(3000, { title: null });
  start();
  await looks(1);
  sockets.clear();
  await looks(1);
  sockets.set(3000, 2);
  await looks(5);
  expect(told).toEqual(["+3000"]);
});

it("asks what does not answer a few times, less and less, and again when something else listens", async () => {
  sockets.set(5432, 1);
  start();
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  expect(asked).toHaveLength(5);
  sockets.set(5432, 2);
  answers.set(5432, { title: null });
  await looks(1);
  expect(told).toEqual(["+5432"]);
});

it("tells of a server that is slow to start", async () => {
  sockets.set(3000, 1);
  start();
  await looks(1);
  answers.set(3000, { title: null });
  await looks(5);
  expect(told).toEqual(["+3000"]);
});

it("tells no more than twenty, and the next when one is gone", async () => {
  for (let port = 3_000; port < 3_030; port += 1) {
    sockets.set(port, port);
    answers.set(port, { title: null });
  }
  start();
  await looks(20);
  expect(told).toHaveLength(MOST_PORTS);
  sockets.delete(3_003);
  await looks(3);
  expect(told.slice(MOST_PORTS)).toEqual(["-3003", "+3020"]);
});

it("a new runner goes on where the SessionAgent is, and repeats nothing", async () => {
  sockets.set(3000, 1).set(3001, 2).set(3002, 3);
  for (const port of sockets.keys()) answers.set(port, { title: null });
  const first = start();
  await looks(1);
  expect(told).toEqual(["+3000", "+3001", "+3002"]);
  // The third was lost with the runner.
  first.onSafe(events.slice(0, 2));
  over.abort();
  sockets.delete(3001);
  told = [];
  over = new AbortController();
  const second = start();
  await looks(5);
  expect(told).toEqual(["+3002", "-3001"]);
  second.onSafe(events);
  over.abort();
  told = [];
  over = new AbortController();
  start();
  await looks(5);
  expect(told).toEqual([]);
});

it("says nothing more when the sandbox ends", async () => {
  start();
  over.abort();
  sockets.set(3000, 1);
  answers.set(3000, { title: null });
  await looks(5);
  expect(told).toEqual([]);
});
