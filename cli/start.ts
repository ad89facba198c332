/**
 * `errand start`: everything on this machine. Brings up what no account is set for (a local Slack, a git host, a
 * demonstration model), the sandbox backend and the Worker; keeps them up; ends them all together.
 */
import { userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { partsFolder } from "../sandbox/image/install/folder.mjs";
import { startWorld, type World } from "../test/world/main.ts";
import { demonstrationModel, startModel } from "../test/world/model.ts";
import { startBackend } from "./backend.ts";
import { holdDataFolder, makeDataFolder } from "./data-folder.ts";
import { type Child, isTaken } from "./processes.ts";
import { loadSecrets, type Secrets } from "./secrets.ts";
import { HELP, PORT_USES, PORTS, readSettings, type StartSettings } from "./settings.ts";
import { startSocketMode } from "./socket-mode.ts";
import { startWorker } from "./worker.ts";

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
  throw new Error(`${which} taken by another program. End it, or choose seven others in a row: npm start -- --port 9000`);
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

  const local = await startLocal(settings, signingSecret);
  running.add(local.stop);

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
      forwards: local.world ? [{ port: port + PORTS.git, host: "127.0.0.1", targetPort: port + PORTS.git }] : [],
      onLine: log("backend"),
    }).then((backend) => {
      if (backend.warning) say(`\n  WARNING: ${backend.warning}\n`);
      return backend;
    }),
  );
  const vars = workerVars(settings, secrets, signingSecret, local.world);
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
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  say(
    `errand: running after ${seconds} s. All sessions: ${origin}, model: ${settings.model.kind === "real" ? settings.model.name : "scripted demonstration (npm start -- --help tells how to set a real one)"}`,
  );
  say(local.world ? `\n  Open ${local.world.page.url} and mention @errand.\n` : "\n  Mention @errand in your Slack.\n");
  say("  Ctrl-C ends everything.");
}

/** What stands in for accounts that are not set: the local world, or beside a real Slack only the demonstration model. */
async function startLocal(settings: StartSettings, signingSecret: string): Promise<{ world: World | null; stop: () => Promise<void> }> {
  const { port, data } = settings;
  const demonstration = settings.model.kind === "demonstration";
  if (settings.slack.kind === "local") {
    const world = await startWorld({
      dataDir: join(data, "world"),
      slackEventsUrl: `http://127.0.0.1:${port}/slack/events`,
      signingSecret,
      ports: { page: port + PORTS.page, git: port + PORTS.git, slack: port + PORTS.slack, model: port + PORTS.model },
      model: demonstration ? "demonstration" : null,
    });
    return { world, stop: world.stop };
  }
  const model = demonstration ? await startModel({ port: port + PORTS.model, respond: demonstrationModel() }) : null;
  return { world: null, stop: async () => model?.stop() };
}

function workerVars(settings: StartSettings, secrets: Secrets, signingSecret: string, world: World | null): Record<string, string> {
  const { port, slack, model } = settings;
  const origin = `http://127.0.0.1:${port}`;
  // The sample stands in only where nobody chose a repository.
  const sample = settings.repository === null && settings.repositoryBaseUrl === null ? world : null;
  return {
    PUBLIC_ORIGIN: origin,
    DEPLOYMENT: secrets.deployment,
    LOCAL_OWNER: userInfo().username || "owner",
    BACKEND_URL: `http://127.0.0.1:${port + PORTS.backend}`,
    BACKEND_KEY: `local:${secrets.backendKey}`,
    SESSION_KEY: secrets.sessionKey,
    GRANT_KEY: JSON.stringify(secrets.grantKey),
    SLACK_SIGNING_SECRET: signingSecret,
    SLACK_BOT_TOKEN: slack.kind === "real" ? slack.botToken : (world?.slack.botToken ?? ""),
    SLACK_API_URL: slack.kind === "real" ? "" : (world?.slack.apiUrl ?? ""),
    REPOSITORY_BASE_URL: settings.repositoryBaseUrl ?? sample?.git.url ?? "https://github.com",
    DEFAULT_REPOSITORY: settings.repository ?? (sample ? "acme/sample" : ""),
    MODEL_URL: model.kind === "real" ? model.url : `http://127.0.0.1:${port + PORTS.model}/v1`,
    MODEL_KEY: model.kind === "real" ? model.key : "demonstration",
    MODEL_NAME: model.kind === "real" ? model.name : "demonstration",
    MODEL_PRICE: model.kind === "real" ? model.price : '{"input":0,"output":0}',
    MODEL_CONTEXT: model.kind === "real" ? model.context : "",
  };
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
