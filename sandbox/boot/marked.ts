/**
 * Finds processes by a variable of their environment, which children inherit whatever else they change: process group,
 * session, parent. Linux only; elsewhere nothing is found.
 */
import { readdirSync, readFileSync } from "node:fs";

/** Marks every process of one sandbox of plain processes, so that all can be found at its end. Its value is unique. */
export const SANDBOX_MARK = "ERRAND_SANDBOX";
/** Marks the processes of one unit of one supervisor. Its value is unique. */
export const UNIT_MARK = "ERRAND_UNIT";

/** Ids of the processes, other than this one, whose environment at their start had `name=value`. Those of other users are not seen. */
export function markedProcesses(name: string, value: string): number[] {
  const wanted = `${name}=${value}`;
  let entries: string[];
  try {
    entries = readdirSync("/proc");
  } catch {
    return [];
  }
  return entries
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .flatMap((entry) => {
      try {
        return readFileSync(`/proc/${entry}/environ`, "utf8").split("\0").includes(wanted) ? [Number(entry)] : [];
      } catch {
        return [];
      }
    });
}

/** Kills those processes, again until none is found: one that is just forking would get away once. */
export function killMarked(name: string, value: string): void {
  for (let round = 0; round < 5; round += 1) {
    const found = markedProcesses(name, value);
    if (found.length === 0) return;
    for (const pid of found) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended meanwhile.
      }
    }
  }
}
