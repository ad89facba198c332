/** Runs the Worker with its Durable Objects and D1 on this machine, by wrangler's own local mode. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Child, startChild, withoutSecrets } from "./processes.ts";

/** Time for the Worker to answer after its start, in ms (measured: 2 to 4 s; more on a busy machine). */
const READY_MS = 90_000;

export type WorkerOptions = {
  root: string;
  data: string;
  port: number;
  /** Settings and secrets of worker/settings.ts. */
  vars: Record<string, string>;
  onLine: (line: string) => void;
};

/** What keeps wrangler from calling home, from colouring, and from tracing every event at five times its cost. */
const QUIET = {
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_HIDE_BANNER: "true",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  X_LOCAL_OBSERVABILITY: "false",
  X_LOCAL_EXPLORER: "false",
  NO_COLOR: "1",
  CI: "1",
};

/** Starts the Worker and waits until it answers. Throws with its last words when it does not. */
export async function startWorker(options: WorkerOptions): Promise<Child> {
  const { root, data, port } = options;
  const state = join(data, "worker");
  // What people and agents said lies here, in files that workerd lets everybody read.
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const envFile = join(data, "worker.env");
  writeFileSync(
    envFile,
    Object.entries(options.vars)
      .map(([name, value]) => `${name}=${quote(value)}\n`)
      .join(""),
    { mode: 0o600 },
  );
  const wrangler = join(root, "node_modules/wrangler/bin/wrangler.js");
  const env = { ...withoutSecrets(process.env), ...QUIET };
  const last: string[] = [];
  const onLine = (line: string) => {
    last.push(line);
    if (last.length > 30) last.shift();
    options.onLine(line);
  };
  await migrate({ root, state, wrangler, env, onLine, last });
  const argv = [
    join(root, "cli/guard.mjs"),
    process.execPath,
    fileURLToPath(new URL("./worker-process.ts", import.meta.url)),
    String(port),
    state,
    envFile,
  ];
  const child = startChild("worker", process.execPath, argv, {
    cwd: root,
    env,
    onLine,
  });
  const until = Date.now() + READY_MS;
  let end: string | undefined;
  void child.ended.then((how) => {
    end = how;
  });
  while (Date.now() < until && end === undefined) {
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
    if (answer?.ok) return child;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await child.stop();
  throw new Error(
    `The Worker did not start (${end ?? `no answer within ${READY_MS / 1000} s`}). Its last words:\n${last.map((line) => `  ${line}`).join("\n")}`,
  );
}

/** Brings D1 up to date, unless the migrations are those of the last time. */
async function migrate(with_: {
  root: string;
  state: string;
  wrangler: string;
  env: NodeJS.ProcessEnv;
  onLine: (line: string) => void;
  last: string[];
}): Promise<void> {
  const { root, state, wrangler, env, onLine, last } = with_;
  const folder = join(root, "migrations");
  const hash = createHash("sha256");
  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith(".sql"))
    .sort())
    hash.update(file).update(readFileSync(join(folder, file)));
  const digest = hash.digest("hex");
  const marker = join(state, "migrated");
  if (existsSync(marker) && readFileSync(marker, "utf8") === digest) return;
  const child = startChild(
    "migrations",
    process.execPath,
    [wrangler, "d1", "migrations", "apply", "DB", "--local", "--persist-to", state],
    { cwd: root, env, onLine },
  );
  child.process.stdin?.end();
  const how = await child.ended;
  if (how !== "exit code 0") throw new Error(`The database's migrations failed (${how}):\n${last.map((line) => `  ${line}`).join("\n")}`);
  writeFileSync(marker, digest);
}

/** One value of an env file, in single quotes where it can be, so that nothing in it is expanded. */
function quote(value: string): string {
  return value.includes("'") ? `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"` : `'${value}'`;
}
