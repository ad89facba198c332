import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { readSettings } from "./settings.ts";
import { type StandIns, workerVars } from "./worker-vars.ts";

const PEM = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const SLACK = { SLACK_BOT_TOKEN: "xoxb-real", SLACK_APP_TOKEN: "xapp-real" };
const APP = {
  ERRAND_GITHUB_APP_ID: "4711",
  ERRAND_GITHUB_APP_SLUG: "errand-acme",
  ERRAND_GITHUB_PRIVATE_KEY: PEM,
  ERRAND_GITHUB_WEBHOOK_SECRET: "real-secret",
};
const SERVER = { ERRAND_GITHUB_WEB_URL: "https://git.acme.dev", ERRAND_GITHUB_API_URL: "https://git.acme.dev/api/v3" };

const local: StandIns = {
  slack: { botToken: "xoxb-local", apiUrl: "http://127.0.0.1:8790/api/" },
  git: { url: "http://127.0.0.1:8789" },
  github: {
    appId: "1",
    slug: "errand",
    privateKey: PEM,
    webhookSecret: "local-secret",
    apiUrl: "http://127.0.0.1:8793",
    clientId: "Iv1.local1",
    clientSecret: "local-client-secret",
  },
  google: { url: "http://127.0.0.1:8794", clientId: "local-google", clientSecret: "local-google-secret" },
};
const CLIENT = { ERRAND_GITHUB_CLIENT_ID: "Iv1.real", ERRAND_GITHUB_CLIENT_SECRET: "real-client-secret" };
const GOOGLE = { ERRAND_GOOGLE_CLIENT_ID: "real-google", ERRAND_GOOGLE_CLIENT_SECRET: "real-google-secret" };
const RULES = { ERRAND_SIGN_IN_RULES: '{"open":true}' };

function vars(env: Record<string, string>) {
  const read = readSettings([], env);
  if (read.ok !== true) throw new Error(JSON.stringify(read));
  const { slack, github } = read.settings;
  const standIns = { ...local, github: github.kind === "local" ? local.github : null, slack: slack.kind === "local" ? local.slack : null };
  const secrets = {
    deployment: "d",
    backendKey: "b",
    sessionKey: "s",
    grantKey: { kid: "k" },
    tokenKeys: { current: "k1", keys: { k1: "x" } },
  };
  return workerVars(read.settings, secrets, { owner: "ada", slackSigningSecret: "x", standIns });
}

describe("the Worker's settings", () => {
  it.each<[string, Record<string, string>, Record<string, string>]>([
    [
      "nothing set: all of it local",
      {},
      {
        SLACK_BOT_TOKEN: "xoxb-local",
        GITHUB_APP_ID: "1",
        GITHUB_APP_SLUG: "errand",
        GITHUB_WEBHOOK_SECRET: "local-secret",
        GITHUB_API_URL: "http://127.0.0.1:8793",
        GITHUB_WEB_URL: "http://127.0.0.1:8789",
        REPOSITORY_BASE_URL: "http://127.0.0.1:8789",
        DEFAULT_REPOSITORY: "acme/sample",
      },
    ],
    [
      "a real Slack with the local GitHub",
      SLACK,
      { SLACK_BOT_TOKEN: "xoxb-real", SLACK_API_URL: "", GITHUB_APP_ID: "1", REPOSITORY_BASE_URL: "http://127.0.0.1:8789" },
    ],
    [
      "a real GitHub with the local Slack",
      APP,
      {
        SLACK_BOT_TOKEN: "xoxb-local",
        GITHUB_APP_ID: "4711",
        GITHUB_WEBHOOK_SECRET: "real-secret",
        GITHUB_API_URL: "",
        GITHUB_WEB_URL: "",
        REPOSITORY_BASE_URL: "https://github.com",
        DEFAULT_REPOSITORY: "",
      },
    ],
    ["both real", { ...SLACK, ...APP, ERRAND_REPOSITORY: "acme/app" }, { GITHUB_APP_SLUG: "errand-acme", DEFAULT_REPOSITORY: "acme/app" }],
    [
      "a server of one's own",
      { ...APP, ...SERVER },
      {
        GITHUB_API_URL: "https://git.acme.dev/api/v3",
        GITHUB_WEB_URL: "https://git.acme.dev",
        REPOSITORY_BASE_URL: "https://git.acme.dev",
      },
    ],
    ["that server before its App exists", SERVER, { GITHUB_APP_ID: "", GITHUB_WEB_URL: "https://git.acme.dev" }],
    [
      "a repository elsewhere, without a GitHub",
      { ERRAND_REPOSITORY: "acme/app" },
      { GITHUB_APP_ID: "", GITHUB_API_URL: "", REPOSITORY_BASE_URL: "https://github.com", DEFAULT_REPOSITORY: "acme/app" },
    ],
    [
      "another host, without a GitHub",
      { ERRAND_REPOSITORY_BASE_URL: "https://git.acme.dev" },
      { GITHUB_APP_ID: "", REPOSITORY_BASE_URL: "https://git.acme.dev", DEFAULT_REPOSITORY: "" },
    ],
    [
      "sign-in with the local people",
      {},
      {
        ...{ GITHUB_CLIENT_ID: "Iv1.local1", GITHUB_CLIENT_SECRET: "local-client-secret" },
        ...{ GOOGLE_CLIENT_ID: "local-google", GOOGLE_CLIENT_SECRET: "local-google-secret", GOOGLE_ISSUER: "http://127.0.0.1:8794" },
        SIGN_IN_RULES: '{"githubOrganisations":["acme"],"emailDomains":["acme.example"]}',
        TOKEN_KEYS: '{"current":"k1","keys":{"k1":"x"}}',
      },
    ],
    [
      "sign-in with a real App, and with no Google at which one can be anybody",
      { ...APP, ...CLIENT, ...RULES },
      { GITHUB_CLIENT_ID: "Iv1.real", GITHUB_CLIENT_SECRET: "real-client-secret", GOOGLE_CLIENT_ID: "", SIGN_IN_RULES: '{"open":true}' },
    ],
    ["an App without its client", APP, { GITHUB_CLIENT_ID: "", GOOGLE_CLIENT_ID: "", GOOGLE_ISSUER: "", SIGN_IN_RULES: "" }],
    [
      "a real Google: the local rules are not for it",
      GOOGLE,
      { GOOGLE_CLIENT_ID: "real-google", GOOGLE_CLIENT_SECRET: "real-google-secret", GOOGLE_ISSUER: "", SIGN_IN_RULES: "" },
    ],
    ["a client without its App", { ...CLIENT, ERRAND_REPOSITORY: "acme/app" }, { GITHUB_CLIENT_ID: "", GOOGLE_CLIENT_ID: "" }],
  ])("%s", (_name, env, expected) => expect(vars(env)).toMatchObject(expected));

  it("a private key is one line, as an env file has it", () => {
    expect(vars(APP).GITHUB_PRIVATE_KEY).toMatch(/^-----BEGIN PRIVATE KEY-----\\nMII[\w+/=\\]+\\n-----END PRIVATE KEY-----$/);
  });
});
