import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { Listening } from "./relay.ts";
import { relayToWorker } from "./worker-relay.ts";

const S = "abcdefghijklmnopqrstuvwxyz";
let folder: string;
let path: string;
let worker: Server;
let relay: Listening;
let seen: { method: string; url: string; headers: IncomingMessage["headers"]; body: string }[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "relay-"));
  path = join(folder, "worker.sock");
  seen = [];
  worker = createServer(async (req, res) => {
    let body = "";
    for await (const chunk of req) body += chunk;
    seen.push({ method: req.method ?? "", url: req.url ?? "", headers: req.headers, body });
    if (req.url?.endsWith("/stream")) {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.flushHeaders();
      setTimeout(() => res.end("data: late\n\n"), 300);
      return;
    }
    res.end(`ok ${req.url}`);
  });
  const sockets = new WebSocketServer({ noServer: true });
  worker.on("upgrade", (req, socket, head) => {
    seen.push({ method: "UPGRADE", url: req.url ?? "", headers: req.headers, body: "" });
    if (req.url?.includes("deny")) return void socket.end("HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n");
    sockets.handleUpgrade(req, socket, head, (ws) => ws.on("message", (data) => ws.send(`echo ${data}`)));
  });
  await new Promise<void>((done) => worker.listen(0, "127.0.0.1", done));
  relay = await relayToWorker(path, new URL(`http://127.0.0.1:${(worker.address() as AddressInfo).port}`), S);
});

afterEach(async () => {
  await relay.close();
  worker.closeAllConnections();
  await new Promise((done) => worker.close(done));
  rmSync(folder, { recursive: true });
});

/** Sends bytes as they are, and returns what came until the other side closed or half a second passed. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    let got = "";
    socket.on("data", (chunk) => {
      got += chunk.toString();
    });
    socket.on("close", () => resolve(got));
    socket.on("error", () => resolve(got));
    socket.write(bytes);
    setTimeout(() => socket.destroy(), 500);
  });
}

describe("relayToWorker", () => {
  it("passes a request with its body, credential and an honest Host", async () => {
    const answer = await raw(
      `POST /sandbox/${S}/model/v1/chat HTTP/1.1\r\nHost: evil\r\nAuthorization: Bearer t\r\nX-Forwarded-For: 9.9.9.9\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200/);
    expect(seen).toMatchObject([{ method: "POST", url: `/sandbox/${S}/model/v1/chat`, body: "body" }]);
    expect(seen[0]?.headers).toMatchObject({ authorization: "Bearer t", host: `127.0.0.1:${(worker.address() as AddressInfo).port}` });
    expect(seen[0]?.headers).not.toHaveProperty("x-forwarded-for");
  });

  it.each([
    ["another path", "GET /api/sessions HTTP/1.1\r\nHost: w\r\n\r\n"],
    ["dot segments", `GET /sandbox/${S}/../../api/sessions HTTP/1.1\r\nHost: w\r\n\r\n`],
    ["encoded dot segments", `GET /sandbox/${S}/%2e%2e/%2e%2e/api HTTP/1.1\r\nHost: w\r\n\r\n`],
    ["absolute form", "GET http://127.0.0.1:8787/api/sessions HTTP/1.1\r\nHost: w\r\n\r\n"],
    ["absolute form inside the prefix", `GET http://w/sandbox/${S}/runner HTTP/1.1\r\nHost: w\r\n\r\n`],
    ["CONNECT", "CONNECT 127.0.0.1:8787 HTTP/1.1\r\nHost: w\r\n\r\n"],
    ["upgrade of another path", "GET /api/ws HTTP/1.1\r\nHost: w\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"],
    [
      "upgrade to HTTP/2",
      `GET /sandbox/${S}/x HTTP/1.1\r\nHost: w\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n`,
    ],
    [
      "upgrade with a body",
      `GET /sandbox/${S}/x HTTP/1.1\r\nHost: w\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 9\r\n\r\nGET / HTT`,
    ],
    ["two lengths", `POST /sandbox/${S}/x HTTP/1.1\r\nHost: w\r\nContent-Length: 1\r\nContent-Length: 50\r\n\r\na`],
    ["length and chunked", `POST /sandbox/${S}/x HTTP/1.1\r\nHost: w\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ["a bare line feed", `GET /sandbox/${S}/x HTTP/1.1\nHost: w\n\n`],
    ["a folded target", `GET /sandbox/${S}/x\tHTTP/1.1\r\nHost: w\r\n\r\n`],
  ])("refuses %s, and the Worker hears nothing", async (_kind, bytes) => {
    expect(await raw(bytes)).toMatch(/^HTTP\/1\.1 (400|403)/);
    expect(seen).toEqual([]);
  });

  it("checks every request of a connection", async () => {
    const good = `GET /sandbox/${S}/a HTTP/1.1\r\nHost: w\r\n\r\n`;
    const answer = await raw(`${good}GET /api/sessions HTTP/1.1\r\nHost: w\r\n\r\n`);
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 403"]);
    expect(seen.map((one) => one.url)).toEqual([`/sandbox/${S}/a`]);
  });

  it.each(["GET", "DELETE", "POST"])("frames a chunked body of %s so that nothing in it becomes a request", async (method) => {
    const hidden = "GET /api/sessions HTTP/1.1\r\nHost: w\r\n\r\n";
    const chunk = `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`;
    await raw(
      `${method} /sandbox/${S}/a HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}GET /sandbox/${S}/b HTTP/1.1\r\nHost: w\r\n\r\n`,
    );
    expect(seen.map((one) => [one.url, one.body])).toEqual([
      [`/sandbox/${S}/a`, hidden],
      [`/sandbox/${S}/b`, ""],
    ]);
  });

  it("does not let a refused upgrade carry further requests", async () => {
    const key = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    const answer = await raw(`GET /sandbox/${S}/deny HTTP/1.1\r\nHost: w\r\n${key}\r\n\r\nGET /api/sessions HTTP/1.1\r\nHost: w\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 409/);
    expect(seen.map((one) => one.url)).toEqual([`/sandbox/${S}/deny`]);
  });

  it("carries a WebSocket both ways", async () => {
    const ws = new WebSocket(`ws+unix://${path}:/sandbox/${S}/runner?generation=1`, {
      headers: { authorization: "Bearer r", "cf-connecting-ip": "1.1.1.1" },
    });
    await new Promise((done) => ws.once("open", done));
    const echoed = new Promise((done) => ws.once("message", (data) => done(String(data))));
    ws.send("hello");
    expect(await echoed).toBe("echo hello");
    expect(seen[0]?.headers).toMatchObject({ authorization: "Bearer r" });
    expect(seen[0]?.headers).not.toHaveProperty("cf-connecting-ip");
    ws.terminate();
  });

  it("sends an event stream's head at once", async () => {
    const began = performance.now();
    const head = await new Promise<number>((done) => {
      request({ socketPath: path, path: `/sandbox/${S}/stream` }, (res) => {
        res.resume();
        done(performance.now() - began);
      }).end();
    });
    expect(head).toBeLessThan(250);
  });

  it("answers 502 when the Worker is away", async () => {
    worker.closeAllConnections();
    await new Promise((done) => worker.close(done));
    expect(await raw(`GET /sandbox/${S}/a HTTP/1.1\r\nHost: w\r\n\r\n`)).toMatch(/^HTTP\/1\.1 502/);
  });
});
