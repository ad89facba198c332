/** One run of a unit's process: in a process group of its own, its output in a log of bounded size, and all of it ended together. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { killMarked, UNIT_MARK } from "./marked.ts";
import type { Unit } from "./unit.ts";

/** What one run may write to its log, in bytes; the rest is dropped. */
const LOG_BYTES = 1024 * 1024;

export type Life = {
  child: ChildProcess;
  /** Resolves after the process has ended and everything it left was killed; with why, in words for a person. */
  ended: Promise<string>;
  /** Asks the whole group to end; what is left after `graceMs` is killed. */
  stop(graceMs: number): Promise<void>;
};

/**
 * Starts a unit. A program that can't be started is a life that ends at once. `mark` tells this unit of this supervisor from all
 * others of the machine: whatever carries it is killed when the unit ends.
 */
export function live(unit: Unit, mark: string, logFolder: string): Life {
  const [file, ...args] = unit.command;
  const stdio = unit.ipc ? (["ignore", "pipe", "pipe", "ipc"] as const) : (["ignore", "pipe", "pipe"] as const);
  const child = spawn(file, args, {
    cwd: unit.cwd,
    env: { ...unit.env, [UNIT_MARK]: mark },
    detached: true,
    stdio: [...stdio],
  });
  const lastLine = logOf(child, join(logFolder, `${unit.name}.log`));
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`${unit.name} can't be run: ${error.message}`));
    child.once("exit", (code, signal) => {
      killGroup(child, "SIGKILL");
      killMarked(UNIT_MARK, mark);
      const how = signal ? `was ended by ${signal}` : `ended with code ${code}`;
      // The last output often comes just after the end.
      setTimeout(() => resolve([`${unit.name} ${how}`, lastLine()].filter(Boolean).join(": ").slice(0, 500)), 20);
    });
  });
  return {
    child,
    ended,
    async stop(graceMs) {
      // After its end the number may be another process's.
      if (child.exitCode !== null || child.signalCode !== null) return void (await ended);
      killGroup(child, "SIGTERM");
      const timer = setTimeout(() => killGroup(child, "SIGKILL"), graceMs);
      await ended;
      clearTimeout(timer);
    },
  };
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is empty.
  }
}

/** Writes a child's output to a new file; returns what gives its last line. A full disk costs the log, not the child. */
function logOf(child: ChildProcess, path: string): () => string {
  let file: number | null = null;
  try {
    file = openSync(path, "w", 0o600);
  } catch {
    file = null;
  }
  let written = 0;
  let tail = "";
  const take = (chunk: Buffer) => {
    tail = `${tail}${chunk.toString("utf8")}`.slice(-1_000);
    if (file === null || written + chunk.length > LOG_BYTES) return;
    written += chunk.length;
    try {
      writeSync(file, chunk);
    } catch {
      // Dropped.
    }
  };
  child.stdout?.on("data", take);
  child.stderr?.on("data", take);
  child.once("close", () => {
    if (file !== null) closeSync(file);
    file = null;
  });
  return () => tail.trim().split("\n").at(-1)?.slice(0, 300) ?? "";
}
