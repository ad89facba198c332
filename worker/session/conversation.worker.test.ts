/** What a session says about requests that it takes in part or not at all: nothing that a person named is passed over in silence. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Options, Request } from "../../protocol/request.ts";
import { connectRunner, newSession, post, type World, world } from "../testing/world.ts";
import { MAX_QUEUED } from "./conversation.ts";

let outside: World;
beforeEach(() => {
  outside = world();
});

const agent = (id: string) => env.SESSIONS.getByName(id);
const viewOf = async (id: string) => (await agent(id).snapshot())?.view;
const notes = async (id: string) =>
  (await agent(id).eventsAfter(0, 100)).flatMap(({ event }) => (event.type === "note" ? [event.text] : []));

let said = 0;
/** Says something in the session's thread, as the person who began it. */
async function say(id: string, request: { kind: "prompt" | "edit"; contentKey: string; text: string; options: Options }): Promise<void> {
  said += 1;
  const view = await viewOf(id);
  if (!view?.who) throw new Error("no session");
  const base = { deliveryId: `said-${said}`, thread: view.thread, who: view.who, at: 1 };
  const full: Request =
    request.kind === "edit" ? { ...base, ...request, kind: "edit" } : { ...base, ...request, kind: "prompt", joins: true };
  await agent(id).accept(full);
}

async function begun(): Promise<string> {
  const id = await newSession();
  const runner = await connectRunner(outside, id);
  runner.say({ type: "git.ready", branch: "errand/x", base: "main", commit: "0" }, { type: "turn.accepted", turn: 1 });
  await vi.waitFor(async () => expect((await viewOf(id))?.base).toBe("main"));
  return id;
}

it.each([
  ["another model", { model: "gpt-9" }, /`model=gpt-9` is not used: the model here is `test-model`/],
  ["another branch, when the workspace is there", { branch: "dev" }, /`branch=dev` is not used: this thread's workspace began at `main`/],
])("tells that %s is not used, and takes the prompt", async (_name, options, expected) => {
  const id = await begun();
  await say(id, { kind: "prompt", contentKey: "c1", text: "go on", options });
  expect((await viewOf(id))?.turns.map((turn) => turn.prompt)).toEqual(["add a test", "go on"]);
  expect(await notes(id)).toEqual([expect.stringMatching(expected)]);
});

it.each([
  ["the model there is", { model: "test-model" }],
  ["the branch it began at", { branch: "main" }],
  ["the branch it works on", { branch: "errand/x" }],
])("says nothing of %s", async (_name, options) => {
  const id = await begun();
  await say(id, { kind: "prompt", contentKey: "c1", text: "go on", options });
  expect(await notes(id)).toEqual([]);
});

it("is closed before what is under way is ended by that, so that its last message can say so", async () => {
  const id = await begun();
  const view = await viewOf(id);
  if (!view?.who) throw new Error("no session");
  await agent(id).accept({ kind: "closed", how: "closed", deliveryId: "closed-1", thread: view.thread, who: view.who, at: Date.now() + 1 });
  const types = (await agent(id).eventsAfter(0, 100)).map(({ event }) => event.type);
  expect(types.indexOf("session.closed")).toBeGreaterThan(0);
  expect(types.indexOf("turn.ended")).toBeGreaterThan(types.indexOf("session.closed"));
});

it("does not take an edit that names another repository", async () => {
  const id = await begun();
  await say(id, { kind: "prompt", contentKey: "c1", text: "second", options: {} });
  await say(id, { kind: "edit", contentKey: "c1", text: "second, elsewhere", options: { repository: "acme/other" } });
  expect((await viewOf(id))?.turns[1]?.prompt).toBe("second");
  expect(await notes(id)).toEqual([expect.stringContaining("Not taken: this thread works on an empty repository")]);
});

describe("who asks where things stand", () => {
  const thread = "slack:T1:C1:1700000000.000100";
  const who = { id: "slack:T1:U1", name: "Ada" };
  const status = (deliveryId: string): Request => ({ kind: "status", deliveryId, thread, who, at: 1, place: "there" });
  /** What is to be said, as rows of the outbox have it. */
  const rows = (id: string) =>
    runInDurableObject(agent(id), (_object, { storage }) =>
      storage.sql
        .exec<{ row: string }>("SELECT row FROM outbox ORDER BY seq")
        .toArray()
        .map(({ row }) => JSON.parse(row) as { key: string; kind: string; thread: string; place: string | null; frozen: string | null }),
    );

  it("is answered while a turn runs and when none does, without a turn or an event; the same delivery once", async () => {
    const id = "c".repeat(26);
    const base = { thread, who, at: 1 };
    await agent(id).accept({ kind: "prompt", ...base, deliveryId: "p1", contentKey: "p1", text: "do it", options: {}, joins: false });
    const runner = await connectRunner(outside, id);
    runner.say({ type: "turn.accepted", turn: 1 });
    await vi.waitFor(async () => expect((await viewOf(id))?.turns[0]?.state).toBe("working"));
    const before = (await agent(id).snapshot())?.n;
    expect(await agent(id).accept(status("s1"))).toMatchObject({ status: "accepted" });
    expect(await agent(id).accept(status("s1"))).toMatchObject({ status: "duplicate" });
    expect((await agent(id).snapshot())?.n).toBe(before);
    runner.say({ type: "turn.finished", turn: 1, outcome: "done" });
    await vi.waitFor(async () => expect((await viewOf(id))?.turns[0]?.state).toBe("done"));
    await agent(id).accept(status("s2"));
    const said = (await rows(id)).filter((row) => row.kind === "overview");
    expect(said).toMatchObject([
      // What it was when it was asked, however late it is sent.
      { key: `${id}:overview:s1`, thread, place: "there", frozen: expect.stringContaining("Working") },
      { key: `${id}:overview:s2`, thread, place: "there", frozen: expect.stringContaining("Nothing runs. Last: Worked for") },
    ]);
    expect((await viewOf(id))?.turns).toHaveLength(1);
    expect(runner.commands).toHaveLength(1);
  });

  it("hears nothing in a thread that has no session, and begins none", async () => {
    const id = "d".repeat(26);
    expect(await agent(id).accept(status("s1"))).toMatchObject({ status: "ignored" });
    expect(await agent(id).snapshot()).toBeNull();
  });
});

describe("what can't be done is said, and changes nothing", () => {
  const first = (thread: string) => `${thread}:first`;
  const base = async (id: string) => {
    const view = await viewOf(id);
    if (!view?.who) throw new Error("no session");
    said += 1;
    return { deliveryId: `said-${said}`, thread: view.thread, who: view.who, at: Date.now() + 1_000 };
  };
  type Case = [string, (given: Awaited<ReturnType<typeof base>>) => Request, RegExp];
  const running: Case[] = [
    ["a retry of what runs", (given) => ({ kind: "retry", ...given }), /^That is being worked on\./],
    ["taking what was not offered", (given) => ({ kind: "take", ...given }), /^There is nothing to take up/],
    ["an answer to nothing", (given) => ({ kind: "answer", ...given, ask: "none", text: "yes" }), /^That was settled already\.$/],
    [
      "an edit of what runs",
      (given) => ({ kind: "edit", ...given, contentKey: first(given.thread), text: "something else", options: {} }),
      /^That request is being worked on already, as it was\./,
    ],
  ];
  it.each(running)("%s", async (_name, make, expected) => {
    const id = await begun();
    const before = (await viewOf(id))?.turns;
    await agent(id).accept(make(await base(id)));
    expect(await notes(id)).toEqual([expect.stringMatching(expected)]);
    expect((await viewOf(id))?.turns).toEqual(before);
  });

  it("a stop where nothing runs, a retry where nothing ever did", async () => {
    const answer = await post("/api/sessions", {});
    const { id } = (await answer.json()) as { id: string };
    await agent(id).accept({ kind: "stop", ...(await base(id)) });
    await agent(id).accept({ kind: "retry", ...(await base(id)) });
    expect((await notes(id)).slice(1)).toEqual(["Nothing is running here.", "There is nothing to do again here."]);
    expect((await viewOf(id))?.turns).toEqual([]);
  });

  it("one request too many, with the number that may wait", async () => {
    const id = await begun();
    for (let count = 1; count <= MAX_QUEUED + 1; count += 1)
      await say(id, { kind: "prompt", contentKey: `c${count}`, text: `${count}`, options: {} });
    expect(await notes(id)).toEqual([expect.stringMatching(/^Not taken: 20 requests are waiting/)]);
  });
});

it("does the last turn's work once more with all that stood around it, and not what was withdrawn since", async () => {
  const id = "e".repeat(26);
  const base = { thread: "slack:T1:C1:1700000000.000200", who: { id: "slack:T1:U1" }, at: 1, options: {}, joins: false };
  const prompt = (n: number, text: string, context?: string): Request => ({
    ...{ kind: "prompt", ...base, deliveryId: `p${n}`, contentKey: `p${n}`, text },
    ...(context === undefined ? {} : { context }),
  });
  await agent(id).accept(prompt(1, "an earlier one", "around the earlier one"));
  const runner = await connectRunner(outside, id);
  await agent(id).accept(prompt(2, "why is this here?", "the line that is meant"));
  await agent(id).accept(prompt(3, "never mind"));
  await agent(id).accept({ kind: "withdraw", ...base, deliveryId: "w3", contentKey: "p3" });
  for (const turn of [1, 2]) {
    await vi.waitFor(() => expect(runner.commands).toHaveLength(turn));
    runner.say({ type: "turn.accepted", turn }, { type: "turn.finished", turn, outcome: "done" });
  }
  await vi.waitFor(async () => expect((await viewOf(id))?.turns[1]?.state).toBe("done"));
  await agent(id).accept({ kind: "retry", ...base, deliveryId: "r1" });
  await vi.waitFor(() => expect(runner.commands).toHaveLength(3));
  expect(runner.commands[2]).toMatchObject({ do: "prompt", turn: 4, text: "why is this here?", context: "the line that is meant" });
});
