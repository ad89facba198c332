/**
 * The folder of installed parts: one versioned subfolder a part, which appears only when it is whole, and a lock.
 */
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";

/** The file in a part's folder that says it is whole. */
const DONE = ".done";
const HEARTBEAT_MS = 10_000;
const LOST_MS = 60_000;
const BEGUN = /^\.new-/;

/**
 * Whether a part's folder is there and whole.
 * @param {string} folder
 */
export function isWhole(folder) {
  return existsSync(join(folder, DONE));
}

/**
 * Makes a part's folder by `fill(temporary folder)`, unless it is there. It gets its name only when `fill` succeeded, so a cut-off
 * install leaves nothing that could be taken for a part.
 * @param {string} folder
 * @param {(temporary: string) => Promise<void>} fill
 */
export async function makePart(folder, fill) {
  if (isWhole(folder)) return;
  const parts = join(folder, "..");
  const temporary = join(parts, `.new-${process.pid}-${folder.slice(parts.length + 1)}`);
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  try {
    await fill(temporary);
    writeFileSync(join(temporary, DONE), `${new Date().toISOString()}\n`);
    rmSync(folder, { recursive: true, force: true });
    renameSync(temporary, folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/**
 * Removes what cut-off installs left. Call it with the lock held.
 * @param {string} parts
 */
export function sweep(parts) {
  for (const name of readdirSync(parts)) if (BEGUN.test(name)) rmSync(join(parts, name), { recursive: true, force: true });
}

/**
 * When a process started, so that a reused process id is not taken for the one that held the lock. Empty where /proc is missing.
 * @param {number} pid
 */
function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

/**
 * Whether the holder of a lock is gone: its process ended, or, when it runs on another host, it has not touched the file for a minute.
 * @param {{ pid: number, host: string, start: string }} holder
 * @param {number} touchedAt
 */
function isGone(holder, touchedAt) {
  if (holder.host !== hostname()) return Date.now() - touchedAt > LOST_MS;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (error.code === "ESRCH") return true;
  }
  return startOf(holder.pid) !== holder.start;
}

/**
 * Waits until this process is the only one that installs into `parts`. The lock of a process that died is taken over. Should two
 * ever hold it at once, each still works in a folder of its own and renames it when it is whole.
 * @param {string} parts
 * @param {(holder: number) => void} onWait called once if somebody else holds the lock
 * @returns {Promise<() => void>} gives the lock back
 */
export async function lock(parts, onWait) {
  mkdirSync(parts, { recursive: true });
  const file = join(parts, ".lock");
  const mine = join(parts, `.lock-${process.pid}`);
  writeFileSync(mine, JSON.stringify({ pid: process.pid, host: hostname(), start: startOf(process.pid) }));
  let told = false;
  try {
    for (;;) {
      try {
        // A hard link appears with its content and fails if the name is taken, so no half-written lock can be read.
        linkSync(mine, file);
        break;
      } catch (error) {
        if (error.code !== "EEXIST") throw error;
      }
      let text;
      let touchedAt;
      try {
        text = readFileSync(file, "utf8");
        touchedAt = statSync(file).mtimeMs;
      } catch {
        continue;
      }
      const holder = JSON.parse(text);
      if (isGone(holder, touchedAt)) {
        if (readFileSync(file, "utf8") === text) rmSync(file, { force: true });
        continue;
      }
      if (!told) onWait(holder.pid);
      told = true;
      await new Promise((done) => setTimeout(done, 300));
    }
  } finally {
    rmSync(mine, { force: true });
  }
  const heartbeat = setInterval(() => {
    // Only another host looks at the time; the file is gone if somebody cleared the folder meanwhile.
    if (existsSync(file)) utimesSync(file, new Date(), new Date());
  }, HEARTBEAT_MS);
  heartbeat.unref();
  return () => {
    clearInterval(heartbeat);
    rmSync(file, { force: true });
  };
}
