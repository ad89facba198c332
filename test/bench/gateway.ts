/** The gateway beside nginx and beside the service itself, in one run on one machine: rounds in which every load comes once, in random order. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { echo, handshakes } from "./gateway/frames.ts";
import { CONTENDERS, type Contender, judge, type Metric, type Samples, type Verdict } from "./gateway/goals.ts";
import { cpuMs, rssMiB } from "./gateway/processes.ts";
import { type Answered, ask } from "./gateway/requests.ts";
import { startGatewayStand, type Target } from "./gateway/stand.ts";
import { median, rounded } from "./report.ts";

/** Requests, or WebSockets with one message under way on each, at once. */
const CONNECTIONS = 32;
const LARGE_BYTES = 128 * 1024 * 1024;
const MESSAGE_BYTES = 128;
/** Of the frames of a bulk transfer, of which four are under way: as much as a desktop's whole screen. */
const BULK_BYTES = 1024 * 1024;
/** Openings of a WebSocket at once: with those that are still closing it stays below the 64 that one session may have open. */
const LANES = 8;
/** How long each load lasts, in ms; in a smoke run, and in the round before the first that makes the programs warm. */
const LOAD_MS = { whole: 1_500, quick: 100 };

export type GatewayReport = {
  rounds: number;
  nginx: { version: string } | { missing: string };
  verdicts: Verdict[];
  samples: Samples;
  rss: { idle: number; warm: number; after: number };
  /** The share of one CPU that the load generator used for each load, the middle one of the rounds. Near 1 it may be what was measured. */
  generator: Record<string, Partial<Record<Contender, number>>>;
};

/** Something to do to a contender, and what is read off it. `cpu` is the contender's CPU time in ms. */
type Load = {
  name: string;
  on: readonly Contender[];
  run: (target: Target, ms: number) => Promise<Answered>;
  read: (answered: Answered, cpu: number) => Partial<Record<Metric, number>>;
};

const PROXIES = CONTENDERS.filter((contender) => contender !== "gateway without check");
const perSecond = ({ count, ms }: Answered) => (count * 1000) / ms;
const megabytes = ({ bytes, ms }: Answered) => bytes / 1000 / ms;
const perOne = ({ count }: Answered, cpu: number) => (cpu * 1000) / count;

const LOADS: readonly Load[] = [
  {
    name: "requests",
    on: CONTENDERS,
    run: ({ small }, ms) => ask(small, { connections: CONNECTIONS, ms }),
    read: (answered, cpu) => ({ "requests/s, 32 connections": perSecond(answered), "CPU per request": perOne(answered, cpu) }),
  },
  {
    name: "one request",
    on: PROXIES,
    run: ({ small }, ms) => ask(small, { connections: 1, ms }),
    read: ({ times }) => ({ "p50, 1 connection": median(times) }),
  },
  {
    name: "large body",
    on: PROXIES,
    run: ({ large }, ms) => ask(large, { connections: 1, ms }),
    read: (answered) => ({ "large body": megabytes(answered) }),
  },
  {
    name: "WebSocket messages",
    on: PROXIES,
    run: ({ socket }, ms) => echo(socket, { connections: CONNECTIONS, size: MESSAGE_BYTES, window: 1, ms }),
    read: (answered, cpu) => ({ "WebSocket messages/s": perSecond(answered), "CPU per WebSocket message": perOne(answered, cpu) }),
  },
  {
    name: "one WebSocket message",
    on: PROXIES,
    run: ({ socket }, ms) => echo(socket, { connections: 1, size: MESSAGE_BYTES, window: 1, ms }),
    read: ({ times }) => ({ "WebSocket p50": median(times), "WebSocket p99": at(times, 0.99) }),
  },
  {
    name: "WebSocket bulk",
    on: PROXIES,
    run: ({ socket }, ms) => echo(socket, { connections: 1, size: BULK_BYTES, window: 4, ms }),
    read: (answered) => ({ "WebSocket bulk": megabytes(answered) }),
  },
  {
    name: "WebSocket handshakes",
    on: PROXIES,
    run: ({ socket }, ms) => handshakes(socket, { lanes: LANES, ms }),
    read: (answered) => ({ "WebSocket handshakes/s": perSecond(answered) }),
  },
];

/** Measures. Where nginx can't be had, what is compared with it is left out, and the report says why. `quick`: only to see that it runs. */
export async function gateway(options: { rounds: number; quick: boolean }): Promise<GatewayReport> {
  const folder = mkdtempSync(join(tmpdir(), "errand-bench-gateway-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  const stand = await startGatewayStand(folder, options.quick ? LARGE_BYTES / 16 : LARGE_BYTES);
  try {
    const samples: Samples = {};
    const shares: { name: string; contender: Contender; share: number }[] = [];
    const cells = LOADS.flatMap((load) =>
      load.on.flatMap((contender) => {
        const target = stand.targets.get(contender);
        return target ? [{ load, contender, target }] : [];
      }),
    );
    const idle = rssMiB(stand.gateway);
    for (const { load, target } of shuffled(cells)) await load.run(target, LOAD_MS.quick);
    const warm = rssMiB(stand.gateway);
    for (let round = 0; round < options.rounds; round += 1) {
      for (const { load, contender, target } of shuffled(cells)) {
        const before = { cpu: cpuMs(target.pids), own: process.cpuUsage(), at: performance.now() };
        const answered = await load.run(target, options.quick ? LOAD_MS.quick : LOAD_MS.whole);
        const cpu = cpuMs(target.pids) - before.cpu;
        const own = process.cpuUsage(before.own);
        shares.push({ name: load.name, contender, share: (own.user + own.system) / 1000 / (performance.now() - before.at) });
        const of = samples[contender] ?? {};
        samples[contender] = of;
        for (const [metric, value] of Object.entries(load.read(answered, cpu)) as [Metric, number][])
          of[metric] = [...(of[metric] ?? []), value];
      }
    }
    const rss = { idle, warm, after: rssMiB(stand.gateway) };
    const generator: GatewayReport["generator"] = {};
    for (const { load, contender } of cells) {
      const those = shares.filter((each) => each.name === load.name && each.contender === contender);
      generator[load.name] = { ...generator[load.name], [contender]: rounded(median(those.map(({ share }) => share))) };
    }
    return { rounds: options.rounds, nginx: stand.nginx, verdicts: judge(samples, rss), samples, rss, generator };
  } finally {
    await stand.stop();
    process.off("exit", remove);
    remove();
  }
}

/** The value below which this share of them lies. */
function at(times: readonly number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function shuffled<T>(all: readonly T[]): T[] {
  return all
    .map((one) => ({ one, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ one }) => one);
}
