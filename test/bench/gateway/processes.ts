/** The processes of the gateway's benchmark: started, found listening, read in /proc, and ended. */
import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openWire } from "./wire.ts";

/** Starts one of the programs here, which tells its port. */
export async function startProgram(
  name: "service" | "session-check",
  args: readonly string[] = [],
): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(join(import.meta.dirname, "programs", `${name}.ts`), [...args], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const [said] = (await Promise.race([once(child, "message"), once(child, "exit").then(() => [{}])])) as [{ port?: number }];
  if (said.port === undefined) throw new Error(`the benchmark's ${name} ended`);
  return { child, port: said.port };
}

/** Waits until a port takes connections. Throws after 10 s, or when the process ends. */
export async function listening(child: ChildProcess, port: number): Promise<void> {
  const late = Date.now() + 10_000;
  for (;;) {
    const wire = await openWire(port).catch(() => undefined);
    if (wire) return void wire.socket.destroy();
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with code ${child.exitCode}`);
    if (Date.now() > late) throw new Error(`${child.spawnfile} does not listen on port ${port} after 10 s`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** Ends a process at once. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

let tickMs: number | undefined;

/** CPU time that processes have used so far, in ms. */
export function cpuMs(pids: readonly number[]): number {
  tickMs ??= 1000 / Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // proc(5): utime and stime are fields 14 and 15.
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * tickMs;
}

/** Memory of a process that is in RAM now, in MiB. */
export function rssMiB(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  if (kib === undefined) throw new Error(`process ${pid} has no memory`);
  return Number(kib) / 1024;
}

/** The id of a process that was started. */
export function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error(`${child.spawnfile} can't be run`);
  return child.pid;
}
