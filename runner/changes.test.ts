import { describe, expect, it } from "vitest";
import { compact, countLines, parseDiff } from "./changes.ts";

describe("what git prints", () => {
  it.each([
    ["nothing", "", []],
    [
      "a change",
      ":100644 100644 1 0 M\0a b.txt\0" + "3\t1\ta b.txt\0",
      [{ path: "a b.txt", status: "modified", additions: 3, deletions: 1 }],
    ],
    [
      "a rename",
      ":100644 100644 1 2 R090\0old\0new\0" + "1\t0\t\0old\0new\0",
      [{ path: "new", status: "renamed", additions: 1, deletions: 0 }],
    ],
    ["a binary file", ":000000 100644 0 1 A\0x.png\0" + "-\t-\tx.png\0", [{ path: "x.png", status: "added", additions: 0, deletions: 0 }]],
    ["a deletion", ":100644 000000 1 0 D\0x\0" + "0\t9\tx\0", [{ path: "x", status: "deleted", additions: 0, deletions: 9 }]],
  ])("%s", (_, output, changes) => {
    expect(parseDiff(output)).toEqual(changes);
  });

  it.each([
    ["", 0],
    ["a", 1],
    ["a\n", 1],
    ["a\nb", 2],
    ["a\0b\n", 0],
  ])("counts the lines of %j", (text, lines) => {
    expect(countLines(new TextEncoder().encode(text))).toBe(lines);
  });

  it("shows at most 500 files and says how many there are", () => {
    const changes = Array.from({ length: 600 }, (_, index) => ({
      path: `f${index}`,
      status: "added" as const,
      additions: 1,
      deletions: 0,
    }));
    expect(compact(changes)).toMatchObject({ files: { length: 500 }, total: 600 });
  });
});
