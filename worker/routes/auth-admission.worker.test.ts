import { describe, expect, test } from "vitest";
import type { GitHubPerson, GooglePerson } from "../testing/providers.ts";
import { ada, anew, approved, audited, bob, browserAt, eve, here, me, pathOf, rows, signIn, siteWith } from "../testing/sign-in.ts";

anew();

describe("who may sign in", () => {
  const then = async (person: GitHubPerson | GooglePerson, provider = "github", where = here.site) => {
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
    here.providers.wrong.answers = { "GET /user/memberships/orgs/acme": () => new Response("", { status: 500 }) };
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
    const invite = (id: string, email: string | null, login: string | null, expiresAt = here.now + 1_000) =>
      rows(
        "insert into invitations (id, email, login, role, invited_by, created_at, expires_at) values (?, ?, ?, 'admin', 'x', ?, ?)",
        id,
        email,
        login,
        here.now,
        expiresAt,
      );
    await invite("i1", "eve@corp.example", null);
    expect((await signIn(browserAt(), eve)).refused).toBe("not-admitted");
    await invite("i2", null, "eve", here.now);
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
