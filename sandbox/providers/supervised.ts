/**
 * Starts a supervisor and watches it: its configuration goes in by a pipe that stays open as the sign of life of the
 * backend, its status comes out as lines, its log goes to a file.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import type { Writable } from "node:stream";
import type { InsideConfig } from "../boot/config.ts";
import { parseStatus } from "../boot/status.ts";
import { readLines } from "./lines.ts";
import type { Exit } from "./provider.ts";

/** A supervisor has this long to end by itself, in ms; with the kill after it, an end takes less than 3 s. */
const END_MS = 2_500;
/** What one generation may write to its log, in bytes; the rest is dropped. */
const LOG_BYTES = 5 * 1024 * 1024;

/** The longest status a supervisor gives, in characters: a reason of 2,000, escaped. What runs in the sandbox can write there too. */
const STATUS_CHARACTERS = 16_384;

/** A running supervisor, see `Launched`. */
export type Supervised = { pid: number; up: Promise<void>; exited: Promise<Exit>; stop(): Promise<void> };

/**
 * Spawns `command` with an environment of exactly `env`, writes `config` to its standard input and `options` (bubblewrap's) to
 * descriptor 3 if given. Rejects when the command can't be started.
 */
export async function startSupervisor(spec: {
  command: readonly [string, ...string[]];
  cwd: string;
  env: Record<string, string>;
  options: string | null;
  config: InsideConfig;
  log: string;
  /** Ends what the supervisor may have left, after its end. */
  cleanUp: () => Promise<void>;
}): Promise<Supervised> {
  const [file, ...args] = spec.command;
  const child = spawn(file, args, {
    cwd: spec.cwd,
    env: spec.env,
    stdio: ["pipe", "pipe", "pipe", spec.options === null ? "ignore" : "pipe"],
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  child.on("error", () => undefined);
  const { stdin, stdout, stderr } = child;
  if (!stdin || !stdout || !stderr || child.pid === undefined) throw new Error("the supervisor's pipes are missing");
  stdin.on("error", () => undefined);
  if (spec.options !== null) {
    const options = child.stdio[3] as Writable;
    options.on("error", () => undefined);
    options.end(spec.options);
  }
  stdin.write(`${JSON.stringify(spec.config)}\n`);

  const tail = logTo(spec.log, child);
  let reason: string | null = null;
  const up = new Promise<void>((resolve) => {
    readLines(stdout, STATUS_CHARACTERS, (line) => {
      const status = parseStatus(line);
      if (status?.t === "up") resolve();
      if (status?.t === "end") reason = status.reason;
    });
  });
  const exited = new Promise<Exit>((resolve) => {
    child.once("close", async (code, signal) => {
      await spec.cleanUp();
      const last = tail();
      const killed = signal ? `it was killed (${signal})` : `its supervisor ended with code ${code}${last ? `: ${last}` : ""}`;
      resolve({ code, reason: reason ?? killed });
    });
  });
  return {
    pid: child.pid,
    up,
    exited,
    async stop() {
      stdin.end();
      const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Sends a child's standard error to a file of bounded size. Returns what gives the last lines of it. */
function logTo(path: string, child: ChildProcess): () => string {
  const file = createWriteStream(path, { mode: 0o600 });
  // A full disk must not end the sandbox.
  file.on("error", () => undefined);
  let written = 0;
  let tail = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    tail = `${tail}${chunk.toString("utf8")}`.slice(-500);
    if (written + chunk.length <= LOG_BYTES) file.write(chunk);
    written += chunk.length;
  });
  child.once("close", () => file.end());
  return () => tail.trim().split("\n").slice(-3).join(" | ");
}
