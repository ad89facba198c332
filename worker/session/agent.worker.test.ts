/** What a SessionAgent makes of faults of its own: a part that throws loses nothing, and is not called without end. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { connectRunner, newSession, post, type World, world } from "../testing/world.ts";
import { Conversation } from "./conversation.ts";
import { Inbox, RETRY_MS } from "./inbox.ts";

let outside: World;
beforeEach(() => {
  outside = world();
  vi.spyOn(console, "log").mockReturnValue();
});
afterEach(() => {
  vi.restoreAllMocks();
});

const fault = () => {
  throw new Error("a fault of ours");
};
const viewOf = async (id: string) => (await env.SESSIONS.getByName(id).snapshot())?.view;
const say = (id: string, text: string) => post(`/api/sessions/${id}/messages`, { t: "prompt", id: `say-${text}`, text });

it("takes the runner's last frame after all, though there was a fault in it and nothing follows", async () => {
  const id = await newSession();
  const runner = await connectRunner(outside, id);
  const follow = vi.spyOn(Conversation.prototype, "follow").mockImplementationOnce(fault);
  runner.say({ type: "turn.accepted", turn: 1 }, { type: "turn.finished", turn: 1, outcome: "done" });
  await vi.waitFor(() => expect(follow).toHaveBeenCalled());
  expect((await viewOf(id))?.turns[0]).toMatchObject({ state: "starting" });
  await runDurableObjectAlarm(env.SESSIONS.getByName(id));
  await vi.waitFor(async () => expect((await viewOf(id))?.turns[0]).toMatchObject({ state: "done" }));
});

it("gives no command that was rolled back, and none of a number that was given out before", async () => {
  const id = await newSession();
  const runner = await connectRunner(outside, id);
  await vi.waitFor(() => expect(runner.commands).toMatchObject([{ do: "prompt", turn: 1 }]));
  const { prompt } = Conversation.prototype;
  // The first turn ends, and the fault comes after the second one's prompt was given.
  const given = vi.spyOn(Conversation.prototype, "prompt").mockImplementationOnce(function (this: Conversation, turn) {
    prompt.call(this, turn);
    fault();
  });
  await say(id, "second");
  runner.say({ type: "turn.finished", turn: 1, outcome: "done" });
  await vi.waitFor(() => expect(given).toHaveBeenCalled());
  await say(id, "third");
  await vi.waitFor(() => expect(runner.commands).toMatchObject([{ turn: 1 }, { turn: 2, text: "second" }]));
  expect(new Set(runner.seqs).size).toBe(2);
});

it("rests after a fault, instead of trying at once again", async () => {
  const advance = vi.spyOn(Conversation.prototype, "advance").mockImplementation(fault);
  const id = await newSession();
  await new Promise((done) => setTimeout(done, 500));
  expect(advance.mock.calls.length).toBeLessThan(5);
  advance.mockRestore();
  await runDurableObjectAlarm(env.SESSIONS.getByName(id));
  expect((await viewOf(id))?.turns[0]).toMatchObject({ state: "starting" });
});

it("keeps a request that could not be handled, and handles it once, later", async () => {
  const id = await newSession();
  const handle = vi.spyOn(Conversation.prototype, "handle").mockImplementation(fault);
  expect((await say(id, "kept")).status).toBe(202);
  await say(id, "kept too");
  expect(handle).toHaveBeenCalledTimes(2);
  handle.mockRestore();
  expect((await viewOf(id))?.turns).toHaveLength(1);
  const kept = vi.spyOn(Inbox.prototype, "kept");
  const { now } = Date;
  vi.spyOn(Date, "now").mockImplementation(() => now() + RETRY_MS);
  await runDurableObjectAlarm(env.SESSIONS.getByName(id));
  expect(kept).toHaveBeenCalled();
  expect((await viewOf(id))?.turns.map((turn) => turn.prompt)).toEqual(["add a test", "kept", "kept too"]);
});

it("begins a session though the first try to store its request was rolled back, tables and all", async () => {
  const report = vi.spyOn(console, "log");
  vi.spyOn(Conversation.prototype, "handle").mockImplementationOnce(fault);
  const id = await newSession();
  expect(report.mock.calls.flat().join()).toContain("a fault of ours");
  const { now } = Date;
  vi.spyOn(Date, "now").mockImplementation(() => now() + RETRY_MS);
  await runDurableObjectAlarm(env.SESSIONS.getByName(id));
  expect((await viewOf(id))?.turns).toMatchObject([{ prompt: "add a test" }]);
});

it("says in the thread that a request was given up, even the one that would have begun the session", async () => {
  const agent = env.SESSIONS.getByName("b".repeat(26));
  vi.spyOn(Conversation.prototype, "handle").mockImplementation(fault);
  const thread = "slack:T1:C1:1700000000.000100";
  const base = { deliveryId: "d1", contentKey: "c1", thread, who: { id: "slack:T1:U1" }, at: 1 };
  await agent.accept({ kind: "prompt", ...base, text: "do it", options: {}, joins: false });
  const { now } = Date;
  let later = 0;
  vi.spyOn(Date, "now").mockImplementation(() => now() + later);
  const rows = () => runInDurableObject(agent, (_object, { storage }) => storage.sql.exec("SELECT row FROM outbox").toArray());
  for (let tries = 0; tries < 8 && (await rows()).length === 0; tries += 1) {
    later += RETRY_MS;
    await runDurableObjectAlarm(agent);
  }
  expect(JSON.parse(String((await rows())[0]?.row))).toMatchObject({ kind: "note", thread, ref: expect.stringContaining("not_handled") });
  vi.restoreAllMocks();
  world();
  await agent.accept({ kind: "prompt", ...base, deliveryId: "d2", contentKey: "c2", text: "do it now", options: {}, joins: false });
  expect((await agent.snapshot())?.view).toMatchObject({ id: "b".repeat(26), thread, turns: [{ prompt: "do it now" }] });
});
