/** Attacks on signing in, against the real Worker, the local GitHub and the local Google, in real browsers. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keptToken, type Provider, pressAs, type SignInStand, signInAs, startSignIn, toProvider } from "./sign-in-stand.ts";

const TOKEN = /^[0-9a-f]{64}$/;
let stand: SignInStand;

beforeAll(async () => {
  stand = await startSignIn();
  // Whoever is the first is let in without a rule.
  await signInAs(await stand.open(), "github", "ada");
});
afterAll(() => stand?.stop());

describe("an attack", () => {
  /** Goes as far as the provider's answer, which the browser does not follow: the address of the callback. */
  async function caught(page: Page, provider: Provider, who: string): Promise<URL> {
    await toProvider(page, provider);
    const query = await page.locator("input[name=query]").inputValue();
    const form = { query, [provider === "github" ? "login" : "email"]: who };
    const headers = { origin: new URL(page.url()).origin };
    const url = new URL((await page.locator("form").getAttribute("action")) ?? "", page.url()).href;
    const answer = await page.context().request.post(url, { form, headers, maxRedirects: 0 });
    return new URL(answer.headers().location ?? "");
  }
  /** Opens a callback, which has to be refused. */
  async function refused(page: Page, url: URL, why: string): Promise<void> {
    await page.goto(url.href);
    expect(new URL(page.url()).pathname).toBe("/sign-in");
    expect(new URL(page.url()).searchParams.get("why")).toBe(why);
    expect(await page.getByRole("alert").innerText()).not.toBe("");
    expect(await stand.sessionOf(page)).toBeUndefined();
  }

  it.each(["github", "google"] as const)("%s: the state is missing, made up, or used before", async (provider) => {
    const page = await stand.open();
    const who = provider === "github" ? "grace" : "grace@acme.example";
    for (const state of [null, "f".repeat(64)]) {
      const url = await caught(page, provider, who);
      if (state === null) url.searchParams.delete("state");
      else url.searchParams.set("state", state);
      await refused(page, url, "stale");
    }
    const url = await caught(page, provider, who);
    await page.goto(url.href);
    await page.waitForURL(`${stand.origin}/account`);
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await page.waitForURL(/\/sign-in/);
    await refused(page, url, "stale");
  });

  it("the callback of somebody else’s sign-in, put into this browser, signs nobody in", async () => {
    const [attacker, victim] = [await stand.open(), await stand.open()];
    const url = await caught(attacker, "github", "grace");
    await refused(victim, url, "stale");
    // Also where this browser has begun one of its own.
    await toProvider(victim, "github");
    await refused(victim, url, "stale");
  });

  it.each(["github", "google"] as const)("%s: a stolen code in a sign-in of one’s own", async (provider) => {
    const [victim, thief] = [await stand.open(), await stand.open()];
    const [whom, who] = provider === "github" ? ["ada", "mallory"] : ["ada@acme.example", "mallory@elsewhere.example"];
    const stolen = (await caught(victim, provider, whom)).searchParams.get("code") ?? "";
    const own = await caught(thief, provider, who);
    own.searchParams.set("code", stolen);
    await refused(thief, own, "provider-refused");
  });

  it("a code that was used already", async () => {
    const page = await stand.open();
    const url = await caught(page, "github", "grace");
    await page.goto(url.href);
    await page.waitForURL(`${stand.origin}/account`);
    const again = await stand.open();
    const own = await caught(again, "github", "grace");
    own.searchParams.set("code", url.searchParams.get("code") ?? "");
    await refused(again, own, "provider-refused");
  });

  it.each(["github", "google"] as const)("%s: PKCE taken out of the address on the way there", async (provider) => {
    const page = await stand.open();
    const begun = await page.context().request.get(`/auth/${provider}?to=/account`, { maxRedirects: 0 });
    const url = new URL(begun.headers().location ?? "");
    expect(url.searchParams.get("code_challenge_method")).toBe("S256");
    for (const name of ["code_challenge", "code_challenge_method"]) url.searchParams.delete(name);
    await page.goto(url.href);
    expect(page.url()).not.toContain("code_challenge");
    await pressAs(page, provider, provider === "github" ? "grace" : "grace@acme.example");
    await page.waitForURL(/\/sign-in\?/);
    expect(new URL(page.url()).searchParams.get("why")).toBe("provider-refused");
    expect(await stand.sessionOf(page)).toBeUndefined();
  });

  it.each([
    ["signed by another key", { foreignKey: true }],
    ["of another sign-in", { claims: (claims: object) => ({ ...claims, nonce: "other" }) }],
    ["for another client", { claims: (claims: object) => ({ ...claims, aud: "other" }) }],
  ])("an ID token %s", async (_name, what) => {
    const page = await stand.open();
    const url = await caught(page, "google", "grace@acme.example");
    stand.google.tamper(what);
    await refused(page, url, "provider-refused");
  });

  it("the code of the page: not in another browser, and not twice", async () => {
    const [page, thief] = [await stand.open(), await stand.open()];
    let code = "";
    await page.route("**/api/auth/exchange", (route) => {
      code = (route.request().postDataJSON() as { code: string }).code;
      return route.abort();
    });
    await toProvider(page, "github");
    await pressAs(page, "github", "grace");
    await expect.poll(() => code).toMatch(TOKEN);
    expect(page.url()).toBe(`${stand.origin}/auth/callback`);
    await page.unrouteAll();
    const take = (who: Page) => who.context().request.post("/api/auth/exchange", { data: { code }, headers: { origin: stand.origin } });
    expect((await take(thief)).status()).toBe(401);
    await signInAs(thief, "google", "ada@acme.example");
    expect((await take(thief)).status()).toBe(400);
    expect([(await take(page)).status(), (await take(page)).status()]).toEqual([200, 400]);
  });

  it("a page of another site writes nothing in somebody’s name", async () => {
    const page = await stand.open();
    await signInAs(page, "github", "grace");
    const token = await keptToken(page);
    for (const path of ["/api/auth/sign-out", "/api/auth/sign-out-everywhere", "/account/sign-out", "/auth/google/link"]) {
      const post = (headers: Record<string, string>) => page.context().request.post(path, { headers, maxRedirects: 0 });
      expect((await post({ origin: "https://evil.example" })).status()).toBeGreaterThanOrEqual(400);
      expect((await post({ "sec-fetch-site": "cross-site" })).status()).toBeGreaterThanOrEqual(400);
    }
    // The local world's page is another port of this machine: to browsers the same site, so its requests do bring the cookie.
    const neighbour = await page.context().newPage();
    await neighbour.goto(stand.pageUrl);
    await neighbour.evaluate(
      (url) => fetch(url, { method: "POST", mode: "no-cors", credentials: "include" }).catch(() => undefined),
      `${stand.origin}/api/auth/sign-out`,
    );
    expect((await stand.me(token)).status).toBe(200);
  });

  it("a row of tokens that is copied to another user opens for nobody there, and is not lost to its own", async () => {
    const [owner, thief] = [await stand.open(), await stand.open()];
    await signInAs(owner, "github", "ada");
    await signInAs(thief, "github", "grace");
    const copied = stand.change(
      `update oauth_tokens set (key_id, sealed) = (select key_id, sealed from oauth_tokens join identities using (user_id, provider) where login = 'ada')
       where provider = 'github' and user_id = (select user_id from identities where login = 'grace')`,
    );
    expect(copied).toBe(1);
    const ended = () => stand.github.faults.callsOf("DELETE /applications/*/grant").length;
    const before = ended();
    // What errand would do with a token of grace's: end it.
    await thief.getByRole("button", { name: "Sign out everywhere" }).click();
    await thief.waitForURL(/\/sign-in/);
    await expect
      .poll(() => stand.rows("select 1 from oauth_tokens join identities using (user_id, provider) where login = 'grace'"), {
        timeout: 10_000,
      })
      .toEqual([]);
    expect(ended()).toBe(before);
    await owner.getByRole("button", { name: "Sign out everywhere" }).click();
    await owner.waitForURL(/\/sign-in/);
    await expect.poll(ended, { timeout: 10_000 }).toBe(before + 1);
  });

  it.each(["https://evil.example/", "//evil.example", "/\\evil.example", "/auth/google", "/api/auth/sign-out"])(
    "%j as the place to go on to leads nowhere but home",
    async (to) => {
      const page = await stand.open();
      await page.goto(`/auth/google?to=${encodeURIComponent(to)}`);
      await pressAs(page, "google", "grace@acme.example");
      await page.waitForURL(`${stand.origin}/`);
    },
  );
});

it("no secret of all this is in a log or, in the clear, on disk", async () => {
  const [secrets, written] = [await stand.secrets(), stand.written()];
  expect(secrets.length).toBeGreaterThan(40);
  expect(written).toContain("sign-in.refused");
  expect(secrets.filter((secret) => written.includes(secret))).toEqual([]);
});
