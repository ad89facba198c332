/** What processes listen on, for tests of what can be reached from outside. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { listeners } from "../../runner/ports.ts";
import type { Seen } from "./backend.ts";

/** TCP ports of this machine that these processes listen on. */
export function portsOf(all: readonly Seen[]): number[] {
  const open = new Set(
    all.flatMap(({ pid }) => {
      try {
        return readdirSync(`/proc/${pid}/fd`).map((descriptor) => readlinkSync(`/proc/${pid}/fd/${descriptor}`));
      } catch {
        return [];
      }
    }),
  );
  const seen = ["tcp", "tcp6"].flatMap((table) => listeners(readFileSync(`/proc/net/${table}`, "utf8")));
  return seen.filter(({ inode }) => open.has(`socket:[${inode}]`)).map(({ port }) => port);
}
