import { createHmac } from "node:crypto";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { requestFrom, startWebhookProxy, type WebhookProxy } from "./webhook-proxy.ts";

const SECRET = "s3cret";

/** A proxy that sends as smee.io does, and a Worker that keeps what it gets. */
let server: Server;
let origin = "";
let streams: ServerResponse[] = [];
let channelStatus = 200;
let status = 202;
let got: { headers: Headers; body: string }[] = [];
let lines: string[] = [];
let proxy: WebhookProxy;

beforeEach(async () => {
  [streams, got, lines, status, channelStatus] = [[], [], [], 202, 200];
  server = createServer((request, response) => {
    if (request.url === "/channel") {
      if (channelStatus !== 200) return response.writeHead(channelStatus).end();
      response.writeHead(200, { "content-type": "text/event-stream" }).write("event: ready\ndata: {}\n\n");
      return void streams.push(response);
    }
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      got.push({ headers: new Headers(request.headers as Record<string, string>), body: Buffer.concat(chunks).toString() });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  proxy = startWebhookProxy({
    channel: `${origin}/channel`,
    target: `${origin}/github/webhook`,
    log: (line) => lines.push(line),
    waits: [50],
  });
});
afterEach(async () => {
  await proxy.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const sign = (body: string) => `sha256=${createHmac("sha256", SECRET).update(body).digest("hex")}`;
const payload = JSON.stringify({ action: "created", comment: { body: "very private ünïcode 🚀" } });
/** What GitHub posted, as the proxy passes it on. */
const passed = (raw: string, more: object = {}) => ({
  host: "smee.io",
  connection: "close",
  "x-forwarded-for": "203.0.113.9",
  cookie: "a=b",
  "x-github-event": "issue_comment",
  "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
  "x-hub-signature-256": sign(raw),
  "content-length": "9",
  body: JSON.parse(raw),
  query: { a: "b" },
  timestamp: 1,
  ...more,
});
const say = (data: unknown) => streams.at(-1)?.write(`id: 1\ndata: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`);

describe("the webhook proxy", () => {
  it("delivers what GitHub signed with GitHub's headers alone, and logs nothing of it", async () => {
    await expect.poll(() => lines).toContain("connected to the webhook proxy");
    say(passed(payload));
    await expect.poll(() => got).toHaveLength(1);
    const [request] = got;
    expect(request?.headers.get("x-hub-signature-256")).toBe(sign(request?.body ?? ""));
    expect(request?.headers.get("x-github-delivery")).toBe("72d3162e-cc78-11e3-81ab-4c9367dc0958");
    expect(request?.headers.get("content-type")).toBe("application/json");
    for (const name of ["cookie", "x-forwarded-for", "timestamp"]) expect(request?.headers.get(name)).toBeNull();
    await expect.poll(() => lines.at(-1)).toBe("issue_comment delivered");
    expect(lines.join()).not.toMatch(/private|smee|203/);
  });

  it("says what may be wrong where the signature does not fit", async () => {
    await expect.poll(() => streams).toHaveLength(1);
    status = 401;
    // GitHub wrote an escape that parsing and writing again does not keep.
    const raw = '{"action":"created","body":"\\u00fc\\/"}';
    say(passed(raw));
    await expect.poll(() => lines.at(-1)).toContain("issue_comment not taken: the Worker answered 401: the signature does not fit");
    expect(got[0]?.headers.get("x-hub-signature-256")).not.toBe(sign(got[0]?.body ?? ""));
  });

  it.each([["no JSON"], ["{}"], ['{"body":null}'], ['{"body":{}}'], ['{"body":{},"x-github-event":"a\\nb"}'], ["[]"]])(
    "goes on after %j, which anybody can post to a channel",
    async (data) => {
      await expect.poll(() => streams).toHaveLength(1);
      say(data);
      await expect.poll(() => lines.at(-1)).toContain("no delivery of GitHub's");
      say(passed(payload));
      await expect.poll(() => got).toHaveLength(1);
    },
  );

  it("connects again when the stream ends, and after the proxy answered with an error", async () => {
    await expect.poll(() => streams).toHaveLength(1);
    channelStatus = 503;
    streams[0]?.end();
    await expect
      .poll(() => lines.at(-1), { timeout: 10_000 })
      .toMatch(/^not connected to the webhook proxy at 127\.0\.0\.1:\d+, trying again/);
    channelStatus = 200;
    await expect.poll(() => streams, { timeout: 10_000 }).toHaveLength(2);
    say(passed(payload));
    await expect.poll(() => got).toHaveLength(1);
  });
});

test("a delivery is passed on byte by byte where JSON has one way to write it", () => {
  expect(requestFrom(JSON.stringify(passed(payload)))?.body).toBe(payload);
});
