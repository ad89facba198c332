/** Keeps the local GitHub over a restart: one JSON file in the data folder, replaced whole, so that it is never half written. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Minted } from "./access.ts";
import type { Delivery } from "./deliveries.ts";
import type { PersonToken } from "./oauth.ts";

/** How many of the newest deliveries are kept: payloads are large, and the file is written whole. */
const DELIVERIES = 200;

const KeptFile = z.object({
  version: z.literal(1),
  store: z.unknown(),
  minted: z.array(z.tuple([z.string(), z.custom<Minted>()])),
  people: z.array(z.tuple([z.string(), z.custom<PersonToken>()])).default([]),
  deliveries: z.array(z.custom<Delivery>()),
});
/** What is kept: the emulator's store with the App's key in it, good tokens, and the newest deliveries. */
export type Kept = z.infer<typeof KeptFile>;

/** The file within the data folder. */
export const FILE = "github.json";

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
    return KeptFile.parse(JSON.parse(text));
  } catch {
    throw new Error(`${path} is not a GitHub this version can read. Delete it to start with a new one.`);
  }
}

const Snapshot = z.looseObject({ collections: z.record(z.string(), z.unknown()) });

/** What was kept by an earlier version, with the tables it did not have as they are in a fresh store: restoring drops tables it is not given. */
export function completed(kept: unknown, fresh: unknown): unknown {
  const [old, now] = [Snapshot.safeParse(kept), Snapshot.safeParse(fresh)];
  return old.success && now.success ? { ...old.data, collections: { ...now.data.collections, ...old.data.collections } } : kept;
}

/** Writes at most every `everyMs`, soon after `mark` was called; `flush` writes now. */
export function makeKeeper(dataDir: string | null, collect: () => Kept, everyMs = 300) {
  let timer: NodeJS.Timeout | undefined;
  const write = () => {
    timer = undefined;
    if (!dataDir) return;
    try {
      mkdirSync(dataDir, { recursive: true });
      const path = join(dataDir, FILE);
      const file = openSync(`${path}.new`, "w", 0o600);
      try {
        const kept = collect();
        writeFileSync(file, JSON.stringify({ ...kept, deliveries: kept.deliveries.slice(-DELIVERIES) }));
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      renameSync(`${path}.new`, path);
    } catch (error) {
      // A full disk must not end the GitHub itself; what is in memory goes on, and the next change tries again.
      console.error("local GitHub: it could not be kept:", error instanceof Error ? error.message : error);
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
