/**
 * The built Worker on raw workerd between a real (emulated) Slack and peers that speak the two inner contracts: a
 * backend that says yes, and a runner with the real link whose work is scripted. Any side can be killed at any call.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebClient } from "@slack/web-api";
import { exportJWK, generateKeyPair } from "jose";
import { type BootConfig, EnsureBody, type SandboxView } from "../../protocol/backend.ts";
import type { RunnerEvent } from "../../protocol/events.ts";
import type { Command } from "../../protocol/runner.ts";
import { type Link, openLink } from "../../runner/link.ts";
import { buildWorker, ERRAND_OBJECTS, freePort, Workerd } from "../workerd/workerd.ts";
import { startSlack } from "../world/slack/start.ts";
import { TOKENS, WORKSPACE } from "../world/slack/workspace.ts";

/** What a scripted runner does with a prompt. `say` sends events of that turn. */
export type Script = (
  prompt: Extract<Command, { do: "prompt" }>,
  say: (event: DistributiveOmit<RunnerEvent, "at" | "turn">) => void,
  stopped: () => boolean,
) => Promise<void>;
type DistributiveOmit<T, K extends string> = T extends unknown ? Omit<T, K> : never;

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Plans, works, answers: 8 events over about 600 ms. */
export const ordinary: Script = async (prompt, say, stopped) => {
  const plan = (status: "in_progress" | "completed") => say({ type: "plan.updated", items: [{ text: "Change the file", status }] });
  plan("in_progress");
  for (const word of ["I ", "did ", "it."]) {
    if (stopped()) return;
    say({ type: "text.delta", part: `p${prompt.turn}`, text: word });
    await sleep(60);
  }
  say({ type: "tool.started", id: `t${prompt.turn}`, tool: "bash", title: "Run `true`" });
  await sleep(150);
  say({ type: "tool.finished", id: `t${prompt.turn}`, tool: "bash", title: "Run `true`", ok: true, ms: 150, exit: 0 });
  plan("completed");
  say({ type: "text.done", part: `p${prompt.turn}`, text: `Done: ${prompt.text}` });
  say({ type: "turn.usage", tokens: { input: 10, output: 5, reasoning: 0, cacheRead: 0, cacheWrite: 0 }, cost: 0.001 });
};

export type Runner = { kill: () => void; turns: number[]; link: Link };

/** A runner whose work is scripted: its link, numbering and replay are the product's. Applies each command once. */
export function startRunner(options: {
  workerUrl: string;
  session: string;
  generation: number;
  token: string;
  script: () => Script;
  commands: Set<number>;
  done: Set<number>;
}): Runner {
  const { commands, done, script } = options;
  const turns: number[] = [];
  const stops = new Set<number>();
  let killed = false;
  const link = openLink({
    ...options,
    applied: () => Math.max(0, ...commands),
    onCommand: (seq, command) => {
      if (killed) return;
      if (!commands.has(seq)) {
        commands.add(seq);
        if (command.do === "stop") stops.add(command.turn);
        if (command.do === "prompt" && !done.has(command.turn)) void work(command);
      }
      link.ack(seq);
    },
    onSites: () => undefined,
    onGrantKeys: () => undefined,
    onFenced: () => {
      killed = true;
    },
    onSafe: () => undefined,
    log: () => undefined,
    now: Date.now,
    random: Math.random,
  });
  const say = (event: RunnerEvent) => {
    if (!killed) link.push(event);
  };
  async function work(prompt: Extract<Command, { do: "prompt" }>): Promise<void> {
    turns.push(prompt.turn);
    const { turn } = prompt;
    say({ type: "turn.accepted", at: Date.now(), turn });
    await script()(
      prompt,
      (event) => say({ ...event, at: Date.now(), turn } as RunnerEvent),
      () => stops.has(turn),
    );
    if (killed) return;
    done.add(turn);
    say({ type: "turn.finished", at: Date.now(), turn, outcome: stops.has(turn) ? "stopped" : "done" });
  }
  const phases = [
    ["start", 40],
    ["opencode", 900],
  ] as const;
  for (const [phase, ms] of phases) say({ type: "boot.phase", at: Date.now(), phase, ms, ok: true });
  say({ type: "service.state", at: Date.now(), service: "vscode", state: "available" });
  say({ type: "sandbox.ready", at: Date.now(), ms: 1_000 });
  return {
    turns,
    link,
    kill: () => {
      killed = true;
      void link.close(0);
    },
  };
}

/** A backend at its contract: starts scripted runners, one generation at a time. `refuse` makes it answer an error instead. */
export class Backend {
  script: Script = ordinary;
  refuse: { status: number; code: string; message: string; retryable: boolean } | null = null;
  /** Sandboxes ever started, in order: `session/generation`, what they were told, and the prompts they got. */
  readonly started: string[] = [];
  readonly configs: BootConfig[] = [];
  readonly prompts: Extract<Command, { do: "prompt" }>[] = [];
  readonly #sandboxes = new Map<string, { view: SandboxView; runner: Runner }>();
  readonly #commands = new Map<string, Set<number>>();
  readonly #done = new Map<string, Set<number>>();
  #server: Server | undefined;
  workerUrl = "";
  url = "";

  async start(): Promise<void> {
    this.#server = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (chunk: string) => {
        body += chunk;
      });
      request.on("end", () => {
        const { status, json } = this.#answer(request.method ?? "", request.url ?? "", body);
        response.writeHead(status, { "content-type": "application/json" }).end(json === undefined ? "" : JSON.stringify(json));
      });
    });
    const port = await freePort();
    await new Promise<void>((done) => this.#server?.listen(port, "127.0.0.1", done));
    this.url = `http://127.0.0.1:${port}`;
  }

  #answer(method: string, target: string, body: string): { status: number; json?: unknown } {
    if (this.refuse) return { status: this.refuse.status, json: { error: this.refuse } };
    if (method === "DELETE") {
      this.end(decodeURIComponent(target.split("/").at(-1) ?? ""));
      return { status: 204 };
    }
    if (method === "GET") {
      const [, , , session, , generation] = target.split("/");
      const known = this.#sandboxes.get(`${session}/${generation}`);
      return known
        ? { status: 200, json: known.view }
        : { status: 404, json: { error: { code: "not_found", message: "no", retryable: false } } };
    }
    const { config } = EnsureBody.parse(JSON.parse(body));
    const id = `${config.session}/${config.generation}`;
    const there = this.#sandboxes.get(id);
    if (there) return { status: 200, json: there.view };
    for (const [other, sandbox] of this.#sandboxes) if (other.startsWith(`${config.session}/`)) this.#kill(sandbox, "replaced");
    const view: SandboxView = {
      sandboxId: id,
      provider: "scripted",
      session: config.session,
      generation: config.generation,
      state: "running",
      exitCode: null,
      reason: null,
      sites: { ide: "http://127.0.0.1:9", opencode: null, preview: null },
      createdAt: Date.now(),
    };
    const of = (map: Map<string, Set<number>>) => {
      const set = map.get(config.session) ?? new Set<number>();
      map.set(config.session, set);
      return set;
    };
    const runner = startRunner({
      workerUrl: this.workerUrl,
      session: config.session,
      generation: config.generation,
      token: config.runnerToken,
      script: () => (prompt, say, stopped) => {
        this.prompts.push(prompt);
        return this.script(prompt, say, stopped);
      },
      commands: of(this.#commands),
      done: of(this.#done),
    });
    this.#sandboxes.set(id, { view, runner });
    this.started.push(id);
    this.configs.push(config);
    return { status: 201, json: view };
  }

  /** The link of the sandbox that was started last. */
  newest(): Link {
    const last = [...this.#sandboxes.values()].at(-1);
    if (!last) throw new Error("no sandbox was started");
    return last.runner.link;
  }

  /** Whether the sandbox of that id, as in `started`, runs. */
  isRunning(id: string): boolean {
    return this.#sandboxes.get(id)?.view.state === "running";
  }

  #kill(sandbox: { view: SandboxView; runner: Runner }, reason: string): void {
    if (sandbox.view.state === "finished") return;
    sandbox.runner.kill();
    Object.assign(sandbox.view, { state: "finished", exitCode: 137, reason });
  }

  /** Kills a sandbox, or all that run. */
  end(id?: string): void {
    for (const [each, sandbox] of this.#sandboxes) if (id === undefined || each === id) this.#kill(sandbox, "killed");
  }

  async stop(): Promise<void> {
    this.end();
    this.#server?.closeAllConnections();
    await new Promise((done) => this.#server?.close(done));
  }
}

const SIGNING_SECRET = "rig-signing-secret-0123456789abcdef";

/** All of it together. `vars` changes settings of the Worker, such as another backend than the scripted one. */
export async function startRig(vars: (workerUrl: string) => Promise<Record<string, string>> | Record<string, string> = () => ({})) {
  const folder = mkdtempSync(join(tmpdir(), "errand-faults-"));
  const port = await freePort();
  const backend = new Backend();
  await backend.start();
  const slack = await startSlack({
    dataDir: null,
    eventsUrl: `http://127.0.0.1:${port}/slack/events`,
    signingSecret: SIGNING_SECRET,
    retryScale: 0.01,
  });
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const bundle = join(folder, "bundle");
  await buildWorker({ minify: false, outdir: bundle });
  const lines: string[] = [];
  const workerd = new Workerd({
    bundle,
    port,
    state: join(folder, "state"),
    objects: ERRAND_OBJECTS,
    vars: {
      PUBLIC_ORIGIN: `http://127.0.0.1:${port}`,
      LOCAL_OWNER: "owner",
      DEPLOYMENT: "rig",
      SESSION_KEY: "rig-session-key-0123456789abcdef0123",
      BACKEND_URL: backend.url,
      BACKEND_KEY: "rig:rig-backend-key-0123456789abcdef0123",
      GRANT_KEY: JSON.stringify({ ...(await exportJWK(privateKey)), kid: "rig" }),
      SLACK_SIGNING_SECRET: SIGNING_SECRET,
      SLACK_BOT_TOKEN: slack.botToken,
      SLACK_API_URL: slack.apiUrl,
      DEFAULT_REPOSITORY: "acme/sample",
      MODEL_NAME: "scripted",
      MODEL_PRICE: '{"input":3,"output":15}',
      ...(await vars(`http://127.0.0.1:${port}`)),
    },
    onLine: (line) => lines.push(line),
  });
  backend.workerUrl = workerd.url;
  await workerd.start();
  const you = new WebClient(TOKENS.you, { slackApiUrl: slack.apiUrl });
  const channel = WORKSPACE.channels.general;

  return {
    slack,
    backend,
    workerd,
    you,
    channel,
    /** What the Worker logged. */
    lines,
    /** Posts a mention (or, in a thread, a reply) as a person. Returns its timestamp. */
    async say(text: string, thread?: string): Promise<string> {
      const posted = await you.chat.postMessage({ channel, text, ...(thread ? { thread_ts: thread } : {}) });
      return posted.ts ?? "";
    },
    /** The bot's messages in a thread, oldest first, as texts with all their blocks' words. */
    async replies(thread: string): Promise<{ ts: string; text: string; all: string; key: string }[]> {
      const { messages } = await you.conversations.replies({ channel, ts: thread, include_all_metadata: true, limit: 200 });
      return (messages ?? [])
        .filter((message) => message.user === WORKSPACE.bot)
        .map((message) => ({
          ts: message.ts ?? "",
          text: message.text ?? "",
          all: `${message.text ?? ""} ${JSON.stringify(message.blocks ?? [])}`,
          key: String((message.metadata?.event_payload as { key?: string } | undefined)?.key ?? ""),
        }));
    },
    async stop(): Promise<void> {
      await backend.stop();
      await workerd.kill();
      await slack.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
export type Rig = Awaited<ReturnType<typeof startRig>>;

/** Waits until a condition holds. Throws with `what` and the last value seen when it does not within `ms`. */
export async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined, ms = 15_000): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const value = await look();
    if (value !== undefined) return value;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(50);
  }
}
