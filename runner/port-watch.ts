/**
 * Sees what the agent serves: looks every two seconds which ports are listened on, asks each new one whether it speaks HTTP, and tells
 * what opened and closed. What was told is kept in the run folder, so that a runner that is started again neither repeats nor forgets.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { RunnerEvent } from "../protocol/events.ts";
import { Port } from "../protocol/grant.ts";
import type { RunnerConfig } from "../sandbox/boot/ipc.ts";
import { ownersOf } from "./port-owners.ts";
import { probe } from "./port-probe.ts";
import { type Listener, listeners } from "./ports.ts";

const LOOK_MS = 2_000;
/** What does not answer is asked again after these times, in ms, and then left alone until something else listens there. */
const AGAIN_MS = [2_000, 5_000, 15_000, 60_000];
/** What is absent in this many looks is gone: a server that restarts is absent for a moment. */
const LOOKS_GONE = 2;
/** The most ports told at a time; the next is told when one of them closes. */
export const MOST_PORTS = 20;
/** Ports asked at the same time. */
const MOST_PROBES = 4;

type Seen = {
  /** The sockets, so that a new server on the same port is asked anew. */
  inodes: string;
  absent: number;
  state: "silent" | "asked" | "open";
  tries: number;
  /** When to ask again, ms since 1970. */
  nextAt: number;
};

/** What the watch needs. */
export type PortWatchOptions = {
  config: Pick<RunnerConfig, "run" | "reservedPorts" | "mark">;
  emit: (event: RunnerEvent) => void;
  now: () => number;
  signal: AbortSignal;
  /** The kernel's two tables; elsewhere than on Linux empty. */
  read?: () => string[];
  ask?: typeof probe;
};

/** Starts watching. `onSafe` has to hear which events the SessionAgent has stored. */
export function watchPorts(options: PortWatchOptions): { onSafe: (events: readonly RunnerEvent[]) => void } {
  const { config, emit, now, signal, read = readTables, ask = probe } = options;
  const isOwn = ownersOf(config.mark);
  const reserved = new Set(config.reservedPorts);
  const file = join(config.run, "ports.json");
  /** Ports that the SessionAgent is known to show. */
  const shown = new Set(readShown(file));
  const seen = new Map<number, Seen>([...shown].map((port) => [port, { inodes: "", absent: 0, state: "open", tries: 0, nextAt: 0 }]));

  const look = (): void => {
    const all = read().flatMap(listeners);
    const own = isOwn(new Set(all.map((one) => one.inode)));
    const here = Map.groupBy(
      all.filter((one) => own.has(one.inode) && !reserved.has(one.port)),
      (one) => one.port,
    );
    for (const [port, one] of seen) {
      if (here.has(port)) one.absent = 0;
      else if (++one.absent >= LOOKS_GONE) {
        seen.delete(port);
        if (one.state === "open") emit({ type: "port.closed", at: now(), port });
      }
    }
    for (const [port, sockets] of here) {
      const inodes = sockets.map((one) => one.inode).join();
      const one = seen.get(port) ?? { inodes, absent: 0, state: "silent", tries: 0, nextAt: 0 };
      seen.set(port, one);
      if (one.state === "silent" && one.inodes !== inodes) Object.assign(one, { tries: 0, nextAt: 0 });
      one.inodes = inodes;
      const count = (state: Seen["state"]) => [...seen.values()].filter((other) => other.state === state).length;
      if (one.state !== "silent" || one.nextAt > now()) continue;
      if (count("asked") >= MOST_PROBES || count("open") + count("asked") >= MOST_PORTS) continue;
      one.state = "asked";
      void settle(port, one, sockets);
    }
  };

  async function settle(port: number, one: Seen, sockets: readonly Listener[]): Promise<void> {
    const ways = new Set(sockets.map(({ by }) => by));
    const answer = await ask({ port, by: ways.size === 1 ? ([...ways][0] ?? "both") : "both" }, signal);
    // It may have gone while it was asked.
    if (signal.aborted || seen.get(port) !== one) return;
    if (answer === null) {
      Object.assign(one, { state: "silent", tries: one.tries + 1, nextAt: now() + (AGAIN_MS[one.tries] ?? Number.POSITIVE_INFINITY) });
      return;
    }
    one.state = "open";
    emit({ type: "port.opened", at: now(), port, ...(answer.title === null ? {} : { title: answer.title }) });
  }

  const timer = setInterval(look, LOOK_MS);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  look();

  return {
    onSafe: (events) => {
      let isNew = false;
      for (const event of events) {
        if (event.type === "port.opened") shown.add(event.port);
        else if (event.type === "port.closed") shown.delete(event.port);
        else continue;
        isNew = true;
      }
      if (isNew) keepShown(file, shown);
    },
  };
}

function readTables(): string[] {
  return ["/proc/net/tcp", "/proc/net/tcp6"].map((path) => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return "";
    }
  });
}

function readShown(file: string): number[] {
  try {
    return z
      .array(Port)
      .max(MOST_PORTS)
      .parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return [];
  }
}

/** Without it, on a full disk, a runner that is started again only tells once more what is known. */
function keepShown(file: string, shown: ReadonlySet<number>): void {
  try {
    writeFileSync(`${file}.new`, JSON.stringify([...shown]));
    renameSync(`${file}.new`, file);
  } catch {
    // See above.
  }
}
