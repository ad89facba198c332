/** Runs the backend on 127.0.0.1: settings in by standard input, one line with the address out, gone when the input ends. */

import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { createServer as createNetServer } from "node:net";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { serve } from "@hono/node-server";
import { z } from "zod";
import { backend } from "./backend.ts";
import { chooseProvider, PROVIDER_CHOICES } from "./providers/choose.ts";
import { SANDBOX_HOSTS } from "./providers/local-sites.ts";
import { HostForward, TAKEN_INSIDE } from "./providers/places.ts";

const HELP = `Starts errand's sandbox backend on 127.0.0.1.

  node sandbox/main.ts < settings.json

Settings are one line of JSON on standard input; the backend ends when that input ends, and with it all its sandboxes.
  keys       secrets by key id, each of 32 characters or more, that callers sign with; at most two.
             Left out: ERRAND_BACKEND_KEY in the environment, with the key id "env".
  port       0 takes a free one (default 0)
  data       folder for what sessions keep
  parts      folder of the sandbox image's parts
  runtime    folder of the bundled programs for the inside
  worker     the Worker's origin as reached from this machine
  forwards   [{ "port", "host", "targetPort" }]: ports inside that lead to something on the host
  provider   auto, local (bubblewrap) or process (no isolation); default ERRAND_PROVIDER, else auto
  host       localhost (names below it, the default) or 127.0.0.1: what browsers reach sandboxes by

It prints one line of JSON: { "listening": origin, "provider": name, "warning": text or null }.
Exit code 2: the settings are wrong; 1: it could not start.
`;

const Settings = z.object({
  keys: z
    .record(z.string().min(1), z.string().min(32, { error: "a key needs 32 characters or more" }))
    .refine((keys) => Object.keys(keys).length <= 2, { error: "at most two keys" })
    .optional(),
  port: z.number().int().min(0).max(65_535).default(0),
  data: z.string().min(1),
  parts: z.string().min(1),
  runtime: z.string().min(1),
  worker: z.string().refine((text) => URL.canParse(text) && new URL(text).origin === text.replace(/\/$/, ""), {
    error: "must be an origin such as http://127.0.0.1:8787",
  }),
  forwards: z
    .array(HostForward)
    .default([])
    .refine((all) => all.every((one) => !TAKEN_INSIDE.includes(one.port)), {
      error: `a forward can't have the ports ${TAKEN_INSIDE.join(", ")}`,
    })
    .refine((all) => new Set(all.map((one) => one.port)).size === all.length, { error: "two forwards have the same port" }),
  provider: z.enum(PROVIDER_CHOICES).optional(),
  host: z.enum(SANDBOX_HOSTS).default("localhost"),
});

function stop(code: number, message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}

if (process.argv.includes("--help")) {
  process.stdout.write(HELP);
  process.exit(0);
}

const lines = createInterface({ input: process.stdin });
// Registered before anything is awaited: the input may end while the backend is still starting.
const inputEnd = new Promise<void>((done) => lines.once("close", done));
const first = await new Promise<string | null>((done) => {
  lines.once("line", done);
  lines.once("close", () => done(null));
});
if (first === null) stop(2, "no settings on standard input; see --help");
let json: unknown;
try {
  json = JSON.parse(first);
} catch {
  stop(2, "the settings are not one line of JSON; see --help");
}
const parsed = Settings.safeParse(json);
if (!parsed.success) stop(2, `the settings are wrong:\n${z.prettifyError(parsed.error)}`);
const settings = parsed.data;
const own = process.env.ERRAND_BACKEND_KEY;
const keys = settings.keys ?? (own && own.length >= 32 ? { env: own } : {});
if (Object.keys(keys).length === 0) stop(2, "there is no key: give `keys`, or ERRAND_BACKEND_KEY of 32 characters or more");
const choice = z.enum(PROVIDER_CHOICES).safeParse(settings.provider ?? process.env.ERRAND_PROVIDER ?? "auto");
if (!choice.success) stop(2, `ERRAND_PROVIDER must be one of ${PROVIDER_CHOICES.join(", ")}`);

const data = resolve(settings.data);
await mkdir(data, { recursive: true });
await holdData(data);
const places = {
  data,
  parts: resolve(settings.parts),
  runtime: resolve(settings.runtime),
  worker: new URL(settings.worker),
  forwards: settings.forwards,
  host: settings.host,
};
const chosen = await chooseProvider(choice.data, places, process.env);
if (!chosen.ok) stop(1, chosen.reason);
const { provider } = chosen;
const app = backend({ provider, keys, now: Date.now, log: (line) => process.stderr.write(`${line}\n`) });
const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: settings.port }, (address) => {
  const line = { listening: `http://127.0.0.1:${address.port}`, provider: provider.name, warning: provider.warning };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  if (provider.warning) process.stderr.write(`\n  WARNING: ${provider.warning}\n\n`);
});
server.on("error", (error: NodeJS.ErrnoException) => {
  const taken = `port ${settings.port} is taken; give another, or 0 for a free one`;
  stop(1, error.code === "EADDRINUSE" ? taken : `the backend can't listen: ${error.message}`);
});

let ending = false;
async function end(): Promise<void> {
  if (ending) return;
  ending = true;
  server.close();
  await provider.close();
  process.exit(0);
}
void inputEnd.then(end);
process.on("SIGTERM", end);
process.on("SIGINT", end);

/** Makes this process the only backend on its data folder, for as long as it lives: the kernel frees the name with the process. */
async function holdData(folder: string): Promise<void> {
  if (process.platform !== "linux") return;
  const name = createHash("sha256").update(folder).digest("hex").slice(0, 32);
  const holder = createNetServer((socket) => socket.destroy());
  await new Promise<void>((done) => {
    holder.once("error", () => stop(1, `another backend uses ${folder}; end it, or choose another folder`));
    holder.listen(`\0errand-backend-${name}`, done);
  });
  holder.unref();
}
