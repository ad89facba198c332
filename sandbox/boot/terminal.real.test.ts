/** The terminal's units with the real ttyd and tmux: one shell for all who use it, and watchers who change nothing. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { until } from "../../test/sandbox/backend.ts";
import { partsFolder } from "../image/install/folder.mjs";
import { type PartName, partsReport } from "../image/report.ts";
import { TMUX_CONFIG } from "./files.ts";
import { type Supervisor, supervise } from "./supervisor.ts";
import { terminalUnits } from "./terminal.ts";

const folder = mkdtempSync(join(tmpdir(), "errand-terminal-"));
const workspace = join(folder, "repo");
const soon = { timeout: 15_000, interval: 50 };
let running: Supervisor;
let ports = { terminal: 0, terminalWatch: 0 };
const open: WebSocket[] = [];

function program(name: PartName): string {
  const part = partsReport(partsFolder(process.env))[name];
  if (!part.available) throw new Error(`this test needs ${name}: ${part.reason}`);
  return part.path;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

const tmux = (...args: string[]) =>
  execFileSync(program("tmux"), ["-N", "-S", join(folder, "tmux.sock"), ...args], { encoding: "utf8", stdio: "pipe" }).trim();
/** What of the session must not change by a watcher: size, windows, panes, mode, and the process in it. */
const state = () =>
  tmux(
    "display",
    "-p",
    "-t",
    "=errand:",
    "#{window_width}x#{window_height} #{session_windows} #{window_panes} #{pane_in_mode} #{pane_pid}",
  );
const screen = () => tmux("capture-pane", "-p", "-t", "=errand:");

/** Opens a terminal as ttyd's page does: first the size, then bytes after a letter that says what they are. */
async function window(port: number, columns: number, rows: number) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, "tty", { headers: { origin: `http://127.0.0.1:${port}` } });
  open.push(socket);
  let shown = "";
  socket.on("message", (data) => {
    const text = String(data);
    if (text.startsWith("0")) shown += text.slice(1);
  });
  await new Promise((done, fail) => socket.once("open", done).once("error", fail));
  socket.send(JSON.stringify({ AuthToken: "", columns, rows }));
  await expect.poll(() => shown, soon).not.toBe("");
  return {
    socket,
    shown: () => shown,
    type: (text: string) => socket.send(Buffer.from(`0${text}`)),
    resize: (size: { columns: number; rows: number }) => socket.send(Buffer.from(`1${JSON.stringify(size)}`)),
  };
}
const drive = (columns = 100, rows = 30) => window(ports.terminal, columns, rows);
const watch = (columns = 40, rows = 10) => window(ports.terminalWatch, columns, rows);
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

beforeAll(async () => {
  mkdirSync(workspace);
  mkdirSync(join(folder, "log"));
  writeFileSync(join(folder, "tmux.conf"), TMUX_CONFIG);
  ports = { terminal: await freePort(), terminalWatch: await freePort() };
  const paths = { home: folder, workspace, run: folder, runtime: folder, parts: folder };
  const common = { PATH: process.env.PATH ?? "", HOME: folder, TERM: "xterm-256color", SHELL: "/bin/bash", LANG: "C.UTF-8" };
  const units = terminalUnits({
    config: { ports: { ...ports, opencode: 1, vscode: 1, desktop: 1, gateway: 1 }, paths },
    common,
    ttyd: program("ttyd"),
    tmux: program("tmux"),
  });
  const quiet = { log: () => undefined, began: () => undefined, hear: () => undefined };
  running = supervise({ units, missing: [], logFolder: join(folder, "log"), now: Date.now, ...quiet });
  running.agentReady();
  await until("the terminal", () => running.facts().some((fact) => fact.t === "service" && fact.state === "available"));
});
afterEach(() => {
  for (const socket of open.splice(0)) socket.terminate();
});
afterAll(async () => {
  await running?.stop(0, 500);
  try {
    tmux("kill-server");
  } catch {
    // It may have ended with its last shell.
  }
  rmSync(folder, { recursive: true, force: true });
});

describe("the terminal", () => {
  it("has its shell before anybody comes, and keeps it over reloads and for everybody", async () => {
    const before = state();
    const first = await drive();
    first.type("cd /; echo first-$((40+2))\r");
    await expect.poll(first.shown, soon).toContain("first-42");
    first.socket.terminate();
    const again = await drive();
    await expect.poll(again.shown, soon).toContain("first-42");
    const second = await drive();
    second.type("echo $PWD-from-second\r");
    await expect.poll(again.shown, soon).toContain("/-from-second");
    expect(state().split(" ").at(-1)).toBe(before.split(" ").at(-1));
  });

  it("begins a new shell when somebody ended the last", async () => {
    const before = state().split(" ").at(-1);
    (await drive()).type("exit\r");
    await expect
      .poll(() => {
        try {
          return state().split(" ").at(-1);
        } catch {
          return before;
        }
      }, soon)
      .not.toBe(before);
  });
});

describe("a watcher of the terminal", () => {
  it("sees what is shown, in a small window that makes nobody's smaller", async () => {
    const driver = await drive(100, 30);
    await expect.poll(state, soon).toMatch(/^100x30 /);
    const watcher = await watch(40, 10);
    driver.type("clear; echo seen-$((40+3))\r");
    await expect.poll(watcher.shown, soon).toContain("seen-43");
    watcher.resize({ columns: 20, rows: 5 });
    await pause(500);
    expect(state()).toMatch(/^100x30 /);
    driver.socket.terminate();
    await pause(300);
    watcher.resize({ columns: 30, rows: 7 });
    await pause(500);
    expect(state()).toMatch(/^100x30 /);
  });

  const file = join(folder, "typed");
  const keys = {
    "a command": `touch ${file}\r`,
    "the end of the shell": "\x04exit\r",
    "an interrupt": "\x03",
    "a new window": "\x02c",
    "a split": '\x02"',
    "a kill": "\x02&y\x02xy",
    "tmux's prompt": "\x02:kill-server\r",
    "tmux's prompt for a size": "\x02:resize-window -x 20\r",
    "copy mode": "\x02[",
    "a choice of clients": "\x02D",
    "the wheel": "\x1b[<64;5;5M",
    "a drag": "\x1b[<0;5;5M\x1b[<32;9;5M\x1b[<0;9;5m",
    "the menu of the right button": "\x1b[<2;5;5M\x1b[<2;5;5m",
    "a pasted text": `\x1b[200~touch ${file}\n\x1b[201~`,
    "the answer to a question about the terminal": "\x1b[?1;2c",
  };
  it.each(Object.entries(keys))("changes nothing by %s", async (_, bytes) => {
    const driver = await drive();
    const watcher = await watch();
    await expect.poll(screen, soon).toMatch(/[#$]/);
    const before = [state(), screen()];
    watcher.type(bytes);
    await pause(400);
    expect([state(), screen()]).toEqual(before);
    expect(existsSync(file)).toBe(false);
    driver.type(`echo still-$((40+4))\r`);
    await expect.poll(watcher.shown, soon).toContain("still-44");
    driver.type("clear\r");
  });

  it("is put off by nothing: detaching only begins anew, and an ended shell is waited for", async () => {
    const watcher = await watch();
    watcher.type("\x02d");
    await pause(300);
    const driver = await drive();
    driver.type("exit\r");
    await expect.poll(watcher.shown, soon).toContain("Waiting for the terminal.");
    const next = await drive();
    next.type("echo after-$((40+5))\r");
    await expect.poll(watcher.shown, soon).toContain("after-45");
  });

  it("leaves no process", async () => {
    const shows = () =>
      readdirSync("/proc").filter((pid) => {
        try {
          return (
            /attach-session/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8")) &&
            readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder)
          );
        } catch {
          return false;
        }
      }).length;
    const idle = shows();
    const watcher = await watch();
    await expect.poll(shows, soon).toBeGreaterThan(idle);
    watcher.socket.terminate();
    await expect.poll(shows, soon).toBe(idle);
  });
});
