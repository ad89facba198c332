/** Real sandboxes by the real backend: bubblewrap, OpenCode, code-server, Xvnc, ttyd, the real gateway and runner. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Mode } from "../protocol/grant.ts";
import { originOf, Sites } from "../protocol/sites.ts";
import { descendants, type Seen, startBackend, until } from "../test/sandbox/backend.ts";
import { portsOf } from "../test/sandbox/listening.ts";
import { fetchNamed, lookup } from "../test/sandbox/names.ts";
import { probe } from "../test/sandbox/probe.ts";
import { startWorker } from "../test/sandbox/worker.ts";
import { startGitHost } from "../test/world/git-host.ts";
import { partsFolder } from "./image/install/folder.mjs";
import { partsReport } from "./image/report.ts";
import { bwrapProblem } from "./providers/choose.ts";
import { unprivilegedUid } from "./providers/local.ts";

const A = "aaaaaaaaaaaaaaaaaaaaaaaaaa";
const B = "bbbbbbbbbbbbbbbbbbbbbbbbbb";
const SERVICES = ["opencode", "vscode", "desktop", "terminal"] as const;
/** What of each unit's command line tells it from the others. */
const COMMANDS = {
  gateway: "gateway.mjs",
  opencode: "opencode serve",
  vscode: "code-server/out/node/entry.js",
  desktop: "desktop.mjs",
  xvnc: "Xvnc :",
  tmux: "tmux.hold",
  terminal: "-p 7681",
  "terminal-watch": "-p 7682",
  // Last, since a new runner tells again what the old one told.
  runner: "runner.mjs",
} as const;

const parts = partsFolder(process.env);
const uid = process.getuid?.() === 0 ? unprivilegedUid(process.env) : null;
const folder = mkdtempSync(join(tmpdir(), "errand-"));
const runtime = join(import.meta.dirname, "..", "dist", "runtime");
let worker: Awaited<ReturnType<typeof startWorker>>;
type Backend = Awaited<ReturnType<typeof startBackend>>;

let git: Awaited<ReturnType<typeof startGitHost>>;
const gitForward = () => ({ port: Number(new URL(git.url).port), host: "127.0.0.1", targetPort: Number(new URL(git.url).port) });

beforeAll(async () => {
  git = await startGitHost({ dataDir: join(folder, "git") });
  execFileSync(process.execPath, [join(import.meta.dirname, "image", "runtime.mjs")], { stdio: "inherit" });
  worker = await startWorker();
  const report = partsReport(parts);
  for (const name of ["opencode", "code-server", "Xvnc", "ttyd", "tmux"] as const)
    expect(report[name], name).toMatchObject({ available: true });
});
afterAll(async () => {
  worker.close();
  await git.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The processes of one sandbox, given as its place among the backend's children. */
function processesOf(backend: Backend, place: number): Seen[] {
  const top = descendants(backend.pid).filter((one) => one.parent === backend.pid)[place];
  return top ? [top, ...descendants(top.pid)] : [];
}
const pidOf = (seen: readonly Seen[], unit: keyof typeof COMMANDS) =>
  seen.find((one) => one.command.includes(COMMANDS[unit]) && !one.command.startsWith("bwrap"))?.pid;
const health = (origin: string) =>
  fetchNamed(`${origin}/_errand/health`).then(
    (response) => response.status,
    () => 0,
  );
const allAvailable = (session: string, generation: number) =>
  until(`all services of ${session[0]}${generation}`, () =>
    SERVICES.every((name) => worker.states(session, generation, name).at(-1) === "available"),
  );

/** Opens a sandbox's terminal as its page does, and waits for a prompt. */
async function terminalOf(backend: Backend, session: string, origin: string, mode: Mode, sub = "tester") {
  const { cookie, status } = await backend.open(session, origin, "terminal", mode, { sub });
  expect(status).toBe(303);
  const socket = new WebSocket(`${origin.replace("http", "ws")}/terminal/ws`, "tty", { headers: { cookie, origin }, lookup });
  let shown = "";
  socket.on("message", (data) => {
    shown += String(data);
  });
  await new Promise((done, fail) => socket.once("open", done).once("error", fail));
  socket.send(JSON.stringify({ AuthToken: "", columns: 120, rows: 30 }));
  await until("a prompt", () => /[$#] /.test(shown));
  return { socket, shown: () => shown, type: (text: string) => socket.send(Buffer.from(`0${text}`)) };
}

/** The command of a small server, whose end is asked for by \x03. */
const server = (port: number) => {
  const page = "s.setHeader('content-type','text/html'); s.end('<title>Shop</title>'+q.headers.host)";
  return `node -e "require('http').createServer((q,s)=>{${page}}).listen(${port},function(){console.log('port '+this.address().port+'.')})"\r`;
};

describe("two sandboxes in bubblewrap", () => {
  let backend: Backend;
  let origins: { a: string; b: string };
  let sites: Sites;
  const data = join(folder, "local");
  const own = (session: string, generation: number) => {
    const at = join(data, "sandboxes", session);
    return { home: join(at, "home"), work: join(at, "work"), run: join(at, `run-${generation}`) };
  };

  beforeAll(async () => {
    expect(await bwrapProblem({ data: folder, parts, runtime }, uid)).toBeNull();
    backend = await startBackend({ data, parts, runtime, worker: worker.origin, provider: "local", forwards: [gitForward()] });
    const [a, b] = [await backend.ensure(A, 1, { repository: `${git.url}/acme/sample.git` }), await backend.ensure(B, 1)];
    expect([a, b].map((one) => [one.status, one.view?.state])).toEqual([
      [201, "running"],
      [201, "running"],
    ]);
    sites = Sites.parse(a.view?.sites);
    origins = { a: a.view?.sites?.ide ?? "", b: b.view?.sites?.ide ?? "" };
  });
  afterAll(() => backend.stop());

  it("83: have no port on this machine but the backend's way in", () => {
    expect(portsOf(descendants(backend.pid))).toEqual([]);
  });

  it("run side by side on the same ports, each gateway at an address of its own", async () => {
    await Promise.all([allAvailable(A, 1), allAvailable(B, 1)]);
    expect(origins.a).not.toBe(origins.b);
    expect([await health(origins.a), await health(origins.b)]).toEqual([200, 200]);
    const phases = worker.of(A, 1).events.flatMap((event) => (event.type === "boot.phase" && event.ms !== undefined ? [event.phase] : []));
    expect(phases).toEqual(expect.arrayContaining(["start", "gateway", "runner", ...SERVICES]));
  });

  it("give no secret to an environment or a command line", async () => {
    const text = await probe({ data, parts, runtime, uid }, own(A, 1), "environment");
    expect(text).toMatch(/HOME=\/home\/dev/);
    expect(text).not.toMatch(/must-not-be-seen-inside|runner-a|model-a/);
    for (const one of processesOf(backend, 0)) {
      const environment = readFileSync(`/proc/${one.pid}/environ`, "utf8");
      expect(`${one.command} ${environment}`, one.command).not.toMatch(/must-not-be-seen-inside|runner-a{26}|model-b{26}/);
      // OpenCode holds the token of the model route; nothing else does, but what OpenCode starts.
      if (!environment.includes("ERRAND_UNIT=opencode-")) expect(environment, one.command).not.toMatch(/model-a{26}/);
    }
  });

  it("keep no token on disk", () => {
    const { home, run } = own(A, 1);
    for (const root of [home, run, join(data, "sandboxes", A, "work")]) {
      const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
      const found = files
        .map((entry) => join(entry.parentPath, entry.name))
        .filter((path) => /(runner|model)-a{26}/.test(readFileSync(path, "latin1")));
      expect(found).toEqual([]);
    }
  });

  it("cannot see or reach each other, the host, or more of the Worker than their own routes", async () => {
    const hostService = createServer((_req, res) => res.end("host")).listen(0, "127.0.0.1");
    await new Promise((done) => hostService.once("listening", done));
    writeFileSync(join(own(B, 1).home, "private.txt"), "of b");
    const before = worker.requests.length;
    const seen = JSON.parse(
      await probe({ data, parts, runtime, uid }, own(A, 1), "reach", {
        hostPort: (hostService.address() as AddressInfo).port,
        workerPort: worker.port,
        gatewayPort: Number(new URL(origins.b).port),
        session: A,
        other: B,
        data,
      }),
    ) as Record<string, unknown>;
    hostService.close();
    expect(seen).toEqual({
      uid: 1000,
      // The probe itself and the bwrap that is its process 1.
      processes: 2,
      foreignFiles: [],
      hostLoopback: "refused",
      workerDirectly: "refused",
      otherGateway: "refused",
      metadata: "unreachable",
      metadataByProxy: 403,
      hostByProxy: 403,
      ownRoute: 200,
      otherSession: 403,
      api: 403,
      dots: 403,
      encodedDots: 403,
      absolute: 403,
      usrWritable: false,
      capabilities: "0000000000000000",
      interfaces: ["lo"],
    });
    expect(worker.requests.slice(before)).toEqual([`GET /sandbox/${A}/anything`]);
  });

  it("work as one: clone, model, editor, desktop and terminal", async () => {
    await until("the clone", () => worker.of(A, 1).events.find((event) => event.type === "git.ready"));
    await until("readiness", () => worker.of(A, 1).events.find((event) => event.type === "sandbox.ready"));
    expect(readFileSync(join(own(A, 1).work, "repo", "README.md"), "utf8")).not.toBe("");
    worker.command(A, 1, { do: "prompt", turn: 1, text: "Say hello.", system: "", model: "errand/test" });
    const end = await until("the end of the turn", () => worker.of(A, 1).events.find((event) => event.type === "turn.finished"));
    expect(end).toMatchObject({ turn: 1, outcome: "done" });
    expect(worker.of(A, 1).events.find((event) => event.type === "text.done")).toMatchObject({ text: "Hello from the model." });

    for (const service of ["vscode", "desktop", "terminal"] as const) {
      const opened = await backend.open(A, origins.a, service);
      expect(opened.status, service).toBe(303);
      const page = await fetchNamed(opened.location, { headers: { cookie: opened.cookie } });
      expect(page.status, service).toBe(200);
      expect((await page.text()).length, service).toBeGreaterThan(300);
    }
    expect((await fetchNamed(`${origins.a}/terminal/`, { redirect: "manual" })).status).toBe(401);
    const terminal = await openTerminal("drive");
    terminal.type("echo $PWD $((6*7)) $DISPLAY; git log --oneline | cat\r");
    await until("the command's output", () => /\/workspace\/repo 42 :99/.test(terminal.shown()), 10_000);
    terminal.socket.terminate();
  });

  const openTerminal = (mode: Mode, sub?: string) => terminalOf(backend, A, origins.a, mode, sub);

  it("show the terminal to who looks on, and take nothing from them", async () => {
    const [driver, watcher] = [await openTerminal("drive"), await openTerminal("watch", "a watcher")];
    watcher.type("touch /home/dev/by-watcher\r");
    driver.type("touch /home/dev/by-driver; echo seen-$((40+2))\r");
    await until("the output", () => watcher.shown().includes("seen-42"));
    expect(readdirSync(own(A, 1).home)).toContain("by-driver");
    expect(readdirSync(own(A, 1).home)).not.toContain("by-watcher");
    for (const { socket } of [driver, watcher]) socket.terminate();
  });

  it.each(["drive", "watch"] as const)("tell the desktop who may only %s", async (mode) => {
    const { cookie, location } = await backend.open(A, origins.a, "desktop", mode);
    // The browser's own word does not count.
    const headers = { cookie, "x-errand-mode": "drive" };
    expect((await (await fetchNamed(new URL("mode", location).href, { headers })).text()).trim()).toBe(mode);
  });

  it("tell what is served in them, which opens at an origin of its own", async () => {
    const terminal = await openTerminal("drive");
    terminal.type(server(3000));
    const opened = () => worker.of(A, 1).events.filter((event) => event.type === "port.opened");
    await until("the server", () => opened().length > 0);
    expect(opened()).toMatchObject([{ port: 3000, title: "Shop" }]);

    const origin = originOf(sites, "preview", 3000) ?? "";
    const preview = await backend.open(A, origin, "preview", "drive", { port: 3000 });
    expect(preview.status).toBe(303);
    const shown = await fetchNamed(`${origin}/`, { headers: { cookie: preview.cookie } });
    expect(await shown.text()).toContain("Shop");
    // errand's own are no preview, whatever a grant says.
    const own = await backend.open(A, originOf(sites, "preview", 4096) ?? "", "preview", "drive", { port: 4096 });
    expect(own.status).toBeGreaterThanOrEqual(400);

    terminal.type("\x03");
    await until("its end", () => worker.of(A, 1).events.find((event) => event.type === "port.closed" && event.port === 3000));
    terminal.socket.terminate();
  });

  it("tell that they are used, and end what somebody has open who may no longer", async () => {
    const [one, other] = [await openTerminal("drive", "one"), await openTerminal("watch", "other")];
    worker.shutOut.add("one");
    await until("the end", () => one.socket.readyState === WebSocket.CLOSED, 60_000);
    expect(other.socket.readyState).toBe(WebSocket.OPEN);
    expect(worker.of(A, 1).guests.at(-1)).toEqual(expect.arrayContaining([{ sub: "other", mode: "watch", admin: false }]));
    await until("the use", () => worker.of(A, 1).used.includes("terminal"), 40_000);
    other.socket.terminate();
  });

  it.each(Object.keys(COMMANDS) as (keyof typeof COMMANDS)[])("start %s again after kill -9", async (unit) => {
    const pid = await until(`${unit} to run`, () => pidOf(processesOf(backend, 0), unit));
    const service = unit === "xvnc" ? "desktop" : unit === "tmux" ? "terminal" : SERVICES.find((name) => name === unit);
    const told = service ? worker.states(A, 1, service).length : 0;
    const connections = worker.of(A, 1).connections;
    process.kill(pid, "SIGKILL");
    await until(`a new ${unit}`, () => {
      const now = pidOf(processesOf(backend, 0), unit);
      return now !== undefined && now !== pid;
    });
    if (unit === "gateway") await until("the gateway's answer", async () => (await health(origins.a)) === 200);
    if (unit === "runner") await until("the runner's return", () => worker.of(A, 1).connections > connections);
    if (service) {
      await until(`${service} to be available again`, () => worker.states(A, 1, service).slice(told).at(-1) === "available");
      expect(worker.states(A, 1, service).slice(told)).toEqual(["restarting", "available"]);
    }
    expect(worker.states(B, 1, "opencode")).not.toContain("restarting");
  });

  it("a newer generation ends the older, keeps home and workspace, and leaves the older behind for good", async () => {
    writeFileSync(join(own(B, 1).work, "note.txt"), "kept");
    const second = await backend.ensure(B, 2);
    expect([second.status, second.view?.generation]).toEqual([201, 2]);
    expect(await health(origins.b)).toBe(0);
    expect(readFileSync(join(own(B, 2).work, "note.txt"), "utf8")).toBe("kept");
    expect((await backend.ensure(B, 1)).code).toBe("stale_generation");
    expect((await backend.ensure(B, 2)).status).toBe(200);
    await allAvailable(B, 2);
  });

  it("ends when the SessionAgent fences its runner, with the reason", async () => {
    worker.fence(B, 2);
    const view = await until("the end", async () => {
      const now = await backend.view(B, 2);
      return now?.state === "finished" ? now : null;
    });
    expect(view.reason).toMatch(/newer generation/);
    expect((await backend.ensure(B, 2)).code).toBe("generation_ended");
  });

  it("leave nothing when they are terminated, within three seconds", async () => {
    const began = Date.now();
    expect((await backend.terminate(`s-${A}-g1`)).status).toBe(204);
    expect(Date.now() - began).toBeLessThan(3_000);
    expect(descendants(backend.pid)).toEqual([]);
  });

  it("leave no process when the backend is killed", async () => {
    await backend.ensure(A, 2);
    const all = await until("OpenCode to run", () => {
      const seen = descendants(backend.pid);
      return pidOf(seen, "opencode") ? seen : null;
    });
    process.kill(backend.pid, "SIGKILL");
    await until("the end of all", () => all.every((one) => !isAlive(one)), 5_000);
    backend = await startBackend({ data, parts, runtime, worker: worker.origin, provider: "local" });
    expect((await backend.ensure(A, 2)).code).toBe("generation_ended");
    expect((await backend.ensure(A, 3)).status).toBe(201);
  });

  it("end within three seconds of a SIGTERM to the backend", async () => {
    const all = descendants(backend.pid);
    expect(all.length).toBeGreaterThan(3);
    const began = Date.now();
    backend.child.kill("SIGTERM");
    expect(await backend.ended).toBe(0);
    expect(Date.now() - began).toBeLessThan(3_000);
    expect(all.filter(isAlive)).toEqual([]);
  });
});

describe("a sandbox of plain processes", () => {
  it("says loudly that it is not isolated, serves everything, and leaves nothing, even when its supervisor is killed", async () => {
    const data = join(folder, "process");
    const backend = await startBackend({ data, parts, runtime, worker: worker.origin, provider: "process" });
    expect(backend.warning).toMatch(/NOT ISOLATED/);
    expect(await (await fetch(`${backend.listening}/health`)).json()).toMatchObject({ provider: "process", warning: backend.warning });
    const first = await backend.ensure(A, 10);
    const second = await backend.ensure(B, 10);
    await Promise.all([allAvailable(A, 10), allAvailable(B, 10)]);
    expect([await health(first.view?.sites?.ide ?? ""), await health(second.view?.sites?.ide ?? "")]).toEqual([200, 200]);

    // 83: other users of the machine reach no service: the editor, desktop and terminals have sockets, OpenCode wants a password.
    const open = portsOf(processesOf(backend, 0));
    const address = new URL(first.view?.sites?.ide ?? "");
    expect(open).toHaveLength(2);
    expect(open).toContain(Number(address.port));
    const answers = await Promise.all(open.map(async (port) => (await fetch(`http://127.0.0.1:${port}/session`)).status));
    expect(answers.toSorted()).toEqual([401, 421]);
    const sockets = readdirSync(data, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith("vscode.sock"));
    expect(sockets).toHaveLength(2);
    for (const path of sockets) expect(statSync(join(data, dirname(path))).mode & 0o077).toBe(0);

    // The whole machine's ports are in sight: those of other sandboxes and of the machine are not told.
    const terminal = await terminalOf(backend, A, first.view?.sites?.ide ?? "", "drive");
    terminal.type(server(0));
    const port = await until("the server", () => Number(/port (\d+)\./.exec(terminal.shown())?.[1]));
    const opened = (session: string) =>
      worker.of(session, 10).events.flatMap((event) => (event.type === "port.opened" ? [event.port] : []));
    await until("its port", () => opened(A).length > 0);
    expect([opened(A), opened(B)]).toEqual([[port], []]);
    terminal.socket.terminate();

    const [supervisor] = processesOf(backend, 0);
    const all = descendants(supervisor?.pid ?? 0);
    expect(all.length).toBeGreaterThan(6);
    process.kill(supervisor?.pid ?? 0, "SIGKILL");
    await until("the end of all", () => all.every((one) => !isAlive(one)), 5_000);
    expect((await backend.view(A, 10))?.state).toBe("finished");

    const rest = descendants(backend.pid);
    process.kill(backend.pid, "SIGKILL");
    await until("the end of the rest", () => rest.every((one) => !isAlive(one)), 5_000);
  });
});

function isAlive(seen: Seen): boolean {
  try {
    const command = readFileSync(`/proc/${seen.pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return command === seen.command && command !== "";
  } catch {
    return false;
  }
}
