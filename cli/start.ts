/**
 * `errand start`: everything on this machine. Brings up what no account is set for (a local Slack, a local GitHub, a
 * demonstration model), the sandbox backend and the Worker; keeps them up; ends them all together.
 */
import { randomBytes } from "node:crypto";
import { userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { partsFolder } from "../sandbox/image/install/folder.mjs";
import { startWorld, type World } from "../test/world/main.ts";
import { demonstrationModel, startModel } from "../test/world/model.ts";
import { startBackend } from "./backend.ts";
import { holdDataFolder, makeDataFolder } from "./data-folder.ts";
import { type Child, isTaken } from "./processes.ts";
import { loadSecrets } from "./secrets.ts";
import { HELP, PORT_USES, PORTS, readSettings, type StartSettings } from "./settings.ts";
import { startSocketMode } from "./socket-mode.ts";
import { startSweeps } from "./sweeps.ts";
import { startWebhookProxy } from "./webhook-proxy.ts";
import { startWorker } from "./worker.ts";
import { type StandIns, workerVars } from "./worker-vars.ts";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const say = (line: string) => process.stdout.write(`${line}\n`);

/** Runs until it is told to end. Returns the exit code: 0 ended as asked, 1 could not start, 2 wrong settings. */
export async function start(argv: string[]): Promise<number> {
  const read = readSettings(argv, process.env);
  if (read.ok === "help") {
    say(HELP);
    return 0;
  }
  if (!read.ok) {
    for (const mistake of read.mistakes) process.stderr.write(`errand: ${mistake}\n`);
    process.stderr.write("See npm start -- --help\n");
    return 2;
  }
  const { settings } = read;
  const running = new Running();
  try {
    settings.data = makeDataFolder(settings.data);
    const held = await holdDataFolder(settings.data, `http://127.0.0.1:${settings.port}`);
    running.add(async () => held.release());
    await checkPorts(settings.port);
  } catch (error) {
    process.stderr.write(`errand: ${error instanceof Error ? error.message : String(error)}\n`);
    await running.stop();
    return 1;
  }
  const stopped = new Promise<void>((resolve) => {
    // `disconnect`: what started this process is gone without a word.
    for (const cause of ["SIGINT", "SIGTERM", "SIGHUP", "disconnect"]) {
      process.on(cause, () => {
        if (running.ending) return;
        running.ending = true;
        say("\nerrand: ending …");
        resolve();
      });
    }
    process.channel?.unref();
  });
  try {
    const began = Date.now();
    await Promise.race([bringUp(settings, running, began), stopped]);
    await stopped;
    return 0;
  } catch (error) {
    if (running.ending) return 0;
    process.stderr.write(`errand: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    running.ending = true;
    await running.stop();
  }
}

/** Throws with every port that is taken, what it is for and what to do. */
async function checkPorts(first: number): Promise<void> {
  const taken: string[] = [];
  for (const [part, offset] of Object.entries(PORTS) as [keyof typeof PORTS, number][])
    if (await isTaken(first + offset)) taken.push(`${first + offset} (for ${PORT_USES[part]})`);
  if (taken.length === 0) return;
  const which = taken.length === 1 ? `Port ${taken[0]} is` : `The ports ${taken.join(", ")} are`;
  throw new Error(`${which} taken by another program. End it, or choose eight others in a row: npm start -- --port 9000`);
}

/** What has been started, to be ended in the opposite order. */
class Running {
  ending = false;
  readonly #stops: (() => Promise<void>)[] = [];

  add(stop: () => Promise<void>): void {
    this.#stops.unshift(stop);
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) await stop().catch((error: unknown) => process.stderr.write(`errand: ${String(error)}\n`));
  }
}

async function bringUp(settings: StartSettings, running: Running, began: number): Promise<void> {
  const { port, data } = settings;
  const origin = `http://127.0.0.1:${port}`;
  const secrets = await loadSecrets(data);
  const signingSecret =
    settings.slack.kind === "real" && settings.slack.signingSecret ? settings.slack.signingSecret : secrets.slackSigningSecret;
  say(`errand: starting; everything is kept in ${data}`);
  for (const remark of settings.remarks) say(`errand: ${remark}`);

  const world = await startLocal(settings, signingSecret, running);

  const log = (name: string) => (line: string) => {
    if (process.env.ERRAND_VERBOSE) say(`${name}: ${line}`);
  };
  await keepUp(running, "sandbox backend", () =>
    startBackend({
      root,
      data,
      parts: partsFolder(process.env),
      port: port + PORTS.backend,
      keys: { local: secrets.backendKey },
      worker: origin,
      host: settings.sandboxHost,
      forwards: world ? [{ port: port + PORTS.git, host: "127.0.0.1", targetPort: port + PORTS.git }] : [],
      onLine: log("backend"),
    }).then((backend) => {
      if (backend.warning) say(`\n  WARNING: ${backend.warning}\n`);
      return backend;
    }),
  );
  const standIns = standInsOf(world);
  const vars = workerVars(settings, secrets, { owner: userInfo().username || "owner", slackSigningSecret: signingSecret, standIns });
  await keepUp(running, "Worker", () => startWorker({ root, data, port, vars, onLine: log("worker") }));

  if (settings.slack.kind === "real") {
    const socket = await startSocketMode({
      appToken: settings.slack.appToken,
      signingSecret,
      target: `${origin}/slack/events`,
      log: (line) => say(`slack: ${line}`),
    });
    running.add(() => socket.stop());
  }
  const { github } = settings;
  if (github.kind === "real" && github.webhookProxy) {
    const log = (line: string) => say(`github: ${line}`);
    const proxy = startWebhookProxy({ channel: github.webhookProxy, target: `${origin}/github/webhook`, log });
    running.add(() => proxy.stop());
  }
  if (github.kind === "real" || github.kind === "local") {
    const sweeps = startSweeps({ origin, log: (line) => say(`github: ${line}`) });
    running.add(() => sweeps.stop());
  }
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  say(
    `errand: running after ${seconds} s. All sessions: ${origin}, model: ${settings.model.kind === "real" ? settings.model.name : "scripted demonstration (npm start -- --help tells how to set a real one)"}`,
  );
  say(
    `\n${whereToGo(settings, world)
      .map((line) => `  ${line}\n`)
      .join("")}`,
  );
  say("  Ctrl-C ends everything.");
}

/** Where a person talks to errand, a line for each surface. */
function whereToGo({ slack, github, port }: StartSettings, world: World | null): string[] {
  const lines: string[] = [];
  const page = world?.page.url.replace(/\/$/, "");
  lines.push(slack.kind === "real" ? "Slack:   mention @errand in yours." : `Slack:   open ${page}/ and mention @errand.`);
  const setup = `http://127.0.0.1:${port}/setup/github`;
  if (github.kind === "local")
    lines.push(`GitHub:  open ${page}/github and mention @${world?.github?.slug} in an issue. A real one: ${setup}`);
  else if (github.kind === "real") lines.push(`GitHub:  mention @${github.slug} in an issue. On which repositories: ${setup}`);
  else lines.push(`GitHub:  not set up. Register an App: ${setup}`);
  return lines;
}

/** What stands in for accounts that are not set: the local world, or, where it has nothing to do, only the demonstration model. */
async function startLocal(settings: StartSettings, signingSecret: string, running: Running): Promise<World | null> {
  const { port, data, slack, github } = settings;
  const demonstration = settings.model.kind === "demonstration";
  const origin = `http://127.0.0.1:${port}`;
  if (slack.kind === "local" || github.kind === "local") {
    const world = await startWorld({
      dataDir: join(data, "world"),
      slackEventsUrl: slack.kind === "local" ? `${origin}/slack/events` : null,
      signingSecret,
      ports: Object.fromEntries((["page", "git", "slack", "model", "github", "google"] as const).map((part) => [part, port + PORTS[part]])),
      github:
        github.kind === "local"
          ? {
              webhookUrl: `${origin}/github/webhook`,
              webhookSecret: randomBytes(32).toString("hex"),
              callbackUrls: [`${origin}/auth/github/callback`],
            }
          : null,
      google: github.kind === "local" && !settings.signIn.google ? { redirectUris: [`${origin}/auth/google/callback`] } : null,
      model: demonstration ? "demonstration" : null,
    });
    running.add(world.stop);
    return world;
  }
  if (demonstration) {
    const model = await startModel({ port: port + PORTS.model, respond: demonstrationModel() });
    running.add(() => model.stop());
  }
  return null;
}

function standInsOf(world: World | null): StandIns {
  if (!world) return { slack: null, git: null, github: null, google: null };
  return { slack: world.slack, git: world.git, github: world.github, google: world.google };
}

/** Starts a part and starts it again whenever it ends by itself, with a growing wait. */
async function keepUp(running: Running, name: string, begin: () => Promise<Child>): Promise<void> {
  let child = await begin();
  running.add(() => child.stop());
  let failures = 0;
  const watch = async () => {
    const since = Date.now();
    const how = await child.ended;
    if (running.ending) return;
    failures = Date.now() - since > 60_000 ? 1 : failures + 1;
    const wait = Math.min(30_000, 500 * 2 ** failures);
    process.stderr.write(`errand: the ${name} ended (${how}); starting it again in ${wait / 1000} s\n`);
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (running.ending) return;
    child = await begin().catch((error: unknown) => {
      process.stderr.write(`errand: ${error instanceof Error ? error.message : String(error)}\n`);
      return child;
    });
    void watch();
  };
  void watch();
}
