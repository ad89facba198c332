import { describe, expect, test } from "vitest";
import type { SessionEvent } from "../../protocol/events.ts";
import { applyEvent, emptyView } from "../../protocol/view.ts";
import { personWords, phaseLines, sandboxWords, turnFigures, useWords } from "./wording.ts";

const viewOf = (...events: SessionEvent[]) => {
  const view = emptyView();
  for (const event of events) applyEvent(view, event);
  return view;
};

test("boot phases: running, done, failed", () => {
  const { sandbox } = viewOf(
    { type: "sandbox.wanted", at: 1_000, generation: 1, why: "turn 1" },
    { type: "boot.phase", at: 1_000, phase: "network", ms: 120, ok: true },
    { type: "boot.phase", at: 2_000, phase: "clone", ms: 900, ok: false, error: "no such repository" },
    { type: "boot.phase", at: 3_000, phase: "opencode" },
  );
  expect(phaseLines(sandbox, 4_500)).toEqual([
    { name: "network", state: "done", time: "120 ms", error: null },
    { name: "clone", state: "failed", time: "900 ms", error: "no such repository" },
    { name: "opencode", state: "running", time: "1.5 s", error: null },
  ]);
  expect(sandboxWords(sandbox)).toBe("sandbox starting");
});

describe("figures of a turn", () => {
  const queued: SessionEvent = { type: "turn.queued", at: 0, turn: 1, who: { id: "owner" }, text: "x", options: {}, contentKey: "k" };
  const tokens = { input: 12_000, output: 900, reasoning: 100, cacheRead: 345, cacheWrite: 0 };
  test.each<[string, SessionEvent[], string]>([
    ["queued", [], ""],
    ["running", [{ type: "turn.started", at: 1_000, turn: 1 }], "4.0 s"],
    [
      "done, price known",
      [
        { type: "turn.started", at: 1_000, turn: 1 },
        { type: "turn.usage", at: 2_000, turn: 1, tokens, cost: 0.0412 },
        { type: "turn.finished", at: 3_000, turn: 1, outcome: "done" },
      ],
      "2.0 s · 12.3k tokens in, 1.0k out · $0.04",
    ],
    [
      "price not known",
      [
        { type: "turn.started", at: 1_000, turn: 1 },
        { type: "turn.usage", at: 2_000, turn: 1, tokens, cost: null },
      ],
      "4.0 s · 12.3k tokens in, 1.0k out",
    ],
  ])("%s", (_name, events, text) => {
    const [turn] = viewOf(queued, ...events).turns;
    if (!turn) throw new Error("no turn");
    expect(turnFigures(turn, 5_000).join(" · ")).toBe(text);
  });
});

test.each([
  [{ id: "owner", name: "ada" }, "ada"],
  [{ id: "owner" }, "owner"],
  [{ id: "slack:T1:U7" }, "U7 on Slack"],
  [{ id: "slack:T1:U7", name: "Ada" }, "Ada"],
])("a person: %j", (who, words) => expect(personWords(who)).toBe(words));

test.each([
  [{ calls: 1, prompt: 900, cached: 0, completion: 20, estimated: 0 }, "Model tokens counted: 1 call, 900 tokens in (0 cached), 20 out."],
  [
    { calls: 1_200, prompt: 12_345, cached: 8_000, completion: 1_000, estimated: 2 },
    "Model tokens counted: 1.2k calls, 12.3k tokens in (8.0k cached), 1.0k out, of 2 of them estimated.",
  ],
])("what was used of the model: %j", (use, words) => expect(useWords(use)).toBe(words));
