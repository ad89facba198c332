/**
 * Runs a command that would outlive whoever started it: `node guard.mjs <command> <arguments…>`. When this process's
 * standard input ends, because its parent closed it or is gone, the command and everything it started are ended.
 */
import { spawn } from "node:child_process";

/** How long the command may take to end by itself, in ms. */
const END_MS = 3_000;

const [command, ...argv] = process.argv.slice(2);
const child = spawn(command, argv, { stdio: ["ignore", "inherit", "inherit"], detached: true });

/** Signals the command's process group. */
function signal(name) {
  try {
    process.kill(-child.pid, name);
  } catch {
    // The group has ended.
  }
}

let ending = false;
function end() {
  if (ending) return;
  ending = true;
  signal("SIGTERM");
  setTimeout(() => signal("SIGKILL"), END_MS);
}

process.stdin.on("end", end).on("close", end).on("error", end).resume();
for (const name of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(name, end);
child.on("exit", (code, name) => {
  // What the command left behind in its group ends with it.
  signal("SIGKILL");
  process.exit(code ?? (name ? 1 : 0));
});
child.on("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(127);
});
