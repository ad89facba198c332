import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { buildRuntime } from "./runtime.mjs";

vi.setConfig({ testTimeout: 60_000 });

let folder: string;
let out: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "errand-runtime-"));
  out = join(folder, "runtime");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("bundles every program so that it runs where no package is", async () => {
  rmSync(out, { recursive: true, force: true });
  const { version, built, missing } = await buildRuntime({ out });
  expect({ built, missing }).toEqual({ built: true, missing: [] });
  expect(JSON.parse(readFileSync(join(out, "version.json"), "utf8"))).toEqual({ version });
  for (const name of ["boot", "gateway", "runner", "credential", "desktop"]) {
    expect(spawnSync(process.execPath, ["--check", join(out, `${name}.mjs`)]).status, name).toBe(0);
  }
  // Run far enough to load all it imports: without its settings it says so and ends.
  const desktop = spawnSync(process.execPath, [join(out, "desktop.mjs")], { env: {}, encoding: "utf8", cwd: folder });
  for (const setting of ["ERRAND_DESKTOP_PORT", "ERRAND_DESKTOP_SOCKET", "ERRAND_RFB_SOCKET"]) expect(desktop.stderr).toContain(setting);
  for (const name of ["AGENTS.md", "package.json", "package-lock.json", ".gitignore", "node_modules"]) {
    expect(existsSync(join(out, "opencode", name)), name).toBe(true);
  }
});

test("builds again only when something changed or is gone", async () => {
  await new Promise((done) => setTimeout(done, 20));
  const first = await buildRuntime({ out });
  expect(await buildRuntime({ out })).toMatchObject({ built: false, version: first.version });
  rmSync(join(out, "gateway.mjs"));
  writeFileSync(join(out, "left-over.mjs"), "");
  expect(await buildRuntime({ out })).toMatchObject({ built: true, version: first.version });
  expect(existsSync(join(out, "gateway.mjs"))).toBe(true);
  expect(existsSync(join(out, "left-over.mjs"))).toBe(false);
});
