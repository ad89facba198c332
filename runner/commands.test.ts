import { describe, expect, it } from "vitest";
import type { Command } from "../protocol/runner.ts";
import { nextTurn, takeCommand, takeOver, withoutPrompt } from "./commands.ts";
import type { ActiveTurn, FinishedTurn } from "./journal.ts";
import { emptyJournal, parseJournal, withFinished } from "./journal.ts";

const prompt = (turn: number): Command & { do: "prompt" } => ({ do: "prompt", turn, text: "x", system: "", model: "errand/main" });
const stop: Command = { do: "stop", turn: 1 };
const active = (turn: number): ActiveTurn => ({
  prompt: prompt(turn),
  session: "ses_1",
  given: { after: "msg_1", at: 5 },
  deaths: 1,
  answers: {},
});
const finished = (turn: number, told: boolean): FinishedTurn => ({ turn, session: "ses_1", given: null, outcome: "done", told });
const journal = { ...emptyJournal("s"), generation: 3, applied: 4 };

describe("taking commands", () => {
  it.each([
    ["a new prompt waits", journal, 5, prompt(2), { applied: 5, waiting: [2], again: null, control: false }],
    [
      "a prompt that runs is known",
      { ...journal, active: active(2) },
      5,
      prompt(2),
      { applied: 5, waiting: [], again: null, control: false },
    ],
    ["a new control counts", journal, 5, stop, { applied: 5, waiting: [1], again: null, control: true }],
    ["an old control does not", journal, 4, stop, { applied: 4, waiting: [], again: null, control: false }],
    [
      "a prompt of a turn that is over wants its end again",
      withFinished(journal, finished(2, true)),
      5,
      prompt(2),
      { applied: 5, waiting: [], again: 2, control: false },
    ],
    [
      "an old one too, unless its end is known to have arrived",
      withFinished(journal, finished(2, false)),
      3,
      prompt(2),
      { applied: 4, waiting: [], again: 2, control: false },
    ],
    [
      "else it is an echo",
      withFinished(journal, finished(2, true)),
      3,
      prompt(2),
      { applied: 4, waiting: [], again: null, control: false },
    ],
    [
      "an old number with a new turn still counts",
      withFinished(journal, finished(2, true)),
      3,
      prompt(3),
      { applied: 4, waiting: [3], again: null, control: false },
    ],
  ])("%s", (_, before, seq, command, expected) => {
    const taken = takeCommand(before, null, seq, command);
    const waiting = taken.journal.pending.map((one) => one.command.turn);
    expect({ applied: taken.journal.applied, waiting, again: taken.again?.turn ?? null, control: taken.control }).toEqual(expected);
  });

  it("takes the prompt of a held turn, which goes on where it was", () => {
    const { journal: taken } = takeCommand(journal, active(2), 2, prompt(2));
    const next = nextTurn(taken, active(2));
    expect(next?.active).toMatchObject({ session: "ses_1", given: { after: "msg_1" }, deaths: 1 });
    expect(next?.journal.pending).toEqual([]);
    expect(nextTurn(taken, active(1))?.active).toMatchObject({ session: null, given: null, deaths: 0 });
  });

  it("forgets the prompt of a turn that was stopped before it began", () => {
    const { journal: taken } = takeCommand(journal, null, 5, prompt(2));
    expect(withoutPrompt(taken, 2).pending).toEqual([]);
    expect(withoutPrompt(taken, 1).pending).toHaveLength(1);
  });
});

describe("taking a journal over", () => {
  const left = { ...withFinished(journal, finished(1, false)), active: active(2), pending: [{ seq: 4, command: prompt(3), begun: false }] };

  it("goes on within its generation, and tells an end again that may not have arrived", () => {
    expect(takeOver(left, 3)).toEqual({ journal: left, held: null, again: [finished(1, false)] });
  });

  it("holds the turn of an earlier sandbox until its prompt comes again", () => {
    const taken = takeOver(left, 4);
    expect(taken).toMatchObject({
      held: { prompt: { turn: 2 } },
      again: [],
      journal: { generation: 4, active: null, pending: [], applied: 4 },
    });
  });

  it.each([
    ["damaged", "{"],
    ["of another session", JSON.stringify({ ...left, session: "other" })],
    ["of another version", JSON.stringify({ ...left, version: 2 })],
  ])("counts as none when it is %s", (_, text) => {
    expect(parseJournal(text, "s")).toEqual(emptyJournal("s"));
  });

  it("is read as it was written", () => {
    expect(parseJournal(JSON.stringify(left), "s")).toEqual(left);
  });
});
