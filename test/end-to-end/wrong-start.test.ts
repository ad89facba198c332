/**
 * `errand start` where it can't: taken ports, wrong settings, a damaged or unusable data folder, a second errand on one
 * folder. Each says what is wrong and what to do, quickly, and leaves nothing running.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Errand, freePorts, root } from "./errand.ts";

/** The longest that a start which can't succeed may take to say so, in ms; less than a second is usual. */
const QUICK_MS = 5_000;

const scratch = mkdtempSync(join(tmpdir(), "errand-wrong-"));
let port = 0;
beforeAll(async () => {
  port = await freePorts();
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

type Ended = { code: number | null; out: string; err: string; ms: number };

/** Runs `errand start` to its end, without this machine's own settings for it. */
function run(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const began = Date.now();
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(ERRAND|SLACK)_/.test(name)));
  const child = spawn(process.execPath, [join(root, "cli/main.ts"), "start", ...args], { cwd: scratch, env: { ...own, ...env } });
  const end = setTimeout(() => child.kill("SIGTERM"), 2 * QUICK_MS);
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    out += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    err += chunk;
  });
  return new Promise((done) => {
    child.once("close", (code) => {
      clearTimeout(end);
      done({ code, out, err, ms: Date.now() - began });
    });
  });
}

const place = (data: string) => ["--port", String(port), "--data", join(scratch, data)];

function hold(at: number, host = "127.0.0.1"): Promise<Server> {
  const server = createServer();
  return new Promise((done, fail) => server.once("error", fail).listen(at, host, () => done(server)));
}

function expectRefused(ended: Ended, code: number, ...words: (string | RegExp)[]): void {
  for (const word of words) expect(ended.err).toMatch(word);
  expect(ended).toMatchObject({ code, out: "" });
  // A person is told what is wrong, not where in the source it was noticed.
  expect(ended.err).not.toMatch(/\n\s+at /);
  expect(ended.ms).toBeLessThan(QUICK_MS);
}

it.each([["--help"], ["-h"]])("%s says how to use it", async (flag) => {
  const ended = await run([flag]);
  expect(ended).toMatchObject({ code: 0, err: "" });
  for (const word of ["--port", "--data", "SLACK_BOT_TOKEN", "ERRAND_GITHUB_APP_ID", "ERRAND_MODEL_URL"]) expect(ended.out).toContain(word);
});

describe("wrong settings are all named at once", () => {
  it.each([
    ["a model without name and key", [], { ERRAND_MODEL_URL: "http://127.0.0.1:1/v1" }, [/ERRAND_MODEL must name/, /ERRAND_MODEL_KEY/]],
    [
      "a model's address without http",
      [],
      { ERRAND_MODEL_URL: "localhost:1/v1", ERRAND_MODEL: "m", ERRAND_MODEL_KEY: "k" },
      [/ERRAND_MODEL_URL must be.*https:/],
    ],
    [
      "a price that is none",
      [],
      { ERRAND_MODEL_URL: "http://127.0.0.1:1/v1", ERRAND_MODEL: "m", ERRAND_MODEL_KEY: "k", ERRAND_MODEL_PRICE: "cheap" },
      [/ERRAND_MODEL_PRICE must be JSON such as/],
    ],
    ["a Slack with half its tokens", [], { SLACK_BOT_TOKEN: "xoxb-1" }, [/SLACK_APP_TOKEN, which starts with xapp-/]],
    [
      "a GitHub App without its keys",
      [],
      { ERRAND_GITHUB_APP_ID: "1" },
      [/ERRAND_GITHUB_APP_SLUG must/, /ERRAND_GITHUB_PRIVATE_KEY must hold/],
    ],
    ["a port that is no number", ["--port", "many"], {}, [/--port must be a whole number from 1024 to 655\d\d, not “many”/]],
    ["a port of the system's", ["--port", "80"], {}, [/--port must be a whole number from 1024/]],
    ["a port without room for seven more", ["--port", "65535"], {}, [/--port must be .* to 65528/]],
    ["an option that does not exist", ["--prot", "9000"], {}, [/--prot/]],
    ["a repository without owner", [], { ERRAND_REPOSITORY: "sample" }, [/ERRAND_REPOSITORY must look like owner\/name/]],
  ])("%s", async (_name, args: string[], env: Record<string, string>, words) => {
    expectRefused(await run([...args], env), 2, ...words, /See npm start -- --help/);
    expect(readdirSync(scratch)).toEqual([]);
  });
});

describe("a port that is taken", () => {
  it.each([
    [0, "the Worker"],
    [1, "the page of the local Slack and GitHub"],
    [2, "the local git host"],
    [3, "the local Slack"],
    [4, "the demonstration model"],
    [5, "the sandbox backend"],
    [6, "the local GitHub"],
  ])("the first plus %i: says which, for what and what to do", async (offset, use) => {
    const other = await hold(port + offset);
    try {
      const ended = await run(place("ports"));
      expectRefused(ended, 1, `Port ${port + offset} (for ${use}) is taken`, /npm start -- --port 9000/);
    } finally {
      other.close();
    }
  });

  it("two of them, one on every address", async () => {
    const others = [await hold(port, "0.0.0.0"), await hold(port + 3)];
    try {
      expectRefused(await run(place("ports")), 1, `ports ${port} (for the Worker), ${port + 3} (for the local Slack) are taken`);
    } finally {
      for (const other of others) other.close();
    }
  });
});

describe("the data folder", () => {
  it.each([
    ["rubbish", "{ no JSON", /it is not JSON/],
    ["an older or cut file", JSON.stringify({ deployment: "local-0123456789ab" }), /wrong: sessionKey, backendKey/],
  ])("with secrets that are %s: says which file, and overwrites nothing", async (_name, text, why) => {
    const data = mkdtempSync(join(scratch, "damaged-"));
    writeFileSync(join(data, "secrets.json"), text);
    const ended = await run(["--port", String(port), "--data", data]);
    expectRefused(ended, 1, /secrets\.json is damaged/, why, /Restore it from a copy, or remove/);
    expect(readdirSync(data)).toEqual(["secrets.json"]);
  });

  it("that can't be made or written", async () => {
    writeFileSync(join(scratch, "a-file"), "");
    expectRefused(await run(place("a-file")), 1, /a-file can't be used: a file is in its place/, /--data DIR/);
    expectRefused(await run(place("a-file/below")), 1, /can't be used: a file is in its place or above it/);
    // Not even root can make a folder there.
    expectRefused(
      await run(["--port", String(port), "--data", "/sys/errand"]),
      1,
      "/sys/errand can't be used: this user may not write there",
      /--data DIR/,
    );
    if (process.getuid?.() === 0) return;
    mkdirSync(join(scratch, "locked"), { mode: 0o500 });
    expectRefused(await run(place("locked")), 1, /this user may not write there/);
  });

  it("that another errand uses: says where that one runs, and lets it run", async () => {
    const errand = new Errand();
    try {
      await errand.start();
      const ended = await run(["--port", String(port), "--data", errand.data]);
      expectRefused(ended, 1, `Another errand uses ${errand.data} already: ${errand.origin}`, /--data DIR --port 9000/);
      expect((await fetch(`${errand.origin}/healthz`)).status).toBe(200);
      expect(await errand.stop()).toBe(0);
      // The folder is free at once.
      await errand.start();
    } finally {
      await errand.remove();
    }
  });
});
