import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { createSessions, SESSION_MS, TUNNELS } from "./sessions.ts";
import { createUsage, USED_EVERY_MS } from "./usage.ts";

const world = () => {
  const clock = { ms: 0 };
  return { clock, sessions: createSessions({ now: () => clock.ms, random: randomBytes }) };
};

test("a session is found by its value, at its service, until its time is over", () => {
  const { clock, sessions } = world();
  const value = sessions.open("ada", "vscode");
  expect(value).toMatch(/^[\w-]{43}$/);
  expect(sessions.find("vscode", value)?.sub).toBe("ada");
  expect(sessions.find("terminal", value)).toBeUndefined();
  expect(sessions.find("vscode", `${value}x`)).toBeUndefined();
  clock.ms = SESSION_MS - 1;
  expect(sessions.find("vscode", value)).toBeDefined();
  clock.ms = SESSION_MS;
  expect(sessions.find("vscode", value)).toBeUndefined();
});

test("what is open is closed with its session, once, and not with another's", () => {
  const { clock, sessions } = world();
  const closed: string[] = [];
  const hold = (sub: string, name: string) => sessions.find("vscode", sessions.open(sub, "vscode"))?.hold(() => closed.push(name));
  hold("ada", "a");
  hold("bob", "b");
  hold("ada", "gone")?.();
  expect(sessions.end("ada")).toBe(2);
  expect(closed).toEqual(["a"]);
  expect(sessions.end("ada")).toBe(0);
  clock.ms = SESSION_MS;
  sessions.sweep();
  expect(closed).toEqual(["a", "b"]);
  expect(sessions.count()).toBe(0);
});

test("tunnels are counted, and given back once", () => {
  const { sessions } = world();
  const session = sessions.find("vscode", sessions.open("ada", "vscode"));
  const releases = Array.from({ length: TUNNELS }, () => session?.holdTunnel(() => {}));
  expect(releases.every(Boolean)).toBe(true);
  expect(session?.holdTunnel(() => {})).toBeUndefined();
  releases[0]?.();
  releases[0]?.();
  expect(session?.holdTunnel(() => {})).toBeDefined();
  expect(session?.holdTunnel(() => {})).toBeUndefined();
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
