/** What is open ends with the right to it: asked by the runner's protocol of real objects, over real sign-ins and what GitHub says. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Guest } from "../../protocol/grant.ts";
import { fresh } from "../testing/deliveries.ts";
import { gitHubWith, type Someone, sessionIn, someone } from "../testing/people.ts";
import { ask, connectRunner, newSession, type Runner, SITES, type World, world } from "../testing/world.ts";
import { USE_KEEPS_MS } from "./sandbox.ts";

let outside: World;
let github: ReturnType<typeof gitHubWith>;
let repository: string;
let runner: Runner | undefined;

beforeEach(() => {
  outside = world();
  github = gitHubWith(outside);
  repository = `acme/r${fresh()}`;
  github.repositories.set(repository, { private: true, people: new Map() });
});
afterEach(() => {
  runner?.close();
  vi.useRealTimers();
});

const permit = (person: Someone, permission: string) =>
  github.repositories.get(repository)?.people.set(person.github?.login ?? "", permission);

async function withPermission(permission: string, change: Parameters<typeof someone>[0] = {}): Promise<Someone> {
  const person = await someone(change);
  permit(person, permission);
  return person;
}

async function running(thread?: string, who?: string): Promise<{ id: string; runner: Runner }> {
  const id = await sessionIn(repository, thread, who);
  runner = await connectRunner(outside, id);
  return { id, runner };
}

const guestOf = async (person: Someone, change: Partial<Guest> = {}): Promise<Guest> => ({
  sub: `user:${person.userId}`,
  sid: await person.signIn(),
  mode: "drive",
  admin: false,
  ...change,
});

/** The gateway asks every half minute: an answer of the forge that was given for the last question does not count. */
const HALF_MINUTE = 30_000;
const later = () => vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + HALF_MINUTE });
const all = { is: "guests", gone: [] };

describe("who may stays", () => {
  test("to drive who may write, to watch who may read", async () => {
    const { runner: asks } = await running();
    const [writer, reader, stranger] = [await withPermission("write"), await withPermission("read"), await someone()];
    const guests = [
      await guestOf(writer),
      await guestOf(writer, { mode: "watch" }),
      await guestOf(reader),
      await guestOf(reader, { mode: "watch" }),
      await guestOf(stranger, { mode: "watch" }),
    ];
    expect(await asks.askAbout(...guests)).toEqual({ is: "guests", gone: [2, 4] });
  });

  test("the machine's owner, as long as there is one, and nobody who only says so", async () => {
    const { runner: asks } = await running();
    const owner: Guest = { sub: "owner", mode: "drive", admin: false };
    expect(await asks.askAbout(owner, { ...owner, sid: "0123456789abcdef" }, { ...owner, sub: "user:nobody" })).toEqual({
      is: "guests",
      gone: [1, 2],
    });
  });

  test("an admin who used their power, while they are one", async () => {
    const { runner: asks } = await running();
    const [admin, member] = [await someone({ role: "admin" }), await someone()];
    const guests = [await guestOf(admin, { admin: true }), await guestOf(admin), await guestOf(member, { admin: true })];
    expect(await asks.askAbout(...guests)).toEqual({ is: "guests", gone: [1, 2] });
    await env.DB.prepare("update users set role = 'member' where id = ?").bind(admin.userId).run();
    later();
    expect(await asks.askAbout(...guests)).toEqual({ is: "guests", gone: [0, 1, 2] });
  });

  test("of many people at once", async () => {
    const { runner: asks } = await running();
    const people = await Promise.all(Array.from({ length: 30 }, (_, n) => withPermission(n % 3 === 0 ? "read" : "write")));
    const guests = await Promise.all(people.map((person) => guestOf(person)));
    expect(await asks.askAbout(...guests)).toEqual({ is: "guests", gone: people.map((_, n) => n).filter((n) => n % 3 === 0) });
  });
});

describe("who may no longer goes, at the next question", () => {
  const as = async (token: string, path: string, method: string) =>
    (await ask(path, { method, headers: { authorization: `Bearer ${token}` } })).status;

  test.each<[string, (person: Someone, sid: string) => Promise<unknown>]>([
    ["lost the repository", async (person) => permit(person, "none")],
    ["may only read it now", async (person) => permit(person, "read")],
    ["was taken out of it", async (person) => github.repositories.get(repository)?.people.delete(person.github?.login ?? "")],
    ["unlinked the account", (person) => env.DB.prepare("delete from identities where user_id = ?").bind(person.userId).run()],
    ["was disabled", (person) => env.DB.prepare("update users set disabled_at = 1 where id = ?").bind(person.userId).run()],
    ["signed out everywhere", async (person) => as(await person.token(), "/api/auth/sign-out-everywhere", "POST")],
    ["ended that sign-in from elsewhere", async (person, sid) => as(await person.token(), `/api/auth/sessions/${sid}`, "DELETE")],
  ])("who %s", async (_name, end) => {
    const { runner: asks } = await running();
    const [person, other] = [await withPermission("write"), await withPermission("write")];
    const [guest, stays] = [await guestOf(person), await guestOf(other)];
    expect(await asks.askAbout(stays, guest)).toEqual(all);
    await end(person, guest.sid ?? "");
    later();
    expect(await asks.askAbout(stays, guest)).toEqual({ is: "guests", gone: [1] });
  });

  test("who signed out there, and not what another sign-in of theirs opened", async () => {
    const { runner: asks } = await running();
    const person = await withPermission("write");
    const [here, there] = [await guestOf(person), await guestOf(person)];
    expect(await as(await person.token(), `/api/auth/sessions/${here.sid}`, "DELETE")).toBeLessThan(300);
    expect(await asks.askAbout(here, there)).toEqual({ is: "guests", gone: [0] });
    // Another person's sign-in is not theirs.
    expect(await asks.askAbout({ ...here, sid: await (await someone()).signIn() })).toEqual({ is: "guests", gone: [0] });
  });
});

test("while the forge says nothing nobody goes who is signed in, and of nobody it is said that they may", async () => {
  const { runner: asks } = await running();
  const [person, gone] = [await withPermission("write"), await withPermission("write")];
  const guests = [await guestOf(person), await guestOf(gone)];
  github.away = true;
  await env.DB.prepare("update auth_sessions set revoked_at = 1 where user_id = ?").bind(gone.userId).run();
  expect(await asks.askAbout(...guests)).toEqual({ is: "guests", gone: [1], unsure: [0] });
});

test("without the database it is said of nobody that they may", async () => {
  const { runner: asks } = await running();
  const guest = await guestOf(await withPermission("write"));
  vi.spyOn(console, "log").mockImplementation(() => undefined);
  await env.DB.prepare("alter table users rename to users_away").run();
  try {
    expect(await asks.askAbout(guest)).toEqual({ is: "guests", gone: [], unsure: [0] });
  } finally {
    await env.DB.prepare("alter table users_away rename to users").run();
  }
});

test("a runner that comes is told how browsers reach its gateway and what grants are signed with", async () => {
  const id = await newSession();
  runner = await connectRunner(outside, id);
  await vi.waitFor(async () => expect((await (await ask(`/s/${id}/open/vscode/state`)).json()) as unknown).toBeTruthy());
  runner.close();
  runner = await connectRunner(outside, id);
  const { keys } = (await (await ask("/.well-known/jwks.json")).json()) as { keys: unknown[] };
  expect(runner.welcome).toMatchObject({ sites: SITES, grantKeys: keys });
  expect(JSON.stringify(runner.welcome)).not.toContain('"d"');
});

test("what people use keeps the sandbox wanted, written at most once a minute", async () => {
  const { id, runner: asks } = await running();
  const wanted = async (): Promise<number> => {
    return runInDurableObject(env.SESSIONS.getByName(id), (_object, state) => {
      const row = state.storage.sql.exec<{ state: string }>("SELECT state FROM sandbox").one();
      return (JSON.parse(row.state) as { wantedUntil: number }).wantedUntil;
    });
  };
  expect(await wanted()).toBe(0);
  asks.used("vscode");
  await vi.waitFor(async () => expect(await wanted()).toBeGreaterThan(Date.now() + USE_KEEPS_MS - 5_000));
  const first = await wanted();
  vi.useFakeTimers({ toFake: ["Date"], now: first - USE_KEEPS_MS + 30_000 });
  asks.used("terminal");
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await wanted()).toBe(first);
  vi.useFakeTimers({ toFake: ["Date"], now: first - USE_KEEPS_MS + 61_000 });
  asks.used("terminal");
  await vi.waitFor(async () => expect(await wanted()).toBeGreaterThanOrEqual(first + 61_000));
});
