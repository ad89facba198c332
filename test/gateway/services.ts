/** The real services behind a gateway of its own process, on free ports, for the browser's tests. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FromGateway, GatewayConfig, ToGateway } from "../../gateway/ipc.ts";
import { GATEWAY_NODE_ARGUMENTS } from "../../sandbox/boot/units.ts";
import { serveDesktop } from "../../sandbox/desktop/server.ts";
import { partsFolder } from "../../sandbox/image/install/folder.mjs";
import { type PartName, partsReport } from "../../sandbox/image/report.ts";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function listening(port: number, within: number): Promise<void> {
  const until = Date.now() + within;
  for (;;) {
    const answered = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(1_000), redirect: "manual" }).catch(
      () => undefined,
    );
    if (answered) return;
    if (Date.now() > until) throw new Error(`nothing listens on port ${port} after ${within} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export interface Services {
  upstreams: GatewayConfig["upstreams"];
  /** The home of what runs, in which the workspace lies. */
  home: string;
  workspace: string;
  close(): Promise<void>;
}

/** Starts code-server, ttyd, OpenCode and Xvnc with its page, as a sandbox does, in a folder of their own. Throws where a part is missing. */
export async function startServices(): Promise<Services> {
  const parts = partsReport(partsFolder(process.env));
  const path = (name: PartName): string => {
    const part = parts[name];
    if (!part.available) throw new Error(`${name} is needed: ${part.reason}`);
    return part.path;
  };
  const home = await mkdtemp(join(tmpdir(), "errand-gateway-"));
  const workspace = join(home, "work");
  const children: ChildProcess[] = [];
  const run = (command: string, args: readonly string[], env: Record<string, string> = {}) => {
    const clean = { PATH: process.env.PATH ?? "", HOME: home, LANG: "C.UTF-8", SHELL: "/bin/bash", ...env };
    children.push(spawn(command, args, { cwd: workspace, env: clean, stdio: "ignore", detached: true }));
  };
  await mkdir(workspace);
  await writeFile(join(workspace, "hello.txt"), "written by the agent\n");

  const ports = { vscode: await freePort(), terminal: await freePort(), terminalWatch: await freePort(), opencode: await freePort() };
  const state = join(home, "code");
  run(path("node"), [
    ...[path("code-server"), "--auth", "none", "--bind-addr", `127.0.0.1:${ports.vscode}`, "--config", "/dev/null", "--disable-telemetry"],
    ...[
      "--disable-update-check",
      "--disable-getting-started-override",
      "--disable-workspace-trust",
      "--disable-proxy",
      "--user-data-dir",
      state,
    ],
    ...["--extensions-dir", join(state, "extensions"), workspace],
  ]);
  const ttyd = (port: number) => ["-i", "127.0.0.1", "-p", String(port), "-O", "-t", "disableLeaveAlert=true"];
  const tmux = [path("tmux"), "-S", join(home, "tmux.sock"), "-f", "/dev/null"];
  run(path("ttyd"), [...ttyd(ports.terminal), "-W", ...tmux, "new-session", "-A", "-s", "errand"]);
  const watch = ["attach-session", "-r", "-f", "read-only,ignore-size", "-t", "=errand"];
  run(path("ttyd"), [...ttyd(ports.terminalWatch), ...tmux, "-N", ...watch]);
  run(path("opencode"), ["serve", "--hostname", "127.0.0.1", "--port", String(ports.opencode)], {
    OPENCODE_SERVER_PASSWORD: "inner",
    OPENCODE_DISABLE_MODELS_FETCH: "1",
    OPENCODE_DISABLE_AUTOUPDATE: "1",
  });
  const rfbSocket = join(home, "vnc.sock");
  const display = `:${200 + Math.floor(Math.random() * 700)}`;
  run(path("Xvnc"), [
    ...[
      display,
      "-geometry",
      "800x600",
      "-depth",
      "24",
      "-SecurityTypes",
      "None",
      "-AlwaysShared",
      "-rfbunixpath",
      rfbSocket,
      "-rfbport",
      "-1",
    ],
    ...["-nolisten", "tcp"],
  ]);
  const built = spawn(process.execPath, [join(REPOSITORY, "sandbox/image/runtime.mjs"), "--partial", "--out", join(home, "runtime")], {
    stdio: "ignore",
  });
  await once(built, "exit");
  const desktop = await serveDesktop({ port: 0, rfbSocket, page: join(home, "runtime", "desktop") });
  await Promise.all(Object.values(ports).map((port) => listening(port, 60_000)));
  run(path("xterm"), ["-display", display, "-geometry", "60x20+20+20"]);

  return {
    home,
    workspace,
    upstreams: {
      vscode: { port: ports.vscode },
      terminal: { port: ports.terminal },
      terminalWatch: { port: ports.terminalWatch },
      desktop: { port: desktop.port },
      opencode: { port: ports.opencode, authorization: `Basic ${Buffer.from("opencode:inner").toString("base64")}` },
    },
    async close() {
      await desktop.close();
      await Promise.all(children.map(endGroup));
      // Its server outlives what started it.
      await once(spawn(path("tmux"), [...tmux.slice(1), "kill-server"], { stdio: "ignore" }), "exit");
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Ends a child and all that it started: code-server leaves children behind when it alone is killed. */
async function endGroup(child: ChildProcess): Promise<void> {
  const gone = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch {
    // The group is gone already.
  }
  await gone;
}

export interface GatewayProcess {
  port: number;
  heard: FromGateway[];
  say(message: ToGateway): void;
  child: ChildProcess;
  close(): Promise<void>;
}

/** Starts the gateway as the supervisor does: a child process that is told everything by IPC. `program` is its source, or a bundle of it. */
export async function startGatewayProcess(
  config: Extract<ToGateway, { t: "config" }>,
  program = join(REPOSITORY, "gateway/main.ts"),
): Promise<GatewayProcess> {
  const child = fork(program, [], { env: {}, execArgv: [...GATEWAY_NODE_ARGUMENTS], stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const heard: FromGateway[] = [];
  const port = new Promise<number>((resolve, reject) => {
    child.on("message", (message: FromGateway) => {
      heard.push(message);
      if (message.t === "listening") resolve(message.port);
      if (message.t === "failed") reject(new Error(message.reason));
    });
    child.once("exit", () => reject(new Error("the gateway ended")));
  });
  child.send(config);
  return {
    port: await port,
    heard,
    child,
    say: (message) => void child.send(message),
    async close() {
      if (child.exitCode !== null) return;
      const gone = once(child, "exit");
      child.disconnect();
      await gone;
    },
  };
}
