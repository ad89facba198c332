/**
 * The runner's process: a child of the supervisor with an IPC channel, see sandbox/boot/ipc.ts. Everything it needs comes
 * as the first message; nothing secret is in its environment or arguments.
 */

import type { Guest } from "../protocol/grant.ts";
import type { RunnerConfig } from "../sandbox/boot/ipc.ts";
import { type FromRunnerProcess, ToRunnerProcess } from "../sandbox/boot/ipc.ts";
import type { Conductor } from "./conduct.ts";
import { conduct } from "./conduct.ts";
import { credentialSocket, gitConfig, helperCommand, installGitConfig, serveCredentials } from "./credentials.ts";
import { journalFile } from "./journal.ts";
import type { Link } from "./link.ts";
import { openLink } from "./link.ts";
import { connectOpenCode } from "./opencode.ts";
import { watchPorts } from "./port-watch.ts";

/** Time to send what is left when the sandbox ends, ms. */
const FAREWELL_MS = 1_500;

const over = new AbortController();
let link: Link | null = null;
let conductor: Conductor | null = null;

const log = (message: string): void => console.error(`runner: ${message}`);

function tell(message: FromRunnerProcess): void {
  if (process.connected) process.send?.(message);
}

function start(config: RunnerConfig): void {
  const journal = journalFile(config.home, config.session, log);
  const openCode = connectOpenCode({ ...config.opencode, directory: config.workspace, fetch });
  const opened = openLink({
    workerUrl: config.workerUrl,
    session: config.session,
    generation: config.generation,
    token: config.runnerToken,
    applied: () => conducting.applied(),
    onCommand: (seq, command) => conducting.onCommand(seq, command),
    onSites: (sites) => tell({ t: "sites", sites }),
    onGrantKeys: (grantKeys) => tell({ t: "keys", grantKeys }),
    onFenced: (reason) => {
      log(`this generation is over: ${reason}`);
      over.abort();
      tell({ t: "exit", reason });
      setTimeout(() => process.exit(0), 200);
    },
    onSafe: (events) => {
      conducting.onSafe(events);
      ports.onSafe(events);
    },
    log,
    now: Date.now,
    random: Math.random,
  });
  const socket = credentialSocket(config.run);
  const helper = helperCommand(socket);
  prepareGit(config, socket, helper, opened);
  const conducting = conduct({
    config,
    helper,
    openCode,
    journal,
    emit: opened.push,
    ack: opened.ack,
    now: Date.now,
    log,
    signal: over.signal,
    onSettled: () => tell({ t: "settled" }),
  });
  const ports = watchPorts({ config, emit: opened.push, now: Date.now, signal: over.signal });
  link = opened;
  conductor = conducting;
}

/** git's way to a credential, before anything is cloned. Without it, what needs none still works. */
function prepareGit(config: RunnerConfig, socket: string, helper: string, { ask }: Link): void {
  const failed = (error: unknown) => log(`git: ${error instanceof Error ? error.message : String(error)}`);
  serveCredentials(socket, ask, log, over.signal).catch(failed);
  installGitConfig(config.home, gitConfig(helper, config.repository), over.signal).catch(failed);
}

/** Has the SessionAgent say who may no longer. Without an answer the gateway asks again, and in the end puts everybody out. */
async function askAbout(id: number, guests: Guest[]): Promise<void> {
  const answer = await link?.ask({ what: "guests", guests });
  if (answer?.is === "guests") tell({ t: "guests", id, gone: answer.gone, ...(answer.unsure ? { unsure: answer.unsure } : {}) });
}

async function end(): Promise<void> {
  over.abort();
  await link?.close(FAREWELL_MS);
  process.exit(0);
}

process.on("message", (raw: unknown) => {
  const parsed = ToRunnerProcess.safeParse(raw);
  if (!parsed.success) return log("a message of the supervisor is not in the contract and was ignored");
  const message = parsed.data;
  switch (message.t) {
    case "config":
      return link === null ? start(message.config) : log("a second configuration was ignored");
    case "phase": {
      const { t: _, ...phase } = message;
      return link?.push({ type: "boot.phase", ...phase });
    }
    case "service": {
      const { t: _, ...service } = message;
      return link?.push({ type: "service.state", at: Date.now(), ...service });
    }
    case "opencode":
      return conductor?.onOpenCode(message.state);
    case "guests":
      return void askAbout(message.id, message.guests);
    case "used":
      return link?.used(message.service);
    case "end":
      return void end();
  }
});
// The supervisor is gone, and with it the sandbox.
process.on("disconnect", () => process.exit(0));
