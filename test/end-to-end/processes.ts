/** The processes of a running errand, to look at and to kill, without those of others on this machine. */
import { readdirSync, readFileSync } from "node:fs";
import type { Errand } from "./errand.ts";

type Process = { pid: number; parent: number; command: string };

/** Every process of this machine. */
export function processes(): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
        return [{ pid: Number(name), parent, command: readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ") }];
      } catch {
        return [];
      }
    });
}

/** The processes below errand's own, so that others on this machine are let alone. */
export function processesOf(errand: Errand): Process[] {
  const all = processes();
  const mine = new Set(
    all.filter((each) => each.command.includes(errand.data) && each.command.includes("cli/main.ts")).map((each) => each.pid),
  );
  for (let grew = true; grew; ) {
    grew = false;
    for (const each of all) {
      if (mine.has(each.parent) && !mine.has(each.pid)) {
        mine.add(each.pid);
        grew = true;
      }
    }
  }
  return all.filter((each) => mine.has(each.pid));
}

/** Kills the newest process whose command line matches, and says that it was there. */
export function kill(errand: Errand, pattern: RegExp): void {
  const found = processesOf(errand)
    .filter((each) => pattern.test(each.command))
    .sort((a, b) => b.pid - a.pid)[0];
  if (!found)
    throw new Error(
      `no process ${pattern} among:\n${processesOf(errand)
        .map((each) => each.command.slice(0, 120))
        .join("\n")}`,
    );
  process.kill(found.pid, "SIGKILL");
}
