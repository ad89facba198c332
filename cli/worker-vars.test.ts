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
  github: { appId: "1", slug: "errand", privateKey: PEM, webhookSecret: "local-secret", apiUrl: "http://127.0.0.1:8793" },
};

function vars(env: Record<string, string>) {
  const read = readSettings([], env);
  if (read.ok !== true) throw new Error(JSON.stringify(read));
  const { slack, github } = read.settings;
  const standIns = { ...local, github: github.kind === "local" ? local.github : null, slack: slack.kind === "local" ? local.slack : null };
  const secrets = { deployment: "d", backendKey: "b", sessionKey: "s", grantKey: { kid: "k" } };
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
  ])("%s", (_name, env, expected) => expect(vars(env)).toMatchObject(expected));

  it("a private key is one line, as an env file has it", () => {
    expect(vars(APP).GITHUB_PRIVATE_KEY).toMatch(/^-----BEGIN PRIVATE KEY-----\\nMII[\w+/=\\]+\\n-----END PRIVATE KEY-----$/);
  });
});
