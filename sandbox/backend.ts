/**
 * The backend's HTTP service, as protocol/backend.ts says: signed requests in, sandboxes out. It knows nothing of how
 * sandboxes are made, and never writes a body to a log, since bodies hold secrets.
 */
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import { type BackendError, type BackendErrorCode, EnsureBody, STATUS_OF } from "../protocol/backend.ts";
import { NONCE_MEMORY_MS, verifyRequest } from "../protocol/signing.ts";
import { isSessionId } from "../protocol/thread.ts";
import { messageOf } from "./providers/generations.ts";
import type { EnsureResult, SandboxProvider } from "./providers/provider.ts";

/** The largest body taken, in bytes: a boot configuration with many models is some 20 KiB. */
const MAX_BODY = 256 * 1024;
/** The most nonces remembered; beyond it requests are refused until the oldest are two minutes old. */
const MAX_NONCES = 100_000;

/** Path of a generation: the session's id and a whole number from 1. */
const GenerationPath = z.object({
  session: z.string().refine(isSessionId, { error: "must be a session id: 26 characters of a-z and 2-7" }),
  generation: z
    .string()
    .regex(/^[1-9]\d{0,14}$/, { error: "must be a whole number from 1" })
    .transform(Number),
});

/** Makes the service. `keys` are the secrets by key id: one, or two while they are being changed. */
export function backend(options: {
  provider: SandboxProvider;
  keys: Readonly<Record<string, string>>;
  now: () => number;
  /** Gets one line for each failure that is a bug; no secrets. */
  log: (line: string) => void;
}): Hono {
  const { provider, keys, now } = options;
  const nonces = new Map<string, number>();
  const inFlight = new Map<string, Promise<EnsureResult>>();
  const app = new Hono();

  app.onError((error, c) => {
    options.log(`${c.req.method} ${c.req.path}: ${messageOf(error)}`);
    return refuse(c, "internal", `the backend failed: ${messageOf(error)}`, true);
  });
  app.notFound((c) => refuse(c, "not_found", `there is no ${c.req.method} ${c.req.path}`, false));
  app.get("/health", (c) => c.json({ ok: true, provider: provider.name, warning: provider.warning }));

  app.use("/v1/*", bodyLimit({ maxSize: MAX_BODY, onError: (c) => refuse(c, "invalid", `a body may have ${MAX_BODY} bytes`, false) }));
  app.use("/v1/*", async (c, next) => {
    const url = new URL(c.req.url);
    const request = { method: c.req.method, target: url.pathname + url.search, body: await c.req.text() };
    const secretOf = (id: string) => (Object.hasOwn(keys, id) ? keys[id] : undefined);
    const nonce = await verifyRequest(request, (name) => c.req.header(name), secretOf, now());
    const at = now();
    for (const [old, time] of nonces) {
      if (at - time <= NONCE_MEMORY_MS) break;
      nonces.delete(old);
    }
    if (nonce !== undefined && nonces.size >= MAX_NONCES) return refuse(c, "capacity", "too many requests in two minutes", true);
    if (nonce === undefined || nonces.has(nonce)) {
      return refuse(c, "unauthenticated", "the signature is missing, wrong, too old or used before; check key, clock and path", false);
    }
    nonces.set(nonce, at);
    await next();
  });

  app.put("/v1/sessions/:session/generations/:generation", async (c) => {
    const path = GenerationPath.safeParse(c.req.param());
    if (!path.success) return refuse(c, "invalid", z.prettifyError(path.error), false);
    const body = EnsureBody.safeParse(parseJson(await c.req.text()));
    if (!body.success) return refuse(c, "invalid", z.prettifyError(body.error), false);
    const { session, generation } = body.data.config;
    if (session !== path.data.session || generation !== path.data.generation) {
      return refuse(c, "invalid", "session and generation of the path and of the body must be the same", false);
    }
    const key = `${session} ${generation}`;
    const running = inFlight.get(key);
    const work = running ?? provider.ensure(body.data).finally(() => inFlight.delete(key));
    if (!running) inFlight.set(key, work);
    const result = await work;
    if (!result.ok) return refuse(c, result.code, result.message, result.retryable);
    return c.json(result.view, result.view.state === "starting" ? 202 : result.made && !running ? 201 : 200);
  });

  app.get("/v1/sessions/:session/generations/:generation", async (c) => {
    const path = GenerationPath.safeParse(c.req.param());
    if (!path.success) return refuse(c, "invalid", z.prettifyError(path.error), false);
    const view = await provider.get(path.data.session, path.data.generation);
    return view ? c.json(view) : refuse(c, "not_found", "that is not the last generation of this session", false);
  });

  app.get("/v1/sandboxes", async (c) => {
    const deployment = c.req.query("deployment");
    if (!deployment) return refuse(c, "invalid", "say which: ?deployment=<name>", false);
    return c.json({ sandboxes: await provider.list(deployment) });
  });

  app.delete("/v1/sandboxes/:sandboxId", async (c) => {
    await provider.terminate(c.req.param("sandboxId"));
    return c.body(null, 204);
  });

  return app;
}

function refuse(c: Context, code: BackendErrorCode, message: string, retryable: boolean) {
  const body: BackendError = { error: { code, message, retryable } };
  if (code === "capacity") c.header("retry-after", "30");
  return c.json(body, STATUS_OF[code]);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
