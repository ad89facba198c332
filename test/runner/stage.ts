/** A sandbox's inside for the runner's tests: the real OpenCode, a real git repository, the real runner process, a peer. */

import type { ChildProcess } from "node:child_process";
import { execFileSync, fork, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunnerAnswer, RunnerAsk } from "../../protocol/runner.ts";
import type { Prompt } from "../../runner/journal.ts";
import { OPENCODE_FLAGS } from "../../sandbox/boot/environment.ts";
import type { RunnerConfig } from "../../sandbox/boot/ipc.ts";
import { OPENCODE_NO_INSTALL, opencodeConfig } from "../../sandbox/image/opencode-config.ts";
import { startModel } from "../world/model.ts";
import { partPath } from "../world/real-opencode.ts";
import type { Script } from "./model.ts";
import { scripted } from "./model.ts";
import { startPeer } from "./peer.ts";

const TOKEN = "runner-token";
/** Time between two pieces of the model's text, ms. */
const PACE_MS = 30;
const PASSWORD = "opencode-password";

/** Starts everything but the runner. `repository` replaces the sample repository's address, `answer` is what asks are told. */
export async function setStage(
  scripts: Record<string, Script>,
  repository?: string | null,
  answer?: (ask: RunnerAsk) => RunnerAnswer | null,
) {
  const binary = partPath("opencode");
  const root = mkdtempSync(join(tmpdir(), "errand-runner-"));
  const home = join(root, "home");
  const workspace = join(root, "repo");
  const configFolder = join(root, "opencode");
  for (const folder of [home, workspace, join(root, "run")]) mkdirSync(folder, { recursive: true });
  const origin = sampleRepository(root);
  const script = scripted(scripts);
  const [model, peer, port] = await Promise.all([
    startModel({ respond: script.respond, paceMs: PACE_MS }),
    startPeer(TOKEN, answer),
    freePort(),
  ]);
  writeConfig([configFolder, join(home, ".config", "opencode")], configFolder, model.url, workspace);

  const config: RunnerConfig = {
    session: "session1",
    generation: 1,
    runnerToken: TOKEN,
    workerUrl: peer.url,
    workspace,
    home,
    run: join(root, "run"),
    repository: repository === undefined ? origin : repository,
    base: null,
    branch: "errand/session1",
    head: null,
    distrusted: false,
    publish: false,
    opencode: { url: `http://127.0.0.1:${port}`, password: PASSWORD },
    modelDefault: "errand/main",
    pricedModels: ["errand/main"],
    bootedAt: Date.now(),
    reservedPorts: [port],
    // This machine is not a sandbox: nothing that listens on it is asked anything.
    mark: "of-no-process",
  };
  let openCode: ChildProcess | null = null;
  let runner: ChildProcess | null = null;
  const said: unknown[] = [];
  const logged: string[] = [];

  function startOpenCode(): void {
    const env = {
      PATH: process.env.PATH,
      HOME: home,
      LANG: "C.UTF-8",
      OPENCODE_CONFIG_DIR: configFolder,
      ...OPENCODE_FLAGS,
      OPENCODE_SERVER_PASSWORD: PASSWORD,
      ERRAND_MODEL_TOKEN: "model-token",
    };
    openCode = spawn(binary, ["serve", "--hostname", "127.0.0.1", "--port", String(port)], { cwd: workspace, env, stdio: "ignore" });
  }

  function startRunner(changed: Partial<RunnerConfig> = {}): void {
    runner = fork(join(import.meta.dirname, "..", "..", "runner", "main.ts"), {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: { PATH: process.env.PATH },
    });
    runner.stderr?.on("data", (data) => logged.push(String(data)));
    runner.on("message", (message) => said.push(message));
    runner.send({ t: "config", config: { ...config, ...changed } });
  }

  async function kill(child: ChildProcess | null): Promise<void> {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once("exit", done));
    child.kill("SIGKILL");
    await gone;
  }

  return {
    config,
    script,
    peer,
    said,
    logged,
    workspace,
    home,
    startOpenCode,
    startRunner,
    tell: (message: object) => runner?.send(message),
    killRunner: () => kill(runner),
    killOpenCode: () => kill(openCode),
    root,
    prompt: (turn: number, text: string, more: Partial<Prompt> = {}) =>
      peer.command({ do: "prompt", turn, text, system: "A test asks.", model: "errand/main", ...more }),
    close: async () => {
      await Promise.all([kill(runner), kill(openCode)]);
      peer.close();
      await model.stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function sampleRepository(root: string): string {
  const folder = join(root, "origin");
  mkdirSync(folder);
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.com", ...args], { cwd: folder, stdio: "pipe" });
  git("init", "-q", "-b", "main");
  writeFileSync(join(folder, "greeting.txt"), "hello\n");
  writeFileSync(join(folder, "notes.md"), "# Notes\n");
  git("add", ".");
  git("commit", "-q", "-m", "first");
  return folder;
}

function writeConfig(folders: string[], main: string, modelBaseUrl: string, workspace: string): void {
  for (const folder of folders) {
    mkdirSync(join(folder, "node_modules"), { recursive: true });
    for (const [name, text] of Object.entries(OPENCODE_NO_INSTALL)) writeFileSync(join(folder, name), text);
  }
  const price = { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 };
  const models = [{ id: "main", name: "main", context: 200_000, output: 32_000, price }];
  writeFileSync(join(main, "opencode.json"), JSON.stringify(opencodeConfig({ models, modelBaseUrl, workspace })));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
