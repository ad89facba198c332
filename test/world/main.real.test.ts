import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startWorld } from "./main.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "errand-world-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const program = join(import.meta.dirname, "main.ts");
const command = (...args: string[]) =>
  new Promise<{ code: number; out: string; err: string }>((resolve) => {
    execFile(process.execPath, [program, ...args], (error, out, err) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, out, err }),
    );
  });

describe("the command", () => {
  test("helps, and says what is wrong with what it is given", async () => {
    expect(await command("--help")).toMatchObject({ code: 0, out: expect.stringContaining("Usage: node test/world/main.ts") });
    expect(await command("--nope")).toMatchObject({ code: 2, err: expect.stringContaining("--nope") });
    expect(await command("--page", "x")).toMatchObject({ code: 2, err: "--page takes a port from 0 to 65535, not x.\n" });
  });

  test("prints its addresses and ends at an interrupt", async () => {
    const child = spawn(process.execPath, [program, "--data", join(folder, "command")]);
    let out = "";
    child.stdout.on("data", (chunk) => {
      out += chunk;
    });
    await expect.poll(() => /^model: +(\S+)/m.test(out), { timeout: 20_000 }).toBe(true);
    const page = /^page: +(\S+)/m.exec(out)?.[1] ?? "";
    expect(await (await fetch(page)).text()).toContain("Errand Workshop");
    const ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve([code, signal])));
    child.kill("SIGINT");
    expect(await ended).toEqual([0, null]);
  }, 30_000);
});

test("a port that is taken ends what was started already", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const { port } = taken.address() as AddressInfo;
  const options = { dataDir: join(folder, "taken"), slackEventsUrl: null, signingSecret: "s", model: "demonstration" } as const;
  await expect(startWorld({ ...options, ports: { model: port } })).rejects.toThrow("EADDRINUSE");
  const world = await startWorld({ ...options, ports: { slack: 0 } });
  expect(world.model?.url).toMatch(/\/v1$/);
  expect(await world.git.repositories()).toEqual(["acme/sample"]);
  await world.stop();
  await expect(fetch(world.page.url)).rejects.toThrow();
  taken.close();
});
