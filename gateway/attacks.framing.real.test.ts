/** Attacks by the framing and the size of HTTP messages, by their numbers in the attack suite. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, type Ask, bytesOf, exchangeBytes, PUBLIC, parseAnswer, startWorld, type World } from "./testing.ts";

let world: World;
let cookie: string;
let slowHead: Promise<{ answer: Answer; ms: number }>;

beforeAll(async () => {
  world = await startWorld();
  cookie = await world.signIn("vscode");
  const begun = Date.now();
  slowHead = exchangeBytes(world.port, "GET /vscode/ HTTP/1.1\r\nHost: gate.example\r\nX-Slow", 20_000).then((raw) => ({
    answer: parseAnswer(raw),
    ms: Date.now() - begun,
  }));
});
afterAll(() => world.close());

const nothingArrived = () => expect(Object.values(world.upstreams).flatMap((upstream) => upstream.seen)).toEqual([]);
/** Raw bytes, and the status of the answer. */
const statusOf = async (bytes: string) => parseAnswer(await exchangeBytes(world.port, bytes)).status;
const asUser = (request: Ask = {}): Ask => ({ target: "/vscode/", ...request, headers: [cookie, ...(request.headers ?? [])] });
const ask = async (request: Ask) => (await world.ask(request)).status;
const own = `Origin: ${PUBLIC}`;
const post = (...headers: string[]) => bytesOf(asUser({ method: "POST", headers: [own, ...headers] }));

test("44: two lengths with a smuggled request", async () => {
  const smuggled = `0\r\n\r\nGET /terminal/ HTTP/1.1\r\nHost: gate.example\r\n\r\n`;
  expect(await statusOf(post(`Content-Length: ${smuggled.length}`, "Transfer-Encoding: chunked") + smuggled)).toBe(400);
  nothingArrived();
});

test("45: lengths that differ, or are no numbers", async () => {
  for (const lengths of [["1", "2"], ["-1"], ["+5"], ["1, 2"], ["0x5"], ["5 5"]]) {
    expect([lengths, await statusOf(`${post(...lengths.map((length) => `Content-Length: ${length}`))}hello`)]).toEqual([lengths, 400]);
  }
  nothingArrived();
});

test("46: transfer codings that not everybody reads alike", async () => {
  for (const coding of [
    "xchunked",
    "chunked, identity",
    "identity, chunked",
    '"chunked"',
    "gzip, chunked",
    "chunked\x0b",
    "Chunked",
    "chunked, chunked",
    "identity",
  ]) {
    expect([coding, await statusOf(`${post(`Transfer-Encoding: ${coding}`)}0\r\n\r\n`)]).toEqual([coding, 400]);
  }
  expect(await statusOf(`${post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")}0\r\n\r\n`)).toBe(400);
  nothingArrived();
});

test("47: spaces, folded lines, bare line feeds and carriage returns, NUL", async () => {
  const head = "GET /vscode/ HTTP/1.1\r\nHost: gate.example\r\n";
  for (const rest of ["X : y", "X: a\r\n b", "X: a\0b", "X: a\rb", "X: a\nTransfer-Encoding: chunked", " X: y", "X y"]) {
    expect([rest, await statusOf(`${head}${cookie}\r\n${rest}\r\n\r\n`)]).toEqual([rest, 400]);
  }
  expect(await statusOf(`GET /vscode/ HTTP/1.1\nHost: gate.example\n${cookie}\n\n`)).toBe(400);
  nothingArrived();
});

test("48: a body where none has a meaning", async () => {
  for (const method of ["GET", "HEAD"]) {
    expect(await statusOf(`${bytesOf(asUser({ method, headers: ["Content-Length: 5"] }))}hello`)).toBe(400);
    expect(await statusOf(`${bytesOf(asUser({ method, headers: ["Transfer-Encoding: chunked"] }))}0\r\n\r\n`)).toBe(400);
  }
  nothingArrived();
});

test("61: limits of the head", async () => {
  expect(await ask(asUser({ headers: [`X-Large: ${"a".repeat(40_000)}`] }))).toBe(431);
  expect(await ask(asUser({ headers: Array.from({ length: 2_100 }, (_, index) => `X${index}: y`) }))).toBe(431);
  expect(await ask(asUser({ headers: [...Array.from({ length: 2_100 }, () => "A:"), "Host: evil.example"] }))).toBe(431);
  expect(await ask(asUser({ target: `/vscode/${"a".repeat(9_000)}` }))).toBe(414);
  nothingArrived();
});

test("62: an unfinished head", { timeout: 20_000 }, async () => {
  const { answer, ms } = await slowHead;
  expect(answer.status).toBe(408);
  expect(ms).toBeLessThan(13_000);
});

// Last, because the heads are good, and what reaches the upstream before the bodies turn out bad is a matter of time.
test("48: chunk sizes and extensions", async () => {
  for (const body of ["fffffffffffffffff\r\nx", "5;a\nb\r\nhello\r\n0\r\n\r\n", "5\nhello", "-1\r\nx", "5 \r\nhelloX\r\n0\r\n\r\n"]) {
    expect([body, await statusOf(post("Transfer-Encoding: chunked") + body)]).toEqual([body, 400]);
  }
});
