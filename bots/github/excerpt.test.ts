import { describe, expect, it } from "vitest";
import { EXCERPT_BYTES, excerptOf } from "./excerpt.ts";

const rows = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `step ${from + i} went well`);
const at = (row: string) => `2026-11-23T04:05:06.1234567Z ${row}`;
const ESC = String.fromCharCode(27);

describe("excerptOf", () => {
  it("takes times, colours, marks and control characters off", () => {
    const log = `\uFEFF${[at("##[group]Run npm test"), at(`${ESC}[31m✗ adds${ESC}[0m\u0007\u202E`), at("##[error]Process completed with exit code 1.")].join("\r\n")}\r\n`;
    expect(excerptOf(log)).toBe("Run npm test\n✗ adds\nError: Process completed with exit code 1.");
  });

  it("keeps what stands before the mark of a failed step", () => {
    const log = [...rows(0, 500), "AssertionError: 1 !== 2", "##[error]Process completed with exit code 1.", ...rows(500, 900)]
      .map(at)
      .join("\n");
    const lines = excerptOf(log).split("\n");
    expect(lines).toHaveLength(200);
    expect(lines).toContain("AssertionError: 1 !== 2");
    expect(lines).toContain("step 400 went well");
    expect(lines.at(-1)).toBe("step 558 went well");
  });

  it("keeps what follows the first worded error where there is no mark", () => {
    const lines = excerptOf([...rows(0, 500), "0 errors", "src/a.ts(3,1): error TS2322", ...rows(500, 900)].join("\n")).split("\n");
    expect(lines).toHaveLength(200);
    expect(lines).toContain("step 600 went well");
    expect(lines.indexOf("src/a.ts(3,1): error TS2322")).toBe(60);
  });

  it("gives the end where nothing looks like an error", () => {
    const lines = excerptOf(rows(0, 500).join("\n")).split("\n");
    expect([lines.length, lines.at(0), lines.at(-1)]).toEqual([200, "step 300 went well", "step 499 went well"]);
  });

  it("has at most 16 KiB, around the error", () => {
    const long = Array.from({ length: 300 }, (_, i) => `${i} ${"ü".repeat(5_000)}`);
    const excerpt = excerptOf([...long.slice(0, 150), "##[error]here", ...long.slice(150)].join("\n"));
    expect(new TextEncoder().encode(excerpt).length).toBeLessThanOrEqual(EXCERPT_BYTES);
    expect(excerpt).toContain("Error: here");
  });

  it("hides secrets, also those that go over several lines", () => {
    const key = ["-----BEGIN PRIVATE KEY-----", "M".repeat(64), "A".repeat(64), "-----END PRIVATE KEY-----"].map(at).join("\n");
    const excerpt = excerptOf(`${key}\n${at(`error: ghs_${"a1".repeat(20)} and hunter2hunter2`)}`, ["hunter2hunter2"]);
    expect(excerpt).not.toMatch(/M{16}|A{16}|ghs_|hunter2/);
  });

  it("is quick with a log of megabytes", () => {
    const began = performance.now();
    excerptOf("no error here, 0 errors there\n".repeat(200_000));
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it("says nothing of nothing", () => expect(excerptOf("\n\n")).toBe(""));
});
