/** The supervisor over real, small processes. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ToRunnerProcess } from "./ipc.ts";
import { type Supervisor, supervise } from "./supervisor.ts";
import type { Unit, UnitName } from "./unit.ts";

let folder: string;
let running: Supervisor | null;
let logged: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "supervisor-"));
  running = null;
  logged = [];
});
afterEach(async () => {
  await running?.stop(0, 200);
  rmSync(folder, { recursive: true, force: true });
});

const unit = (name: UnitName, script: string, more: Partial<Unit> = {}): Unit => ({
  ...{ name, service: null, command: [process.execPath, "-e", script], cwd: folder, env: { PATH: process.env.PATH ?? "" } },
  ...{ ipc: false, ready: { by: "started" }, readyMs: 5_000, after: [], ...more },
});
const WAIT = "setInterval(() => undefined, 1000);";

function start(units: Unit[], hear: (unit: UnitName, message: unknown) => void = () => undefined): Supervisor {
  running = supervise({
    units,
    missing: [],
    logFolder: folder,
    now: Date.now,
    log: (line) => logged.push(line),
    began: () => undefined,
    hear,
  });
  return running;
}
async function until<T>(look: () => T | undefined | false | null): Promise<T> {
  for (const end = Date.now() + 8_000; ; ) {
    const found = look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited too long; facts: ${JSON.stringify(running?.facts())} ${logged.join("\n")}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}
const state = (service: string) =>
  running?.facts().find((fact) => fact.t === "service" && fact.service === service) as
    | Extract<ToRunnerProcess, { t: "service" }>
    | undefined;
const isRunning = (pid: number) => {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.[0] !== "Z";
  } catch {
    return false;
  }
};
/** The process id that a script wrote. */
const pidIn = (name: string) => until(() => existsSync(join(folder, name)) && Number(readFileSync(join(folder, name), "utf8")));

describe("supervise", () => {
  it("gives a unit up after five quick crashes, with its last words as the reason", async () => {
    start([unit("vscode", "console.error('no such extension'); process.exit(3)", { service: "vscode", ready: { by: "tcp", port: 1 } })]);
    await until(() => state("vscode")?.state === "unavailable");
    expect(state("vscode")?.reason).toBe("vscode ended with code 3: no such extension");
    expect(logged).toHaveLength(5);
    expect(running?.facts().find((fact) => fact.t === "phase")).toMatchObject({ phase: "vscode", ok: false });
  });

  it("says that a program can't be run", async () => {
    start([unit("vscode", "", { service: "vscode", command: ["/nowhere/program"] })]);
    await until(() => state("vscode")?.state === "unavailable");
    expect(state("vscode")?.reason).toMatch(/can't be run.*ENOENT/);
  });

  it("kills what does not answer in time", async () => {
    start([unit("vscode", WAIT, { service: "vscode", ready: { by: "socket", path: join(folder, "none") }, readyMs: 300 })]);
    await until(() => state("vscode")?.state === "restarting");
    expect(state("vscode")?.reason).toBe("vscode did not answer within 0.3 s");
  });

  it("starts a unit only when what it comes after is ready", async () => {
    const socket = join(folder, "s");
    const server = `setTimeout(() => require("net").createServer().listen(${JSON.stringify(socket)}), 300)`;
    const look = `require("fs").writeFileSync("seen", String(require("fs").existsSync(${JSON.stringify(socket)})));${WAIT}`;
    start([unit("xvnc", server, { ready: { by: "socket", path: socket } }), unit("openbox", look, { after: ["xvnc"] })]);
    await until(() => existsSync(join(folder, "seen")) && readFileSync(join(folder, "seen"), "utf8") === "true");
  });

  it("ends the children of a killed process too, also those that left its group", async () => {
    const script = `const { spawn } = require("child_process");
      for (const detached of [true, false]) {
        const child = spawn(process.execPath, ["-e", ${JSON.stringify(WAIT)}], { detached, stdio: "ignore" });
        require("fs").writeFileSync("child-" + detached, String(child.pid));
      }
      require("fs").writeFileSync("own", String(process.pid)); ${WAIT}`;
    start([unit("opencode", script, { service: "opencode" })]);
    const [own, away, near] = [await pidIn("own"), await pidIn("child-true"), await pidIn("child-false")];
    await until(() => state("opencode")?.state === "available");
    process.kill(own, "SIGKILL");
    await until(() => !isRunning(away) && !isRunning(near));
    await until(() => Number(readFileSync(join(folder, "own"), "utf8")) !== own && state("opencode")?.state === "available");
  });

  it("talks with units that have IPC, and takes a message for readiness", async () => {
    const heard: unknown[] = [];
    const supervisor = start(
      [
        unit("gateway", "process.on('message', (m) => process.send(m)); process.on('disconnect', () => process.exit())", {
          ipc: true,
          ready: { by: "message" },
        }),
      ],
      (_unit, message) => {
        heard.push(message);
        supervisor.isReady("gateway");
      },
    );
    await until(() => {
      supervisor.send("gateway", { t: "hello" });
      return heard.length > 0;
    });
    await until(() => supervisor.facts().some((fact) => fact.t === "phase" && fact.phase === "gateway" && fact.ok));
  });

  it("stops everything, what ignores SIGTERM as well, and starts nothing afterwards", async () => {
    const stubborn = `process.on("SIGTERM", () => undefined); require("fs").writeFileSync("pid", String(process.pid)); ${WAIT}`;
    const supervisor = start([unit("xterm", stubborn), unit("vscode", "process.exit(1)")]);
    const pid = await pidIn("pid");
    const began = Date.now();
    await supervisor.stop(0, 300);
    expect(Date.now() - began).toBeLessThan(1_500);
    expect(isRunning(pid)).toBe(false);
    const crashes = logged.length;
    await new Promise((done) => setTimeout(done, 500));
    expect(logged).toHaveLength(crashes);
  });
});
