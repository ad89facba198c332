import { describe, expect, it } from "vitest";
import { RunnerEvent, type SessionEvent } from "./events.ts";
import { ASKS_A_TURN, answerOf, apply, applyEvent, emptyView, queuedTurns, runningTurn, TURNS_KEPT, type View } from "./view.ts";

const who = { id: "slack:T1:U1", name: "Ada" };

function reduce(events: SessionEvent[], view: View = emptyView()): View {
  for (const event of events) apply(view, { n: view.n + 1, event });
  return view;
}

const queued = (turn: number): SessionEvent => ({
  type: "turn.queued",
  at: turn,
  turn,
  who,
  text: `prompt ${turn}`,
  options: {},
  contentKey: `c${turn}`,
});
const begun: SessionEvent[] = [queued(1), { type: "turn.started", at: 2, turn: 1 }, { type: "turn.accepted", at: 3, turn: 1 }];
const first = (view: View) => {
  const [turn] = view.turns;
  if (!turn) throw new Error("no turn");
  return turn;
};
const ask = { id: "q1", kind: "question" as const, title: "Which?", choices: [], freeText: true };

describe("a turn", () => {
  it.each([
    ["queued", [queued(1)], "queued"],
    ["started", begun.slice(0, 2), "starting"],
    ["accepted", begun, "working"],
    ["asking", [...begun, { type: "ask.opened", at: 4, turn: 1, ask }], "waiting"],
    [
      "answered",
      [
        ...begun,
        { type: "ask.opened", at: 4, turn: 1, ask },
        { type: "ask.settled", at: 5, turn: 1, id: "q1", by: who, label: "A", expired: false },
      ],
      "working",
    ],
    ["asked to stop", [...begun, { type: "turn.stopping", at: 4, turn: 1, who }], "stopping"],
    [
      "stopped",
      [...begun, { type: "turn.stopping", at: 4, turn: 1, who }, { type: "turn.finished", at: 5, turn: 1, outcome: "stopped" }],
      "stopped",
    ],
    [
      "ended by the SessionAgent",
      [...begun, { type: "turn.ended", at: 5, turn: 1, outcome: "failed", failure: { code: "x", message: "m" } }],
      "failed",
    ],
    ["withdrawn", [queued(1), { type: "turn.withdrawn", at: 5, turn: 1 }], "withdrawn"],
  ] as const)("%s", (_name, events, state) => expect(first(reduce([...events] as SessionEvent[])).state).toBe(state));

  it("keeps its first end: what comes late changes nothing", () => {
    const view = reduce([
      ...begun,
      { type: "turn.ended", at: 5, turn: 1, outcome: "stopped" },
      { type: "turn.finished", at: 6, turn: 1, outcome: "done" },
      { type: "turn.accepted", at: 7, turn: 1 },
    ]);
    expect(first(view)).toMatchObject({ state: "stopped", endedAt: 5 });
  });

  it("shows text as it streams, then the settled text in its place", () => {
    const view = reduce(begun);
    for (const text of ["Hel", "lo"]) applyEvent(view, { type: "text.delta", at: 4, turn: 1, part: "a", text });
    expect(answerOf(first(view))).toBe("Hello");
    reduce([{ type: "text.done", at: 5, turn: 1, part: "a", text: "Hello!" }], view);
    applyEvent(view, { type: "text.delta", at: 6, turn: 1, part: "a", text: " late" });
    expect(answerOf(first(view))).toBe("Hello!");
  });

  it("takes back text that the agent threw away", () => {
    const view = reduce([
      ...begun,
      { type: "text.done", at: 4, turn: 1, part: "a", text: "half" },
      { type: "text.dropped", at: 5, turn: 1, part: "a" },
    ]);
    expect(answerOf(first(view))).toBe("");
  });

  it("of a finished turn keeps the answer and nothing open", () => {
    const view = reduce([
      ...begun,
      { type: "text.done", at: 4, turn: 1, part: "a", text: "thinking aloud" },
      { type: "tool.started", at: 4, turn: 1, id: "t", tool: "bash", title: "Run `ls`" },
      { type: "ask.opened", at: 4, turn: 1, ask },
      { type: "text.done", at: 5, turn: 1, part: "b", text: "the answer" },
      { type: "turn.finished", at: 6, turn: 1, outcome: "done" },
    ]);
    expect(first(view)).toMatchObject({ parts: [{ id: "b", text: "the answer" }], tools: [], asks: [{ state: "closed" }] });
  });

  it("counts a step once that is told twice", () => {
    const step: SessionEvent = { type: "tool.finished", at: 4, turn: 1, id: "t", tool: "bash", title: "Run `ls`", ok: true, ms: 1 };
    expect(first(reduce([...begun, step, step, { ...step, id: "u" }])).steps).toBe(2);
  });

  it("is bounded: long texts lose their start, many parts their oldest", () => {
    const view = reduce(begun);
    for (let part = 0; part < 50; part += 1)
      reduce([{ type: "text.done", at: 4, turn: 1, part: String(part), text: "x".repeat(200_000) }], view);
    expect(JSON.stringify(view).length).toBeLessThan(600_000);
  });
});

describe("a session", () => {
  it("keeps open turns and the newest finished ones", () => {
    const view = reduce(
      Array.from({ length: 30 }, (_, index) => [
        queued(index + 1),
        { type: "turn.ended", at: 1, turn: index + 1, outcome: "stopped" } as const,
      ]).flat(),
    );
    reduce([queued(31), queued(32)], view);
    expect(view.turns).toHaveLength(TURNS_KEPT + 2);
    expect(queuedTurns(view).map((turn) => turn.id)).toEqual([31, 32]);
    expect(runningTurn(view)).toBeUndefined();
  });

  it("forgets the old sandbox when the next generation starts", () => {
    const view = reduce([
      { type: "sandbox.wanted", at: 1, generation: 1, why: "turn 1" },
      { type: "boot.phase", at: 2, phase: "clone", ms: 40, ok: true },
      { type: "service.state", at: 2, service: "vscode", state: "available" },
      { type: "sandbox.ready", at: 3, ms: 2_000 },
      { type: "sandbox.lost", at: 4, generation: 1, failure: { code: "sandbox_lost", message: "gone" } },
    ]);
    expect(view.sandbox).toMatchObject({ state: "lost", services: { vscode: { state: "unavailable", reason: "gone" } } });
    reduce([{ type: "sandbox.wanted", at: 5, generation: 2, why: "turn 1" }], view);
    expect(view.sandbox).toMatchObject({ generation: 2, state: "starting", phases: [], services: {}, failure: null });
  });

  it("times the boot phases and shows a failed one", () => {
    const view = reduce([
      { type: "sandbox.wanted", at: 1, generation: 1, why: "turn 1" },
      { type: "boot.phase", at: 2, phase: "clone" },
      { type: "boot.phase", at: 9, phase: "clone", ms: 7, ok: false, error: "not found" },
    ]);
    expect(view.sandbox.phases).toEqual([{ name: "clone", startedAt: 2, ms: 7, error: "not found" }]);
  });

  it("has a bounded size, whatever a sandbox tells", () => {
    const many = Array.from({ length: 500 }, (_, index) => index);
    const view = reduce([
      ...begun,
      ...many.map((n): SessionEvent => ({ type: "boot.phase", at: 4, phase: `phase ${n}` })),
      ...many.map((n): SessionEvent => ({ type: "tool.started", at: 4, turn: 1, id: `t${n}`, tool: "bash", title: "x" })),
      ...many.map((n): SessionEvent => ({ type: "ask.opened", at: 4, turn: 1, ask: { ...ask, id: `q${n}` } })),
    ]);
    expect([view.sandbox.phases.length, first(view).tools.length, first(view).asks.length]).toEqual([50, 50, ASKS_A_TURN]);
    expect(first(view).tools.at(-1)?.id).toBe("t499");
  });

  it("ignores events of types it does not know", () => {
    const unknown = { type: "from.the.future", at: 1 } as unknown as SessionEvent;
    expect(reduce([unknown])).toEqual({ ...emptyView(), n: 1 });
  });
});

it.each([
  [Date.now(), true],
  [8_640_000_000_000_000, true],
  // No Date can be made of it, so showing the time would throw.
  [8_640_000_000_000_001, false],
])("an event at %d is taken: %s", (at, taken) =>
  expect(RunnerEvent.safeParse({ type: "ask.closed", at, turn: 1, id: "q1", why: "over" }).success).toBe(taken),
);
