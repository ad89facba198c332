/** What a sandbox may do to its session, and so to the Worker that all sessions share, when whatever runs in it speaks as its runner. */
import { afterEach, expect, it, vi } from "vitest";
import type { View } from "../../protocol/view.ts";
import { ask, connectRunner, newSession, world } from "../testing/world.ts";

afterEach(() => vi.restoreAllMocks());

const viewOf = async (session: string): Promise<View> => ((await (await ask(`/api/sessions/${session}`)).json()) as { view: View }).view;

it("questions beyond the most of a turn are declined, and the turn says so", async () => {
  const here = world();
  const session = await newSession();
  const runner = await connectRunner(here, session);
  runner.say({ type: "turn.accepted", turn: 1 });
  const asks = Array.from({ length: 103 }, (_, n) => ({ id: `q${n}`, kind: "question" as const, title: "?", choices: [], freeText: true }));
  runner.say(...asks.map((each) => ({ type: "ask.opened" as const, turn: 1, ask: each })));
  await vi.waitFor(() => {
    const declined = runner.commands.filter((command) => command.do === "answer");
    expect(declined).toEqual([100, 101, 102].map((n) => ({ do: "answer", turn: 1, ask: `q${n}`, reject: true })));
  });
  const [turn] = (await viewOf(session)).turns;
  expect(turn?.asks).toHaveLength(100);
  expect(turn?.notices).toEqual(["The agent asked more than 100 times in this turn; further questions are declined."]);
});

it("a log of huge texts can still be read, in parts", async () => {
  const here = world();
  const session = await newSession();
  const runner = await connectRunner(here, session);
  runner.say({ type: "turn.accepted", turn: 1 });
  const text = "x".repeat(199_000);
  for (let batch = 0; batch < 50; batch += 1)
    runner.say(...[0, 1, 2, 3].map((n) => ({ type: "text.done" as const, turn: 1, part: `p${batch}-${n}`, text })));
  await vi.waitFor(async () => expect((await viewOf(session)).n).toBeGreaterThan(200), { timeout: 20_000, interval: 200 });
  expect((await ask(`/s/${session}`)).status).toBe(200);
  let after = 0;
  let texts = 0;
  for (;;) {
    const answer = await ask(`/api/sessions/${session}/events?after=${after}&limit=1000`);
    expect(answer.status).toBe(200);
    const { events } = (await answer.json()) as { events: { n: number; event: { type: string } }[] };
    if (events.length === 0) break;
    after = events.at(-1)?.n ?? after;
    texts += events.filter(({ event }) => event.type === "text.done").length;
  }
  expect(texts).toBe(200);
}, 60_000);
