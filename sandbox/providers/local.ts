/**
 * Sandboxes in bubblewrap (network mode `proxy`): each with its own processes, files and loopback, joined to the host by
 * UNIX sockets only: in to its gateway, out to the Worker's routes of its session, to the egress proxy and to what
 * `forwards` names. The kernel is shared: fine for one's own repositories, not for hostile code.
 */
import { chown, mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import type { InsideConfig } from "../boot/config.ts";
import { partsReport } from "../image/report.ts";
import { bwrapArgs, bwrapCommand, ETC_FILES, INSIDE, LIMITS, nulSeparated, type Sources, staged } from "./bwrap-args.ts";
import { generations, type Launch } from "./generations.ts";
import { localSites } from "./local-sites.ts";
import { egressProxy } from "./net/egress.ts";
import { dialSandboxSocket, type Listening, MAX_SOCKET_PATH, relay } from "./net/relay.ts";
import { relayToWorker } from "./net/worker-relay.ts";
import { EGRESS_PORT, FIXED, FIXED_DISPLAY, type Places, WORKER_PORT } from "./places.ts";
import type { Folders, SandboxProvider } from "./provider.ts";
import { startSupervisor } from "./supervised.ts";

/**
 * The unprivileged user that sandboxes belong to when the backend is root: who called sudo, else a number from the range that
 * Debian's policy and systemd leave unused.
 */
export function unprivilegedUid(env: Readonly<Record<string, string | undefined>>): number {
  const sudo = Number(env.SUDO_UID);
  return Number.isInteger(sudo) && sudo > 0 ? sudo : 52_000;
}

/** What the environment of everything in a sandbox starts from. Everything else, and every secret, comes by a pipe. */
const BASE_ENV = {
  PATH: "/usr/local/bin:/usr/bin:/bin",
  HOME: INSIDE.home,
  USER: "dev",
  LOGNAME: "dev",
  SHELL: "/bin/bash",
  LANG: "C.UTF-8",
};

/** How `bwrap` is to be started for sources in these folders: command, options for descriptor 3. */
export type Wrapping = { command: [string, ...string[]]; options: string };

/**
 * Where root binds the sources for bubblewrap, in a mount namespace of its own for each sandbox; on the host the folder stays
 * empty. In /run, since root's data may lie in folders that no other user can enter.
 */
const STAGE = "/run/errand-sandboxes";

/** How to start a command in a sandbox that has these folders. */
export type Wrap = (folders: Pick<Folders, "home" | "work" | "run">, inner: readonly string[]) => Promise<Wrapping>;

/** Prepares what all sandboxes of a backend share, and returns how to wrap a command for one of them. `uid` is for root, else null. */
export async function wrapper(places: Pick<Places, "data" | "parts" | "runtime">, uid: number | null): Promise<Wrap> {
  const etc = join(places.data, "etc");
  await mkdir(etc, { recursive: true });
  for (const [name, text] of Object.entries(ETC_FILES)) await writeFile(join(etc, name), text, { mode: 0o644 });
  if (uid !== null) await mkdir(STAGE, { recursive: true, mode: 0o755 });
  return async (folders, inner) => {
    const { home, work, run } = folders;
    const sources: Sources = { home, work, run, runtime: places.runtime, parts: places.parts, etc };
    if (uid === null) return { command: bwrapCommand(inner, null), options: nulSeparated(bwrapArgs(sources, BASE_ENV)) };
    for (const path of [home, work, run]) await chown(path, uid, uid);
    return { command: bwrapCommand(inner, { uid, stage: STAGE, sources }), options: nulSeparated(bwrapArgs(staged(STAGE), BASE_ENV)) };
  };
}

/** The provider `local`. Needs Linux with bubblewrap that works for this user; see choose.ts. */
export async function localProvider(places: Places, options: { uid: number | null; now: () => number }): Promise<SandboxProvider> {
  const wrap = await wrapper(places, options.uid);

  const launch: Launch = async (config, folders, startedAt) => {
    // The host's sockets lie deep under the data folder; inside, the same folder has a short name.
    const socket = (name: string) => ({ host: join(folders.run, name), inside: `${INSIDE.run}/${name}` });
    const gateway = socket("gw.sock");
    const worker = socket("worker.sock");
    const egress = socket("egress.sock");
    const others = places.forwards.map((forward) => ({
      ...forward,
      ...socket(`f${forward.port}.sock`),
      to: { host: forward.host, port: forward.targetPort },
    }));
    const tooLong = [gateway, worker, egress, ...others].find((one) => Buffer.byteLength(one.host) > MAX_SOCKET_PATH);
    if (tooLong)
      throw new Error(`the data folder's path is too long for UNIX sockets (${tooLong.host} has more than ${MAX_SOCKET_PATH} bytes)`);
    const node = partsReport(places.parts).node;
    if (!node.available) throw new Error(`Node is missing in the sandbox's parts: ${node.reason}`);

    const open: Listening[] = [];
    const closeAll = async () => {
      await Promise.all(open.map((one) => one.close()));
    };
    const keep = async (starting: Promise<Listening>) => {
      const one = await starting;
      open.push(one);
      return one;
    };
    try {
      const front = await keep(relay({ host: "127.0.0.1", port: 0 }, () => dialSandboxSocket(gateway.host)));
      await keep(relayToWorker(worker.host, places.worker, config.session));
      await keep(egressProxy({ path: egress.host }));
      for (const one of others) await keep(relay({ path: one.host }, () => connect({ ...one.to, allowHalfOpen: true })));
      if (options.uid !== null) for (const one of [worker, egress, ...others]) await chown(one.host, options.uid, options.uid);
      const sites = localSites(config.session, front.port ?? 0, places.host);
      const inside: InsideConfig = {
        boot: config,
        startedAt,
        ports: FIXED,
        display: FIXED_DISPLAY,
        paths: { home: INSIDE.home, workspace: INSIDE.repo, run: INSIDE.run, runtime: INSIDE.runtime, parts: INSIDE.parts },
        workerUrl: `http://127.0.0.1:${WORKER_PORT}`,
        sites,
        gatewaySocket: gateway.inside,
        forwards: [
          { port: WORKER_PORT, socket: worker.inside },
          { port: EGRESS_PORT, socket: egress.inside },
          ...others.map((one) => ({ port: one.port, socket: one.inside })),
        ],
        egressProxy: `http://127.0.0.1:${EGRESS_PORT}`,
      };
      const insideNode = node.path.startsWith(`${places.parts}/`) ? INSIDE.parts + node.path.slice(places.parts.length) : node.path;
      const { command, options: bwrapOptions } = await wrap(folders, [...LIMITS, insideNode, `${INSIDE.runtime}/boot.mjs`]);
      const started = await startSupervisor({
        command,
        cwd: "/",
        // Of our own environment only where programs are: bwrap's own can be read in the sandbox.
        env: { PATH: process.env.PATH ?? BASE_ENV.PATH },
        options: bwrapOptions,
        config: inside,
        log: folders.log,
        cleanUp: closeAll,
      });
      return { ...started, sites };
    } catch (error) {
      await closeAll();
      throw error;
    }
  };

  return generations({ name: "local", warning: null, data: places.data, launch, now: options.now });
}
