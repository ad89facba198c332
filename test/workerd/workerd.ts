/**
 * The built Worker on raw `workerd serve`: starts in about 60 ms, keeps its objects in a folder, and can be killed and
 * started again at any moment. Without D1, which only wrangler simulates: the Worker does without its list of sessions then.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const root = resolve(import.meta.dirname, "../..");
const run = promisify(execFile);

/** Builds the Worker as a deployment would. Returns the folder of the bundle and its entry file's path. */
export async function buildWorker(options: { minify: boolean; outdir: string }): Promise<string> {
  const wrangler = join(root, "node_modules/wrangler/bin/wrangler.js");
  await run(process.execPath, [wrangler, "deploy", "--dry-run", ...(options.minify ? ["--minify"] : []), "--outdir", options.outdir], {
    cwd: root,
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true", CI: "1" },
  });
  return join(options.outdir, "index.js");
}

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

const text = (value: string) => JSON.stringify(value);

function capnp(options: WorkerdOptions, entry: string): string {
  const bindings = Object.entries(options.vars).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`);
  const modules = readdirSync(options.bundle)
    .filter((file) => file !== entry && !file.endsWith(".map") && file !== "README.md")
    .map((file) => `(name = ${text(`./${file}`)}, ${file.endsWith(".wasm") ? "wasm" : "text"} = embed ${text(file)})`);
  const storage = options.state === null ? "(inMemory = void)" : '(localDisk = "disk")';
  const disk = options.state === null ? "" : `, (name = "disk", disk = (path = ${text(options.state)}, writable = true))`;
  const objects = options.objects.map(({ binding, className }) => ({ binding, className }));
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .main), (name = "internet", network = (allow = ["public", "private", "local"]))${disk} ],
  sockets = [ (name = "http", address = "127.0.0.1:${options.port}", http = (), service = "main") ]);
const main :Workerd.Worker = (
  modules = [ ${[`(name = "index.js", esModule = embed ${text(entry)})`, ...modules].join(", ")} ],
  compatibilityDate = "2026-08-01", compatibilityFlags = ["nodejs_compat"],
  durableObjectNamespaces = [ ${objects.map((object) => `(className = ${text(object.className)}, uniqueKey = ${text(object.className)}, enableSql = true)`).join(", ")} ],
  durableObjectStorage = ${storage},
  bindings = [ ${[...objects.map((object) => `(name = ${text(object.binding)}, durableObjectNamespace = ${text(object.className)})`), ...bindings].join(", ")} ]);
`;
}

export type WorkerdOptions = {
  /** Folder with the bundle. */
  bundle: string;
  /** The bundle's entry file in it; index.js unless given. */
  entry?: string;
  port: number;
  /** Folder in which objects are kept; null: in memory. */
  state: string | null;
  vars: Record<string, string>;
  objects: { binding: string; className: string }[];
  onLine?: (line: string) => void;
};

export const ERRAND_OBJECTS = [
  { binding: "SESSIONS", className: "SessionAgent" },
  { binding: "BUDGETS", className: "RateBudget" },
];

/** A workerd that can be killed and started again on the same state. */
export class Workerd {
  readonly url: string;
  readonly #options: WorkerdOptions;
  readonly #config: string;
  #child: ChildProcess | undefined;
  #kills = 0;

  constructor(options: WorkerdOptions) {
    this.#options = options;
    this.url = `http://127.0.0.1:${options.port}`;
    if (options.state !== null) mkdirSync(options.state, { recursive: true });
    this.#config = join(options.bundle, `workerd-${options.port}.capnp`);
    writeFileSync(this.#config, capnp(options, options.entry ?? "index.js"));
  }

  /** How often it was killed. */
  get kills(): number {
    return this.#kills;
  }

  /** Starts it and waits until the port answers. Throws when it does not within 10 s. */
  async start(): Promise<void> {
    const child = spawn(join(root, "node_modules/.bin/workerd"), ["serve", "--experimental", this.#config], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (chunk: string) => {
        for (const line of chunk.split("\n")) if (line) this.#options.onLine?.(line);
      });
    }
    const until = Date.now() + 10_000;
    while (Date.now() < until) {
      if (child.exitCode !== null) throw new Error(`workerd ended with exit code ${child.exitCode}`);
      const answer = await fetch(`${this.url}/healthz`, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined);
      if (answer) return void (await answer.body?.cancel());
      await new Promise((done) => setTimeout(done, 10));
    }
    throw new Error("workerd did not answer within 10 s");
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    this.#kills += 1;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill("SIGKILL");
    await ended;
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** CPU time the process has used, user and system, in ms. Linux only. */
  cpuMs(): number {
    const stat = readFileSync(`/proc/${this.#child?.pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // proc(5): utime and stime are fields 14 and 15, in clock ticks of 1/100 s.
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }
}
