/** Bytes through the gateway: whole, in order, without being kept, and let go when one side leaves. */
import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bytesOf, exchangeBytes, PUBLIC, parseAnswer, startWorld, type World } from "./testing.ts";

const SIZE = 32 * 1024 * 1024;
/** More than any buffers on the way hold. */
const ENDLESS = 512 * 1024 * 1024;
const SHAKE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="];

let world: World;
let cookie: string;
const big = randomBytes(SIZE);
const hash = (data: Buffer | string) => createHash("sha256").update(data).digest("hex");
beforeAll(async () => {
  world = await startWorld();
  cookie = await world.signIn("vscode");
});
afterAll(() => world.close());

test("a large answer arrives whole, with and without a length", async () => {
  for (const headers of [{ "content-length": SIZE }, {}]) {
    world.upstreams.vscode.answer = (_req, res) => void res.writeHead(200, headers).end(big);
    const raw = await exchangeBytes(world.port, bytesOf({ target: "/vscode/", headers: [cookie] }), 20_000);
    const { body, header } = parseAnswer(raw);
    expect(hash(Buffer.from(header("content-length") ? body : unchunked(body), "latin1"))).toBe(hash(big));
  }
});

function unchunked(body: string): string {
  const parts: string[] = [];
  for (let at = 0; ; ) {
    const end = body.indexOf("\r\n", at);
    const size = Number.parseInt(body.slice(at, end), 16);
    if (!size) return parts.join("");
    parts.push(body.slice(end + 2, end + 2 + size));
    at = end + 4 + size;
  }
}

test("a large upload arrives whole", async () => {
  const received = new Promise<string>((resolve) => {
    world.upstreams.vscode.answer = (req, res) => {
      const sum = createHash("sha256");
      req.on("data", (chunk) => sum.update(chunk));
      req.on("end", () => {
        resolve(sum.digest("hex"));
        res.end("ok");
      });
    };
  });
  const head = bytesOf({ method: "POST", target: "/vscode/upload", headers: [cookie, `Origin: ${PUBLIC}`, `Content-Length: ${SIZE}`] });
  const raw = await exchangeBytes(world.port, head + big.toString("latin1"), 20_000);
  expect(parseAnswer(raw).status).toBe(200);
  expect(await received).toBe(hash(big));
});

test("Expect: 100-continue is answered only to who has a right", async () => {
  world.upstreams.vscode.answer = (req, res) => void req.resume().on("end", () => res.end("ok"));
  const ask = (headers: string[]) =>
    exchangeBytes(
      world.port,
      bytesOf({ method: "POST", target: "/vscode/", headers: ["Expect: 100-continue", `Origin: ${PUBLIC}`, ...headers], body: "hello" }),
    );
  expect(await ask([cookie])).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200/);
  expect(await ask([])).toMatch(/^HTTP\/1\.1 401/);
});

test("a slow reader holds the upstream back", async () => {
  let sent = 0;
  world.upstreams.vscode.answer = (_req, res) => {
    const more = () => {
      while (!res.destroyed && sent < ENDLESS) {
        sent += 65_536;
        if (!res.write(big.subarray(0, 65_536))) return void res.once("drain", more);
      }
    };
    more();
  };
  const socket = connect(world.port, "127.0.0.1").pause();
  socket.write(bytesOf({ target: "/vscode/", headers: [cookie] }));
  // What the kernel keeps for two connections differs by machine; what counts is that it comes to a stand.
  let before = -1;
  const stands = () => {
    const grown = sent - before;
    before = sent;
    return sent > 0 && grown === 0;
  };
  await expect.poll(stands, { timeout: 20_000, interval: 500 }).toBe(true);
  expect(sent).toBeLessThan(ENDLESS);
  socket.destroy();
});

test("a client that leaves ends the upstream's work", async () => {
  const left = new Promise<void>((resolve) => {
    world.upstreams.vscode.answer = (_req, res) => {
      res.writeHead(200).write("x");
      res.once("close", resolve);
    };
  });
  await exchangeBytes(world.port, bytesOf({ target: "/vscode/", headers: [cookie] }), 200);
  await left;
});

test("an answer with two lengths is not passed on", async () => {
  world.upstreams.vscode.answer = (req) => {
    req.socket.end(
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n28\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n..\r\n0\r\n\r\n",
    );
  };
  expect((await world.ask({ target: "/vscode/", headers: [cookie] })).status).toBe(502);
});

test("a tunnel carries much, holds back, and delivers the last bytes", async () => {
  world.upstreams.vscode.join = (_req, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    socket.end(big);
  };
  const raw = await exchangeBytes(world.port, bytesOf({ target: "/vscode/ws", headers: [cookie, `Origin: ${PUBLIC}`, ...SHAKE] }), 20_000);
  expect(hash(Buffer.from(parseAnswer(raw).body, "latin1"))).toBe(hash(big));
});

test("a pipelined upgrade does not mix with an answer under way", async () => {
  world.upstreams.vscode.answer = (_req, res) => void setTimeout(() => res.end("late"), 200);
  const first = bytesOf({ target: "/vscode/", headers: [cookie, "Connection: keep-alive"] });
  const raw = await exchangeBytes(world.port, first + bytesOf({ target: "/vscode/ws", headers: [cookie, `Origin: ${PUBLIC}`, ...SHAKE] }));
  expect(raw).not.toContain("101 Switching");
});
