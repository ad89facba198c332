/**
 * The supervisor: the first of errand's programs in a sandbox. Reads its configuration as one line of JSON, starts and keeps
 * everything else, and ends all of it when that input ends (the backend is gone), on SIGTERM, or when the runner says so.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { PROVIDER } from "../image/opencode-config.ts";
import { partsReport } from "../image/report.ts";
import { InsideConfig } from "./config.ts";
import { commonEnvironment } from "./environment.ts";
import { bootFiles, bootFolders } from "./files.ts";
import { openForwards } from "./forwards.ts";
import { FromRunnerProcess, type RunnerConfig, type ToRunnerProcess } from "./ipc.ts";
import { killMarked, SANDBOX_MARK } from "./marked.ts";
import type { Status } from "./status.ts";
import { type Supervisor, supervise } from "./supervisor.ts";
import type { UnitName } from "./unit.ts";
import { programs } from "./units.ts";

/** Time the runner has to send what is buffered, and time the others have after it, in ms. Together less than 2.5 s. */
const RUNNER_MS = 1_600;
const GRACE_MS = 600;

/** What of the gateway's messages matters here; the rest (who used what) is not yet passed on. */
const FromGateway = z.discriminatedUnion("t", [
  z.object({ t: z.literal("listening") }),
  z.object({ t: z.literal("failed"), reason: z.string() }),
]);

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
  const { paths, ports, boot: session } = config;

  for (const folder of bootFolders(config)) mkdirSync(folder, { recursive: true, mode: 0o755 });
  const rules = readFileSync(join(paths.runtime, "opencode", "AGENTS.md"), "utf8");
  for (const { path, text, seed } of bootFiles(config, rules)) if (!seed || !existsSync(path)) writeFileSync(path, text);
  await openForwards(config.forwards);

  const parts = partsReport(paths.parts);
  const password = randomBytes(24).toString("base64url");
  const authorization = `Basic ${Buffer.from(`opencode:${password}`).toString("base64")}`;
  const common = commonEnvironment(config, parts, process.env);
  const { units, missing } = programs({ config, parts, common, node: process.execPath, password, authorization });
  let gatewayOrigin = config.gatewayOrigin;

  const runnerConfig: RunnerConfig = {
    session: session.session,
    generation: session.generation,
    runnerToken: session.runnerToken,
    workerUrl: config.workerUrl,
    workspace: paths.workspace,
    home: paths.home,
    run: paths.run,
    repository: session.repository,
    base: session.base,
    branch: session.branch,
    head: session.head,
    distrusted: session.distrusted,
    publish: session.publish,
    opencode: { url: `http://127.0.0.1:${ports.opencode}`, password },
    modelDefault: `${PROVIDER}/${session.models[0]?.id ?? ""}`,
    pricedModels: session.models.filter((model) => model.price !== null).map((model) => `${PROVIDER}/${model.id}`),
    bootedAt: config.startedAt,
  };
  const gatewayConfig = () => ({
    t: "config",
    session: session.session,
    workerOrigin: session.workerOrigin,
    grantKeys: session.grantKeys,
    publicOrigin: gatewayOrigin,
    listen: { port: ports.gateway, host: "127.0.0.1", socket: config.gatewaySocket },
    upstreams: {
      vscode: { port: ports.vscode },
      desktop: { port: ports.desktop },
      terminal: { port: ports.terminal },
      opencode: { port: ports.opencode, authorization },
    },
    landing: {
      vscode: `/?folder=${encodeURIComponent(paths.workspace).replaceAll("%2F", "/")}`,
      desktop: "/",
      terminal: "/",
    },
    local: new URL(session.workerOrigin).protocol === "http:" || gatewayOrigin?.startsWith("http:") === true,
  });

  const started: ToRunnerProcess = { t: "phase", at: began, phase: "start", ms: Math.max(0, began - config.startedAt), ok: true };
  running = supervise({
    units,
    missing,
    logFolder: join(paths.run, "log"),
    now: Date.now,
    log,
    began(unit, send) {
      if (unit === "gateway") send(gatewayConfig());
      if (unit !== "runner") return;
      send({ t: "config", config: runnerConfig } satisfies ToRunnerProcess);
      send(started);
      for (const fact of running?.facts() ?? []) send(fact);
    },
    hear,
  });

  function hear(unit: UnitName, message: unknown): void {
    if (unit === "gateway") {
      const said = FromGateway.safeParse(message).data;
      if (said?.t === "failed") log(`the gateway can't start: ${said.reason}`);
      if (said?.t !== "listening") return;
      running?.isReady("gateway");
      say({ t: "up" });
      return;
    }
    const said = FromRunnerProcess.safeParse(message).data;
    if (said?.t === "settled") running?.agentReady();
    if (said?.t === "exit") void end(said.reason, 0);
    if (said?.t !== "gateway" || said.origin === gatewayOrigin) return;
    gatewayOrigin = said.origin;
    running?.send("gateway", { t: "origin", publicOrigin: said.origin });
  }
}
