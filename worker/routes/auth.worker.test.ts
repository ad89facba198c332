import { env } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import { Browser } from "../testing/browser.ts";
import type { GitHubPerson } from "../testing/providers.ts";
import {
  ada,
  anew,
  approved,
  audited,
  bob,
  browserAt,
  gil,
  here,
  me,
  ORIGIN,
  pathOf,
  rows,
  signIn,
  siteWith,
  tables,
  to,
} from "../testing/sign-in.ts";

anew();

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
    const bearer = await here.site(new Request(`${ORIGIN}/api/auth/me`, { headers: { authorization: `Bearer ${token}` } }));
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
      ...here.providers.tokens.keys(),
      ...here.providers.refreshTokens.keys(),
      new URL(to(answer), ORIGIN).searchParams.get("token") ?? "",
    ])
      expect(kept).not.toContain(secret);
  });

  test("on loopback the cookie has no prefix, since there is no https", async () => {
    const local = "http://127.0.0.1:8787";
    const browser = new Browser(local, siteWith({ PUBLIC_ORIGIN: local }));
    const begun = await browser.open("/auth/github");
    const back = here.providers.approve(to(begun), ada);
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

  test("signing in again is the same user, with the name of here.now; the session before is over", async () => {
    const browser = browserAt();
    await signIn(browser, ada);
    const before = browser.cookies.get("__Host-errand");
    await signIn(browser, { ...ada, login: "ada-2", name: "Ada L." });
    expect(await rows("select name from users")).toEqual([{ name: "Ada L." }]);
    const old = await here.site(new Request(`${ORIGIN}/api/auth/me`, { headers: { authorization: `Bearer ${before}` } }));
    expect(old.status).toBe(401);
  });

  test("another loopback name is sent to the address that the provider comes back to", async () => {
    const answer = await siteWith({ PUBLIC_ORIGIN: "http://127.0.0.1:8787" })(new Request("http://localhost:8787/auth/github?to=/account"));
    expect(to(answer)).toBe("http://127.0.0.1:8787/auth/github?to=/account");
  });

  test.each(["HEAD", "GET"])("a preview (%s) begins nothing", async (method) => {
    await here.site(new Request(`${ORIGIN}/auth/github`, { method, headers: method === "GET" ? { "sec-purpose": "prefetch" } : {} }));
    expect(await rows("select 1 from auth_flows")).toEqual([]);
  });
});

describe("sessions", () => {
  test("one ends after seven days, used or not", async () => {
    const browser = browserAt();
    await signIn(browser, ada);
    here.now += 7 * 24 * 3600_000 - 1;
    expect((await me(browser)).status).toBe(200);
    here.now += 1;
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
    expect((await here.site(new Request(`${ORIGIN}/api/auth/me`, { headers: { authorization: `Bearer ${token}` } }))).status).toBe(401);
    expect((await audited()).map(({ action }) => action)).toEqual(["sign-in.done", "sign-out.done"]);
  });

  test("a list of them, one ended, then all; what GitHub lets us do is given back", async () => {
    const [first, second] = [browserAt(), browserAt()];
    await signIn(first, ada);
    await signIn(second, ada);
    const listed = async () =>
      ((await (await first.open("/api/auth/sessions")).json()) as { sessions: { id: string; current: boolean }[] }).sessions;
    const other = (await listed()).find((session) => !session.current);
    expect(await listed()).toHaveLength(2);
    expect((await first.ask(`/api/auth/sessions/${other?.id}`, { method: "DELETE", headers: { origin: ORIGIN } })).status).toBe(204);
    expect((await me(second)).status).toBe(401);
    expect((await first.ask(`/api/auth/sessions/${other?.id}`, { method: "DELETE", headers: { origin: ORIGIN } })).status).toBe(404);
    await signIn(second, ada);
    expect(await (await first.post("/api/auth/sign-out-everywhere")).json()).toEqual({ ended: 2 });
    expect((await me(second)).status).toBe(401);
    await vi.waitFor(() => expect(here.providers.revoked).toHaveLength(1));
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
      const answer = await here.site(new Request(ORIGIN + path, { method: "POST", headers: sent, redirect: "manual" }));
      expect([401, 403]).toContain(answer.status);
    }
    expect((await me(browser)).status).toBe(200);
  });

  test("a bearer token needs no origin, and stands before the cookie", async () => {
    const browser = browserAt();
    await signIn(browser, ada);
    const token = browser.cookies.get("__Host-errand");
    expect((await browser.open("/api/auth/me", { authorization: "Bearer nonsense" })).status).toBe(401);
    const out = await here.site(
      new Request(`${ORIGIN}/api/auth/sign-out`, { method: "POST", headers: { authorization: `Bearer ${token}` } }),
    );
    expect(out.status).toBe(204);
  });

  test("two cookies of one name are none", async () => {
    const browser = browserAt();
    await signIn(browser, ada);
    const cookie = `__Host-errand=${browser.cookies.get("__Host-errand")}; __Host-errand=${"0".repeat(64)}`;
    expect((await here.site(new Request(`${ORIGIN}/api/auth/me`, { headers: { cookie } }))).status).toBe(401);
  });
});

describe("accounts", () => {
  test("a second account is added by who is signed in, and signs the same person in", async () => {
    const browser = browserAt();
    await signIn(browser, ada);
    const begun = await browser.post("/auth/google/link");
    expect(begun.status).toBe(303);
    const back = here.providers.approve(to(begun), gil).replace(ORIGIN, "");
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
      pathOf(await two.open(here.providers.approve(to(await two.post("/auth/github/link")), person).replace(ORIGIN, "")));
    expect(await add(ada)).toBe("/sign-in?why=account-taken&to=%2Faccount");
    expect(await add({ id: 50, login: "bob-2" })).toBe("/sign-in?why=account-another&to=%2Faccount");
    expect(await rows("select count(*) as n from identities")).toEqual([{ n: 2 }]);
  });
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
    here.now += 10_000;
    expect((await from("1.1.1.1")).status).toBe(303);
  });

  test("the platform's own limit counts too", async () => {
    const strict = siteWith({ SIGN_IN_LIMIT: env.SIGN_IN_LIMIT });
    const answers = [];
    for (let i = 0; i < 121; i += 1)
      answers.push(
        (await strict(new Request(`${ORIGIN}/auth/github`, { headers: { "cf-connecting-ip": "3.3.3.3" }, redirect: "manual" }))).status,
      );
    expect(answers.indexOf(429)).toBe(120);
  });
});
