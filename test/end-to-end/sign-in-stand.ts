/**
 * errand's Worker as a deployment has it, with nobody who comes by loopback taken for the owner: people sign in with the local GitHub
 * and the local Google, in browsers of their own.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { z } from "zod";
import { loadSecrets } from "../../cli/secrets.ts";
import { PORTS, readSettings } from "../../cli/settings.ts";
import { startWorker } from "../../cli/worker.ts";
import { workerVars } from "../../cli/worker-vars.ts";
import { startWorld } from "../world/main.ts";
import { ARTEFACTS, freePorts, launchBrowser, root } from "./errand.ts";

/** How long one step in a browser may take, in ms, on a busy machine. */
const STEP_MS = 20_000;

/** Starts it all. */
export async function startSignIn() {
  mkdirSync(ARTEFACTS, { recursive: true });
  const data = mkdtempSync(join(tmpdir(), "errand-sign-in-"));
  const port = await freePorts();
  const origin = `http://127.0.0.1:${port}`;
  const secrets = await loadSecrets(data);
  const world = await startWorld({
    dataDir: join(data, "world"),
    slackEventsUrl: null,
    signingSecret: secrets.slackSigningSecret,
    ports: Object.fromEntries((["page", "git", "slack", "github", "google"] as const).map((part) => [part, port + PORTS[part]])),
    github: { webhookUrl: `${origin}/github/webhook`, webhookSecret: "webhook-secret", callbackUrls: [`${origin}/auth/github/callback`] },
    google: { redirectUris: [`${origin}/auth/google/callback`] },
    model: null,
  });
  const { github, google } = world;
  const read = readSettings(["--port", String(port), "--data", data], {});
  if (read.ok !== true || !github || !google) throw new Error("the world is not whole");
  const standIns = { slack: world.slack, git: world.git, github, google };
  const vars = workerVars(read.settings, secrets, { owner: "", slackSigningSecret: secrets.slackSigningSecret, standIns });
  const log: string[] = [];
  const worker = await startWorker({ root, data, port, vars, onLine: (line) => log.push(line) }).catch(async (error: unknown) => {
    await world.stop();
    throw error;
  });
  const browser = await launchBrowser().catch(async (error: unknown) => {
    await worker.stop();
    await world.stop();
    throw error;
  });
  const contexts: BrowserContext[] = [];
  /** Whatever a browser or a program was given as a secret in this run. */
  const secretsSeen = new Set<string>([github.clientSecret, google.clientSecret, ...Object.values(secrets.tokenKeys.keys)]);
  /** The Worker's database, as somebody who got hold of its file would open it. */
  function inDatabase<T>(use: (database: DatabaseSync) => T): T {
    const folder = join(data, "worker/v3/d1/miniflare-D1DatabaseObject");
    const file = readdirSync(folder).find((name) => /^[0-9a-f]{64}\.sqlite$/.test(name));
    const database = new DatabaseSync(join(folder, file ?? ""), { timeout: 5_000 });
    try {
      return use(database);
    } finally {
      database.close();
    }
  }

  return {
    origin,
    /** The local world's own page, which is another origin of this machine. */
    pageUrl: world.page.url,
    github,
    google,
    /** A window of a browser of somebody's own, at an address of its own: sign-ins are counted by address. */
    async open(options: BrowserContextOptions = {}): Promise<Page> {
      const own = { baseURL: origin, extraHTTPHeaders: { "cf-connecting-ip": `203.0.113.${contexts.length + 1}` } };
      const context = await browser.newContext({ ...own, ...options });
      context.setDefaultTimeout(STEP_MS);
      contexts.push(context);
      const page = await context.newPage();
      page.on("request", (request) => {
        for (const secret of request.url().match(/(?<=[?&](?:token|code|state)=)[\w-]{20,}/g) ?? []) secretsSeen.add(secret);
      });
      return page;
    },
    /** The cookie that says who somebody is; undefined where there is none. */
    sessionOf: async (page: Page) => (await page.context().cookies(origin)).find((cookie) => cookie.name === "errand"),
    /** What errand says of the bearer of a token, or of nobody. */
    async me(token?: string | null): Promise<{ status: number; body: Record<string, unknown> }> {
      const answer = await fetch(`${origin}/api/auth/me`, token ? { headers: { authorization: `Bearer ${token}` } } : {});
      return { status: answer.status, body: z.record(z.string(), z.unknown()).parse(await answer.json()) };
    },
    /** What was given as a secret to somebody in this run; `kept` too. */
    async secrets(kept: readonly string[] = []): Promise<string[]> {
      for (const context of contexts)
        for (const cookie of await context.cookies(origin)) if (cookie.name.startsWith("errand")) secretsSeen.add(cookie.value);
      return [...secretsSeen, ...kept];
    },
    /** Everything that the Worker wrote: its log, and all it keeps on disk, but for the file its settings come by. */
    written(): string {
      const folder = join(data, "worker");
      const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
      return [...log, ...files.map((one) => readFileSync(join(one.parentPath, one.name), "latin1"))].join("\n");
    },
    rows: (query: string) => inDatabase((database) => database.prepare(query).all()),
    /** Changes rows behind the Worker's back; how many. */
    change: (query: string): number => inDatabase((database) => Number(database.prepare(query).run().changes)),
    async stop() {
      await browser.close();
      await worker.stop();
      await world.stop();
      rmSync(data, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** See `startSignIn`. */
export type SignInStand = Awaited<ReturnType<typeof startSignIn>>;

/** The name of the button of somebody at a provider. */
const BUTTON = { github: (who: string) => `Continue as ${who}`, google: (who: string) => who };
export type Provider = keyof typeof BUTTON;

/** Goes to a page of errand's, which asks to sign in, and as far as the provider's own page. */
export async function toProvider(page: Page, provider: Provider, to = "/account"): Promise<void> {
  await page.goto(to);
  await page.getByRole("link", { name: `Go on with ${provider === "github" ? "GitHub" : "Google"}` }).click();
  await page.getByRole("button", { name: "Cancel" }).waitFor();
}

/** Presses the button of somebody there. */
export const pressAs = (page: Page, provider: Provider, who: string): Promise<void> =>
  page.getByRole("button", { name: BUTTON[provider](who) }).click();

/** Signs in, as far as the page that one was going to. */
export async function signInAs(page: Page, provider: Provider, who: string, to = "/account"): Promise<void> {
  await toProvider(page, provider, to);
  await pressAs(page, provider, who);
  await page.waitForURL((url) => url.pathname === to);
}

/** The token that a page keeps; null where there is none. */
export const keptToken = (page: Page): Promise<string | null> => page.evaluate(() => localStorage.getItem("errand.token"));

/** What the page says happened. */
export const reasonOn = (page: Page): Promise<string> => page.getByRole("alert").or(page.getByRole("status")).first().innerText();
