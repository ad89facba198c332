import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { accessTokenOf, keepTokens } from "../auth/oauth-tokens.ts";
import { signInOf } from "../auth/providers.ts";
import { random } from "../auth/token.ts";
import { settingsOf } from "../settings.ts";
import { Browser } from "../testing/browser.ts";
import { CLIENT, formOf, GITHUB_API, GITHUB_WEB, type GitHubPerson, type GooglePerson, Providers } from "../testing/providers.ts";
import { type App, safeHeaders, withSettings } from "./app.ts";
import { authRoutes } from "./auth.ts";

const ORIGIN = "https://errand.example";
const K1 = btoa("1".repeat(32));
const K2 = btoa("2".repeat(32));
const RULES = { githubOrganisations: ["acme"], githubTeams: ["big/core"], emailDomains: ["corp.example"] };
const vars = {
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

const ada: GitHubPerson = { id: 1, login: "ada", name: "Ada", emails: [{ email: "Ada@Corp.example", primary: true, verified: true }] };
const bob: GitHubPerson = { id: 2, login: "bob", organisations: { acme: "active" }, emails: [] };
const eve: GitHubPerson = { id: 3, login: "eve", emails: [{ email: "eve@corp.example", primary: true, verified: false }] };

let providers: Providers;
let now: number;
let logged: string[];
let site: (request: Request) => Response | Promise<Response>;

/** The Worker's sign-in routes with these settings. */
function siteWith(change: Record<string, string> = {}, options: Parameters<typeof authRoutes>[0] = {}) {
  const app = new Hono<App>();
  app.use(safeHeaders, withSettings);
  // A fault of ours fails the test that met it.
  app.onError((error) => {
    throw error;
  });
  app.route("/", authRoutes({ fetch: providers.fetch, now: () => now, rate: { burst: 1_000, perSecond: 1 }, ...options }));
  const bindings = { ...env, ...vars, ...change } as Env;
  return (request: Request) => app.fetch(request, bindings);
}

const tables = ["users", "identities", "oauth_tokens", "auth_sessions", "auth_flows", "auth_codes", "invitations", "audit"];
const rows = async <T = Record<string, unknown>>(sql: string, ...values: unknown[]): Promise<T[]> =>
  (
    await env.DB.prepare(sql)
      .bind(...values)
      .all()
  ).results as T[];

beforeEach(async () => {
  await env.DB.batch(tables.map((table) => env.DB.prepare(`delete from ${table}`)));
  now = Date.now();
  providers = new Providers();
  logged = [];
  for (const level of ["log", "info", "warn", "error"] as const)
    vi.spyOn(console, level).mockImplementation((...args) => void logged.push(args.map(String).join(" ")));
  site = siteWith();
});
afterEach(() => vi.restoreAllMocks());

const to = (answer: Response): string => answer.headers.get("location") ?? "";
const pathOf = (answer: Response): string => to(answer).replace(ORIGIN, "");

/** Goes to a provider and is approved there: the path of the callback that the browser is sent back to. */
async function approved(browser: Browser, person: GitHubPerson | GooglePerson, provider = "github", query = ""): Promise<string> {
  const begun = await browser.open(`/auth/${provider}${query}`);
  expect(begun.status).toBe(303);
  return providers.approve(to(begun), person).replace(ORIGIN, "");
}

/** Signs in, up to the page after it. */
async function signIn(
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

const browserAt = (where = site) => new Browser(ORIGIN, where);
const me = async (browser: Browser) => {
  const answer = await browser.open("/api/auth/me", { "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin" });
  return {
    status: answer.status,
    body: (await answer.json()) as { user: Record<string, unknown>; providers: unknown[]; error?: { code: string } },
  };
};
const audited = () =>
  rows<{ action: string; detail: string; user_id: string | null }>("select action, detail, user_id from audit order by id");

describe("signing in", () => {
  test("the first person is an admin, and the token is fetched once by the page that the code was made for", async () => {
    const browser = browserAt();
    const { code } = await signIn(browser, ada, "github", `?to=/s/${"a".repeat(26)}/open/vscode`);
    expect(browser.cookies.has("__Host-errand")).toBe(true);
    const page = await browser.open(`/auth/callback?token=${code}`, { "sec-fetch-site": "cross-site" });
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).toMatch(/script-src 'nonce-[\w-]+'.*frame-ancestors 'none'/);
    const html = await page.text();
    expect(html).toContain("Signed in as Ada");
    expect(html).toContain(`data-to="/s/${"a".repeat(26)}/open/vscode"`);
    const exchanged = await browser.post("/api/auth/exchange", { code });
    const { token, to } = (await exchanged.json()) as { token: string; to: string };
    expect(token).toMatch(/^[0-9a-f]{64}$/);
    expect(to).toBe(`/s/${"a".repeat(26)}/open/vscode`);
    const bearer = await site(new Request(`${ORIGIN}/api/auth/me`, { headers: { authorization: `Bearer ${token}` } }));
    const said = {
      user: { id: expect.stringMatching(/^user:[a-z2-7]{26}$/), name: "Ada", email: "ada@corp.example", role: "admin" },
      providers: [{ provider: "github", login: "ada", email: "ada@corp.example" }],
    };
    expect(await bearer.json()).toEqual(said);
    expect(await me(browser)).toEqual({ status: 200, body: said });
    expect((await browser.post("/api/auth/exchange", { code })).status).toBe(400);
  });

  test("a cookie is HttpOnly, Secure, Lax and bound to the host; the token is kept nowhere in the clear", async () => {
    const browser = browserAt();
    const callback = await approved(browser, ada);
    const answer = await browser.open(callback);
    const line = answer.headers.getSetCookie().find((cookie) => cookie.startsWith("__Host-errand="));
    expect(line).toMatch(/; Max-Age=604800; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
    const token = browser.cookies.get("__Host-errand") ?? "";
    const kept = JSON.stringify(await Promise.all(tables.map((table) => rows(`select * from ${table}`))));
    expect(kept).not.toContain(token);
    for (const secret of [
      ...providers.tokens.keys(),
      ...providers.refreshTokens.keys(),
      new URL(to(answer), ORIGIN).searchParams.get("token") ?? "",
    ])
      expect(kept).not.toContain(secret);
  });

  test("on loopback the cookie has no prefix, since there is no https", async () => {
    const local = "http://127.0.0.1:8787";
    const browser = new Browser(local, siteWith({ PUBLIC_ORIGIN: local }));
    const begun = await browser.open("/auth/github");
    const back = providers.approve(to(begun), ada);
    const answer = await browser.open(back);
    expect(answer.headers.getSetCookie().join("\n")).toMatch(/^errand=[0-9a-f]{64}; Max-Age=604800; Path=\/; HttpOnly; SameSite=Lax$/m);
  });

  test("Google says who it is by a signed token", async () => {
    const browser = browserAt();
    await signIn(browser, { sub: "g-1", name: "Gil", email: "Gil@corp.example", email_verified: true, hd: "corp.example" }, "google");
    expect((await me(browser)).body).toMatchObject({
      user: { name: "Gil", role: "admin" },
      providers: [{ provider: "google", login: null, email: "gil@corp.example" }],
    });
  });

  test("signing in again is the same user, with the name of now; the session before is over", async () => {
    const browser = browserAt();
    await signIn(browser, ada);
    const before = browser.cookies.get("__Host-errand");
    await signIn(browser, { ...ada, login: "ada-2", name: "Ada L." });
    expect(await rows("select name from users")).toEqual([{ name: "Ada L." }]);
    const old = await site(new Request(`${ORIGIN}/api/auth/me`, { headers: { authorization: `Bearer ${before}` } }));
    expect(old.status).toBe(401);
  });

  test("another loopback name is sent to the address that the provider comes back to", async () => {
    const answer = await siteWith({ PUBLIC_ORIGIN: "http://127.0.0.1:8787" })(new Request("http://localhost:8787/auth/github?to=/account"));
    expect(to(answer)).toBe("http://127.0.0.1:8787/auth/github?to=/account");
  });

  test.each(["HEAD", "GET"])("a preview (%s) begins nothing", async (method) => {
    await site(new Request(`${ORIGIN}/auth/github`, { method, headers: method === "GET" ? { "sec-purpose": "prefetch" } : {} }));
    expect(await rows("select 1 from auth_flows")).toEqual([]);
  });
});

describe("attacks on the way back", () => {
  const refusedAt = async (browser: Browser, path: string) => {
    const answer = await browser.open(path, { "sec-fetch-site": "cross-site" });
    expect(answer.status).toBe(302);
    expect(browser.cookies.has("__Host-errand")).toBe(false);
    return pathOf(answer);
  };

  test("state missing", async () => {
    const browser = browserAt();
    const url = new URL(await approved(browser, ada), ORIGIN);
    url.searchParams.delete("state");
    expect(await refusedAt(browser, url.pathname + url.search)).toBe("/sign-in?why=stale");
    expect(providers.asked).toEqual([]);
  });

  test("state made up", async () => {
    const browser = browserAt();
    const url = new URL(await approved(browser, ada), ORIGIN);
    url.searchParams.set("state", "f".repeat(64));
    expect(await refusedAt(browser, url.pathname + url.search)).toBe("/sign-in?why=stale");
  });

  test("state and code used again", async () => {
    const browser = browserAt();
    const callback = await approved(browser, ada);
    expect(pathOf(await browser.open(callback))).toMatch(/^\/auth\/callback\?token=/);
    browser.cookies.delete("__Host-errand");
    expect(await refusedAt(browser, callback)).toBe("/sign-in?why=stale");
    expect(await rows("select 1 from auth_sessions")).toHaveLength(1);
  });

  test("another's callback in this browser: nobody is signed in as somebody else", async () => {
    const attacker = browserAt();
    const callback = await approved(attacker, eve);
    const victim = browserAt();
    await victim.open("/auth/github");
    expect(await refusedAt(victim, callback)).toBe("/sign-in?why=stale");
    // And the one who began it can still end it.
    expect(pathOf(await attacker.open(callback))).toMatch(/^\/auth\/callback/);
  });

  test("a browser without its cookie", async () => {
    const browser = browserAt();
    const callback = await approved(browser, ada);
    browser.cookies.clear();
    expect(await refusedAt(browser, callback)).toBe("/sign-in?why=stale");
  });

  test("the state of one provider at the other's callback", async () => {
    const browser = browserAt();
    const callback = await approved(browser, ada);
    expect(await refusedAt(browser, callback.replace("/github/", "/google/"))).toBe("/sign-in?why=stale");
  });

  test("too late", async () => {
    const browser = browserAt();
    const callback = await approved(browser, ada);
    now += 10 * 60_000;
    expect(await refusedAt(browser, callback)).toBe("/sign-in?why=stale");
  });

  test("a code stolen from another's sign-in does not fit this one's verifier", async () => {
    const victim = browserAt();
    const stolen = new URL(await approved(victim, ada), ORIGIN).searchParams.get("code") ?? "";
    const thief = browserAt();
    const url = new URL(await approved(thief, eve), ORIGIN);
    url.searchParams.set("code", stolen);
    expect(await refusedAt(thief, url.pathname + url.search)).toBe("/sign-in?why=provider-refused");
    expect(await rows("select 1 from users")).toEqual([]);
  });

  test("the verifier stripped on its way: the provider refuses", async () => {
    const browser = browserAt();
    const callback = await approved(browser, ada);
    const { fetch } = providers;
    site = siteWith(
      {},
      {
        fetch: async (input, init) => {
          const request = new Request(input as RequestInfo, init as RequestInit);
          if (!request.url.endsWith("/access_token")) return fetch(request);
          const form = await formOf(request);
          expect(form.get("code_verifier")).toMatch(/^[\w-]{43}$/);
          form.delete("code_verifier");
          return fetch(new Request(request.url, { method: "POST", body: form }));
        },
      },
    );
    const other = browserAt();
    for (const [name, value] of browser.cookies) other.cookies.set(name, value);
    expect(await refusedAt(other, callback)).toBe("/sign-in?why=provider-refused");
  });

  test("the challenge is the verifier's hash, which is not in the address", async () => {
    const url = new URL(to(await browserAt().open("/auth/github")));
    expect(Object.fromEntries(url.searchParams)).toEqual({
      response_type: "code",
      client_id: CLIENT.github.id,
      redirect_uri: `${ORIGIN}/auth/github/callback`,
      state: expect.stringMatching(/^[0-9a-f]{64}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: "S256",
    });
  });

  test("GitHub's error with status 200 is an error", async () => {
    const browser = browserAt();
    const callback = await approved(browser, ada);
    providers.wrong.answers = {
      "POST /login/oauth/access_token": () =>
        Response.json({ error: "incorrect_client_credentials", access_token: "x", token_type: "bearer" }),
    };
    expect(await refusedAt(browser, callback)).toBe("/sign-in?why=provider-refused");
    expect(JSON.parse((await audited()).at(-1)?.detail ?? "")).toEqual({
      provider: "github",
      why: "provider-refused",
      said: "incorrect_client_credentials",
    });
  });

  test("the person says no there", async () => {
    const browser = browserAt();
    const state = new URL(to(await browser.open("/auth/github?to=/account"))).searchParams.get("state");
    expect(await refusedAt(browser, `/auth/github/callback?error=access_denied&state=${state}`)).toBe(
      "/sign-in?why=cancelled&to=%2Faccount",
    );
  });

  test.each<[string, Record<string, () => Response>]>([
    ["a page instead of a token", { "POST /login/oauth/access_token": () => new Response("<h1>502</h1>", { status: 502 }) }],
    ["no answer about the person", { "GET /user": () => new Response("", { status: 503 }) }],
    ["a limit", { "GET /user/emails": () => Response.json({}, { status: 403, headers: { "x-ratelimit-remaining": "0" } }) }],
    ["another shape", { "GET /user": () => Response.json({ id: "1" }) }],
  ])("%s: nobody is let in", async (_name, answers) => {
    const browser = browserAt();
    const callback = await approved(browser, ada);
    providers.wrong.answers = answers;
    expect(await refusedAt(browser, callback)).toBe("/sign-in?why=provider-away");
    expect(await rows("select 1 from users")).toEqual([]);
  });

  const gil = { sub: "g-1", name: "Gil", email: "gil@corp.example", email_verified: true, hd: "corp.example" };
  test.each<[string, Providers["wrong"]]>([
    ["another nonce", { claims: { nonce: "n" } }],
    ["no nonce", { claims: { nonce: undefined } }],
    ["another audience", { claims: { aud: "another-client" } }],
    ["another issuer", { claims: { iss: "https://evil.example" } }],
    ["an old token", { claims: { exp: 1 } }],
    ["a foreign key", { foreignKey: true }],
  ])("Google's ID token with %s", async (_name, wrong) => {
    const browser = browserAt();
    const callback = await approved(browser, gil, "google");
    providers.wrong = wrong;
    expect(await refusedAt(browser, callback)).toBe("/sign-in?why=provider-refused");
    expect(await rows("select 1 from users")).toEqual([]);
  });

  test("a mix-up of issuers", async () => {
    const browser = browserAt();
    const url = new URL(await approved(browser, gil, "google"), ORIGIN);
    url.searchParams.set("iss", "https://evil.example");
    expect(await refusedAt(browser, url.pathname + url.search)).toBe("/sign-in?why=provider-refused");
  });

  test("the code of the page in another browser, too late, or twice", async () => {
    const browser = browserAt();
    const { code } = await signIn(browser, ada);
    const thief = browserAt();
    expect((await thief.post("/api/auth/exchange", { code })).status).toBe(401);
    await signIn(thief, { ...ada, id: 99, login: "thief", organisations: { acme: "active" } });
    expect((await thief.post("/api/auth/exchange", { code })).status).toBe(400);
    now += 60_000;
    expect((await browser.post("/api/auth/exchange", { code })).status).toBe(400);
    const again = await signIn(browser, ada);
    const both = await Promise.all([1, 2].map(() => browser.post("/api/auth/exchange", { code: again.code })));
    expect(both.map((answer) => answer.status).sort()).toEqual([200, 400]);
  });

  test.each([
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "/s/../..//evil.example",
    `/s/${"a".repeat(26)}?x=//evil.example`,
    `/s/${"a".repeat(26)}/open/vscode#@evil`,
    "javascript:alert(1)",
    "/api/auth/sign-out",
    "/auth/github",
    "/%2f%2fevil.example",
    " /account",
    "/account\n",
  ])("no open redirect: to=%j", async (path) => {
    const browser = browserAt();
    const { code } = await signIn(browser, ada, "github", `?to=${encodeURIComponent(path)}`);
    const exchanged = await browser.post("/api/auth/exchange", { code });
    expect(await exchanged.json()).toMatchObject({ to: "/" });
    const page = await (await browser.open(`/sign-in?to=${encodeURIComponent(path)}`)).text();
    expect(page).not.toContain("evil");
    expect(page).toContain('href="/auth/github"');
  });
});

describe("who may sign in", () => {
  const then = async (person: GitHubPerson | GooglePerson, provider = "github", where = site) => {
    await signIn(browserAt(where), ada);
    const browser = browserAt(where);
    return { ...(await signIn(browser, person, provider)), browser };
  };

  test("two first people at once: exactly one is let in as the admin", async () => {
    const people = [eve, { id: 8, login: "mal" }, { id: 9, login: "mel" }];
    const browsers = people.map(() => browserAt());
    const callbacks = await Promise.all(browsers.map((browser, i) => approved(browser, people[i] ?? eve)));
    const answers = await Promise.all(browsers.map((browser, i) => browser.open(callbacks[i] ?? "")));
    expect(answers.map((answer) => pathOf(answer).replace(/token=.*/, "token")).sort()).toEqual([
      "/auth/callback?token",
      "/sign-in?why=not-admitted",
      "/sign-in?why=not-admitted",
    ]);
    expect(await rows("select role from users")).toEqual([{ role: "admin" }]);
    expect(await rows("select count(*) as n from identities")).toEqual([{ n: 1 }]);
  });

  test("one person twice at once is one user", async () => {
    await signIn(browserAt(), ada);
    const browsers = [browserAt(), browserAt()];
    const callbacks = await Promise.all(browsers.map((browser) => approved(browser, bob)));
    const answers = await Promise.all(browsers.map((browser, i) => browser.open(callbacks[i] ?? "")));
    expect(answers.map(pathOf)).toEqual([expect.stringMatching(/token=/), expect.stringMatching(/token=/)]);
    expect(await rows("select count(*) as n from users")).toEqual([{ n: 2 }]);
  });

  test.each<[string, GitHubPerson, string]>([
    ["a member of the organisation", bob, "organisation acme"],
    ["a member of the team", { id: 4, login: "cy", teams: ["big/core"] }, "team big/core"],
    [
      "a verified address of the domain",
      { id: 5, login: "dee", emails: [{ email: "d@corp.example", primary: true, verified: true }] },
      "e-mail domain corp.example",
    ],
  ])("%s is let in", async (_name, person, by) => {
    const { refused, browser } = await then(person);
    expect(refused).toBeNull();
    expect((await me(browser)).body.user).toMatchObject({ role: "member" });
    expect(JSON.parse((await audited()).at(-1)?.detail ?? "")).toEqual({ provider: "github", account: person.login, by });
  });

  test.each<[string, GitHubPerson]>([
    ["an unverified address", eve],
    ["an invitation to the organisation that was not taken", { ...bob, organisations: { acme: "pending" } }],
    ["another organisation", { ...bob, organisations: { acme2: "active" } }],
    [
      "an address that is verified but not the account's first",
      { id: 5, login: "dee", emails: [{ email: "d@corp.example", primary: false, verified: true }] },
    ],
    ["a domain that only ends alike", { id: 5, login: "dee", emails: [{ email: "d@notcorp.example", primary: true, verified: true }] }],
    ["a domain below", { id: 5, login: "dee", emails: [{ email: "d@x.corp.example", primary: true, verified: true }] }],
    [
      "two signs in an address",
      { id: 5, login: "dee", emails: [{ email: '"a@corp.example"@evil.example', primary: true, verified: true }] },
    ],
    ["no right to see addresses", { id: 5, login: "dee", emails: null }],
  ])("%s is not enough", async (_name, person) => {
    expect((await then(person)).refused).toBe("not-admitted");
    expect(await rows("select count(*) as n from users")).toEqual([{ n: 1 }]);
    expect((await audited()).at(-1)).toMatchObject({ action: "sign-in.refused" });
  });

  test.each<[string, GooglePerson, boolean]>([
    ["of its Workspace", { sub: "g", email: "g@corp.example", email_verified: true, hd: "corp.example" }, true],
    ["unverified", { sub: "g", email: "g@corp.example", email_verified: false, hd: "corp.example" }, false],
    ["that Google does not vouch for today", { sub: "g", email: "g@corp.example", email_verified: true }, false],
  ])("Google's address %s", async (_name, person, let_in) => {
    expect((await then(person, "google")).refused).toBe(let_in ? null : "not-admitted");
  });

  test("who left the organisation is not let in again; the first user always is", async () => {
    expect((await then(bob)).refused).toBeNull();
    expect((await signIn(browserAt(), { ...bob, organisations: {} })).refused).toBe("not-admitted");
    expect((await signIn(browserAt(), { ...ada, emails: [] })).refused).toBeNull();
  });

  test("GitHub does not say who belongs: not now", async () => {
    await signIn(browserAt(), ada);
    providers.wrong.answers = { "GET /user/memberships/orgs/acme": () => new Response("", { status: 500 }) };
    expect((await signIn(browserAt(), bob)).refused).toBe("provider-away");
  });

  test("open lets everybody in, and asks nobody", async () => {
    const open = siteWith({ SIGN_IN_RULES: '{"open":true}' });
    expect((await then(eve, "github", open)).refused).toBeNull();
  });

  test("without rules nobody else is let in", async () => {
    expect((await then(bob, "github", siteWith({ SIGN_IN_RULES: "" }))).refused).toBe("not-admitted");
  });

  test("an invitation lets one person in, once, with its role; by a verified address or a login", async () => {
    await signIn(browserAt(), ada);
    const invite = (id: string, email: string | null, login: string | null, expiresAt = now + 1_000) =>
      rows(
        "insert into invitations (id, email, login, role, invited_by, created_at, expires_at) values (?, ?, ?, 'admin', 'x', ?, ?)",
        id,
        email,
        login,
        now,
        expiresAt,
      );
    await invite("i1", "eve@corp.example", null);
    expect((await signIn(browserAt(), eve)).refused).toBe("not-admitted");
    await invite("i2", null, "eve", now);
    expect((await signIn(browserAt(), eve)).refused).toBe("not-admitted");
    await invite("i3", null, "eve");
    expect((await signIn(browserAt(), { ...eve, login: "Eve" })).refused).toBeNull();
    expect(await rows("select users.role, used_by is not null as used from users join invitations on used_by = users.id")).toEqual([
      { role: "admin", used: 1 },
    ]);
    expect((await signIn(browserAt(), eve)).refused).toBeNull();
    expect((await signIn(browserAt(), { id: 77, login: "eve" })).refused).toBe("not-admitted");
  });

  test("who is disabled is out at once, and stays out", async () => {
    const { browser } = await then(bob);
    await rows("update users set disabled_at = 1 where name = 'bob'");
    expect((await me(browser)).status).toBe(401);
    expect((await signIn(browserAt(), bob)).refused).toBe("disabled");
  });
});

describe("sessions", () => {
  test("one ends after seven days, used or not", async () => {
    const browser = browserAt();
    await signIn(browser, ada);
    now += 7 * 24 * 3600_000 - 1;
    expect((await me(browser)).status).toBe(200);
    now += 1;
    expect(await me(browser)).toMatchObject({ status: 401, body: { error: { code: "session_ended" } } });
  });

  test("signing out ends it, by cookie and by token", async () => {
    const browser = browserAt();
    await signIn(browser, ada);
    const token = browser.cookies.get("__Host-errand");
    const answer = await browser.post("/api/auth/sign-out");
    expect(answer.status).toBe(204);
    expect(answer.headers.get("clear-site-data")).toBe('"storage"');
    expect(browser.cookies.has("__Host-errand")).toBe(false);
    expect((await site(new Request(`${ORIGIN}/api/auth/me`, { headers: { authorization: `Bearer ${token}` } }))).status).toBe(401);
    expect((await audited()).map(({ action }) => action)).toEqual(["sign-in.done", "sign-out.done"]);
  });

  test("a list of them, one ended, then all; what GitHub lets us do is given back", async () => {
    const [here, there] = [browserAt(), browserAt()];
    await signIn(here, ada);
    await signIn(there, ada);
    const listed = async () =>
      ((await (await here.open("/api/auth/sessions")).json()) as { sessions: { id: string; current: boolean }[] }).sessions;
    const other = (await listed()).find((session) => !session.current);
    expect(await listed()).toHaveLength(2);
    expect((await here.ask(`/api/auth/sessions/${other?.id}`, { method: "DELETE", headers: { origin: ORIGIN } })).status).toBe(204);
    expect((await me(there)).status).toBe(401);
    expect((await here.ask(`/api/auth/sessions/${other?.id}`, { method: "DELETE", headers: { origin: ORIGIN } })).status).toBe(404);
    await signIn(there, ada);
    expect(await (await here.post("/api/auth/sign-out-everywhere")).json()).toEqual({ ended: 2 });
    expect((await me(there)).status).toBe(401);
    await vi.waitFor(() => expect(providers.revoked).toHaveLength(1));
    expect(await rows("select 1 from oauth_tokens")).toEqual([]);
  });

  test("nobody ends another's session", async () => {
    const [one, two] = [browserAt(), browserAt()];
    await signIn(one, ada);
    await signIn(two, bob);
    const [session] = await rows<{ hash: string }>(
      "select s.hash from auth_sessions s join users u on u.id = s.user_id where u.name = 'Ada'",
    );
    expect(
      (await two.ask(`/api/auth/sessions/${session?.hash.slice(0, 16)}`, { method: "DELETE", headers: { origin: ORIGIN } })).status,
    ).toBe(404);
    expect((await me(one)).status).toBe(200);
  });

  test("pages: without a session they lead to signing in and back", async () => {
    const browser = browserAt();
    expect(pathOf(await browser.open("/account"))).toBe("/sign-in?to=%2Faccount");
    browser.cookies.set("__Host-errand", "0".repeat(64));
    expect(pathOf(await browser.open("/account"))).toBe("/sign-in?to=%2Faccount&why=session-ended");
  });

  test.each<[string, Record<string, string>]>([
    ["another site", { origin: "https://evil.example", "sec-fetch-site": "cross-site" }],
    ["a name beside ours", { origin: "https://x.errand.example", "sec-fetch-site": "same-site" }],
    ["an opaque origin", { origin: "null" }],
    ["nothing that tells", { origin: "", "sec-fetch-site": "" }],
  ])("a write with the cookie from %s is refused", async (_name, headers) => {
    const browser = browserAt();
    await signIn(browser, ada);
    const sent = new Headers({ cookie: `__Host-errand=${browser.cookies.get("__Host-errand")}` });
    for (const [name, value] of Object.entries(headers)) if (value !== "") sent.set(name, value);
    for (const path of [
      "/api/auth/sign-out",
      "/api/auth/sign-out-everywhere",
      "/account/sign-out-everywhere",
      "/auth/google/link",
      "/api/auth/exchange",
    ]) {
      const answer = await site(new Request(ORIGIN + path, { method: "POST", headers: sent, redirect: "manual" }));
      expect([401, 403]).toContain(answer.status);
    }
    expect((await me(browser)).status).toBe(200);
  });

  test("a bearer token needs no origin, and stands before the cookie", async () => {
    const browser = browserAt();
    await signIn(browser, ada);
    const token = browser.cookies.get("__Host-errand");
    expect((await browser.open("/api/auth/me", { authorization: "Bearer nonsense" })).status).toBe(401);
    const out = await site(new Request(`${ORIGIN}/api/auth/sign-out`, { method: "POST", headers: { authorization: `Bearer ${token}` } }));
    expect(out.status).toBe(204);
  });

  test("two cookies of one name are none", async () => {
    const browser = browserAt();
    await signIn(browser, ada);
    const cookie = `__Host-errand=${browser.cookies.get("__Host-errand")}; __Host-errand=${"0".repeat(64)}`;
    expect((await site(new Request(`${ORIGIN}/api/auth/me`, { headers: { cookie } }))).status).toBe(401);
  });
});

describe("accounts", () => {
  const gil = { sub: "g-1", name: "Gil", email: "gil@corp.example", email_verified: true, hd: "corp.example" };

  test("a second account is added by who is signed in, and signs the same person in", async () => {
    const browser = browserAt();
    await signIn(browser, ada);
    const begun = await browser.post("/auth/google/link");
    expect(begun.status).toBe(303);
    const back = providers.approve(to(begun), gil).replace(ORIGIN, "");
    expect(pathOf(await browser.open(back))).toBe("/account");
    expect((await me(browser)).body.providers).toHaveLength(2);
    const other = browserAt();
    await signIn(other, gil, "google");
    expect((await me(other)).body.user.id).toBe((await me(browser)).body.user.id);
  });

  test("an account that is somebody else's, or a second one of a provider, is not added", async () => {
    const [one, two] = [browserAt(), browserAt()];
    await signIn(one, ada);
    await signIn(two, bob);
    const add = async (person: GitHubPerson) =>
      pathOf(await two.open(providers.approve(to(await two.post("/auth/github/link")), person).replace(ORIGIN, "")));
    expect(await add(ada)).toBe("/sign-in?why=account-taken&to=%2Faccount");
    expect(await add({ id: 50, login: "bob-2" })).toBe("/sign-in?why=account-another&to=%2Faccount");
    expect(await rows("select count(*) as n from identities")).toEqual([{ n: 2 }]);
  });
});

describe("what providers let us do", () => {
  const ports = (change: Record<string, string> = {}) => {
    const signIn = signInOf(settingsOf({ ...vars, ...change }));
    if (!signIn.ok) throw new Error("not set up");
    return {
      db: env.DB,
      signIn,
      fetch: providers.fetch,
      now: () => now,
      random,
      sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms / 10)),
    };
  };
  const userId = async () => (await rows<{ id: string }>("select id from users"))[0]?.id ?? "";

  test("a token row opens for its own user and provider alone", async () => {
    await signIn(browserAt(), ada);
    expect((await accessTokenOf(ports(), await userId(), "github")).ok).toBe(true);
    await rows("insert into oauth_tokens select 'mallory', provider, key_id, sealed, updated_at, null from oauth_tokens");
    expect(await accessTokenOf(ports(), "mallory", "github")).toEqual({ ok: false, why: "none" });
    await rows("update oauth_tokens set provider = 'google' where user_id != 'mallory'");
    expect(await accessTokenOf(ports(), await userId(), "google")).toEqual({ ok: false, why: "none" });
  });

  test("keys rotate: the old one still opens, what is written next is under the new one", async () => {
    await signIn(browserAt(), ada);
    const rotated = { TOKEN_KEYS: JSON.stringify({ current: "k2", keys: { k1: K1, k2: K2 } }) };
    expect((await accessTokenOf(ports(rotated), await userId(), "github")).ok).toBe(true);
    now += 8 * 3600_000;
    expect((await accessTokenOf(ports(rotated), await userId(), "github")).ok).toBe(true);
    expect(await rows("select key_id from oauth_tokens")).toEqual([{ key_id: "k2" }]);
    expect(await accessTokenOf(ports(), await userId(), "github")).toEqual({ ok: false, why: "none" });
  });

  test("eight at once: one refreshes, all have the new token", async () => {
    await signIn(browserAt(), ada);
    now += 8 * 3600_000;
    providers.slow = 50;
    const id = await userId();
    providers.asked = [];
    const all = await Promise.all(Array.from({ length: 8 }, () => accessTokenOf(ports(), id, "github")));
    expect(new Set(all.map((one) => (one.ok ? one.token : one.why))).size).toBe(1);
    expect(all[0]).toMatchObject({ ok: true, token: expect.stringMatching(/^ghu/) });
    expect(providers.asked).toHaveLength(1);
  });

  test("a refresh token that is spent ends it; an outage does not", async () => {
    await signIn(browserAt(), ada);
    now += 8 * 3600_000;
    const id = await userId();
    providers.wrong.answers = { "POST /login/oauth/access_token": () => new Response("", { status: 502 }) };
    expect(await accessTokenOf(ports(), id, "github")).toEqual({ ok: false, why: "away" });
    providers.wrong = {};
    providers.refreshTokens.clear();
    expect(await accessTokenOf(ports(), id, "github")).toEqual({ ok: false, why: "ended" });
    expect(await accessTokenOf(ports(), id, "github")).toEqual({ ok: false, why: "none" });
  });

  test("a sign-in during a refresh wins", async () => {
    await signIn(browserAt(), ada);
    now += 8 * 3600_000;
    providers.slow = 100;
    const id = await userId();
    const refreshing = accessTokenOf(ports(), id, "github");
    await vi.waitFor(async () => expect(await rows("select 1 from oauth_tokens where leased_until is not null")).toHaveLength(1));
    await keepTokens(ports(), id, "github", { access: "ghu-new", expiresAt: null, refresh: null });
    await refreshing;
    expect(await accessTokenOf(ports(), id, "github")).toEqual({ ok: true, token: "ghu-new" });
  });

  test("whoever died with the lease does not keep it", async () => {
    await signIn(browserAt(), ada);
    now += 8 * 3600_000;
    await rows("update oauth_tokens set leased_until = ?", now);
    expect((await accessTokenOf(ports(), await userId(), "github")).ok).toBe(true);
  });
});

test("no secret is in a log, a page or the audit log", async () => {
  const browser = browserAt();
  const { code } = await signIn(browser, ada);
  const pages = [
    await (await browser.open("/account")).text(),
    await (await browser.open("/sign-in")).text(),
    await (await browser.open(`/auth/callback?token=${code}`)).text(),
  ];
  await browser.post("/api/auth/exchange", { code });
  const callback = await approved(browserAt(), ada, "google");
  providers.wrong = { foreignKey: true };
  await browser.open(callback);
  providers.wrong = {
    answers: {
      "POST /login/oauth/access_token": () => Response.json({ access_token: "ghu-leak", token_type: "weird", refresh_token: "ghr-leak" }),
    },
  };
  await signIn(browserAt(), ada);
  now += 8 * 3600_000;
  await browser.post("/api/auth/sign-out-everywhere");
  await vi.waitFor(async () => expect(await rows("select 1 from oauth_tokens")).toEqual([]));
  const told = [...logged, ...pages, JSON.stringify(await rows("select * from audit"))].join("\n");
  const secrets = [
    ...[...browser.cookies.values()],
    code ?? "",
    CLIENT.github.secret,
    CLIENT.google.secret,
    K1,
    "ghu-",
    "ghr-",
    "ya29-",
    "code-secret",
    ...(await rows<{ hash: string }>("select hash from auth_sessions")).map(({ hash }) => hash),
  ];
  for (const secret of secrets) expect(told).not.toContain(secret);
  expect(told).toContain("sign-in.refused");
});

describe("set up or not", () => {
  test("without a client there is nobody to sign in with, and the page says which settings are missing", async () => {
    const none = siteWith({ GITHUB_CLIENT_ID: "", GITHUB_CLIENT_SECRET: "", GOOGLE_CLIENT_ID: "", GOOGLE_CLIENT_SECRET: "" });
    expect(await (await browserAt(none).open("/sign-in")).text()).toContain("No provider is set up here");
    expect(pathOf(await browserAt(none).open("/auth/github"))).toBe("/sign-in?why=not-set-up");
    const half = siteWith({ GITHUB_CLIENT_SECRET: "", GOOGLE_CLIENT_ID: "", GOOGLE_CLIENT_SECRET: "", TOKEN_KEYS: "" });
    expect(await (await browserAt(half).open("/sign-in")).text()).toContain(
      "These settings are missing: GITHUB_CLIENT_SECRET, TOKEN_KEYS.",
    );
    expect((await browserAt(none).open("/api/auth/me")).status).toBe(401);
  });

  test("too many from one address", async () => {
    const strict = siteWith({}, { rate: { burst: 2, perSecond: 0.1 } });
    const from = (ip: string) => strict(new Request(`${ORIGIN}/auth/github`, { headers: { "cf-connecting-ip": ip }, redirect: "manual" }));
    expect([(await from("1.1.1.1")).status, (await from("1.1.1.1")).status]).toEqual([303, 303]);
    const refused = await from("1.1.1.1");
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toBe("10");
    expect((await from("2.2.2.2")).status).toBe(303);
    now += 10_000;
    expect((await from("1.1.1.1")).status).toBe(303);
  });
});
