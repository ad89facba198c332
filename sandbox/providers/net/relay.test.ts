import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dialSandboxSocket, type Listening, relay } from "./relay.ts";

let folder: string;
let echo: Server;
let heard: number;
let front: Listening;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "relay-"));
  heard = 0;
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    heard += 1;
    socket.on("error", () => undefined);
    socket.pipe(socket);
  });
  await new Promise<void>((done) => echo.listen(join(folder, "gw.sock"), done));
  front = await relay({ host: "127.0.0.1", port: 0 }, () => dialSandboxSocket(join(folder, "gw.sock")));
});
afterEach(async () => {
  await front.close();
  await new Promise((done) => echo.close(done));
  rmSync(folder, { recursive: true });
});

/** Sends text, ends its side, and returns what came back before the other side ended. */
const ask = (text: string) =>
  new Promise<string>((done) => {
    const socket = connect({ host: "127.0.0.1", port: front.port ?? 0, allowHalfOpen: true });
    let got = "";
    socket.on("data", (chunk) => {
      got += chunk.toString();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => done(got));
    socket.end(text);
  });

describe.runIf(process.platform === "linux")("a relay to a socket in a folder that a sandbox can write", () => {
  it("passes bytes and half-closes both ways, again and again", async () => {
    const big = "x".repeat(1_000_000);
    expect((await ask(big)).length).toBe(big.length);
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(`call ${i}`)));
    expect(answers).toEqual(Array.from({ length: 50 }, (_, i) => `call ${i}`));
  });

  it("does not follow a link that took the socket's place", async () => {
    renameSync(join(folder, "gw.sock"), join(folder, "host.sock"));
    symlinkSync(join(folder, "host.sock"), join(folder, "gw.sock"));
    expect(await ask("hello")).toBe("");
    expect(heard).toBe(0);
  });

  it("does not take another kind of file, or nothing, for it", async () => {
    rmSync(join(folder, "gw.sock"));
    expect(await ask("hello")).toBe("");
    writeFileSync(join(folder, "gw.sock"), "");
    expect(await ask("hello")).toBe("");
  });
});
