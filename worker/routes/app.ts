/** What every route shares: its types, the settings, the way to a session's object, and the headers of every answer. */
import { type Context, Hono, type MiddlewareHandler } from "hono";
import type { Person } from "../../protocol/request.ts";
import { isSessionId } from "../../protocol/thread.ts";
import type { Rights } from "../auth/doors.ts";
import type { Identity } from "../auth/identity.ts";
import type { SessionRpc } from "../session/contract.ts";
import { type Settings, settingsOf } from "../settings.ts";

export type App = { Bindings: Env; Variables: { settings: Settings; person: Person; identity: Identity; rights: Rights; nonce: string } };
export type AppContext = Context<App>;

/** A new set of routes. */
export const routes = (): Hono<App> => new Hono<App>();

const parsed = new WeakMap<object, Settings>();

/** Hands the parsed settings to the routes; wrong settings become an error that names them. */
export const withSettings: MiddlewareHandler<App> = async (c, next) => {
  let settings = parsed.get(c.env);
  if (!settings) {
    settings = settingsOf(c.env);
    parsed.set(c.env, settings);
  }
  c.set("settings", settings);
  await next();
};

/** A session's object: its contract by RPC, and `fetch` for WebSocket upgrades. */
export type Agent = SessionRpc & { fetch(request: Request): Promise<Response> };

/** The object of a session id, or null where the text is not one: no object is ever made for a made-up name. */
export function agentOf(env: Env, id: string): Agent | null {
  return isSessionId(id) ? (env.SESSIONS.getByName(id) as unknown as Agent) : null;
}

/** Only these cross to the object with an upgrade; whatever else the client sent stays behind. */
const UPGRADE_HEADERS = ["upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"];

/** A WebSocket upgrade as the object gets it: path and query made here, no client headers but those of the upgrade and the ones named. */
export function upgradeFor(path: string, from: Headers, keep: readonly string[] = []): Request {
  const headers = new Headers();
  for (const name of [...UPGRADE_HEADERS, ...keep]) {
    const value = from.get(name);
    if (value !== null) headers.set(name, value);
  }
  return new Request(new URL(path, "https://session.internal"), { headers });
}

/** Whether the request wants a WebSocket. */
export const isUpgrade = (headers: Headers): boolean => headers.get("upgrade")?.toLowerCase() === "websocket";

/**
 * Headers of every answer. `strict-origin` rather than `no-referrer`: the gateway checks the `Origin` of the form that
 * carries a grant, and `no-referrer` would make it `null`.
 */
export const safeHeaders: MiddlewareHandler<App> = async (c, next) => {
  await next();
  if (c.res.status === 101) return;
  const headers = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
  };
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
  if (!c.res.headers.has("content-security-policy")) c.header("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
  if (!c.res.headers.has("cache-control")) c.header("cache-control", "no-store");
};

/** Lets work that is slower than the answer go on in a Worker; elsewhere there is nothing to tell. */
export function waitUntil(c: AppContext, work: Promise<unknown>): void {
  try {
    c.executionCtx.waitUntil(work);
  } catch {
    // Hono throws where no execution context was given, as outside a Worker.
  }
}
