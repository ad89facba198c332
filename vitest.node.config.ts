/**
 * The kinds of tests that run in Node: `unit` (seconds), `real` (real OpenCode, Chromium, bubblewrap, one file at a time) and
 * `end-to-end` (the whole system). They stand apart from `vitest.config.ts`, which has all kinds, because loading what runs tests in
 * workerd takes seconds.
 */
import { readFileSync } from "node:fs";
import { defineConfig, type Plugin, type TestProjectConfiguration } from "vitest/config";

const elsewhere = ["**/node_modules/**", "**/.errand/**", "**/artefacts/**"];
const whole = ["test/end-to-end/**/*.test.ts", "test/faults/**/*.test.ts"];

/**
 * Real processes and browsers on a busy machine are now and then slower than any patience: what fails is tried once more, and what fails
 * twice has failed. The report names each test that needed its second try: one that is often among them is to be mended.
 */
const RETRY = 1;

/** The pages' scripts as text, as wrangler's Text rule gives them. */
export const clientScripts: Plugin = {
  name: "client-scripts",
  enforce: "pre",
  load: (id) => (id.endsWith(".client.js") ? `export default ${JSON.stringify(readFileSync(id, "utf8"))};` : undefined),
};

export const nodeProjects: TestProjectConfiguration[] = [
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
];

export default defineConfig({ test: { projects: nodeProjects } });
