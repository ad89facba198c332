import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { CLOSED_BY_DESKTOP, NO_DESKTOP, NOT_FOR_WATCHERS } from "./bridge.ts";
import { isOwnOrigin } from "./origin.ts";
import { retryDelay } from "./page/backoff.js";
import { type DesktopServer, serveDesktop } from "./server.ts";

test.each([
  [1, 0, 375],
  [1, 1, 625],
  [2, 0.5, 1_000],
  [6, 0.5, 15_000],
  [60, 0.5, 15_000],
])("after %d failures, random %d: %d ms", (failures, random, delay) => {
  expect(retryDelay(failures, random)).toBe(delay);
});

test.each([
  [{ host: "a.test" }, true],
  [{ origin: "https://a.test", host: "a.test" }, true],
  [{ origin: "http://127.0.0.1:6080", host: "127.0.0.1:6080" }, true],
  [{ origin: "https://a.test", host: "127.0.0.1:6080", "x-forwarded-host": "a.test" }, true],
  [{ origin: "https://evil.test", host: "a.test" }, false],
  [{ origin: "https://a.test:444", host: "a.test" }, false],
  [{ origin: "https://127.0.0.1:6080", host: "127.0.0.1:6080", "x-forwarded-host": "a.test" }, false],
  [{ origin: "null", host: "a.test" }, false],
  [{ origin: "", host: "" }, false],
])("own origin: %j is %s", (headers, is) => {
  expect(isOwnOrigin(headers)).toBe(is);
});

describe("the server", () => {
  let folder: string;
  let server: DesktopServer;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "errand-desktop-"));
    for (const name of ["index.html", "page.js", "page.css"]) writeFileSync(join(folder, name), `the ${name}`);
    server = await serveDesktop({ port: 0, rfbSocket: join(folder, "rfb.sock"), page: folder });
  });
  afterEach(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  /** Stands where the X server would: a UNIX socket that does what the test says with each connection. */
  async function listen(onConnection: (socket: Socket) => void) {
    const desktop = createServer(onConnection);
    await new Promise<void>((done) => desktop.listen(join(folder, "rfb.sock"), done));
    return { [Symbol.dispose]: () => void desktop.close() };
  }
  const DRIVE = { "x-errand-mode": "drive" };
  const open = (headers: Record<string, string> = DRIVE) => new WebSocket(`ws://127.0.0.1:${server.port}/websockify`, { headers });
  const closing = (socket: WebSocket) => new Promise<number>((done) => socket.once("close", done));

  test.each([
    ["GET", "/", 200, "the index.html"],
    ["GET", "/?resize=1", 200, "the index.html"],
    ["GET", "/page.js", 200, "the page.js"],
    ["GET", "/../main.ts", 404, "no such page"],
    ["POST", "/", 405, "Only GET"],
    ["GET", "/healthz", 503, "does not answer"],
  ])("%s %s: %d", async (method, path, status, text) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
    expect(response.status).toBe(status);
    expect(await response.text()).toContain(text);
  });

  test("spares a page that the browser has", async () => {
    const address = `http://127.0.0.1:${server.port}/page.js`;
    const etag = (await fetch(address)).headers.get("etag") ?? "";
    expect((await fetch(address, { headers: { "if-none-match": etag } })).status).toBe(304);
  });

  test("is healthy when the X server greets", async () => {
    using _desktop = await listen((socket) => socket.write("RFB 003.008\n"));
    expect((await fetch(`http://127.0.0.1:${server.port}/healthz`)).status).toBe(200);
  });

  test("carries bytes both ways, and the end", async () => {
    using _desktop = await listen((socket) => {
      socket.write("RFB 003.008\n");
      socket.once("data", (chunk) => socket.end(chunk.toString().toUpperCase()));
    });
    const socket = open();
    const got: string[] = [];
    socket.on("message", (data, isBinary) => {
      expect(isBinary).toBe(true);
      if (got.push(String(data)) === 1) socket.send("hello");
    });
    expect(await closing(socket)).toBe(CLOSED_BY_DESKTOP);
    expect(got.join("")).toBe("RFB 003.008\nHELLO");
  });

  test.each<[Record<string, string>, string]>([
    [DRIVE, "drive"],
    [{ "x-errand-mode": "watch" }, "watch"],
    [{ "x-errand-mode": "Drive" }, "watch"],
    [{ "x-errand-mode": "drive, drive" }, "watch"],
    [{ "x-errand-mode": "" }, "watch"],
    [{}, "watch"],
  ])("with %j one may %s", async (headers, mode) => {
    const response = await fetch(`http://127.0.0.1:${server.port}/mode`, { headers });
    expect((await response.text()).trim()).toBe(mode);
  });

  test.each<[Record<string, string>, boolean]>([
    [DRIVE, true],
    [{ "x-errand-mode": "watch" }, false],
    [{}, false],
  ])("input of somebody with %j comes through: %s", async (headers, isDriver) => {
    const received: Buffer[] = [];
    using _desktop = await listen((socket) => socket.on("data", (chunk) => received.push(chunk)));
    const socket = open(headers);
    await new Promise((done) => socket.once("open", done));
    const start = Buffer.from("RFB 003.008\n\x01\x01", "latin1");
    const key = Buffer.from([4, 1, 0, 0, 0, 0, 0, 97]);
    const update = Buffer.from([3, 1, 0, 0, 0, 0, 4, 0, 3, 0]);
    for (const part of [start, key.subarray(0, 3), key.subarray(3), update]) socket.send(part);
    const expected = Buffer.concat([start, ...(isDriver ? [key] : []), update]);
    await expect.poll(() => Buffer.concat(received)).toEqual(expected);
    socket.terminate();
  });

  test("ends a watcher's connection at what it does not know", async () => {
    using _desktop = await listen((socket) => socket.resume());
    const socket = open({});
    socket.once("open", () => socket.send(Buffer.from("RFB 003.008\n\x01\x01\xfa", "latin1")));
    expect(await closing(socket)).toBe(NOT_FOR_WATCHERS);
  });

  test("says when there is no desktop, and ends the desktop's side with the browser's", async () => {
    expect(await closing(open())).toBe(NO_DESKTOP);
    let ended: (value: unknown) => void;
    const end = new Promise((done) => {
      ended = done;
    });
    using _desktop = await listen((socket) => {
      socket.once("close", () => ended("ended"));
      socket.resume();
    });
    const socket = open();
    socket.once("open", () => socket.close());
    expect(await end).toBe("ended");
  });

  test.each([{ origin: "https://evil.test" }, { origin: "null" }])("refuses a page from elsewhere: %j", async (headers) => {
    const socket = open(headers);
    const error = await new Promise<Error>((done) => socket.once("error", done));
    expect(error.message).toContain("403");
  });

  test("reads no faster from the X server than the browser takes", async () => {
    const chunk = Buffer.alloc(256 * 1024);
    let sent = 0;
    using _desktop = await listen((socket) => {
      const more = () => {
        while (sent < 400) {
          sent += 1;
          if (!socket.write(chunk)) return;
        }
      };
      socket.on("drain", more);
      socket.on("error", () => {});
      more();
    });
    const socket = open();
    await new Promise((done) => socket.once("open", done));
    socket.pause();
    await new Promise((done) => setTimeout(done, 500));
    // The mebibyte of the bridge, and what the kernel's buffers on both sides hold: far less than the 100 MiB offered.
    expect(sent).toBeLessThan(80);
    let received = 0;
    const all = new Promise<void>((done) =>
      socket.on("message", (data) => {
        received += (data as Buffer).length;
        if (received === 400 * chunk.length) done();
      }),
    );
    socket.resume();
    await all;
    socket.terminate();
  });
});
