import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { withoutSecrets } from "./processes.ts";
import { loadSecrets } from "./secrets.ts";
import { readSignIn } from "./sign-in-settings.ts";

const GITHUB = { ERRAND_GITHUB_APP_ID: "1", ERRAND_GITHUB_CLIENT_ID: "Iv1.a", ERRAND_GITHUB_CLIENT_SECRET: "s" };
const GOOGLE = { ERRAND_GOOGLE_CLIENT_ID: "g", ERRAND_GOOGLE_CLIENT_SECRET: "t" };
const rules = (json: string) => ({ ERRAND_SIGN_IN_RULES: json });

function read(env: Record<string, string>) {
  const [mistakes, remarks]: [string[], string[]] = [[], []];
  return { settings: readSignIn(env, mistakes, remarks), mistakes, remarks };
}

describe("who may sign in", () => {
  it("is nobody's question where nothing is set", () =>
    expect(read({})).toEqual({ settings: { github: null, google: null, rules: null }, mistakes: [], remarks: [] }));

  it("is by two clients and the rules", () => {
    const all = '{"githubOrganisations":["acme"],"githubTeams":["acme/core-team"],"emailDomains":["acme.example"],"open":false}';
    expect(read({ ...GITHUB, ...GOOGLE, ...rules(all) })).toEqual({
      settings: { github: { id: "Iv1.a", secret: "s" }, google: { id: "g", secret: "t" }, rules: all },
      mistakes: [],
      remarks: [],
    });
  });

  it.each([
    [{ ERRAND_GITHUB_CLIENT_ID: "Iv1.a" }, "ERRAND_GITHUB_CLIENT_SECRET must be set together with ERRAND_GITHUB_CLIENT_ID"],
    [{ ERRAND_GOOGLE_CLIENT_SECRET: "hunter2" }, "ERRAND_GOOGLE_CLIENT_ID must be set together with ERRAND_GOOGLE_CLIENT_SECRET"],
    [rules("acme"), "ERRAND_SIGN_IN_RULES must be JSON such as"],
    [rules('{"githubOrganizations":["acme"]}'), "ERRAND_SIGN_IN_RULES must be JSON such as"],
    [rules('{"githubTeams":["core"]}'), "ERRAND_SIGN_IN_RULES must be JSON such as"],
    [rules('{"emailDomains":["@acme.example"]}'), "ERRAND_SIGN_IN_RULES must be JSON such as"],
    [rules('{"open":"yes"}'), "ERRAND_SIGN_IN_RULES must be JSON such as"],
  ])("%j is a mistake", (env, words) => {
    const { mistakes } = read(env);
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toContain(words);
    expect(mistakes[0]).not.toContain("hunter2");
  });

  it.each([
    [{ ERRAND_GITHUB_CLIENT_ID: "Iv1.a", ERRAND_GITHUB_CLIENT_SECRET: "s" }, "without ERRAND_GITHUB_APP_ID it does nothing"],
    [GITHUB, "ERRAND_SIGN_IN_RULES is not set"],
    [GOOGLE, "ERRAND_SIGN_IN_RULES is not set"],
  ])("%j gets a remark", (env, words) => expect(read(env).remarks).toEqual([expect.stringContaining(words)]));

  it("no secret of it reaches a child process", () =>
    expect(Object.keys(withoutSecrets({ ...GITHUB, ...GOOGLE }))).toEqual([
      "ERRAND_GITHUB_APP_ID",
      "ERRAND_GITHUB_CLIENT_ID",
      "ERRAND_GOOGLE_CLIENT_ID",
    ]));
});

test("a data folder of before there was sign-in gets a key for tokens, and keeps all else", async () => {
  const data = mkdtempSync(join(tmpdir(), "errand-secrets-"));
  const file = join(data, "secrets.json");
  const { tokenKeys, ...before } = await loadSecrets(data);
  expect(Buffer.from(tokenKeys.keys[tokenKeys.current] ?? "", "base64")).toHaveLength(32);
  writeFileSync(file, JSON.stringify(before), { mode: 0o600 });
  const after = await loadSecrets(data);
  expect(after).toMatchObject(before);
  expect(after.tokenKeys.keys.k1).not.toBe(tokenKeys.keys.k1);
  expect(await loadSecrets(data)).toEqual(after);
  expect([JSON.parse(readFileSync(file, "utf8")), statSync(file).mode & 0o777]).toEqual([after, 0o600]);
  rmSync(data, { recursive: true });
});
