import { describe, expect, it } from "vitest";
import type { RunnerEvent } from "../protocol/events.ts";
import type { Replay } from "./replay.ts";
import { EMPTY, isEmpty, misfit, push, safe, seek, take, welcome } from "./replay.ts";

const delta = (text: string, part = "p"): RunnerEvent => ({ type: "text.delta", at: 1, turn: 1, part, text });
const done = (text: string, part = "p"): RunnerEvent => ({ type: "text.done", at: 1, turn: 1, part, text });
const tool = (id: string, output = ""): RunnerEvent => ({
  type: "tool.finished",
  at: 1,
  turn: 1,
  id,
  tool: "bash",
  title: id,
  ok: true,
  ms: 1,
  output,
});
const accepted: RunnerEvent = { type: "turn.accepted", at: 1, turn: 1 };
const filled = (...events: RunnerEvent[]) => events.reduce((replay, event) => push(replay, event), EMPTY);
const texts = (items: readonly RunnerEvent[] | undefined) =>
  items?.map((event) => ("text" in event ? `${event.type} ${event.text}` : event.type));
const size = (replay: Replay) => [...replay.numbered, ...replay.queue].reduce((sum, event) => sum + JSON.stringify(event).length + 1, 0);

describe("an event that could never be taken", () => {
  it.each([
    ["a count below zero", { type: "turn.finished", at: -1, turn: 1, outcome: "done" } as const, /at/],
    ["a name that is too long", tool("x".repeat(201)), /id/],
    ["more than a frame takes", done("\u0001".repeat(200_000)), /1200\d{3} characters/],
  ])("is told apart: %s", (_name, event, why) => expect(misfit(event)).toMatch(why));

  it("is none of the others", () =>
    expect([accepted, delta("a"), tool("1"), done("\n".repeat(200_000))].map(misfit)).toEqual([null, null, null, null]));
});

describe("coalescing", () => {
  it.each([
    ["neighbouring deltas of a part become one", [delta("a"), delta("b")], ["text.delta ab"]],
    ["deltas of different parts stay apart", [delta("a"), delta("b", "q"), delta("c")], ["text.delta a", "text.delta b", "text.delta c"]],
    ["an empty delta is nothing", [delta("")], undefined],
    ["a finished text makes its deltas superfluous", [delta("a"), accepted, done("ab")], ["turn.accepted", "text.done ab"]],
    ["a dropped text as well", [delta("a"), { type: "text.dropped", at: 1, turn: 1, part: "p" } as const], ["text.dropped"]],
  ])("%s", (_, events, expected) => {
    expect(texts(take(welcome(filled(...events), 0)).frame?.items)).toEqual(expected);
  });
});

describe("numbers", () => {
  it("sends nothing before the first welcome, then goes on after what is known at the other side", () => {
    const replay = filled(accepted);
    expect(take(replay).frame).toBeNull();
    expect(take(welcome(replay, 7)).frame).toMatchObject({ first: 8, items: [accepted] });
  });

  it("sends what was not received again on the next connection, with the same numbers", () => {
    let { replay } = take(welcome(filled(accepted, tool("a"), tool("b")), 0));
    replay = push(replay, tool("c"));
    expect(take(replay).frame).toMatchObject({ first: 4 });
    expect(take(welcome(replay, 1)).frame).toMatchObject({ first: 2, items: [{ id: "a" }, { id: "b" }, { id: "c" }] });
    expect(take(seek(replay, 3)).frame).toMatchObject({ first: 3, items: [{ id: "b" }, { id: "c" }] });
  });

  it("keeps the numbers of sent deltas when their text is superfluous", () => {
    let { replay } = take(welcome(filled(delta("a"), accepted, delta("b")), 0));
    replay = push(replay, done("ab"));
    expect(take(welcome(replay, 0)).frame).toMatchObject({ first: 1 });
    expect(texts(take(welcome(replay, 0)).frame?.items)).toEqual(["text.delta ", "turn.accepted", "text.delta ", "text.done ab"]);
  });

  it("drops what is safe and says what it was", () => {
    const { replay } = take(welcome(filled(accepted, tool("a"), tool("b")), 0));
    const settled = safe(replay, 2);
    expect(settled.dropped).toEqual([accepted, tool("a")]);
    expect(safe(settled.replay, 1).dropped).toEqual([]);
    expect(take(welcome(settled.replay, 2)).frame).toMatchObject({ first: 3, items: [{ id: "b" }] });
    expect(isEmpty(safe(settled.replay, 3).replay)).toBe(true);
  });

  it("goes on from what the other side asks for when it lost what it had called safe", () => {
    const { replay } = take(welcome(filled(accepted, tool("a")), 0));
    expect(take(welcome(safe(replay, 1).replay, 0)).frame).toMatchObject({ first: 1, items: [{ id: "a" }] });
  });

  it("leaves numbers alone that another process of the generation used", () => {
    const { replay } = take(welcome(filled(accepted), 0));
    expect(take(push(welcome(replay, 5), tool("b"))).frame).toMatchObject({ first: 6, items: [{ id: "b" }] });
  });
});

describe("bounds", () => {
  it("splits what is too large for one frame", () => {
    const many = Array.from({ length: 300 }, (_, index) => tool(`t${index}`, "x".repeat(4_000)));
    let replay = welcome(filled(...many), 0);
    const firsts: number[] = [];
    for (;;) {
      const taken = take(replay);
      if (taken.frame === null) break;
      expect(JSON.stringify(taken.frame).length).toBeLessThan(1_000_000);
      firsts.push(taken.frame.first);
      replay = taken.replay;
    }
    expect(firsts.length).toBe(2);
  });

  it("keeps the newest text of each part, then gives up outputs, never an outcome", () => {
    const limit = 10_000;
    let replay = EMPTY;
    for (let index = 0; index < 100; index += 1) {
      for (const event of [delta(`${index} `, "p"), delta(`${index} `, "q"), tool(`t${index}`, "x".repeat(500))])
        replay = push(replay, event, limit);
    }
    replay = push(replay, { type: "turn.finished", at: 1, turn: 1, outcome: "done" }, limit);
    expect(replay.size).toBe(size(replay));
    const items = take(welcome(replay, 0)).frame?.items ?? [];
    expect(items.filter((event) => event.type === "text.delta").length).toBeLessThanOrEqual(2);
    expect(items.filter((event) => event.type === "tool.finished")).toHaveLength(100);
    expect(items.at(-1)?.type).toBe("turn.finished");
  });
});
