/**
 * The supervisor: the first of errand's programs in a sandbox. Reads its configuration as one line of JSON, starts and keeps
 * everything else, and ends all of it when that input ends (the backend is gone), on SIGTERM, or when the runner says so.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { isDeepStrictEqual } from "node:util";
import { partsReport } from "../image/report.ts";
import { InsideConfig } from "./config.ts";
import { commonEnvironment } from "./environment.ts";
import { bootFiles, bootFolders } from "./files.ts";
import { openForwards } from "./forwards.ts";
import { type Changing, FromGateway, gatewayConfig } from "./gateway.ts";
import { FromRunnerProcess, type ToRunnerProcess } from "./ipc.ts";
import { killMarked, SANDBOX_MARK } from "./marked.ts";
import { runnerConfig } from "./runner.ts";
import type { Status } from "./status.ts";
import { type Supervisor, supervise } from "./supervisor.ts";
import { programs } from "./units.ts";

/** Time the runner has to send what is buffered, and time the others have after it, in ms. Together less than 2.5 s. */
const RUNNER_MS = 1_600;
const GRACE_MS = 600;

const say = (status: Status) => void process.stdout.write(`${JSON.stringify(status)}\n`);
const log = (line: string) => void process.stderr.write(`${new Date().toISOString()} ${line}\n`);

let running: Supervisor | null = null;
let ending = false;

/** Ends everything, then this process. Takes less than 2.5 s. */
async function end(reason: string, code: number): Promise<void> {
  if (ending) return;
  ending = true;
  log(`ending: ${reason}`);
  say({ t: "end", reason: reason.slice(0, 2_000) });
  await running?.stop(RUNNER_MS, GRACE_MS);
  // Without a process namespace what left its unit (tmux's server, an agent's daemon) would outlive the sandbox.
  const mark = process.env[SANDBOX_MARK];
  if (mark) killMarked(SANDBOX_MARK, mark);
  process.exit(code);
}

process.stdout.on("error", () => undefined);
process.stderr.on("error", () => undefined);
process.on("SIGTERM", () => end("it was told to end", 0));
process.on("SIGINT", () => end("it was told to end", 0));

const lines = createInterface({ input: process.stdin });
lines.on("close", () => end("its backend ended it", 0));
lines.once("line", (line) => {
  boot(line).catch((error: unknown) => end(`it could not boot: ${error instanceof Error ? error.message : String(error)}`, 1));
});

async function boot(line: string): Promise<void> {
  const began = Date.now();
  const parsed = InsideConfig.safeParse(JSON.parse(line));
  // Only where and what: an issue's input could be a secret.
  if (!parsed.success) throw new Error(parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; "));
  const config = parsed.data;
  const { paths, boot: session } = config;

  for (const folder of bootFolders(config)) mkdirSync(folder, { recursive: true, mode: 0o755 });
  const rules = readFileSync(join(paths.runtime, "opencode", "AGENTS.md"), "utf8");
  for (const { path, text, seed } of bootFiles(config, rules)) if (!seed || !existsSync(path)) writeFileSync(path, text);
  await openForwards(config.forwards);

  const parts = partsReport(paths.parts);
  const password = randomBytes(24).toString("base64url");
  const authorization = `Basic ${Buffer.from(`opencode:${password}`).toString("base64")}`;
  const common = commonEnvironment(config, parts, process.env);
  const { units, missing } = programs({ config, parts, common, node: process.execPath, password, authorization });
  /** What the Worker said last, for a gateway that is started again. */
  const changing: Changing = { sites: config.sites, grantKeys: session.grantKeys };
  /** The gateway's newest question about its guests, under our own number: an answer to an earlier gateway's is dropped. */
  let asked = { id: 0, ofGateway: 0 };

  const started: ToRunnerProcess = { t: "phase", at: began, phase: "start", ms: Math.max(0, began - config.startedAt), ok: true };
  running = supervise({
    units,
    missing,
    logFolder: join(paths.run, "log"),
    now: Date.now,
    log,
    began(unit, send) {
      if (unit === "gateway") {
        asked = { id: asked.id + 1, ofGateway: 0 };
        send(gatewayConfig(config, changing, authorization));
      }
      if (unit !== "runner") return;
      send({ t: "config", config: runnerConfig(config, password, process.env[SANDBOX_MARK] ?? null) } satisfies ToRunnerProcess);
      send(started);
      for (const fact of running?.facts() ?? []) send(fact);
    },
    hear: (unit, message) => (unit === "gateway" ? hearGateway(message) : hearRunner(message)),
  });

  const tellRunner = (message: ToRunnerProcess) => running?.send("runner", message);

  function hearGateway(message: unknown): void {
    const said = FromGateway.safeParse(message).data;
    switch (said?.t) {
      case "failed":
        return log(`the gateway can't start: ${said.reason}`);
      case "listening":
        running?.isReady("gateway");
        return say({ t: "up" });
      case "used":
        return tellRunner(said);
      case "guests":
        asked = { id: asked.id + 1, ofGateway: said.id };
        return tellRunner({ ...said, id: asked.id });
    }
  }

  function hearRunner(message: unknown): void {
    const said = FromRunnerProcess.safeParse(message).data;
    switch (said?.t) {
      case "settled":
        return running?.agentReady();
      case "exit":
        return void end(said.reason, 0);
      case "guests":
        return said.id === asked.id ? running?.send("gateway", { ...said, id: asked.ofGateway }) : undefined;
      case "sites":
        if (isDeepStrictEqual(said.sites, changing.sites)) return;
        changing.sites = said.sites;
        return running?.send("gateway", said);
      case "keys":
        if (isDeepStrictEqual(said.grantKeys, changing.grantKeys)) return;
        changing.grantKeys = said.grantKeys;
        return running?.send("gateway", said);
    }
  }
}
