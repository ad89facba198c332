import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { readGitHub } from "./github-settings.ts";
import { withoutSecrets } from "./processes.ts";
import { readSettings } from "./settings.ts";

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PKCS1 = privateKey.export({ type: "pkcs1", format: "pem" }).toString();
const PKCS8 = privateKey.export({ type: "pkcs8", format: "pem" }).toString().trim();
const EC = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();

const APP = {
  ERRAND_GITHUB_APP_ID: "4711",
  ERRAND_GITHUB_APP_SLUG: "errand-acme",
  ERRAND_GITHUB_PRIVATE_KEY: PKCS1,
  ERRAND_GITHUB_WEBHOOK_SECRET: "s",
  ERRAND_GITHUB_WEBHOOK_PROXY: "https://smee.io/abc",
};

function read(env: Record<string, string>, files: Record<string, string> = {}) {
  const [mistakes, remarks]: [string[], string[]] = [[], []];
  const settings = readGitHub(env, mistakes, remarks, (path) => {
    const file = files[path];
    if (file === undefined) throw Object.assign(new Error("no"), { code: "ENOENT" });
    return file;
  });
  return { settings, mistakes, remarks };
}

describe("which GitHub", () => {
  it("is the local one where nothing is set", () => expect(read({})).toEqual({ settings: { kind: "local" }, mistakes: [], remarks: [] }));

  it.each([[{ ERRAND_REPOSITORY: "acme/app" }], [{ ERRAND_REPOSITORY_BASE_URL: "https://git.acme.dev" }]])(
    "is none with %j, which the local one does not have",
    (env) => expect(read(env)).toEqual({ settings: { kind: "none" }, mistakes: [], remarks: [] }),
  );

  it.each([
    ["PKCS#1", PKCS1],
    ["PKCS#8", PKCS8],
    ["one line", PKCS1.replaceAll("\n", "\\n")],
    ["one line in quotes", `"${PKCS8.replaceAll("\n", "\\n")}"`],
  ])("is a real one by an App, its key as %s", (_name, key) => {
    const { settings, mistakes, remarks } = read({ ...APP, ERRAND_GITHUB_PRIVATE_KEY: key });
    expect([mistakes, remarks]).toEqual([[], []]);
    expect(settings).toMatchObject({ kind: "real", appId: "4711", slug: "errand-acme", webhookProxy: "https://smee.io/abc", server: null });
    if (settings.kind === "real") expect(settings.privateKey.replaceAll(/\s/g, "")).toBe(PKCS8.replaceAll(/\s/g, ""));
  });

  it("has its key in a file", () => {
    const { ERRAND_GITHUB_PRIVATE_KEY: _key, ...env } = APP;
    const { settings, mistakes } = read({ ...env, ERRAND_GITHUB_PRIVATE_KEY_FILE: "/keys/app.pem" }, { "/keys/app.pem": PKCS1 });
    expect(mistakes).toEqual([]);
    expect(settings).toMatchObject({ kind: "real" });
  });

  it("is a server of one's own, before and after its App is registered", () => {
    const server = { ERRAND_GITHUB_WEB_URL: "https://git.acme.dev", ERRAND_GITHUB_API_URL: "https://git.acme.dev/api/v3" };
    const addresses = { webUrl: "https://git.acme.dev", apiUrl: "https://git.acme.dev/api/v3" };
    expect(read(server)).toEqual({ settings: { kind: "unregistered", ...addresses }, mistakes: [], remarks: [] });
    expect(read({ ...APP, ...server }).settings).toMatchObject({ kind: "real", server: addresses });
  });
});

describe("what is wrong is said all at once, and nothing of a key", () => {
  it.each<[string, Record<string, string>, string[]]>([
    [
      "only a number",
      { ERRAND_GITHUB_APP_ID: "1" },
      ["ERRAND_GITHUB_APP_SLUG", "ERRAND_GITHUB_WEBHOOK_SECRET", "ERRAND_GITHUB_PRIVATE_KEY"],
    ],
    ["a client id for the number", { ...APP, ERRAND_GITHUB_APP_ID: "Iv1.abc" }, ["ERRAND_GITHUB_APP_ID must be the App's number"]],
    ["a mention for the name", { ...APP, ERRAND_GITHUB_APP_SLUG: "@errand" }, ["ERRAND_GITHUB_APP_SLUG must be"]],
    ["a key that is none", { ...APP, ERRAND_GITHUB_PRIVATE_KEY: "hunter2-secret" }, ["ERRAND_GITHUB_PRIVATE_KEY must hold"]],
    ["a key cut short", { ...APP, ERRAND_GITHUB_PRIVATE_KEY: PKCS1.slice(0, 300) }, ["ERRAND_GITHUB_PRIVATE_KEY must hold"]],
    ["a key of another kind", { ...APP, ERRAND_GITHUB_PRIVATE_KEY: EC }, ["ERRAND_GITHUB_PRIVATE_KEY must hold"]],
    ["two keys", { ...APP, ERRAND_GITHUB_PRIVATE_KEY_FILE: "/x" }, ["are both set"]],
    ["a channel that is no address", { ...APP, ERRAND_GITHUB_WEBHOOK_PROXY: "smee.io/abc" }, ["ERRAND_GITHUB_WEBHOOK_PROXY must be"]],
    [
      "repositories elsewhere",
      { ...APP, ERRAND_REPOSITORY_BASE_URL: "https://git.acme.dev" },
      ["ERRAND_REPOSITORY_BASE_URL must be left out"],
    ],
    ["bots that are no list", { ...APP, ERRAND_GITHUB_ALLOWED_BOTS: "renovate" }, ["ERRAND_GITHUB_ALLOWED_BOTS must be JSON"]],
    [
      "half a server",
      { ERRAND_GITHUB_WEB_URL: "https://git.acme.dev" },
      ["ERRAND_GITHUB_API_URL must be an address such as https://github.example.com/api/v3"],
    ],
  ])("%s", (_name, env, starts) => {
    const { mistakes } = read(env);
    expect(mistakes).toHaveLength(starts.length);
    for (const [index, start] of starts.entries()) expect(mistakes[index]).toContain(start);
    expect(mistakes.join()).not.toMatch(/hunter2|MII/);
  });

  it("a file that is not there", () => {
    const { ERRAND_GITHUB_PRIVATE_KEY: _key, ...env } = APP;
    expect(read({ ...env, ERRAND_GITHUB_PRIVATE_KEY_FILE: "/keys/none.pem" }).mistakes).toEqual([
      "ERRAND_GITHUB_PRIVATE_KEY_FILE: /keys/none.pem can't be read (ENOENT)",
    ]);
  });

  it("what does nothing gets a remark", () => {
    expect(read({ ERRAND_GITHUB_WEBHOOK_PROXY: "https://smee.io/a" }).remarks[0]).toContain("without ERRAND_GITHUB_APP_ID it does nothing");
    expect(read({ ...APP, ERRAND_GITHUB_WEBHOOK_PROXY: "" }).remarks[0]).toContain("GitHub's webhooks arrive only where it can reach");
  });
});

it("each setting is known, and none that holds or points to a secret reaches a child process", () => {
  const names = [
    ...Object.keys(APP),
    "ERRAND_GITHUB_PRIVATE_KEY_FILE",
    "ERRAND_GITHUB_ALLOWED_BOTS",
    "ERRAND_GITHUB_WEB_URL",
    "ERRAND_GITHUB_API_URL",
  ];
  const env = Object.fromEntries(names.map((name) => [name, "x"]));
  const result = readSettings([], env);
  expect(result.ok === false && result.mistakes.length > 0).toBe(true);
  const known = readSettings([], { ...APP });
  expect(known.ok === true && known.settings.remarks).toEqual([]);
  expect(Object.keys(withoutSecrets(env)).sort()).toEqual([
    "ERRAND_GITHUB_ALLOWED_BOTS",
    "ERRAND_GITHUB_API_URL",
    "ERRAND_GITHUB_APP_ID",
    "ERRAND_GITHUB_APP_SLUG",
    "ERRAND_GITHUB_WEB_URL",
  ]);
});
