import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import parts from "./parts.json" with { type: "json" };
import { PART_NAMES, parsePartsReport, partsReport } from "./report.ts";

const there = { available: true, version: "1", reason: null };

describe("parsePartsReport", () => {
  test.each([
    {
      name: "a path in the folder",
      part: { ...there, path: "a-1/bin/a" },
      is: { available: true, path: "/parts/a-1/bin/a", version: "1" },
    },
    { name: "a path of the system", part: { ...there, path: "/usr/bin/a" }, is: { available: true, path: "/usr/bin/a", version: "1" } },
    {
      name: "missing",
      part: { available: false, path: null, version: null, reason: "no apt" },
      is: { available: false, reason: "no apt" },
    },
  ])("$name", ({ part, is }) => {
    expect(parsePartsReport(JSON.stringify({ git: part }), "/parts").git).toEqual(is);
  });

  test.each([
    { name: "no JSON", text: "{", reason: "not JSON" },
    { name: "another shape", text: '{"git":{"available":"yes"}}', reason: "unreadable" },
    { name: "an unknown part", text: "{}", reason: "run it again" },
  ])("$name makes every part unavailable", ({ text, reason }) => {
    for (const part of Object.values(parsePartsReport(text, "/parts"))) {
      expect(part).toMatchObject({ available: false, reason: expect.stringContaining(reason) });
    }
  });
});

test("a folder without a report says what to run, and one with a report gives its paths", () => {
  const folder = mkdtempSync(join(tmpdir(), "errand-report-"));
  try {
    expect(partsReport(folder).opencode).toMatchObject({ available: false, reason: expect.stringContaining("sandbox/image/install.mjs") });
    writeFileSync(join(folder, "report.json"), JSON.stringify({ opencode: { ...there, path: "o/bin/opencode" } }));
    expect(partsReport(folder).opencode).toEqual({ available: true, path: join(folder, "o/bin/opencode"), version: "1" });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the names are those of parts.json", () => {
  const { system, ...own } = parts;
  expect([...PART_NAMES].sort()).toEqual([...system.map(({ name }) => name), ...Object.keys(own)].sort());
});
