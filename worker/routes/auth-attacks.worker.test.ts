import { describe, expect, test, vi } from "vitest";
import type { Browser } from "../testing/browser.ts";
import { CLIENT, formOf, type Providers } from "../testing/providers.ts";
import {
  ada,
  anew,
  approved,
  audited,
  browserAt,
  eve,
  gil,
  here,
  K1,
  ORIGIN,
  pathOf,
  rows,
  signIn,
  siteWith,
  to,
} from "../testing/sign-in.ts";

anew();

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
    expect(here.providers.asked).toEqual([]);
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
    here.now += 10 * 60_000;
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
    const { fetch } = here.providers;
    here.site = siteWith(
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
    here.providers.wrong.answers = {
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
    here.providers.wrong.answers = answers;
    expect(await refusedAt(browser, callback)).toBe("/sign-in?why=provider-away");
    expect(await rows("select 1 from users")).toEqual([]);
  });

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
    here.providers.wrong = wrong;
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
    here.now += 60_000;
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
  here.providers.wrong = { foreignKey: true };
  await browser.open(callback);
  here.providers.wrong = {
    answers: {
      "POST /login/oauth/access_token": () => Response.json({ access_token: "ghu-leak", token_type: "weird", refresh_token: "ghr-leak" }),
    },
  };
  await signIn(browserAt(), ada);
  here.now += 8 * 3600_000;
  await browser.post("/api/auth/sign-out-everywhere");
  await vi.waitFor(async () => expect(await rows("select 1 from oauth_tokens")).toEqual([]));
  const told = [...here.logged, ...pages, JSON.stringify(await rows("select * from audit"))].join("\n");
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
