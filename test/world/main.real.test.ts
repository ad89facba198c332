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
    expect(await command("--sign-in", "errand")).toMatchObject({
      code: 2,
      err: expect.stringContaining("--sign-in takes an address such as"),
    });
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

test("a world with a GitHub has its repositories in the git host, and its pages beside the Slack", async () => {
  const options = { dataDir: join(folder, "github"), slackEventsUrl: null, signingSecret: "s", model: null } as const;
  const world = await startWorld({ ...options, github: { webhookUrl: null, webhookSecret: "w" } });
  expect(await world.git.repositories()).toEqual(["acme/ledger", "acme/sample", "mallory/sample"]);
  const issue = await world.github?.call("ada", "GET", "/repos/acme/sample/issues/1");
  expect(issue?.body.html_url).toBe(`${new URL(world.page.url).origin}/github/acme/sample/issues/1`);
  expect(await (await fetch(String(issue?.body.html_url))).text()).toContain("Add a --characters option");
  // An address made of the git host's leads to the same page.
  expect(await (await fetch(`${world.git.url}/acme/sample/issues/1`)).text()).toContain("Add a --characters option");
  await world.stop();
});

test("a world with sign-in has a Google, and knows where people are sent back to", async () => {
  const options = { dataDir: join(folder, "sign-in"), slackEventsUrl: null, signingSecret: "s", model: null } as const;
  const back = "http://127.0.0.1:8787/auth/google/callback";
  const world = await startWorld({ ...options, google: { redirectUris: [back] } });
  const issuer = world.google?.url;
  const found = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
  expect(found).toMatchObject({ issuer, authorization_endpoint: `${issuer}/o/oauth2/v2/auth` });
  await world.stop();
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
