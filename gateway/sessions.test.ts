import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import type { Guest } from "../protocol/grant.ts";
import { ASK_MS, createGuests } from "./guests.ts";
import { createSessions, SESSION_MS, TUNNELS, UNCONFIRMED_MS } from "./sessions.ts";
import { createUsage, USED_EVERY_MS } from "./usage.ts";

const ada: Guest = { sub: "ada", sid: "s1", mode: "drive", admin: false };
const bob: Guest = { sub: "bob", mode: "drive", admin: false };
const EDITOR = { service: "vscode", port: undefined } as const;
const TERMINAL = { service: "terminal", port: undefined } as const;

const world = () => {
  const clock = { ms: 0 };
  const sessions = createSessions({ now: () => clock.ms, random: randomBytes });
  const asked: { id: number; guests: Guest[] }[] = [];
  const guests = createGuests({ now: () => clock.ms, sessions, ask: (id, who) => asked.push({ id, guests: who }) });
  return { clock, sessions, asked, guests };
};

test("a session is found by its value, at its service and port, until its time is over", () => {
  const { clock, sessions } = world();
  const value = sessions.open(ada, EDITOR);
  expect(value).toMatch(/^[\w-]{43}$/);
  expect(sessions.find(EDITOR, value)?.guest).toEqual(ada);
  expect(sessions.find(TERMINAL, value)).toBeUndefined();
  expect(sessions.find({ service: "vscode", port: 3000 }, value)).toBeUndefined();
  expect(sessions.find(EDITOR, `${value}x`)).toBeUndefined();
  const served = sessions.open(ada, { service: "preview", port: 3000 });
  expect(sessions.find({ service: "preview", port: 3000 }, served)).toBeDefined();
  expect(sessions.find({ service: "preview", port: 3001 }, served)).toBeUndefined();
  expect(sessions.find({ service: "preview", port: undefined }, served)).toBeUndefined();
  while (clock.ms < SESSION_MS - UNCONFIRMED_MS) {
    clock.ms += UNCONFIRMED_MS - 1;
    sessions.confirm(() => true, clock.ms);
  }
  clock.ms = SESSION_MS - 1;
  expect(sessions.find(EDITOR, value)).toBeDefined();
  clock.ms = SESSION_MS;
  expect(sessions.find(EDITOR, value)).toBeUndefined();
});

test("a session ends before its time where the right to it does", () => {
  const { clock, sessions } = world();
  const [soon, late] = [sessions.open(ada, EDITOR, 60_000), sessions.open(ada, EDITOR, 2 * SESSION_MS)];
  clock.ms = 59_999;
  expect([sessions.find(EDITOR, soon), sessions.find(EDITOR, late)].every(Boolean)).toBe(true);
  clock.ms = 60_000;
  expect(sessions.find(EDITOR, soon)).toBeUndefined();
  expect(sessions.find(EDITOR, late)?.expiresAt).toBe(SESSION_MS);
});

test("what is open is closed with its session, once, and not with another's", () => {
  const { clock, sessions } = world();
  const closed: string[] = [];
  const hold = (who: Guest, name: string) => sessions.find(EDITOR, sessions.open(who, EDITOR))?.hold(() => closed.push(name));
  hold(ada, "a");
  hold(bob, "b");
  hold(ada, "gone")?.();
  expect(sessions.end(({ sub }) => sub === "ada")).toBe(2);
  expect(closed).toEqual(["a"]);
  expect(sessions.end(({ sub }) => sub === "ada")).toBe(0);
  clock.ms = SESSION_MS;
  sessions.sweep();
  expect(closed).toEqual(["a", "b"]);
  expect(sessions.all()).toEqual([]);
});

test("tunnels are counted, and given back once", () => {
  const { sessions } = world();
  const session = sessions.find(EDITOR, sessions.open(ada, EDITOR));
  const releases = Array.from({ length: TUNNELS }, () => session?.holdTunnel(() => {}));
  expect(releases.every(Boolean)).toBe(true);
  expect(session?.holdTunnel(() => {})).toBeUndefined();
  releases[0]?.();
  releases[0]?.();
  expect(session?.holdTunnel(() => {})).toBeDefined();
  expect(session?.holdTunnel(() => {})).toBeUndefined();
});

test("guests are asked about once each, every 30 s, while there are any", () => {
  const { clock, sessions, asked, guests } = world();
  guests.tick();
  expect(asked).toEqual([]);
  for (const opens of [EDITOR, TERMINAL]) sessions.open(ada, opens);
  sessions.open(bob, EDITOR);
  const others: Guest[] = [
    { ...ada, sid: "s2" },
    { ...ada, mode: "watch" },
    { ...ada, admin: true },
  ];
  for (const other of others) sessions.open(other, EDITOR);
  guests.tick();
  expect(asked).toEqual([{ id: 1, guests: [ada, bob, ...others] }]);
  clock.ms = ASK_MS - 1;
  guests.tick();
  expect(asked).toHaveLength(1);
  clock.ms = ASK_MS;
  guests.tick();
  expect(asked.map(({ id }) => id)).toEqual([1, 2]);
  sessions.end(() => true);
  clock.ms += ASK_MS;
  guests.tick();
  expect(asked).toHaveLength(2);
});

test("who is gone is put out, with all that they opened in that way, and nobody else", () => {
  const { sessions, asked, guests } = world();
  for (const opens of [EDITOR, TERMINAL]) sessions.open(ada, opens);
  const watching = sessions.open({ ...ada, mode: "watch" }, TERMINAL);
  const bobs = sessions.open(bob, EDITOR);
  guests.tick();
  expect(guests.answer(asked[0]?.id ?? 0, [0])).toBe(2);
  expect([sessions.find(TERMINAL, watching), sessions.find(EDITOR, bobs)].every(Boolean)).toBe(true);
});

test.each([
  ["of a question that was never asked", 7, [0]],
  ["with places that are none", 2, [1, -1, 0.5, Number.NaN, 1e9]],
  ["to the question before", 1, [0]],
])("an answer %s ends nothing", (_name, id, gone) => {
  const { clock, sessions, asked, guests } = world();
  sessions.open(ada, EDITOR);
  for (const at of [0, ASK_MS]) {
    clock.ms = at;
    guests.tick();
  }
  expect(asked.map((one) => one.id)).toEqual([1, 2]);
  expect(guests.answer(id, gone)).toBe(0);
  expect(sessions.all()).toHaveLength(1);
});

test("of whom it was not found out again stays only as long as the last yes counts", () => {
  const { clock, sessions, asked, guests } = world();
  sessions.open(ada, EDITOR);
  sessions.open(bob, EDITOR);
  for (clock.ms = 0; clock.ms < UNCONFIRMED_MS; clock.ms += ASK_MS) {
    guests.tick();
    const { id, guests: about } = asked.at(-1) ?? { id: 0, guests: [] };
    guests.answer(id, [], [about.findIndex(({ sub }) => sub === ada.sub)]);
  }
  expect(sessions.sweep()).toBe(1);
  expect(sessions.all().map(({ guest }) => guest.sub)).toEqual([bob.sub]);
});

test("an answer counts once", () => {
  const { sessions, guests } = world();
  sessions.open(ada, EDITOR);
  guests.tick();
  expect(guests.answer(1, [])).toBe(0);
  expect(guests.answer(1, [0])).toBe(0);
  expect(sessions.all()).toHaveLength(1);
});

test("without an answer for 15 minutes everybody is put out; an answer counts from when it was asked for", () => {
  const { clock, sessions, guests } = world();
  const value = sessions.open(ada, EDITOR);
  guests.tick();
  clock.ms = ASK_MS - 1;
  guests.answer(1, []);
  clock.ms = UNCONFIRMED_MS - 1;
  expect([sessions.sweep(), sessions.find(EDITOR, value) !== undefined]).toEqual([0, true]);
  clock.ms = UNCONFIRMED_MS;
  sessions.confirm(() => true, clock.ms);
  expect(sessions.find(EDITOR, value)).toBeUndefined();
  expect([sessions.sweep(), sessions.all().length]).toEqual([1, 0]);
});

test("of more than 500 guests those are asked about who waited longest", () => {
  const { clock, sessions, asked, guests } = world();
  for (let person = 0; person < 700; person++) sessions.open({ ...bob, sub: `p${person}` }, EDITOR);
  clock.ms = 1;
  guests.tick();
  guests.answer(1, []);
  clock.ms += ASK_MS;
  guests.tick();
  expect(asked.map((one) => one.guests.length)).toEqual([500, 500]);
  expect(
    asked[1]?.guests
      .slice(0, 201)
      .map(({ sub }) => sub)
      .filter((sub) => Number(sub.slice(1)) < 500),
  ).toEqual(["p0"]);
});

test("use is reported at first, and then at most every 30 s for each service", () => {
  const reports: [string, number][] = [];
  let ms = 1_000;
  const used = createUsage(
    () => ms,
    (service, at) => reports.push([service, at]),
  );
  used("vscode");
  used("terminal");
  ms += USED_EVERY_MS - 1;
  used("vscode");
  ms += 1;
  used("vscode");
  used("vscode");
  expect(reports).toEqual([
    ["vscode", 1_000],
    ["terminal", 1_000],
    ["vscode", 31_000],
  ]);
});
