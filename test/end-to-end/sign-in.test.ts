/** Signing in, in real browsers against the real Worker, with the local GitHub and the local Google. */
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GOOGLE_PEOPLE } from "../world/google/people.ts";
import { ARTEFACTS } from "./errand.ts";
import { keptToken, pressAs, reasonOn, type SignInStand, signInAs, startSignIn, toProvider } from "./sign-in-stand.ts";

const TOKEN = /^[0-9a-f]{64}$/;
const SESSION = `/s/${"a".repeat(26)}/open/vscode`;
/** Tokens of pages in this run. */
const tokens: string[] = [];
let stand: SignInStand;

beforeAll(async () => {
  stand = await startSignIn();
  // Whoever is the first is an admin, whatever test comes first.
  await signInAs(await stand.open(), "github", "ada");
});
afterAll(() => stand?.stop());

describe("somebody signs in", () => {
  it("with GitHub: comes to where they were going, with a token for programs and a cookie for pages", async () => {
    const page = await stand.open();
    await page.goto("/account");
    expect(new URL(page.url()).pathname + new URL(page.url()).search).toBe("/sign-in?to=%2Faccount");
    await page.screenshot({ path: join(ARTEFACTS, "sign-in.png") });
    await toProvider(page, "github");
    await page.screenshot({ path: join(ARTEFACTS, "sign-in-github.png") });
    await pressAs(page, "github", "ada");
    await page.waitForURL(`${stand.origin}/account`);
    expect(await page.getByRole("heading", { level: 1 }).innerText()).toBe("Ada");
    await page.screenshot({ path: join(ARTEFACTS, "account.png"), fullPage: true });
    const token = await keptToken(page);
    expect(token).toMatch(TOKEN);
    tokens.push(token ?? "");
    expect(await stand.me(token)).toMatchObject({
      status: 200,
      body: {
        user: { name: "Ada", role: "admin", email: "ada@acme.example" },
        providers: [{ provider: "github", login: "ada", email: "ada@acme.example" }],
      },
    });
    const cookie = await stand.sessionOf(page);
    expect(cookie).toMatchObject({ value: expect.stringMatching(TOKEN), httpOnly: true, sameSite: "Lax", path: "/" });
    expect((cookie?.expires ?? 0) * 1000 - Date.now()).toBeGreaterThan(6.9 * 86_400_000);
    expect(await page.evaluate("document.cookie")).toBe("");
    // The code of the address is nowhere to go back to.
    await page.goBack();
    expect(page.url()).not.toContain("token=");
  });

  it("with Google, by the rule for an e-mail domain", async () => {
    const page = await stand.open();
    await toProvider(page, "google");
    await page.screenshot({ path: join(ARTEFACTS, "sign-in-google.png") });
    await pressAs(page, "google", "grace@acme.example");
    await page.waitForURL(`${stand.origin}/account`);
    expect(await stand.me(await keptToken(page))).toMatchObject({
      body: { user: { name: "Grace", role: "member" }, providers: [{ provider: "google", login: null, email: "grace@acme.example" }] },
    });
  });

  it("without a script, on a phone", async () => {
    const page = await stand.open({ javaScriptEnabled: false, viewport: { width: 360, height: 700 }, isMobile: true });
    await page.goto("/account");
    await page.screenshot({ path: join(ARTEFACTS, "sign-in-phone.png") });
    await signInAs(page, "google", "grace@acme.example");
    expect(await page.getByRole("heading", { level: 1 }).innerText()).toBe("Grace");
    await page.screenshot({ path: join(ARTEFACTS, "account-phone.png"), fullPage: true });
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await page.waitForURL(/\/sign-in/);
    expect(await reasonOn(page)).toContain("You are signed out.");
    await page.goto("/account");
    expect(page.url()).toContain("/sign-in?to=%2Faccount");
  });

  it("and comes to the very link that was followed, though it asked first", async () => {
    const page = await stand.open();
    await toProvider(page, "github", `/sign-in?to=${encodeURIComponent(SESSION)}`);
    await pressAs(page, "github", "grace");
    await page.waitForURL(stand.origin + SESSION);
  });

  it("who says no at the provider is told so, and nothing was kept", async () => {
    for (const provider of ["github", "google"] as const) {
      const page = await stand.open();
      await toProvider(page, provider);
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.waitForURL(/\/sign-in/);
      expect(await reasonOn(page)).toContain("You did not allow errand to know who you are.");
      expect(await stand.sessionOf(page)).toBeUndefined();
    }
  });
});

describe("somebody signs out", () => {
  it("here: the cookie, the kept token and the session are gone", async () => {
    const page = await stand.open();
    await signInAs(page, "github", "grace");
    const [token, cookie] = [await keptToken(page), await stand.sessionOf(page)];
    expect((await stand.me(token)).status).toBe(200);
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await page.waitForURL(/\/sign-in/);
    expect([await keptToken(page), await stand.sessionOf(page)]).toEqual([null, undefined]);
    expect([(await stand.me(token)).status, (await stand.me(cookie?.value)).status]).toEqual([401, 401]);
  });

  it("everywhere: the other browser is out as well, and errand gives back what it may do at GitHub", async () => {
    const [one, two] = [await stand.open(), await stand.open()];
    await signInAs(one, "github", "grace");
    await signInAs(two, "github", "grace");
    const other = await keptToken(two);
    const given = () => stand.github.faults.callsOf("DELETE /applications/*/grant").filter((call) => call.status === 204).length;
    const before = given();
    await one.getByRole("button", { name: "Sign out everywhere" }).click();
    await one.waitForURL(/\/sign-in/);
    expect(await reasonOn(one)).toContain("You are signed out in every browser and program.");
    expect((await stand.me(other)).status).toBe(401);
    await two.reload();
    expect(two.url()).toContain("/sign-in");
    expect(await reasonOn(two)).toContain("that has ended");
    await expect.poll(given, { timeout: 10_000 }).toBe(before + 1);
  });

  it("there: one of the others, from the list", async () => {
    const [here, there] = [await stand.open(), await stand.open()];
    await signInAs(there, "google", "ada@acme.example");
    await signInAs(here, "google", "ada@acme.example");
    await here.getByRole("button", { name: "Sign out there" }).first().click();
    await here.waitForURL(`${stand.origin}/account`);
    await there.reload();
    expect(there.url()).toContain("/sign-in");
    await here.reload();
    expect(await here.getByRole("heading", { level: 1 }).innerText()).toBe("Ada");
  });
});

describe("who fits no rule is refused, with words", () => {
  it.each([
    ["github", "mallory", "invited to the organisation and never accepted, with an unproven address of it"],
    ["google", "mallory@elsewhere.example", "of another domain"],
    ["google", "boss@acme.example", "of an address that was never verified"],
  ] as const)("%s: %s, %s", async (provider, who, _about) => {
    const page = await stand.open();
    await toProvider(page, provider);
    await pressAs(page, provider, who);
    await page.waitForURL(/\/sign-in\?why=not-admitted/);
    expect(await reasonOn(page)).toContain("This account may not sign in here.");
    expect(await stand.sessionOf(page)).toBeUndefined();
    await page.goto("/account");
    expect(page.url()).toContain("/sign-in");
  });
});

describe("another account", () => {
  it("of another provider is added from the account page, and signs the same person in", async () => {
    const email = "grace.hopper@acme.example";
    const [model] = GOOGLE_PEOPLE;
    if (model && !stand.google.people.findOneBy("email", email))
      stand.google.people.insert({ ...model, uid: "10920000000000000077", email });
    const page = await stand.open();
    await signInAs(page, "github", "grace");
    const add = page.getByRole("button", { name: "Add Google" });
    // There already on a second try.
    if ((await add.count()) > 0) {
      await add.click();
      await pressAs(page, "google", email);
      await page.waitForURL(`${stand.origin}/account`);
    }
    await page.getByText(email).waitFor();
    const other = await stand.open();
    await signInAs(other, "google", email);
    const { body } = await stand.me(await keptToken(other));
    expect(body).toEqual((await stand.me(await keptToken(page))).body);
    expect(body.providers).toMatchObject([{ provider: "github", login: "grace" }, { provider: "google" }]);
  });

  it("that is another user’s already is not taken from them", async () => {
    const page = await stand.open();
    await signInAs(page, "github", "ada");
    await page.getByRole("button", { name: "Add Google" }).click();
    await pressAs(page, "google", "grace@acme.example");
    await page.waitForURL(/why=account-taken/);
    expect(await reasonOn(page)).toContain("That account belongs to another user of this errand.");
  });
});

it("a provider that does not answer lets nobody in, and says so; the next try works", async () => {
  const page = await stand.open();
  stand.github.faults.next("POST /login/oauth/access_token", { kind: "status", status: 503 });
  await toProvider(page, "github");
  await pressAs(page, "github", "grace");
  await page.waitForURL(/why=provider-away/);
  expect(await reasonOn(page)).toContain("did not answer as it should");
  await signInAs(page, "github", "grace");
});

it("who begins again and again is told to wait, and others are not", async () => {
  const [page, other] = [await stand.open(), await stand.open()];
  const begin = (who: Page) => who.context().request.get("/auth/github", { maxRedirects: 0 });
  const statuses: number[] = [];
  for (let n = 0; n < 150 && !statuses.includes(429); n += 1) statuses.push((await begin(page)).status());
  expect(statuses.at(-1)).toBe(429);
  expect(Number((await begin(page)).headers()["retry-after"])).toBeGreaterThan(0);
  expect((await begin(other)).status()).toBe(303);
});

it("no secret of all this is in a log or, in the clear, on disk", async () => {
  const [secrets, written] = [await stand.secrets(tokens), stand.written()];
  expect(secrets.length).toBeGreaterThan(40);
  expect(written).toContain("sign-in.done");
  expect(secrets.filter((secret) => written.includes(secret))).toEqual([]);
  expect(written).not.toMatch(/gh[ur]_\w{30}|GOCSPX-|google_[\w-]{20}/);
});
