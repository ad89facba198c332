/** Sessions that have to do with each other: on one branch both say so, and a thread that joined one leads there. */
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Request } from "../../protocol/request.ts";
import { connectRunner, newSession, type World, world } from "../testing/world.ts";
import type { SessionRpc } from "./contract.ts";

let outside: World;
beforeEach(() => {
  outside = world();
  vi.spyOn(console, "log").mockReturnValue();
});
afterEach(() => {
  vi.restoreAllMocks();
});

const agent = (id: string) => env.SESSIONS.getByName(id) as unknown as SessionRpc;
const notesOf = async (id: string) =>
  (await agent(id).eventsAfter(0, 1_000))
    .map((one) => one.event as { type: string; code?: string; text?: string })
    .filter((one) => one.code === "same_branch");

const prompt = (thread: string, text: string): Extract<Request, { kind: "prompt" }> => ({
  kind: "prompt",
  deliveryId: `d-${thread}-${text}`,
  thread,
  who: { id: "github:1", name: "ada" },
  at: 1,
  contentKey: `c-${thread}-${text}`,
  text,
  options: {},
  joins: false,
});

async function onBranch(letter: string, branch: string): Promise<string> {
  const id = letter.repeat(26);
  const asked = prompt(`github:1:${letter.charCodeAt(0)}`, "work");
  await agent(id).accept({ ...asked, options: { repository: "acme/sample" } });
  const runner = await connectRunner(outside, id);
  runner.say({ type: "git.ready", branch, base: "main", commit: "c0ffee" }, { type: "turn.accepted", turn: 1 });
  return id;
}

it("two sessions on one branch are told of each other, once; one on another branch is not", async () => {
  const one = await onBranch("c", "errand/same");
  const aside = await onBranch("d", "errand/other");
  await vi.waitFor(async () => expect((await agent(one).snapshot())?.view.base).toBe("main"));
  const two = await onBranch("e", "errand/same");
  for (const [mine, other] of [
    [one, two],
    [two, one],
  ] as const)
    await vi.waitFor(async () => expect(await notesOf(mine)).toMatchObject([{ text: expect.stringContaining(`/s/${other}`) }]));
  expect(await notesOf(aside)).toEqual([]);
});

it("what is said in a thread that leads to a session comes to that session, once", async () => {
  const id = await newSession("first");
  const joined = agent("b".repeat(26));
  expect(await joined.lead(id)).toBe(true);
  expect(await joined.accept(prompt("github:1:2", "second"))).toMatchObject({ status: "accepted" });
  expect(await joined.accept(prompt("github:1:2", "second"))).toMatchObject({ status: "duplicate" });
  expect((await agent(id).snapshot())?.view.turns.map((turn) => [turn.prompt, turn.thread])).toMatchObject([
    ["first", expect.stringMatching(/^page:/)],
    ["second", "github:1:2"],
  ]);
  expect(await joined.snapshot()).toBeNull();
});

it("a thread with a session of its own keeps it", async () => {
  const [one, other] = [await newSession("one"), await newSession("other")];
  expect(await agent(one).lead(other)).toBe(false);
  expect((await agent(one).snapshot())?.view.turns).toHaveLength(1);
});
