/**
 * All kinds of tests: those of `vitest.node.config.ts`, and `worker`, inside workerd. `vitest run --project worker` runs one kind; those
 * that run in Node start sooner with `--config vitest.node.config.ts`.
 */
import { generateKeyPairSync } from "node:crypto";
import { builtinModules } from "node:module";
import { fileURLToPath } from "node:url";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { clientScripts, nodeProjects } from "./vitest.node.config.ts";

const stub = fileURLToPath(new URL("./worker/stubs/node-only.cjs", import.meta.url));
const probotStub = fileURLToPath(new URL("./worker/stubs/probot.ts", import.meta.url));
const PROBOT = [
  "pino-http",
  "pino",
  "@probot/pino",
  "bottleneck",
  "@octokit/plugin-throttling",
  "@octokit/plugin-retry",
  "@probot/octokit-plugin-config",
  "octokit-auth-probot",
];
/** What wrangler.jsonc replaces, which the tests in workerd have to be told again. */
const alias = {
  ...Object.fromEntries(["express", "@slack/socket-mode", "@slack/oauth", "raw-body"].map((name) => [name, stub])),
  ...Object.fromEntries(PROBOT.map((name) => [name, probotStub])),
};
/** What the Worker's tests know: names and keys made for tests, and no place outside to talk to. */
const testBindings = {
  PUBLIC_ORIGIN: "http://127.0.0.1:8787",
  DEPLOYMENT: "test",
  LOCAL_OWNER: "ada",
  SLACK_SIGNING_SECRET: "test-signing-secret",
  SLACK_BOT_TOKEN: "xoxb-test",
  SESSION_KEY: "test-session-key",
  GRANT_KEY: JSON.stringify({
    ...((await crypto.subtle.exportKey(
      "jwk",
      (
        await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"])
      ).privateKey,
    )) as object),
    kid: "test",
  }),
  GITHUB_APP_ID: "1",
  GITHUB_APP_SLUG: "errand",
  // In the form in which GitHub hands it out.
  GITHUB_PRIVATE_KEY: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
  GITHUB_WEBHOOK_SECRET: "test-webhook-secret",
  GITHUB_API_URL: "https://github-api.test",
  BACKEND_URL: "http://backend.test",
  BACKEND_KEY: "test:test-backend-secret",
  MODEL_URL: "https://model.test/v1",
  MODEL_NAME: "test-model",
  MODEL_KEY: "test-model-key",
};

export default defineConfig({
  test: {
    projects: [
      ...nodeProjects,
      {
        plugins: [
          clientScripts,
          cloudflareTest({
            wrangler: { configPath: "./wrangler.jsonc" },
            miniflare: { bindings: { ...testBindings, TEST_MIGRATIONS: await readD1Migrations("./migrations") } },
          }),
        ],
        // Wrangler's alias does not reach nested CommonJS here; Bolt is bundled beforehand with the same stand-ins.
        resolve: { alias },
        test: {
          name: "worker",
          include: ["{worker,bots}/**/*.worker.test.ts"],
          setupFiles: ["./worker/testing/setup.ts"],
          server: { deps: { inline: ["probot"] } },
          deps: {
            optimizer: {
              ssr: {
                enabled: true,
                include: ["@slack/bolt", "@slack/web-api"],
                rolldownOptions: { external: [/^node:/, /^cloudflare:/, ...builtinModules] },
              },
            },
          },
        },
      },
    ],
  },
});
