/** Everything a benchmark measures on: the built Worker on raw workerd, what it is compared with, and who talks to them. */
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { copyFile, mkdir, readdir, rm } from "node:fs/promises";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BuildOptions, build } from "esbuild";
import { Pool } from "undici";
import { sessionIdOf, threadKey } from "../../protocol/thread.ts";
import { buildWorker, ERRAND_OBJECTS, freePort, Workerd } from "../workerd/workerd.ts";
import type { Meter } from "./meter.ts";
import { BOT_USER, type Outside, startOutside } from "./outside.ts";
import { Runner } from "./runner.ts";

const SIGNING_SECRET = "benchmark-signing-secret";
const SESSION_KEY = "benchmark-session-key-of-32-characters";
/** Requests under way at once. */
const CONNECTIONS = 16;

/** The bundles, built once for all benchmarks. */
export type Bundles = { errand: string; metered: string; baseline: string };

/** Builds the Worker as a deployment would, the same with a meter, and the Worker of one route. `dir`: where to. */
export async function buildAll(dir: string): Promise<Bundles> {
  const errand = join(dir, "errand");
  const index = await buildWorker({ minify: true, outdir: errand });
  const metered = join(dir, "metered");
  await mkdir(metered, { recursive: true });
  for (const file of await readdir(errand)) if (file.endsWith(".client.js")) await copyFile(join(errand, file), join(metered, file));
  const parts = join(import.meta.dirname, "parts");
  const common: BuildOptions = {
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2024",
    mainFields: ["module", "main"],
    logLevel: "error",
  };
  await build({
    ...common,
    entryPoints: [join(parts, "counted.ts")],
    outfile: join(metered, "index.js"),
    alias: { "errand-bundle": index },
    external: [...builtinModules, "node:*", "cloudflare:*", "*.client.js"],
  });
  await build({
    ...common,
    entryPoints: [join(parts, "baseline.ts")],
    outfile: join(dir, "baseline/index.js"),
    external: ["cloudflare:*"],
  });
  return { errand, metered, baseline: join(dir, "baseline") };
}

/** A place of a session: the thread it lives in, and its id. */
export type Place = { team: string; channel: string; ts: string; id: string };

export type Stand = {
  errand: Workerd;
  baseline: Workerd;
  outside: Outside;
  /** A new session whose sandbox is connected and whose first turn runs. */
  session: (name: number) => Promise<{ place: Place; runner: Runner }>;
  /** Sends a mention in the session's thread; resolves to the HTTP status. `ts` makes a message another one. */
  mention: (place: Place, ts: string, change?: { deliveryId?: string; signature?: string; type?: string }) => Promise<number>;
  /** The same request to the Worker of one route. */
  bare: (place: Place, ts: string) => Promise<number>;
  /** The same to a Worker that checks the signature, calls one object and writes one row. */
  least: (place: Place, ts: string) => Promise<number>;
  /** Sets the metered Worker's clock, lets due work happen, and reads the meter. */
  tick: (place: Place, time: number | null) => Promise<Meter>;
  /** Ends the session's object; only with the metered Worker. */
  end: (place: Place) => Promise<void>;
  stop: () => Promise<void>;
};

/** Starts it. `disk`: objects are kept on disk, as in production; otherwise in memory. */
export async function startStand(bundles: Bundles, options: { disk: boolean; metered?: boolean }): Promise<Stand> {
  const outside = await startOutside();
  // SQLite in an object needs a folder; one on tmpfs is memory.
  const state = mkdtempSync(join(options.disk ? tmpdir() : "/dev/shm", "errand-bench-"));
  const port = await freePort();
  const errand = new Workerd({
    bundle: options.metered ? bundles.metered : bundles.errand,
    port,
    state: join(state, "errand"),
    vars: await varsOf(port, outside.url),
    objects: ERRAND_OBJECTS,
    onLine: (line) => process.env.ERRAND_VERBOSE && process.stderr.write(`${line}\n`),
  });
  const baseline = new Workerd({
    bundle: bundles.baseline,
    port: await freePort(),
    state: join(state, "baseline"),
    vars: { SLACK_SIGNING_SECRET: SIGNING_SECRET },
    objects: [{ binding: "FLOOR", className: "Floor" }],
  });
  // Also when the benchmark is interrupted: nothing goes on running, and no folder of objects stays.
  const abandon = () => {
    void errand.kill();
    void baseline.kill();
    rmSync(state, { recursive: true, force: true });
  };
  process.once("exit", abandon);
  await Promise.all([errand.start(), baseline.start()]);
  const pools = {
    errand: new Pool(errand.url, { connections: CONNECTIONS }),
    baseline: new Pool(baseline.url, { connections: CONNECTIONS }),
  };
  const post = async (pool: Pool, body: string, signature?: string, path = "/slack/events") => {
    const answer = await pool.request({ method: "POST", path, headers: signed(body, signature), body });
    await answer.body.dump();
    return answer.statusCode;
  };
  const bench = async (path: string): Promise<unknown> => {
    const answer = await pools.errand.request({ method: "POST", path: `/bench/${path}` });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`/bench/${path} answered ${answer.statusCode}: ${text.slice(0, 300)}`);
    return text === "" ? null : JSON.parse(text);
  };
  const stand: Stand = {
    errand,
    baseline,
    outside,
    mention: (place, ts, change) => post(pools.errand, eventOf(place, ts, change), change?.signature),
    bare: (place, ts) => post(pools.baseline, eventOf(place, ts)),
    least: (place, ts) => post(pools.baseline, eventOf(place, ts), undefined, "/slack/floor"),
    tick: async (place, time) => (await bench(`${place.id}/tick${time === null ? "" : `/${time}`}`)) as Meter,
    end: async (place) => void (await bench(`${place.id}/end`)),
    session: async (name) => {
      // A workspace of its own: the limits of one would make hundreds of sessions wait for each other's edits.
      const team = `T${name}`;
      const channel = `C${name}`;
      const ts = `${1_700_000_000 + name}.000100`;
      const id = await sessionIdOf(threadKey({ surface: "slack", team, channel, ts }), SESSION_KEY);
      const place = { team, channel, ts, id };
      const status = await stand.mention(place, ts);
      if (status !== 200) throw new Error(`the first mention was answered ${status}`);
      const runner = await Runner.connect(errand.url, id, tokenOf(id, 1));
      await runner.begin();
      return { place, runner };
    },
    stop: async () => {
      await Promise.all([pools.errand.destroy(), pools.baseline.destroy(), errand.kill(), baseline.kill()]);
      await outside.stop();
      process.off("exit", abandon);
      await rm(state, { recursive: true, force: true });
    },
  };
  return stand;
}

async function varsOf(port: number, outside: string): Promise<Record<string, string>> {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  return {
    PUBLIC_ORIGIN: `http://127.0.0.1:${port}`,
    DEPLOYMENT: "bench",
    LOCAL_OWNER: "bench",
    SESSION_KEY,
    GRANT_KEY: JSON.stringify({ ...(await crypto.subtle.exportKey("jwk", pair.privateKey)), kid: "bench" }),
    SLACK_SIGNING_SECRET: SIGNING_SECRET,
    SLACK_BOT_TOKEN: "xoxb-bench",
    SLACK_API_URL: `${outside}/api/`,
    BACKEND_URL: outside,
    BACKEND_KEY: `bench:${"benchmark-backend-secret".padEnd(32, "-")}`,
    DEFAULT_REPOSITORY: "acme/sample",
    MODEL_URL: `${outside}/v1`,
    MODEL_KEY: "bench",
    MODEL_NAME: "bench",
  };
}

/** The runner's token, as the SessionAgent makes it. */
const tokenOf = (session: string, generation: number) =>
  createHmac("sha256", SESSION_KEY).update(`runner:${session}:${generation}`).digest("hex");

function signed(body: string, signature?: string): Record<string, string> {
  const time = String(Math.floor(Date.now() / 1000));
  const mac = createHmac("sha256", SIGNING_SECRET).update(`v0:${time}:${body}`).digest("hex");
  return {
    "content-type": "application/json",
    "x-slack-request-timestamp": time,
    "x-slack-signature": signature ?? `v0=${mac}`,
  };
}

/** A mention as Slack sends it, with the fields it really has. */
function eventOf(place: Place, ts: string, change: { deliveryId?: string; type?: string } = {}): string {
  return JSON.stringify({
    token: "not-used-any-more",
    team_id: place.team,
    context_team_id: place.team,
    context_enterprise_id: null,
    api_app_id: "ABENCH",
    event: {
      type: change.type ?? "app_mention",
      user: "UADA",
      ts,
      client_msg_id: "0d2c4b0a-6d6f-4b6e-9a55-2f2d6f3a9c11",
      text: `<@${BOT_USER}> please make the failing test in src/app pass, and say what was wrong (${ts})`,
      team: place.team,
      ...(ts === place.ts ? {} : { thread_ts: place.ts }),
      channel: place.channel,
      event_ts: ts,
    },
    type: "event_callback",
    event_id: change.deliveryId ?? `Ev${place.channel}${ts.replace(".", "")}`,
    event_time: Number(ts.split(".")[0]),
    authorizations: [{ enterprise_id: null, team_id: place.team, user_id: BOT_USER, is_bot: true, is_enterprise_install: false }],
    is_ext_shared_channel: false,
    event_context: "4-eyJldCI6ImFwcF9tZW50aW9uIn0",
  });
}
