/**
 * Workerd killed before, after and behind each call to Slack, and a Slack that answers 429, 500 or loses its reply:
 * each turn runs once, and the thread shows one living message and one outcome, with the right last text.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Fault } from "../world/slack/faults.ts";
import { ordinary, type Rig, startRig, until } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.stop());
beforeEach(() => {
  rig.slack.faults.clear();
  rig.backend.script = ordinary;
});

const MENTION = "<@U0ERRAND01>";

/** Waits for the end of a turn's messages and checks that nothing is doubled, missing or unfinished. */
async function expectOneOutcome(thread: string, text: string, turn = 1): Promise<void> {
  const settled = await until(
    `one outcome of “${text}”`,
    async () => {
      const replies = await rig.replies(thread);
      const progress = replies.filter((reply) => reply.key.endsWith(`turn:${turn}:progress`));
      const final = replies.filter((reply) => reply.key.endsWith(`turn:${turn}:final`));
      return final.length > 0 && progress.length > 0 && progress.every((reply) => /Worked for|Stopped|Failed/.test(reply.all))
        ? { progress, final }
        : undefined;
    },
    40_000,
  );
  // What would be doubled is doubled soon after.
  await new Promise((done) => setTimeout(done, 700));
  const after = await rig.replies(thread);
  expect(after.filter((reply) => reply.key.endsWith(`turn:${turn}:progress`))).toHaveLength(1);
  expect(after.filter((reply) => reply.key.endsWith(`turn:${turn}:final`))).toHaveLength(1);
  expect(settled.final[0]?.all).toContain(text);
  expect(settled.progress[0]?.all).not.toContain("in_progress");
}

async function eventsOf(thread: string): Promise<{ n: number; event: { type: string; turn?: number } }[]> {
  const key = (await rig.replies(thread))[0]?.key ?? "";
  const response = await fetch(`${rig.workerd.url}/api/sessions/${key.split(":")[0]}/events?after=0&limit=1000`, {
    headers: { accept: "application/json" },
  });
  const body = (await response.json()) as { events: { n: number; event: { type: string; turn?: number } }[] };
  return body.events;
}

async function expectWholeLog(thread: string): Promise<void> {
  const events = await eventsOf(thread);
  expect(events.map((event) => event.n)).toEqual(events.map((_, index) => index + 1));
  for (const type of ["session.created", "turn.queued", "turn.started", "turn.finished", "text.done"]) {
    expect(
      events.filter((each) => each.event.type === type),
      type,
    ).toHaveLength(1);
  }
}

const points = ["chat.postMessage", "chat.update"].flatMap((method) =>
  [1, 2].flatMap((nth) => (["before", "after", "replied"] as const).map((phase) => ({ method, nth, phase }))),
);

describe("workerd killed", () => {
  it.each(points)("$phase call $nth of $method", async ({ method, nth, phase }) => {
    // Longer than the gap between two edits, so that there is a second edit to be killed at.
    rig.backend.script = async (prompt, say, stopped) => {
      await ordinary(prompt, say, stopped);
      if (method === "chat.update") {
        for (let step = 0; step < 3; step += 1) {
          say({ type: "plan.updated", items: [{ text: `Step ${step}`, status: step % 2 ? "completed" : "in_progress" }] });
          await new Promise((done) => setTimeout(done, 1_500));
        }
      }
    };
    let seen = 0;
    let killed = false;
    const stop = rig.slack.faults.onCall(async (event) => {
      if (killed || event.method !== method || event.phase !== phase || event.call.user !== "U0ERRAND01") return;
      seen += 1;
      if (seen < nth) return;
      killed = true;
      await rig.workerd.kill();
      void rig.workerd.start();
    });
    const text = `${method} ${nth} ${phase}`;
    const thread = await rig.say(`${MENTION} ${text}`);
    await expectOneOutcome(thread, text);
    stop();
    expect(killed).toBe(true);
    await expectWholeLog(thread);
  });

  it.each([20, 60, 120, 250, 450])("%d ms after the mention", async (ms) => {
    const text = `after ${ms}`;
    const posted = rig.say(`${MENTION} ${text}`);
    await new Promise((done) => setTimeout(done, ms));
    await rig.workerd.restart();
    const thread = await posted;
    await expectOneOutcome(thread, text);
    await expectWholeLog(thread);
  });
});

describe("a Slack that", () => {
  const faults: [string, string, Fault, number][] = [
    ["answers 429 to the receipt", "chat.postMessage", { kind: "429", retryAfterSeconds: 1 }, 1],
    ["answers 500 to the receipt, twice", "chat.postMessage", { kind: "500" }, 2],
    ["loses the reply to the receipt", "chat.postMessage", { kind: "lost reply" }, 1],
    ["loses the replies to the receipt, the outcome and one more", "chat.postMessage", { kind: "lost reply" }, 3],
    ["answers 429 to an edit", "chat.update", { kind: "429", retryAfterSeconds: 1 }, 1],
    ["answers 500 to edits", "chat.update", { kind: "500" }, 2],
    ["loses the reply to an edit", "chat.update", { kind: "lost reply" }, 1],
  ];
  it.each(faults)("%s", async (name, method, fault, times) => {
    rig.slack.faults.next(method, fault, { times });
    const thread = await rig.say(`${MENTION} ${name}`);
    await expectOneOutcome(thread, name);
    await expectWholeLog(thread);
  });

  it("loses the reply to the look for a lost post", async () => {
    rig.slack.faults.next("chat.postMessage", { kind: "lost reply" });
    rig.slack.faults.next("conversations.replies", { kind: "500" }, { where: (call) => call.user === "U0ERRAND01" });
    const thread = await rig.say(`${MENTION} lost twice`);
    await expectOneOutcome(thread, "lost twice");
  });
});
