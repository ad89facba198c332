/**
 * A Google on this machine, as far as people sign in with it: OpenID Connect with discovery, a page to choose who one is, PKCE, ID tokens
 * (RS256) and their keys, userinfo and revocation. The real `emulate` Google with what it gets wrong put right in front of it, see
 * `flow.ts`.
 *
 * How to use it: `url` is the issuer (errand's GOOGLE_ISSUER), `clientId` and `clientSecret` are errand's; `people` says who is there.
 * `tamper` makes the next answer of the token endpoint a wrong one.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ServerType, serve } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { exportJWK, generateKeyPair, importJWK } from "jose";
import { z } from "zod";
import { isFromOtherPage, isLoopbackHost } from "../loopback.ts";
import { chooseStyles } from "../page/choose.ts";
import { contentPolicy } from "../page/policy.ts";
import { createEmulatedGoogle, type GoogleUser } from "./emulator.ts";
import { type Flow, makeFlow, type Page } from "./flow.ts";
import { accountPage } from "./page.ts";
import { GOOGLE_PEOPLE } from "./people.ts";

/** How a Google is started. */
export interface GoogleOptions {
  /** The port on 127.0.0.1; 0 takes a free one. */
  port?: number;
  /** Where its key and the client's secret are kept; null keeps them in memory only. */
  dataDir: string | null;
  /** Where people may be sent back to, exactly. */
  redirectUris: readonly string[];
  /** The clock, in ms since 1970. */
  now?: () => number;
  people?: readonly GoogleUser[];
}

/** errand's client id at the local Google. */
export const GOOGLE_CLIENT = "errand-local.apps.googleusercontent.example";

const AUTHORIZE = "/o/oauth2/v2/auth";
const FILE = "google.json";
const Kept = z.object({ version: z.literal(1), clientSecret: z.string(), key: z.record(z.string(), z.unknown()) });

/** Reads the client's secret and the key, or makes them. Throws, naming the file, where it cannot be read as one of ours. */
async function readKept(dataDir: string | null): Promise<z.infer<typeof Kept>> {
  const path = dataDir === null ? null : join(dataDir, FILE);
  let text: string | undefined;
  try {
    text = path === null ? undefined : readFileSync(path, "utf8");
  } catch {
    // There is none yet.
  }
  if (text !== undefined) {
    try {
      return Kept.parse(JSON.parse(text));
    } catch {
      throw new Error(`${path} is not a Google this version can read. Delete it to start with a new one.`);
    }
  }
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const key = { ...(await exportJWK(privateKey)), kid: randomBytes(20).toString("hex"), alg: "RS256", use: "sig" };
  const kept = { version: 1 as const, clientSecret: `GOCSPX-${randomBytes(21).toString("base64url")}`, key };
  if (dataDir !== null && path !== null) {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(`${path}.new`, JSON.stringify(kept), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
  return kept;
}

/** Starts a Google and waits until it listens. Throws where the port is taken. */
export async function startGoogle(options: GoogleOptions) {
  const { clientSecret, key } = await readKept(options.dataDir);
  const app = new Hono();
  const server = await new Promise<ServerType>((resolve, reject) => {
    const starting = serve({ fetch: app.fetch, port: options.port ?? 0, hostname: "127.0.0.1" }, () => resolve(starting));
    starting.once("error", reject);
  });
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      if ("closeAllConnections" in server) server.closeAllConnections();
    });
  try {
    const address = server.address();
    const issuer = `http://127.0.0.1:${typeof address === "object" && address ? address.port : options.port}`;
    const emulator = await createEmulatedGoogle(issuer);
    for (const user of options.people ?? GOOGLE_PEOPLE) emulator.tables.users.insert(user);
    const redirect_uris = [...options.redirectUris];
    for (const one of emulator.tables.oauthClients.all()) emulator.tables.oauthClients.delete(one.id);
    emulator.tables.oauthClients.insert({ client_id: GOOGLE_CLIENT, client_secret: clientSecret, name: "errand", redirect_uris });
    const [own, foreign] = [await importJWK(key, "RS256"), (await generateKeyPair("RS256")).privateKey];
    if (own instanceof Uint8Array) throw new Error("the key is no RSA key");
    const keys = { kid: String(key.kid), own, foreign };
    const flow = makeFlow({ emulator, issuer, now: options.now ?? Date.now, keys });
    addRoutes(app, { flow, issuer, publicKey: { kty: key.kty, n: key.n, e: key.e, kid: key.kid, alg: key.alg, use: key.use } });
    return {
      url: issuer,
      clientId: GOOGLE_CLIENT,
      clientSecret,
      people: emulator.tables.users,
      tamper: flow.tamper,
      stop: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A running Google. */
export type Google = Awaited<ReturnType<typeof startGoogle>>;

function addRoutes(app: Hono, { flow, issuer, publicKey }: { flow: Flow; issuer: string; publicKey: object }): void {
  app.use("*", async (c, next) => {
    const headers = Object.fromEntries(c.req.raw.headers);
    if (!isLoopbackHost(headers.host)) return c.text("Only this machine is served.", 403);
    // A page of any origin may lead to this one; everything else is for programs and for this page itself.
    const isPage = c.req.method === "GET" && c.req.path === AUTHORIZE;
    if (!isPage && isFromOtherPage(headers)) return c.text("Only programs are served.", 403);
    await next();
    c.header("x-content-type-options", "nosniff");
    c.header("referrer-policy", "same-origin");
    if (!c.res.headers.has("cache-control")) c.header("cache-control", "no-store");
  });

  const show = (c: Context, query: URLSearchParams, page: Page) => {
    if (page.kind === "back") return c.redirect(page.to, 302);
    const nonce = randomBytes(16).toString("base64");
    c.header("content-security-policy", contentPolicy(nonce, page.kind === "ask" ? new URL(page.asking.redirectUri).origin : undefined));
    return c.html(accountPage(page, { query, nonce, action: AUTHORIZE }).text, page.kind === "ask" ? 200 : page.status);
  };
  app.get(AUTHORIZE, (c) => {
    const query = new URL(c.req.url).searchParams;
    return show(c, query, flow.ask(query));
  });
  app.post(AUTHORIZE, async (c) => {
    const { query: asked, email } = await c.req.parseBody();
    const query = new URLSearchParams(typeof asked === "string" ? asked : "");
    // Nothing that the form says is believed before it was looked at again.
    const page = flow.ask(query);
    if (page.kind !== "ask") return show(c, query, page);
    const to = typeof email === "string" && email !== "" ? await flow.choose(page.asking, email) : flow.decline(page.asking);
    return to === null ? c.text("There is no such person.", 422) : c.redirect(to, 302);
  });
  app.get("/page.css", (c) => c.body(chooseStyles(), 200, { "content-type": "text/css; charset=utf-8" }));

  app.get("/.well-known/openid-configuration", async (c) => {
    const theirs: unknown = await (await flow.forward(new Request(`${issuer}/.well-known/openid-configuration`))).json();
    return c.json({ ...(typeof theirs === "object" ? theirs : {}), code_challenge_methods_supported: ["S256"] });
  });
  app.get("/oauth2/v3/certs", (c) => c.json({ keys: [publicKey] }));
  app.post("/oauth2/token", (c) => flow.exchange(c.req.raw));
  app.get("/oauth2/v2/userinfo", (c) => flow.forward(c.req.raw));
  app.post("/oauth2/revoke", (c) => flow.forward(c.req.raw));
}
