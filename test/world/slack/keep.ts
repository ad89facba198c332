/** Keeps the workspace over a restart: one JSON file in the data folder, replaced whole, so that it is never half written. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Pending } from "./deliver.ts";
import type { AgentSession } from "./sessions.ts";

/** What is kept: the emulator's store, the sessions, and events that the app has not taken yet. */
export interface Kept {
  version: 1;
  store: unknown;
  sessions: AgentSession[];
  pending: Pending[];
}

const KeptFile = z.object({
  version: z.literal(1),
  store: z.unknown(),
  sessions: z.array(z.custom<AgentSession>()),
  pending: z.array(z.custom<Pending>()),
});

/** The file within the data folder. */
export const FILE = "slack.json";

/** Reads what was kept; undefined where there is nothing. Throws, naming the file, where it cannot be read as one of ours. */
export function readKept(dataDir: string): Kept | undefined {
  const path = join(dataDir, FILE);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  try {
    const { version, store, sessions, pending } = KeptFile.parse(JSON.parse(text));
    return { version, store, sessions, pending };
  } catch {
    throw new Error(`${path} is not a workspace this version can read. Delete it to start with an empty Slack.`);
  }
}

/** Writes what is to be kept: to a temporary file, flushed, then renamed over the old one. */
export function writeKept(dataDir: string, kept: Kept): void {
  mkdirSync(dataDir, { recursive: true });
  const path = join(dataDir, FILE);
  const file = openSync(`${path}.new`, "w", 0o600);
  try {
    writeFileSync(file, JSON.stringify(kept));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
}

/** Writes at most every `everyMs`, soon after `mark` was called; `flush` writes what is marked now. */
export function makeKeeper(dataDir: string | null, collect: () => Kept, everyMs = 100) {
  let timer: NodeJS.Timeout | undefined;
  const write = () => {
    timer = undefined;
    if (!dataDir) return;
    try {
      writeKept(dataDir, collect());
    } catch (error) {
      // A full disk must not end the Slack itself; what is in memory goes on, and the next change tries again.
      console.error("local Slack: the workspace could not be kept:", error instanceof Error ? error.message : error);
    }
  };
  return {
    mark() {
      if (dataDir) timer ??= setTimeout(write, everyMs);
    },
    flush() {
      if (timer) clearTimeout(timer);
      write();
    },
  };
}
