/** Attacks on WebSockets and on the life of sessions, by their numbers in the attack suite. */
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fieldsOf } from "./fields.ts";
import { type Answer, bytesOf, exchangeBytes, PUBLIC, parseAnswer, SITES, startWorld, WORKER, type World } from "./testing.ts";

let world: World;
let cookie: string;
let opened: Socket[];
beforeEach(async () => {
  world = await startWorld();
  cookie = await world.signIn("terminal");
  opened = [];
});
afterEach(async () => {
  for (const socket of opened) socket.destroy();
  await world.close();
});

const OWN = `Origin: ${PUBLIC}`;
const SHAKE = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  "Sec-WebSocket-Protocol: tty",
];
const upgrade = (headers: readonly string[], target = "/terminal/ws") => bytesOf({ target, headers });
const without = (name: string, ...more: string[]) => [...SHAKE.filter((line) => !line.startsWith(name)), ...more, OWN, cookie];
const statusOf = async (bytes: string) => parseAnswer(await exchangeBytes(world.port, bytes)).status;
const arrived = () => Object.values(world.upstreams).flatMap((upstream) => upstream.seen);

interface Tunnel {
  socket: Socket;
  answer: Answer;
  closed: Promise<void>;
  echo(text: string): Promise<string>;
}
/** An upgrade that stays open if it was answered by a 101. */
async function open(line = cookie, more: readonly string[] = []): Promise<Tunnel> {
  const socket = connect(world.port, "127.0.0.1");
  opened.push(socket);
  socket.setEncoding("latin1");
  socket.on("error", () => socket.destroy());
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const next = () => new Promise<string>((resolve) => socket.once("data", (chunk: string) => resolve(chunk)));
  socket.write(upgrade([...SHAKE, OWN, line, ...more]));
  const answer = parseAnswer(await next());
  return {
    socket,
    answer,
    closed,
    echo: (text) => {
      const answered = next();
      socket.write(text);
      return answered;
    },
  };
}
/** Whether a connection ends within so many ms. */
const within = (closed: Promise<void>, ms: number) =>
  Promise.race([closed.then(() => "closed"), new Promise((resolve) => setTimeout(() => resolve("open"), ms))]);

test("66: a good upgrade keeps its subprotocol, and bytes go both ways", async () => {
  const { answer, echo } = await open(cookie, ["X-Errand-User: root", "Authorization: Basic evil", "Cookie: theirs=1"]);
  expect([answer.status, answer.header("sec-websocket-protocol"), answer.header("x-inner")]).toEqual([101, "tty", undefined]);
  expect(await echo("hello")).toBe("hello");
  const fields = world.upstreams.terminal.lastFields.join("\n");
  expect(fields).not.toMatch(/evil|root|errand-terminal/);
  expect(fields).toContain("theirs=1");
  const names = fieldsOf(world.upstreams.terminal.lastFields).map(([name]) => name);
  for (const name of ["host", "upgrade", "connection", "sec-websocket-key"]) expect(names.filter((one) => one === name)).toHaveLength(1);
});

test("67: without a cookie", async () => {
  expect(await statusOf(upgrade([...SHAKE, OWN]))).toBe(401);
  expect(await statusOf(upgrade([...SHAKE, OWN, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"]))).toBe(401);
  expect(arrived()).toEqual([]);
});

test("68: Origin evil, sibling, null, missing, other scheme, other port, twice", async () => {
  for (const origins of [
    ["https://evil.example"],
    ["https://sibling.example"],
    ["null"],
    [],
    ["http://gate.example"],
    ["https://gate.example:444"],
    ["https://GATE.example"],
    [PUBLIC, "https://evil.example"],
  ]) {
    expect([origins, await statusOf(upgrade([...SHAKE, cookie, ...origins.map((origin) => `Origin: ${origin}`)]))]).toEqual([origins, 403]);
  }
  expect(await statusOf(upgrade([...SHAKE, cookie, OWN, "Sec-Fetch-Site: same-site"]))).toBe(403);
  expect(arrived()).toEqual([]);
});

test("69: a grant in the query or as subprotocol", async () => {
  const token = await world.mint({ svc: "terminal" });
  expect(await statusOf(upgrade([...SHAKE, OWN], `/terminal/ws?token=${token}`))).toBe(401);
  expect(await statusOf(upgrade([...SHAKE, OWN, `Sec-WebSocket-Protocol: ${token}`]))).toBe(401);
  expect(await statusOf(upgrade([...SHAKE, OWN, `Authorization: Bearer ${token}`]))).toBe(401);
  expect(arrived()).toEqual([]);
});

test("70: traversal to another service, and another service's route", async () => {
  for (const target of ["/terminal/%2e%2e/vscode/ws", "/terminal/../vscode/ws", "/terminal/..;/vscode/"])
    expect(await statusOf(upgrade([...SHAKE, OWN, cookie], target))).toBe(400);
  expect(await statusOf(upgrade([...SHAKE, OWN, cookie], "/vscode/ws"))).toBe(401);
  for (const target of ["/elsewhere", "/opencode/pty/x/connect", "/"])
    expect(await statusOf(upgrade([...SHAKE, OWN, cookie], target))).toBe(404);
  for (const target of ["/_errand/auth", "/_errand/health", "/terminal"])
    expect(await statusOf(upgrade([...SHAKE, OWN, cookie], target))).toBeGreaterThanOrEqual(400);
  expect(arrived()).toEqual([]);
});

test("71: wrong Host", async () => {
  expect(await statusOf(bytesOf({ target: "/terminal/ws", host: "evil.example", headers: [...SHAKE, OWN, cookie] }))).toBe(421);
  expect(await statusOf(bytesOf({ target: "/terminal/ws", headers: [...SHAKE, OWN, cookie, "Host: gate.example"] }))).toBe(400);
});

test("72: handshakes that are none", async () => {
  const cases: [string, readonly string[]][] = [
    ["version 8", without("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8")],
    ["two versions", [...SHAKE, "Sec-WebSocket-Version: 13", OWN, cookie]],
    ["short key", without("Sec-WebSocket-Key", "Sec-WebSocket-Key: abc")],
    ["no key", without("Sec-WebSocket-Key")],
    ["h2c", without("Upgrade", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")],
    ["h2c and websocket", without("Upgrade", "Upgrade: h2c, websocket")],
    ["length", without("none", "Content-Length: 5")],
    ["chunked", without("none", "Transfer-Encoding: chunked")],
  ];
  for (const [name, headers] of cases) expect([name, await statusOf(upgrade(headers))]).toEqual([name, 400]);
  expect(await statusOf(bytesOf({ method: "POST", target: "/terminal/ws", headers: [...SHAKE, OWN, cookie] }))).toBe(400);
  expect(arrived()).toEqual([]);
});

test("73: an upstream that does not agree gets nothing more", async () => {
  for (const [status, answered] of [
    [200, 502],
    [302, 502],
    [403, 403],
    [500, 500],
  ] as const) {
    world.upstreams.terminal.seen.length = 0;
    world.upstreams.terminal.join = (_req, socket) => {
      socket.write(`HTTP/1.1 ${status} X\r\nContent-Length: 2\r\nX-Inner: 127.0.0.1\r\n\r\nhi`);
      socket.on("data", (chunk) => world.upstreams.terminal.seen.push(String(chunk)));
    };
    const raw = await exchangeBytes(world.port, `${upgrade([...SHAKE, OWN, cookie])}GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect([parseAnswer(raw).status, raw.match(/HTTP\/1\.1/g)?.length]).toEqual([answered, 1]);
    expect(raw).not.toContain("127.0.0.1");
    expect(arrived()).toEqual(["GET /ws"]);
  }
});

test("73: what came before an upstream agreed reaches it after", async () => {
  const bytes = `${upgrade([...SHAKE, OWN, cookie])}early`;
  expect(parseAnswer(await exchangeBytes(world.port, bytes, 500)).body).toBe("early");
});

test("73: an upstream that is down", async () => {
  world.upstreams.terminal.server.close();
  expect(await statusOf(upgrade([...SHAKE, OWN, cookie]))).toBe(502);
});

test("74: 70 sockets in one session, 64 open", async () => {
  const tunnels = await Promise.all(Array.from({ length: 70 }, () => open()));
  const statuses = tunnels.map(({ answer }) => answer.status);
  expect([statuses.filter((status) => status === 101).length, statuses.filter((status) => status === 429).length]).toEqual([64, 6]);
  expect((await open(await world.signIn("terminal"))).answer.status).toBe(101);
  const first = tunnels.find(({ answer }) => answer.status === 101);
  first?.socket.destroy();
  await expect.poll(async () => (await open()).answer.status).toBe(101);
});

test("74: refused handshakes give their place back", async () => {
  const { join } = world.upstreams.terminal;
  world.upstreams.terminal.join = (_req, socket) => void socket.end("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n");
  for (let round = 0; round < 70; round++) expect((await open()).answer.status).toBe(500);
  world.upstreams.terminal.join = join;
  expect((await open()).answer.status).toBe(101);
});

test("75: one person revoked, with open sockets and streams", async () => {
  const bobs = await world.signIn("terminal", { sub: "bob" });
  const [alice, bob] = await Promise.all([open(), open(bobs)]);
  world.upstreams.terminal.answer = (_req, res) => void res.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
  const stream = exchangeBytes(world.port, bytesOf({ target: "/terminal/events", headers: [cookie] })).then(() => {});
  await expect.poll(() => world.upstreams.terminal.seen).toContain("GET /events");
  world.gateway.update({ t: "revoke", sub: "alice" });
  expect([await within(alice.closed, 3_000), await within(stream, 3_000), await within(bob.closed, 300)]).toEqual([
    "closed",
    "closed",
    "open",
  ]);
  expect(await statusOf(bytesOf({ target: "/terminal/", headers: [cookie] }))).toBe(401);
  expect(await statusOf(upgrade([...SHAKE, OWN, cookie]))).toBe(401);
  expect(await bob.echo("still here")).toBe("still here");
});

test("75: revoked in the middle of a handshake", async () => {
  world.upstreams.terminal.join = () => {};
  const pending = exchangeBytes(world.port, upgrade([...SHAKE, OWN, cookie]));
  await expect.poll(arrived).toEqual(["GET /ws"]);
  world.gateway.update({ t: "revoke" });
  expect(await pending).toBe("");
});

test("76: a session's time is over, with open sockets", { timeout: 10_000 }, async () => {
  const tunnel = await open();
  world.clock.ms += 8 * 3_600_000 - 1_000;
  expect(await within(tunnel.closed, 300)).toBe("open");
  world.clock.ms += 1_000;
  expect(await statusOf(bytesOf({ target: "/terminal/", headers: [cookie] }))).toBe(401);
  await tunnel.closed;
});

test("two services opened one after the other both stay usable", async () => {
  const vscode = await world.signIn("vscode");
  const both = `Cookie: ${cookie.slice(8)}; ${vscode.slice(8)}`;
  expect(await statusOf(bytesOf({ target: "/vscode/", headers: [both] }))).toBe(200);
  expect((await open(both)).answer.status).toBe(101);
});

test("until the origins are known everything but health waits", async () => {
  const early = await startWorld({ sites: null });
  const ask = async (target: string, headers: string[] = []) => parseAnswer(await exchangeBytes(early.port, bytesOf({ target, headers })));
  expect((await ask("/_errand/health")).body).toBe("ok");
  for (const answer of [
    await ask("/vscode/"),
    await ask("/nowhere"),
    await ask("/terminal/ws", [...SHAKE, `Origin: ${WORKER}`]),
    await early.redeem(await early.mint()),
  ]) {
    expect([answer.status, answer.header("retry-after")]).toEqual([503, "1"]);
  }
  expect(() => early.gateway.update({ t: "sites", sites: { ...SITES, ide: "http://gate.example" } })).toThrow("not https:");
  early.gateway.update({ t: "sites", sites: SITES });
  expect((await early.redeem(await early.mint())).status).toBe(303);
  await early.close();
});
