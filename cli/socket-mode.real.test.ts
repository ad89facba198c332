import { createHmac } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { requestFor, startSocketMode } from "./socket-mode.ts";

const SECRET = "s3cret";

/** The other end: `apps.connections.open` and the socket, as Slack has them, and a Worker that keeps what it gets. */
let server: Server;
let origin = "";
let sockets: WebSocket[] = [];
let acks: unknown[] = [];
let got: { headers: Headers; body: string }[] = [];
let status = 200;
let openAnswer: () => object;
let opened = 0;

beforeEach(async () => {
  [sockets, acks, got, status, opened] = [[], [], [], 200, 0];
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (request.url === "/api/apps.connections.open") {
        opened += 1;
        response.setHeader("content-type", "application/json");
        return response.end(JSON.stringify(openAnswer()));
      }
      got.push({ headers: new Headers(request.headers as Record<string, string>), body: Buffer.concat(chunks).toString() });
      response.statusCode = status;
      response.end();
    });
  });
  new WebSocketServer({ server }).on("connection", (socket) => {
    sockets.push(socket);
    socket.on("message", (data) => acks.push(JSON.parse(data.toString())));
    socket.send(JSON.stringify({ type: "hello" }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  openAnswer = () => ({ ok: true, url: `ws://${origin}/link` });
});
afterEach(async () => {
  for (const socket of sockets) socket.terminate();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const lines: string[] = [];
const start = () =>
  startSocketMode({
    appToken: "xapp-1",
    signingSecret: SECRET,
    target: `http://${origin}/slack/events`,
    apiUrl: `http://${origin}/api/`,
    log: (line) => lines.push(line),
  });
const event = { type: "event_callback", event_id: "Ev1", event: { type: "message", text: "very private" } };
const envelope = (id: string) =>
  JSON.stringify({ type: "events_api", envelope_id: id, payload: event, accepts_response_payload: false, retry_attempt: 0 });

describe("the Socket Mode bridge", () => {
  it("forwards an event signed as Slack signs, acknowledges it, and logs nothing of it", async () => {
    const bridge = await start();
    sockets[0]?.send(envelope("e1"));
    await expect.poll(() => acks).toEqual([{ envelope_id: "e1", payload: {} }]);
    const [request] = got;
    if (!request) throw new Error("nothing forwarded");
    expect(JSON.parse(request.body)).toEqual(event);
    const time = request.headers.get("x-slack-request-timestamp") ?? "";
    expect(Math.abs(Date.now() / 1000 - Number(time))).toBeLessThan(10);
    const signature = createHmac("sha256", SECRET).update(`v0:${time}:${request.body}`).digest("hex");
    expect(request.headers.get("x-slack-signature")).toBe(`v0=${signature}`);
    expect(lines.join()).not.toContain("private");
    await bridge.stop();
  });

  it("does not acknowledge what the Worker did not take", async () => {
    const bridge = await start();
    status = 503;
    sockets[0]?.send(envelope("e1"));
    await expect.poll(() => lines.at(-1)).toBe("events_api not taken: the Worker answered 503");
    expect(acks).toEqual([]);
    await bridge.stop();
  });

  it("connects again when Slack says so, and when the connection breaks", async () => {
    const bridge = await start();
    sockets[0]?.send(JSON.stringify({ type: "disconnect", reason: "refresh_requested" }));
    await expect.poll(() => sockets.length, { timeout: 5_000 }).toBe(2);
    await expect.poll(() => lines.at(-1)).toBe("connected by Socket Mode");
    let refusals = 1;
    openAnswer = () => (refusals-- > 0 ? { ok: false, error: "internal_error" } : { ok: true, url: `ws://${origin}/link` });
    sockets[1]?.terminate();
    await expect.poll(() => sockets.length, { timeout: 8_000 }).toBe(3);
    sockets[2]?.send(envelope("e2"));
    await expect.poll(() => acks).toEqual([{ envelope_id: "e2", payload: {} }]);
    await bridge.stop();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([sockets.length, opened]).toEqual([3, 4]);
  }, 20_000);

  it("says what to do where Slack refuses the token", async () => {
    openAnswer = () => ({ ok: false, error: "invalid_auth" });
    await expect(start()).rejects.toThrow("Set SLACK_APP_TOKEN to the token that starts with xapp-");
  });
});

it("makes a form of clicks and JSON of events, with the headers of a retry", () => {
  const click = requestFor({ type: "interactive", body: { type: "block_actions" }, retry_num: null, retry_reason: null }, SECRET, 1_000);
  expect(click.body).toBe("payload=%7B%22type%22%3A%22block_actions%22%7D");
  expect(click.headers["content-type"]).toBe("application/x-www-form-urlencoded");
  const again = requestFor({ type: "events_api", body: {}, retry_num: 1, retry_reason: "timeout" }, SECRET, 1_000);
  expect(again.headers).toMatchObject({ "content-type": "application/json", "x-slack-retry-num": "1", "x-slack-retry-reason": "timeout" });
});

/** Slack's own example of a signature, from "Verifying requests from Slack". */
it("signs as Slack's documentation does", () => {
  const body =
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
  const command = { type: "slash_commands", body: Object.fromEntries(new URLSearchParams(body)) };
  const request = requestFor(command, "8f742231b10e8888abcd99yyyzzz85a5", 1_531_420_618_000);
  expect(request.body).toBe(body);
  expect(request.headers["x-slack-signature"]).toBe("v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503");
});
