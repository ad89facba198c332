import { describe, expect, it } from "vitest";
import type { RunnerEvent } from "../../protocol/events.ts";
import { step } from "../../runner/turn.ts";
import type { Effect } from "../../runner/turn-state.ts";
import { newTurn } from "../../runner/turn-state.ts";
import { play, START, transcript } from "./recording.ts";

const of = <T extends RunnerEvent["type"]>(events: readonly RunnerEvent[], type: T) =>
  events.filter((event): event is Extract<RunnerEvent, { type: T }> => event.type === type);
const finish = (effects: readonly Effect[]) => effects.filter((effect) => effect.do === "finish");
const told = (events: readonly RunnerEvent[]) =>
  events.flatMap((event) =>
    event.type === "text.done" ? [event.text] : event.type === "tool.finished" ? [`${event.ok ? "" : "failed: "}${event.title}`] : [],
  );

describe("how a recorded turn ends and what it says", () => {
  it.each([
    ["text-turn", { outcome: "done" }, ["Hello from the mock model. All good."]],
    ["todo-turn", { outcome: "done" }, ["All todos finished."]],
    ["tool-edit-turn", { outcome: "done" }, expect.arrayContaining([expect.stringMatching(/^Edit /)])],
    ["tool-parallel-with-error-turn", { outcome: "done" }, expect.arrayContaining([expect.stringMatching(/^failed: /)])],
    ["reasoning-turn", { outcome: "done" }, [expect.any(String)]],
    ["subagent-turn", { outcome: "done" }, [expect.stringMatching(/^Subagent: /), expect.any(String)]],
    ["error-auth-turn", { outcome: "failed", failure: { code: "model_auth" } }, []],
    ["error-server-exhausted-turn", { outcome: "failed", failure: { code: "model_unavailable" } }, []],
    ["error-context-overflow-turn", { outcome: "done" }, ["Continuing after the summary. Everything is done."]],
    ["error-rate-limit-then-ok-turn", { outcome: "done" }, ["Recovered."]],
    ["error-stream-cut-then-ok-turn", { outcome: "done" }, [" part0 part1 part2 part3 part4"]],
    ["permission-once-turn", { outcome: "done" }, [expect.stringMatching(/^failed: Run /), expect.any(String)]],
    ["reconnect-mid-text", { outcome: "done" }, [expect.any(String)]],
    ["permission-reject-turn", { outcome: "done" }, [expect.stringMatching(/^failed: Run /)]],
    ["question-reject-turn", { outcome: "done" }, [expect.any(String)]],
  ])("%s", (name, outcome, said) => {
    const { effects, events } = play(name);
    expect(finish(effects)).toMatchObject([{ do: "finish", ...outcome }]);
    expect(told(events)).toEqual(said);
  });

  it("takes an unknown model's error, which has no answer and no clear end", () => {
    const { effects } = play("error-bad-model-and-agent", { until: 1_228, inputs: [[1_227, { type: "tick" }]] });
    expect(finish(effects)).toMatchObject([
      { outcome: "failed", failure: { code: "model_not_found", message: "Model not found: mock/nope." } },
    ]);
  });

  it("stops a model that never says why it stops after three answers", () => {
    const { effects } = play("error-stream-eof-runaway");
    expect(effects.map((effect) => effect.do)).toEqual(["abort", "finish"]);
    expect(finish(effects)).toMatchObject([{ outcome: "failed", failure: { code: "model_no_finish" } }]);
  });

  it.each([
    ["abort-during-bash", 1_174],
    ["abort-during-text", 700],
    ["permission-abort-stale", 198],
  ])("%s: a stop ends it within two seconds", (name, at) => {
    const ticks = Array.from({ length: 8 }, (_, index): [number, { type: "tick" }] => [at + 250 * index, { type: "tick" }]);
    const { effects, events } = play(name, { inputs: [[at, { type: "stop" }], ...ticks] });
    expect(effects.map((effect) => effect.do)).toEqual(["abort", "finish"]);
    expect(finish(effects)).toMatchObject([{ outcome: "stopped" }]);
    expect(of(events, "ask.opened").length).toBe(of(events, "ask.closed").length);
  });
});

describe("what is told on the way", () => {
  it("text as it streams, each part's deltas adding up to what it is at its end", () => {
    const { events } = play("text-turn");
    expect(
      of(events, "text.delta")
        .map((event) => event.text)
        .join(""),
    ).toBe(of(events, "text.done")[0]?.text);
  });

  it("the plan, whole, each time", () => {
    expect(of(play("todo-turn").events, "plan.updated").map((event) => event.items.map((item) => item.status))).toEqual([
      ["in_progress", "pending"],
      ["completed", "completed"],
    ]);
  });

  it("a command once at its start and once at its end, with its exit and the end of its output", () => {
    const { events } = play("tool-bash-turn");
    expect(of(events, "tool.started")).toHaveLength(1);
    expect(of(events, "tool.finished")).toMatchObject([{ tool: "bash", ok: false, exit: 3, output: expect.stringContaining("tick 3") }]);
  });

  it("thinking, on and off", () => {
    expect(of(play("reasoning-turn").events, "thinking").map((event) => event.on)).toEqual([true, false]);
  });

  it("tokens and cost, those of subagents included; no cost without a price", () => {
    expect(of(play("permission-subagent-turn").events, "turn.usage").at(-1)).toMatchObject({
      tokens: { input: 2_400, cacheRead: 1_600 },
      cost: expect.closeTo(0.01068, 6),
    });
    expect(of(play("text-turn", { priced: false }).events, "turn.usage").at(-1)?.cost).toBeNull();
  });

  it("a retry with its time, and that the text before it is thrown away", () => {
    const { events } = play("error-stream-cut-then-ok-turn");
    expect(of(events, "turn.retrying")).toMatchObject([{ attempt: 1, message: "Connection reset by server", nextAt: START + 2_802 }]);
    expect(of(events, "text.dropped")).toHaveLength(1);
  });

  it("a subagent's permission as the turn's", () => {
    const { events } = play("permission-subagent-turn");
    expect(of(events, "ask.opened")).toMatchObject([
      { ask: { id: "permission:per_00000000000100000000000001", kind: "permission", title: expect.stringContaining("subagent") } },
    ]);
    expect(of(events, "ask.closed")).toMatchObject([{ why: "allowed" }]);
  });

  it("questions one after another, answered together", () => {
    const request = "que_00000000000100000000000001";
    const { events, effects } = play("question-reply-turn", {
      inputs: [
        [400, { type: "answer", answer: { ask: `question:${request}:0`, choice: "1", reject: false } }],
        [500, { type: "answer", answer: { ask: `question:${request}:0`, choice: "0", reject: false } }],
        [600, { type: "answer", answer: { ask: `question:${request}:1`, text: "Cache, my own text", reject: false } }],
      ],
    });
    expect(of(events, "ask.opened").map((event) => event.ask.title)).toEqual(["Which database should I use?", "Which extras?"]);
    expect(effects).toContainEqual({ do: "remember", request, answers: [["SQLite"]] });
    expect(effects).toContainEqual({ do: "replyQuestion", request, answers: [["SQLite"], ["Cache", "my own text"]] });
    expect(of(events, "ask.closed").map((event) => event.why)).toEqual(["answered", "no longer open", "answered"]);
  });
});

describe("when OpenCode's process dies", () => {
  const after = transcript("restart-mid-turn-after");
  const lost = after.slice(0, 2);
  const snapshot = (messages: typeof after, at: number) => ({
    token: 0,
    startedAt: START + at,
    busy: false,
    messages,
    children: [],
    questions: [],
    permissions: [],
    answers: new Map(),
  });

  it("throws away what it said, goes on once, and gives up after the second time", () => {
    const before = play("restart-mid-turn-before");
    expect(before.turn.over).toBe(false);
    const down = step(before.turn, { type: "down" }, START + 3_000);
    expect(down.events.map((event) => event.type)).toEqual(["text.dropped"]);
    // What was read before it died says nothing about the new process.
    expect(step(down.turn, { type: "snapshot", snapshot: snapshot(lost, 2_900) }, START + 3_100).effects).toEqual([]);
    const up = step(down.turn, { type: "snapshot", snapshot: snapshot(lost, 5_000) }, START + 5_000);
    expect(up.effects[0]).toEqual({ do: "continue", deaths: 1 });
    expect(up.events).toMatchObject([{ type: "turn.notice", code: "agent_restarted" }]);
    const again = step(
      step(up.turn, { type: "down" }, START + 6_000).turn,
      { type: "snapshot", snapshot: snapshot(lost, 8_000) },
      START + 8_000,
    );
    expect(finish(again.effects)).toMatchObject([{ outcome: "failed", failure: { code: "agent_died" } }]);
  });

  it("ends the turn when the answer was complete before", () => {
    const [asked] = lost;
    const root = asked?.info.sessionID ?? "";
    const start = {
      turn: 1,
      root,
      old: new Set(lost.map((message) => message.info.id)),
      since: START,
      workspace: "/workspace/repo",
      priced: true,
      deaths: 0,
    };
    const attached = newTurn({ ...start, downAt: START + 9_000 }, START + 9_000);
    const found = step(attached, { type: "snapshot", snapshot: snapshot(after, 9_001) }, START + 9_001);
    expect(finish(found.effects)).toMatchObject([{ outcome: "done" }]);
    expect(told(found.events)).toEqual(["Hello from the mock model. All good."]);
  });
});

describe("time", () => {
  const turn = newTurn(
    { turn: 1, root: "ses_1", old: new Set(), since: START, workspace: "/w", priced: true, deaths: 0, downAt: null },
    START,
  );
  const minutes = (count: number) => START + count * 60_000;

  it("looks when it has heard nothing for a while", () => {
    expect(step(turn, { type: "tick" }, START + 14_000).effects).toEqual([]);
    expect(step(turn, { type: "tick" }, START + 15_000).effects).toMatchObject([{ do: "look" }]);
  });

  it("tells that nothing happens after ten minutes, and gives up after thirty", () => {
    const stuck = step(turn, { type: "tick" }, minutes(10));
    expect(of(stuck.events, "turn.notice")).toMatchObject([{ code: "stuck", message: expect.stringContaining("10 minutes") }]);
    expect(of(step(stuck.turn, { type: "tick" }, minutes(11)).events, "turn.notice")).toEqual([]);
    const given = step(stuck.turn, { type: "tick" }, minutes(30));
    expect(given.effects.map((effect) => effect.do)).toContain("abort");
    expect(finish(step(given.turn, { type: "tick" }, minutes(31)).effects)).toMatchObject([
      { outcome: "failed", failure: { code: "stuck" } },
    ]);
  });

  it("does not call a model silent that said when to come back", () => {
    const status = { type: "retry" as const, attempt: 1, message: "Rate limited", next: minutes(60) };
    const waiting = step(
      turn,
      { type: "event", event: { type: "session.status", properties: { sessionID: "ses_1", status } } },
      minutes(1),
    );
    expect(step(waiting.turn, { type: "tick" }, minutes(59)).events).toEqual([]);
    expect(of(step(waiting.turn, { type: "tick" }, minutes(70)).events, "turn.notice")).toHaveLength(1);
  });
});
