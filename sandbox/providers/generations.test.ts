import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EnsureBody } from "../../protocol/backend.ts";
import { bootConfig, SESSION as S } from "../testing.ts";
import { generations, type Launch } from "./generations.ts";
import { localSites } from "./local-sites.ts";
import type { Exit } from "./provider.ts";

const body = (generation: number, session = S): EnsureBody => ({ deployment: "d", config: bootConfig({ session, generation }) });

let data: string;
let started: { generation: number; end: (exit: Exit) => void; isLive: boolean }[];
const launch: Launch = async (config) => {
  const exited = Promise.withResolvers<Exit>();
  const entry = { generation: config.generation, end: exited.resolve, isLive: true };
  void exited.promise.then(() => {
    entry.isLive = false;
  });
  if (config.branch === "broken") throw new Error("no space left");
  expect(started.filter((one) => one.isLive)).toEqual([]);
  started.push(entry);
  return {
    sites: localSites(config.session, 9_000 + config.generation, "127.0.0.1"),
    up: Promise.resolve(),
    exited: exited.promise,
    async stop() {
      await new Promise((done) => setTimeout(done, 20));
      exited.resolve({ code: 0, reason: "it was told to" });
      await exited.promise;
    },
  };
};
const make = () => generations({ name: "test", warning: null, data, launch, now: () => 1_000 });

beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "generations-"));
  started = [];
});
afterEach(() => rmSync(data, { recursive: true }));

describe("generations", () => {
  it("starts the next one although what the last one left can't be removed", async () => {
    const provider = make();
    await provider.ensure(body(1));
    // Deeper than the longest path there may be.
    const deep = "cd $1 && for level in $(seq 60); do mkdir $2 && cd -P $2 || exit 1; done";
    execFileSync("bash", ["-c", deep, "bash", join(data, "sandboxes", S, "run-1"), "d".repeat(200)], { stdio: "ignore" });
    expect(await provider.ensure(body(2))).toMatchObject({ ok: true, view: { generation: 2 } });
    execFileSync("rm", ["-rf", join(data, "sandboxes")]);
  });

  it("starts a generation once, however often and at once it is asked for", async () => {
    const provider = make();
    const results = await Promise.all(Array.from({ length: 5 }, () => provider.ensure(body(1))));
    expect(started).toHaveLength(1);
    expect(results.map((result) => result.ok && result.made)).toEqual([true, false, false, false, false]);
    expect(await provider.get(S, 1)).toMatchObject({ state: "running", sites: { ide: "http://127.0.0.1:9001" }, sandboxId: `s-${S}-g1` });
    expect(await provider.list("d")).toHaveLength(1);
    expect(await provider.list("other")).toEqual([]);
  });

  it("ends the older one before it starts a newer, and refuses the older from then on", async () => {
    const provider = make();
    await Promise.all([provider.ensure(body(1)), provider.ensure(body(3))]);
    expect(started.map((one) => [one.generation, one.isLive])).toEqual([
      [1, false],
      [3, true],
    ]);
    expect(await provider.ensure(body(2))).toMatchObject({ ok: false, code: "stale_generation" });
    expect(await provider.ensure(body(1))).toMatchObject({ ok: false, code: "stale_generation" });
    expect(await provider.get(S, 1)).toBeNull();
  });

  it("does not start an ended generation again, and says why it ended", async () => {
    const provider = make();
    await provider.ensure(body(1));
    started[0]?.end({ code: 137, reason: "it was killed" });
    await new Promise((done) => setTimeout(done, 20));
    expect(await provider.ensure(body(1))).toMatchObject({
      ok: false,
      code: "generation_ended",
      message: expect.stringContaining("it was killed"),
    });
    expect(await provider.get(S, 1)).toMatchObject({ state: "finished", exitCode: 137, sites: null });
    expect(await provider.list("d")).toEqual([]);
  });

  it("knows after a restart of the backend what was started before", async () => {
    await make().ensure(body(4));
    started = [];
    const next = make();
    expect(await next.ensure(body(3))).toMatchObject({ ok: false, code: "stale_generation" });
    expect(await next.ensure(body(4))).toMatchObject({ ok: false, code: "generation_ended" });
    expect(await next.get(S, 4)).toMatchObject({ state: "finished", reason: expect.stringContaining("restarted") });
    expect(await next.ensure(body(5))).toMatchObject({ ok: true, made: true });
  });

  it("keeps home and work, and nothing else, over generations", async () => {
    const provider = make();
    await provider.ensure(body(1));
    const own = join(data, "sandboxes", S);
    for (const name of ["home", "work", "run-1"]) writeFileSync(join(own, name, "file"), "x");
    await provider.ensure(body(2));
    expect(readdirSync(own).filter((name) => name.startsWith("run-"))).toEqual(["run-2"]);
    expect([readFileSync(join(own, "home", "file"), "utf8"), readFileSync(join(own, "work", "file"), "utf8")]).toEqual(["x", "x"]);
    expect(readFileSync(join(own, "meta.json"), "utf8")).not.toContain("secret");
  });

  it("takes a termination of what is gone, older or unknown for done", async () => {
    const provider = make();
    await provider.ensure(body(2));
    for (const id of [`s-${S}-g1`, "s-zzzzzzzzzzzzzzzzzzzzzzzzzz-g1", "../../etc", ""]) await provider.terminate(id);
    expect(started[0]?.isLive).toBe(true);
    await provider.terminate(`s-${S}-g2`);
    await provider.terminate(`s-${S}-g2`);
    expect(started[0]?.isLive).toBe(false);
  });

  it("remembers a generation that could not be started as ended", async () => {
    const provider = make();
    const broken = body(1);
    broken.config.branch = "broken";
    await expect(provider.ensure(broken)).rejects.toThrow("no space left");
    expect(await provider.ensure(body(1))).toMatchObject({
      ok: false,
      code: "generation_ended",
      message: expect.stringContaining("no space left"),
    });
    expect(await provider.ensure(body(2))).toMatchObject({ ok: true });
  });

  it("starts nothing once it closes", async () => {
    const provider = make();
    await provider.ensure(body(1));
    await provider.close();
    expect(started.every((one) => !one.isLive)).toBe(true);
    expect(await provider.ensure(body(2))).toMatchObject({ ok: false, code: "unavailable", retryable: true });
  });
});
