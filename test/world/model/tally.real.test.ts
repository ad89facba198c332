/** The demonstration's changes fit the sample repository: made one after another in either order, its own tests pass. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { sampleFiles } from "../git-host.ts";
import { type Change, changesFor } from "./tally.ts";

const root = mkdtempSync(join(tmpdir(), "errand-tally-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function make(folder: string, change: Change): void {
  for (const { args } of change.steps.flat()) {
    const path = join(folder, String(args.filePath));
    const text = readFileSync(path, "utf8");
    const parts = text.split(String(args.oldString));
    expect(parts, `${args.oldString} in ${args.filePath}`).toHaveLength(2);
    writeFileSync(path, parts.join(String(args.newString)));
  }
}

describe("the changes of the sample", () => {
  it.each([
    ["version", "characters"],
    ["characters", "version"],
  ])("%s, then %s", async (...names) => {
    const folder = join(root, names.join("-"));
    for (const [path, text] of Object.entries(await sampleFiles())) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    for (const name of names) {
      const change = changesFor([`add --${name}`]);
      make(folder, change);
      expect(change.isThere(readFileSync(join(folder, "src/run.js"), "utf8"))).toBe(true);
    }
    const env = { PATH: process.env.PATH ?? "" };
    // The tests end with an error where one fails.
    const said = execFileSync(process.execPath, ["--test"], { cwd: folder, env, encoding: "utf8" });
    for (const name of names) expect(said).toContain(`--${name} prints`);
  });
});
