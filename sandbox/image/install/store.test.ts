import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isWhole, lock, makePart, sweep } from "./store.mjs";

let parts: string;
beforeEach(() => {
  parts = mkdtempSync(join(tmpdir(), "errand-parts-"));
});
afterEach(() => rmSync(parts, { recursive: true, force: true }));

describe("makePart", () => {
  test("makes a part once", async () => {
    const folder = join(parts, "tool-1");
    let times = 0;
    const fill = async (temporary: string) => {
      times += 1;
      expect(isWhole(folder)).toBe(false);
      writeFileSync(join(temporary, "tool"), "made");
    };
    await makePart(folder, fill);
    await makePart(folder, fill);
    expect(times).toBe(1);
    expect(readFileSync(join(folder, "tool"), "utf8")).toBe("made");
  });

  test("leaves nothing when it fails, and makes it the next time", async () => {
    const folder = join(parts, "tool-1");
    const failing = makePart(folder, async (temporary) => {
      writeFileSync(join(temporary, "half"), "");
      throw new Error("no network");
    });
    await expect(failing).rejects.toThrow("no network");
    expect(readdirSync(parts)).toEqual([]);
    await makePart(folder, async () => {});
    expect(isWhole(folder)).toBe(true);
  });

  test("makes a folder anew that was cut off before it was whole", async () => {
    const folder = join(parts, "tool-1");
    mkdirSync(folder);
    writeFileSync(join(folder, "old"), "");
    await makePart(folder, async () => {});
    expect(existsSync(join(folder, "old"))).toBe(false);
  });
});

test("sweep removes what a killed install left, and no part", async () => {
  await makePart(join(parts, "tool-1"), async () => {});
  mkdirSync(join(parts, ".new-1234-tool-2"));
  sweep(parts);
  expect(readdirSync(parts)).toEqual(["tool-1"]);
});

describe("lock", () => {
  test("lets one in at a time, and says who is waited for", async () => {
    const first = await lock(parts, () => {});
    const order: string[] = [];
    let waitedFor = 0;
    const second = lock(parts, (holder) => {
      waitedFor = holder;
    }).then((unlock) => {
      order.push("second");
      unlock();
    });
    await new Promise((done) => setTimeout(done, 50));
    order.push("first gives back");
    first();
    await second;
    expect(order).toEqual(["first gives back", "second"]);
    expect(waitedFor).toBe(process.pid);
    expect(readdirSync(parts)).toEqual([]);
  });

  test.each([
    { name: "of a process that ended", holder: () => ({ pid: spawnSync("true").pid, start: "1" }) },
    { name: "of a process whose number was given to another", holder: () => ({ pid: process.pid, start: "1" }) },
  ])("is taken over from one $name", async ({ holder }) => {
    writeFileSync(join(parts, ".lock"), JSON.stringify({ ...holder(), host: hostname() }));
    const unlock = await lock(parts, () => expect.unreachable("nobody holds it"));
    unlock();
    expect(existsSync(join(parts, ".lock"))).toBe(false);
  });
});
