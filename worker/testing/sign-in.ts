/** What the tests of signing in stand on: the Worker's routes with strict providers behind them, a clock, and browsers. */
import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { afterEach, beforeEach, expect, vi } from "vitest";
import { type App, safeHeaders, withSettings } from "../routes/app.ts";
import { authRoutes } from "../routes/auth.ts";
import { Browser } from "./browser.ts";
import { CLIENT, GITHUB_API, GITHUB_WEB, type GitHubPerson, type GooglePerson, Providers } from "./providers.ts";

export const ORIGIN = "https://errand.example";
export const K1 = btoa("1".repeat(32));
export const K2 = btoa("2".repeat(32));
const RULES = { githubOrganisations: ["acme"], githubTeams: ["big/core"], emailDomains: ["corp.example"] };
export const vars = {
  PUBLIC_ORIGIN: ORIGIN,
  LOCAL_OWNER: "",
  GITHUB_CLIENT_ID: CLIENT.github.id,
  GITHUB_CLIENT_SECRET: CLIENT.github.secret,
  GITHUB_WEB_URL: GITHUB_WEB,
  GITHUB_API_URL: GITHUB_API,
  GOOGLE_CLIENT_ID: CLIENT.google.id,
  GOOGLE_CLIENT_SECRET: CLIENT.google.secret,
  TOKEN_KEYS: JSON.stringify({ current: "k1", keys: { k1: K1 } }),
  SIGN_IN_RULES: JSON.stringify(RULES),
};

/** The domain's, but not a member of anything: the first who signs in, in most tests. */
export const ada: GitHubPerson = {
  id: 1,
  login: "ada",
  name: "Ada",
  emails: [{ email: "Ada@Corp.example", primary: true, verified: true }],
};
/** A member of the organisation. */
export const bob: GitHubPerson = { id: 2, login: "bob", organisations: { acme: "active" }, emails: [] };
/** Nobody, with an address that was never verified. */
export const eve: GitHubPerson = { id: 3, login: "eve", emails: [{ email: "eve@corp.example", primary: true, verified: false }] };
export const gil: GooglePerson = { sub: "g-1", name: "Gil", email: "Gil@corp.example", email_verified: true, hd: "corp.example" };

/** The Worker's sign-in routes with these settings. */
export function siteWith(change: Record<string, unknown> = {}, options: Parameters<typeof authRoutes>[0] = {}) {
  const app = new Hono<App>();
  app.use(safeHeaders, withSettings);
  // A fault of ours fails the test that met it.
  app.onError((error) => {
    throw error;
  });
  app.route("/", authRoutes({ fetch: here.providers.fetch, now: () => here.now, rate: { burst: 1_000, perSecond: 1 }, ...options }));
  const bindings = { ...env, SIGN_IN_LIMIT: undefined, ...vars, ...change };
  return (request: Request) => app.fetch(request, bindings);
}

/** What is there anew for each test. */
export const here: { providers: Providers; now: number; logged: string[]; site: (request: Request) => Response | Promise<Response> } = {
  providers: new Providers(),
  now: 0,
  logged: [],
  site: () => new Response(null, { status: 500 }),
};

export const tables = ["users", "identities", "oauth_tokens", "auth_sessions", "auth_flows", "auth_codes", "invitations", "audit"];
export const rows = async <T = Record<string, unknown>>(sql: string, ...values: unknown[]): Promise<T[]> =>
  (
    await env.DB.prepare(sql)
      .bind(...values)
      .all()
  ).results as T[];

/** To be called by each file: everything anew before each test. */
export function anew(): void {
  beforeEach(async () => {
    await env.DB.batch(tables.map((table) => env.DB.prepare(`delete from ${table}`)));
    here.now = Date.now();
    here.providers = new Providers();
    here.logged = [];
    for (const level of ["log", "info", "warn", "error"] as const)
      vi.spyOn(console, level).mockImplementation((...args) => void here.logged.push(args.map(String).join(" ")));
    here.site = siteWith();
  });
  afterEach(() => vi.restoreAllMocks());
}

export const to = (answer: Response): string => answer.headers.get("location") ?? "";
export const pathOf = (answer: Response): string => to(answer).replace(ORIGIN, "");

/** Goes to a provider and is approved there: the path of the callback that the browser is sent back to. */
export async function approved(browser: Browser, person: GitHubPerson | GooglePerson, provider = "github", query = ""): Promise<string> {
  const begun = await browser.open(`/auth/${provider}${query}`);
  expect(begun.status).toBe(303);
  return here.providers.approve(to(begun), person).replace(ORIGIN, "");
}

/** Signs in, up to the page after it. */
export async function signIn(
  browser: Browser,
  person: GitHubPerson | GooglePerson,
  provider = "github",
  query = "",
): Promise<{ code: string | null; refused: string | null }> {
  const answer = await browser.open(await approved(browser, person, provider, query), { "sec-fetch-site": "cross-site" });
  expect(answer.status).toBe(302);
  const url = new URL(to(answer), ORIGIN);
  return { code: url.searchParams.get("token"), refused: url.searchParams.get("why") };
}

/** A new browser at the Worker, as it is at the time. */
export const browserAt = (where = here.site) => new Browser(ORIGIN, where);

export type Me = { user: Record<string, unknown>; providers: unknown[]; error?: { code: string } };
export async function me(browser: Browser): Promise<{ status: number; body: Me }> {
  const answer = await browser.open("/api/auth/me", { "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin" });
  return { status: answer.status, body: await answer.json<Me>() };
}

export const audited = () =>
  rows<{ action: string; detail: string; user_id: string | null }>("select action, detail, user_id from audit order by id");
