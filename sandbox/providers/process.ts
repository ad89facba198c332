/**
 * Sandboxes that are plain processes of this user, for machines where bubblewrap can't run: sockets and free ports instead of fixed
 * ports, a HOME of their own, and no isolation at all. Chosen only with a warning that is shown wherever one can see it.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import type { InsideConfig, Ports } from "../boot/config.ts";
import { KEPT } from "../boot/environment.ts";
import { killMarked, SANDBOX_MARK } from "../boot/marked.ts";
import { partsReport } from "../image/report.ts";
import { generations, type Launch } from "./generations.ts";
import { localSites } from "./local-sites.ts";
import type { Places } from "./places.ts";
import type { SandboxProvider } from "./provider.ts";
import { startSupervisor } from "./supervised.ts";

/** What /health and the start say about this provider. */
export const PROCESS_WARNING =
  "SANDBOXES ARE NOT ISOLATED: they run as plain processes of this user. The agent can read and change every file of this user, reach " +
  "every service of this machine and of its network, and see other sandboxes. " +
  "Use it only with people, repositories and models you trust.";

/** Of the backend's own environment only the way to the network. */
const kept = (env: NodeJS.ProcessEnv) => Object.fromEntries(KEPT.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));

/** Ports that were free a moment ago, all different. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host: "127.0.0.1", port: 0 }, resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Whether the X server that wrote a display's lock file still runs. What a killed one left does not count: the next clears it away. */
function isDisplayUsed(display: number): boolean {
  try {
    process.kill(Number(readFileSync(`/tmp/.X${display}-lock`, "utf8")), 0);
    return true;
  } catch (error) {
    // Somebody else's process can't be signalled, but it is there.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** An X display number that nobody uses: from 100, since people's own are low, and none of another sandbox of this backend. */
function freeDisplay(used: ReadonlySet<number>): number {
  let display = 100;
  while (used.has(display) || isDisplayUsed(display)) display += 1;
  return display;
}

/** The provider `process`. `why` says why isolation was not to be had, and is part of the warning. */
export function processProvider(places: Places, options: { why: string; now: () => number }): SandboxProvider {
  const displays = new Set<number>();
  const launch: Launch = async (config, folders, startedAt) => {
    const [opencode = 0, gateway = 0] = await freePorts(2);
    const ports: Ports = { opencode, gateway, vscode: null, desktop: null, terminal: null, terminalWatch: null };
    const display = freeDisplay(displays);
    displays.add(display);
    const workspace = join(folders.work, "repo");
    await mkdir(workspace, { recursive: true });
    const sites = localSites(config.session, gateway, places.host);
    const inside: InsideConfig = {
      boot: config,
      startedAt,
      ports,
      display,
      paths: { home: folders.home, workspace, run: folders.run, runtime: places.runtime, parts: places.parts },
      workerUrl: places.worker.origin,
      sites,
      gatewaySocket: null,
      forwards: [],
      egressProxy: null,
    };
    // Random as well: another backend of this user may have a session of the same name.
    const mark = `${config.session}-g${config.generation}-${randomUUID()}`;
    const node = partsReport(places.parts).node;
    const started = await startSupervisor({
      command: [node.available ? node.path : process.execPath, join(places.runtime, "boot.mjs")],
      cwd: folders.work,
      env: { ...kept(process.env), PATH: process.env.PATH ?? "/usr/bin:/bin", HOME: folders.home, LANG: "C.UTF-8", [SANDBOX_MARK]: mark },
      options: null,
      config: inside,
      log: folders.log,
      cleanUp: async () => {
        killMarked(SANDBOX_MARK, mark);
        displays.delete(display);
      },
    });
    return { ...started, sites };
  };
  const warning = options.why ? `${PROCESS_WARNING} Why: ${options.why}` : PROCESS_WARNING;
  return generations({ name: "process", warning, data: places.data, launch, now: options.now });
}
