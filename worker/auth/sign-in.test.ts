import { describe, expect, test } from "vitest";
import { agentWords } from "../pages/sign-in.tsx";
import { settingsOf } from "../settings.ts";
import { cookieOf } from "./cookies.ts";
import { pageOfOurs } from "./go-to.ts";
import { signInOf } from "./providers.ts";
import { addressOf, limiter } from "./rate-limit.ts";
import { admittedBy, toAsk } from "./rules.ts";
import { seal, unseal } from "./sealed.ts";
import { isToken, newToken, random, sha256 } from "./token.ts";

const id = "abcdefghijklmnopqrstuvwxyz".replaceAll(/[^a-z2-7]/g, "2");

describe("a page of ours", () => {
  test.each(["/", "/account", "/setup/github", "/admin", "/admin/audit", `/s/${id}`, `/s/${id}/open/vscode`])("%s", (path) =>
    expect(pageOfOurs(path)).toBe(path),
  );
  test.each([
    undefined,
    null,
    "",
    "account",
    "//x",
    "/\\x",
    "https://x",
    `/s/${id}/`,
    `/s/${id}x`,
    "/s/A",
    `/s/${id}/open/../..`,
    "/admin/../x",
    "/account?x",
    "/account\n",
    "/auth/github",
  ])("not %j", (path) => expect(pageOfOurs(path)).toBe("/"));
});

describe("rules", () => {
  const none = { githubOrganisations: [], githubTeams: [], emailDomains: [], open: false };
  const nobody = { email: null, organisations: [], teams: [] };
  test.each<[string, Partial<typeof none> | object, object, string | null]>([
    ["none", {}, { email: "a@acme.example", organisations: ["acme"], teams: ["acme/core"] }, null],
    ["open", { open: true }, {}, "open"],
    ["an organisation", { githubOrganisations: ["acme"] }, { organisations: ["acme"] }, "organisation acme"],
    ["another organisation", { githubOrganisations: ["acme"] }, { organisations: ["acme-2"] }, null],
    ["a team", { githubTeams: ["acme/core"] }, { teams: ["acme/core"] }, "team acme/core"],
    ["a team's organisation alone", { githubTeams: ["acme/core"] }, { organisations: ["acme"] }, null],
    ["a domain", { emailDomains: ["acme.example"] }, { email: "a@acme.example" }, "e-mail domain acme.example"],
    ["a domain that ends alike", { emailDomains: ["acme.example"] }, { email: "a@xacme.example" }, null],
    ["a domain before the last @", { emailDomains: ["acme.example"] }, { email: '"a@acme.example"@x.example' }, null],
  ])("%s", (_name, rules, known, by) => expect(admittedBy({ ...none, ...rules }, { ...nobody, ...known })).toBe(by));

  test("nothing is asked of GitHub where it makes no difference", () => {
    expect(toAsk({ ...none, open: true, githubOrganisations: ["acme"] }, null)).toBeNull();
    expect(toAsk({ ...none, emailDomains: ["a.example"], githubTeams: ["acme/core"] }, "x@a.example")).toBeNull();
    expect(toAsk(none, null)).toBeNull();
    expect(toAsk({ ...none, githubTeams: ["acme/core"] }, null)).toEqual({ organisations: [], teams: ["acme/core"] });
  });
});

describe("settings", () => {
  const key = btoa("k".repeat(32));
  const whole = {
    PUBLIC_ORIGIN: "https://errand.example",
    GITHUB_CLIENT_ID: "i",
    GITHUB_CLIENT_SECRET: "s",
    TOKEN_KEYS: JSON.stringify({ current: "k1", keys: { k1: key } }),
  };
  const of = (change: Record<string, string>) => signInOf(settingsOf({ ...whole, ...change }));
  test("one provider is enough", () =>
    expect(of({})).toMatchObject({
      ok: true,
      google: null,
      github: { id: "i", webUrl: "https://github.com", apiUrl: "https://api.github.com" },
    }));
  test("nothing is set up where nobody began", () =>
    expect(of({ GITHUB_CLIENT_ID: "", GITHUB_CLIENT_SECRET: "" })).toEqual({ ok: false, missing: [] }));
  test("what is missing is named", () =>
    expect(of({ GITHUB_CLIENT_SECRET: "", TOKEN_KEYS: "" })).toEqual({ ok: false, missing: ["GITHUB_CLIENT_SECRET", "TOKEN_KEYS"] }));
  test("names are compared in lower case", () =>
    expect(
      settingsOf({ SIGN_IN_RULES: '{"githubOrganisations":["Acme"],"githubTeams":["Acme/Core"],"emailDomains":["Acme.Example"]}' })
        .SIGN_IN_RULES,
    ).toEqual({
      githubOrganisations: ["acme"],
      githubTeams: ["acme/core"],
      emailDomains: ["acme.example"],
      open: false,
    }));
  test.each<[string, string, string]>([
    ["TOKEN_KEYS", "secret-text", "TOKEN_KEYS"],
    ["TOKEN_KEYS", JSON.stringify({ current: "k2", keys: { k1: key } }), "must have the current key"],
    ["TOKEN_KEYS", JSON.stringify({ current: "toString", keys: { k1: key } }), "must have the current key"],
    ["TOKEN_KEYS", JSON.stringify({ current: "k1", keys: { k1: btoa("secret-text") } }), "32 bytes"],
    ["SIGN_IN_RULES", "open", "SIGN_IN_RULES"],
    ["SIGN_IN_RULES", '{"open":"yes"}', "SIGN_IN_RULES"],
    ["SIGN_IN_RULES", '{"githubOrganizations":["acme"]}', "SIGN_IN_RULES"],
    ["SIGN_IN_RULES", '{"githubTeams":["acme"]}', "organisation/team"],
    ["SIGN_IN_RULES", '{"githubOrganisations":["../x"]}', "names of organisations"],
    ["SIGN_IN_RULES", '{"emailDomains":["@acme.example"]}', "domains"],
  ])("%s of %s is refused, without its text", (name, text, said) => {
    expect(() => settingsOf({ [name]: text })).toThrow(said);
    expect(() => settingsOf({ [name]: text })).not.toThrow("secret-text");
  });
});

describe("secrets at rest", () => {
  const bytes = (char: string) => Uint8Array.from({ length: 32 }, () => char.charCodeAt(0));
  const one = { current: "k1", keys: { k1: bytes("1") } };
  const two = { current: "k2", keys: { k1: bytes("1"), k2: bytes("2") } };

  test("open for their purpose, under a key that is still known", async () => {
    const sealed = await seal(one, "secret", "errand:oauth:u1:github", random);
    expect(sealed.keyId).toBe("k1");
    expect(atob(sealed.sealed)).toHaveLength(12 + 6 + 16);
    expect(await unseal(one, sealed, "errand:oauth:u1:github")).toBe("secret");
    expect(await unseal(two, sealed, "errand:oauth:u1:github")).toBe("secret");
    expect(await unseal(one, sealed, "errand:oauth:u2:github")).toBeNull();
    expect(await unseal(two, { ...sealed, keyId: "k2" }, "errand:oauth:u1:github")).toBeNull();
    expect(await unseal(one, { ...sealed, keyId: "toString" }, "errand:oauth:u1:github")).toBeNull();
    expect(await unseal({ current: "k2", keys: { k2: bytes("2") } }, sealed, "errand:oauth:u1:github")).toBeNull();
  });

  test("no two are alike, and a changed one does not open", async () => {
    const [a, b] = [await seal(one, "secret", "p", random), await seal(one, "secret", "p", random)];
    expect(a.sealed).not.toBe(b.sealed);
    const changed = a.sealed.slice(0, 20) + (a.sealed[20] === "A" ? "B" : "A") + a.sealed.slice(21);
    for (const sealed of [changed, "", "not base64", a.sealed.slice(0, 16)])
      expect(await unseal(one, { keyId: "k1", sealed }, "p")).toBeNull();
  });

  test("a token is 32 bytes in hex, known by its hash", async () => {
    expect(newToken(() => new Uint8Array(32).fill(10))).toBe("0a".repeat(32));
    expect(isToken(newToken())).toBe(true);
    expect([undefined, "", "A".repeat(64), "a".repeat(63), `${"a".repeat(64)}\n`].map(isToken)).toEqual(Array(5).fill(false));
    expect(await sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });
});

describe("how often", () => {
  test("a burst, then so many a second, each for itself", () => {
    const buckets = limiter({ burst: 2, perSecond: 0.5 });
    expect([0, 0, 0].map((at) => buckets.take("a", at))).toEqual([0, 0, 2]);
    expect(buckets.take("b", 0)).toBe(0);
    expect(buckets.take("a", 1_999)).toBe(1);
    expect(buckets.take("a", 2_000)).toBe(0);
    // A clock that goes back gives nothing.
    expect(buckets.take("a", 0)).toBe(2);
  });

  test.each([
    ["203.0.113.9", "203.0.113.9"],
    ["2001:db8:0:7:1:2:3:4", "2001:db8:0:7"],
    ["2001:DB8:0000:0007::1", "2001:db8:0:7"],
    ["2001:db8::1", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    ["::ffff:203.0.113.9", "::ffff:203.0.113.9"],
  ])("%s counts as %s", (address, key) => expect(addressOf(new Headers({ "cf-connecting-ip": address }))).toBe(key));

  test("an address that is missing is everybody's", () => expect(addressOf(new Headers())).toBe("unknown"));
});

test.each([
  ["errand=a", "a"],
  ["x=1; errand=a; y=2", "a"],
  ["errand=a; errand=b", null],
  ["errand-browser=a", null],
  ["", null],
])("of the cookies %j ours is %j", (cookie, value) => expect(cookieOf(new Headers({ cookie }), "errand")).toBe(value));

test.each([
  ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", "Chrome 140 on Linux"],
  [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
    "Edge 140 on Windows",
  ],
  [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    "Safari 18 on iPhone",
  ],
  ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:142.0) Gecko/20100101 Firefox/142.0", "Firefox 142 on Mac"],
  ["curl/8.5.0", "curl 8"],
  ["", "unnamed"],
])("%s is %s", (agent, words) => expect(agentWords(agent)).toBe(words));
