/**
 * Four kinds of tests: `unit` (Node, seconds), `worker` (inside workerd), `real` (real OpenCode, Chromium, bubblewrap, one
 * file at a time) and `end-to-end` (the whole system). `vitest run --project unit` runs one kind.
 */
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { fileURLToPath } from "node:url";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig, type Plugin } from "vitest/config";

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
const elsewhere = ["**/node_modules/**", "**/.errand/**", "**/artefacts/**"];
const whole = ["test/end-to-end/**/*.test.ts", "test/faults/**/*.test.ts"];

/**
 * Real processes and browsers on a busy machine are now and then slower than any patience: what fails is tried once more, and what fails
 * twice has failed. The report names each test that needed its second try: one that is often among them is to be mended.
 */
const RETRY = 1;

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

/** The pages' scripts as text, as wrangler's Text rule gives them. */
const clientScripts: Plugin = {
  name: "client-scripts",
  enforce: "pre",
  load: (id) => (id.endsWith(".client.js") ? `export default ${JSON.stringify(readFileSync(id, "utf8"))};` : undefined),
};

export default defineConfig({
  test: {
    projects: [
      {
        plugins: [clientScripts],
        test: {
          name: "unit",
          // One file's modules serve the next: nothing here keeps state in a module, and half of the time is saved.
          isolate: false,
          include: ["**/*.test.{ts,tsx}"],
          exclude: [...elsewhere, "**/*.worker.test.ts", "**/*.real.test.ts", ...whole],
        },
      },
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
      {
        test: {
          name: "real",
          include: ["**/*.real.test.ts"],
          exclude: elsewhere,
          fileParallelism: false,
          retry: RETRY,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: "end-to-end",
          include: whole,
          exclude: elsewhere,
          fileParallelism: false,
          retry: RETRY,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
