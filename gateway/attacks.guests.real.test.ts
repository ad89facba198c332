/** Attacks on the asking about who has something open (77 in the attack suite): no answer, late ones, doubled ones, foreign ones. */
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bytesOf, exchangeBytes, PUBLIC, parseAnswer, startWorld, type World } from "./testing.ts";

const SHAKE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="];
const MINUTE_MS = 60_000;
/** The gateway looks at its clock every second. */
const TICK = { timeout: 4_000, interval: 50 };

let world: World;
let sockets: Socket[];
beforeEach(async () => {
  world = await startWorld();
  sockets = [];
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await world.close();
});

/** A WebSocket that echoes, and whether it is open. */
async function open(cookie: string) {
  const socket = connect(world.port, "127.0.0.1");
  sockets.push(socket);
  socket.on("error", () => socket.destroy());
  const next = () => new Promise<string>((resolve) => socket.once("data", (chunk) => resolve(String(chunk))));
  socket.write(bytesOf({ target: "/terminal/ws", headers: [...SHAKE, `Origin: ${PUBLIC}`, cookie] }));
  expect(parseAnswer(await next()).status).toBe(101);
  return {
    isOpen: () => !socket.destroyed,
    echo(text: string) {
      const answered = next();
      socket.write(text);
      return answered;
    },
  };
}
const statusOf = async (cookie: string) =>
  parseAnswer(await exchangeBytes(world.port, bytesOf({ target: "/terminal/", headers: [cookie] }))).status;
const questions = () => world.reports.filter((message) => message.t === "guests");
/** Waits for a question with another number than those before. */
async function question(after = 0) {
  await expect.poll(() => questions().at(-1)?.id ?? 0, TICK).toBeGreaterThan(after);
  const asked = questions().at(-1);
  if (!asked) throw new Error("no question");
  return asked;
}
const answer = (id: number, gone: number[]) => world.gateway.update({ t: "guests", id, gone });
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 1_200));

test("77: no answer for 15 minutes, with open sockets", { timeout: 15_000 }, async () => {
  const cookie = await world.signIn("terminal");
  const tunnel = await open(cookie);
  world.clock.ms += 15 * MINUTE_MS - 1;
  await aWhile();
  expect([await tunnel.echo("a"), await statusOf(cookie)]).toEqual(["a", 200]);
  world.clock.ms += 1;
  // Also before the gateway has looked at its clock.
  expect(await statusOf(cookie)).toBe(401);
  await expect.poll(tunnel.isOpen, TICK).toBe(false);
  expect(world.logs.join("\n")).toContain("no word of the Worker");
});

test("77: answers in time keep everything open", { timeout: 30_000 }, async () => {
  const cookie = await world.signIn("terminal");
  const tunnel = await open(cookie);
  let last = 0;
  for (let times = 0; times < 3; times++) {
    last = (await question(last)).id;
    answer(last, []);
    world.clock.ms += 14 * MINUTE_MS;
    await aWhile();
    expect(await tunnel.echo("a")).toBe("a");
  }
});

test("77: who may no longer is cut off within a minute, and nobody else", { timeout: 15_000 }, async () => {
  const alice = { sid: "s1" };
  const cookies = [
    await world.signIn("terminal", alice),
    await world.signIn("terminal", { sid: "s2" }),
    await world.signIn("terminal", { sub: "bob", mode: "watch" }),
    await world.signIn("terminal", { ...alice, mode: "watch" }),
    await world.signIn("terminal", { ...alice, until: Math.floor(world.clock.ms / 1000) + 900 }),
  ];
  const second = await world.signIn("terminal", alice);
  const tunnels = await Promise.all([...cookies, second].map(open));
  world.clock.ms += 30_000;
  await aWhile();
  const { id, guests } = await question();
  expect(guests).toEqual([
    { sub: "alice", sid: "s1", mode: "drive", admin: false },
    { sub: "alice", sid: "s2", mode: "drive", admin: false },
    { sub: "bob", mode: "watch", admin: false },
    { sub: "alice", sid: "s1", mode: "watch", admin: false },
    { sub: "alice", sid: "s1", mode: "drive", admin: true },
  ]);
  answer(id, [0, 2]);
  await expect.poll(() => tunnels.map((tunnel) => tunnel.isOpen()), TICK).toEqual([false, true, false, true, true, false]);
  expect(await Promise.all([...cookies, second].map(statusOf))).toEqual([401, 200, 401, 200, 200, 401]);
});

test("77: late, doubled and foreign answers put nobody out and let nobody stay", { timeout: 30_000 }, async () => {
  const cookie = await world.signIn("terminal");
  const first = await question();
  world.clock.ms += 30_000;
  const second = await question(first.id);
  for (const id of [first.id, 0, -1, second.id + 1, 1e9, 0.5]) answer(id, [0]);
  expect(await statusOf(cookie)).toBe(200);
  answer(second.id, [1, -1, 7, 0.5, 2 ** 40]);
  answer(second.id, [0]);
  expect(await statusOf(cookie)).toBe(200);
  // What confirms is the question's own time: 15 minutes after it the answer is worth nothing more.
  world.clock.ms += 14 * MINUTE_MS;
  const third = await question(second.id);
  world.clock.ms += 30_000;
  const fourth = await question(third.id);
  answer(third.id, []);
  world.clock.ms += 30_000;
  expect([await statusOf(cookie), fourth.id]).toEqual([401, third.id + 1]);
  // Nor does an answer bring back who was put out.
  answer(fourth.id, []);
  expect(await statusOf(cookie)).toBe(401);
});

test("77: asked every 30 s while somebody is there, and never for nobody", { timeout: 15_000 }, async () => {
  await aWhile();
  expect(questions()).toEqual([]);
  await world.signIn("terminal");
  const first = await question();
  world.clock.ms += 29_000;
  await aWhile();
  expect(questions()).toHaveLength(1);
  world.clock.ms += 1_000;
  await question(first.id);
  world.gateway.update({ t: "revoke" });
  world.clock.ms += 60_000;
  await aWhile();
  expect(questions()).toHaveLength(2);
});
