import { describe, expect, it } from "vitest";
import {
  type Admission,
  type Answer,
  answered,
  begun,
  dueOf,
  GIVE_UP_MS,
  HOLD_MS,
  KEEPS_PLACE_MS,
  LOOK_EVERY_MS,
  nextOf,
  SAID_AFTER_MS,
  timed,
  YES_HOLDS_MS,
} from "./admission.ts";
import type { Turn } from "./turns.ts";

const T = 1_770_000_000_000;
const fresh = begun(1, "slack:T1:U1", T);
const with_ = (change: Partial<Admission>): Admission => ({ ...fresh, ...change });
const held = with_({ state: "held", until: T + HOLD_MS, nextTry: T + LOOK_EVERY_MS });
const failure = { code: "not_allowed", message: "no" };

describe("an answer", () => {
  const table: [string, Admission, Answer, number, object][] = [
    [
      "yes",
      fresh,
      { kind: "allowed", email: "a@x" },
      T + 5,
      { do: "keep", admission: with_({ state: "allowed", since: T + 5, email: "a@x" }) },
    ],
    [
      "yes, to what was held",
      held,
      { kind: "allowed", email: null },
      T + 5,
      { do: "keep", admission: { ...held, state: "allowed", since: T + 5 }, released: true },
    ],
    ["no", fresh, { kind: "refused", failure }, T, { do: "end", failure }],
    ["no, to what was held", held, { kind: "refused", failure }, T, { do: "end", failure }],
    [
      "linked to nobody",
      fresh,
      { kind: "unlinked" },
      T + 5,
      {
        do: "keep",
        admission: with_({ state: "held", since: T + 5, until: T + 5 + HOLD_MS, nextTry: T + 5 + LOOK_EVERY_MS }),
        held: true,
        tell: true,
      },
    ],
    [
      "still linked to nobody: neither told again nor held longer",
      held,
      { kind: "unlinked" },
      T + 99,
      { do: "keep", admission: { ...held, nextTry: T + 99 + LOOK_EVERY_MS } },
    ],
    [
      "linked now, but without GitHub: told what is lacking still",
      held,
      { kind: "no-github" },
      T + 99,
      { do: "keep", admission: { ...held, lacks: "github", nextTry: T + 99 + LOOK_EVERY_MS }, tell: true },
    ],
    ["none", fresh, { kind: "unknown" }, T + 5, { do: "keep", admission: with_({ nextTry: T + 1_005, failed: 1 }) }],
    [
      "none for a while, which is said",
      with_({ failed: 3 }),
      { kind: "unknown" },
      T + SAID_AFTER_MS,
      {
        do: "keep",
        admission: with_({ nextTry: T + SAID_AFTER_MS + 1_000, failed: 4, said: true }),
        say: expect.stringContaining("It is asked again"),
      },
    ],
    [
      "none, which was said",
      with_({ failed: 3, said: true }),
      { kind: "unknown" },
      T + SAID_AFTER_MS,
      { do: "keep", admission: with_({ nextTry: T + SAID_AFTER_MS + 1_000, failed: 4, said: true }) },
    ],
    [
      "none about what is held",
      held,
      { kind: "unknown" },
      T + SAID_AFTER_MS,
      { do: "keep", admission: { ...held, nextTry: T + SAID_AFTER_MS + 1_000, failed: 1 } },
    ],
  ];
  it.each(table)("%s", (_name, before, answer, now, expected) => expect(answered(before, answer, now, 1_000)).toEqual(expected));
});

describe("time", () => {
  it.each<[string, Admission, number, boolean, unknown]>([
    ["what is held goes on being held", held, T + HOLD_MS - 1, true, null],
    ["what was held too long ends", held, T + HOLD_MS, true, { do: "end", failure: expect.objectContaining({ code: "link_late" }) }],
    ["what is asked about waits", with_({ failed: 2 }), T + GIVE_UP_MS - 1, true, null],
    [
      "what nobody said anything about ends",
      with_({ failed: 2 }),
      T + GIVE_UP_MS,
      true,
      { do: "end", failure: expect.objectContaining({ code: "not_known" }) },
    ],
    ["what was never answered, since nobody was asked, does not", fresh, T + GIVE_UP_MS, true, null],
    ["a yes that is new counts", with_({ state: "allowed" }), T + YES_HOLDS_MS - 1, true, null],
    ["a yes that is old is not looked at while something runs", with_({ state: "allowed" }), T + 10 * YES_HOLDS_MS, false, null],
    [
      "a yes that is old is asked for again when the turn could begin",
      with_({ state: "allowed", failed: 0, said: true }),
      T + YES_HOLDS_MS,
      true,
      { do: "keep", admission: with_({ since: T + YES_HOLDS_MS, nextTry: T + YES_HOLDS_MS }) },
    ],
  ])("%s", (_name, before, now, idle, expected) => expect(timed(before, now, idle)).toEqual(expected));

  it.each<[string, Admission, number, number | undefined]>([
    ["is asked at once", fresh, T, T],
    ["loses its place after a moment", with_({ nextTry: T + 60_000 }), T, T + KEEPS_PLACE_MS],
    ["is asked again", with_({ nextTry: T + 60_000 }), T + KEEPS_PLACE_MS, T + 60_000],
    ["is looked after while held", held, T + 9_000, T + LOOK_EVERY_MS],
    ["is due at its end", with_({ state: "held", nextTry: T + 99, until: T + 50 }), T + 9_000, T + 50],
    ["is not due once it is let in", with_({ state: "allowed" }), T, undefined],
  ])("a turn %s", (_name, admission, now, expected) => expect(dueOf(admission, now)).toBe(expected));
});

describe("which turn begins next", () => {
  const turn = (id: number, person: string) => ({ id, who: { id: person } }) as Turn;
  const concerns = ({ who }: Turn) => who.id.startsWith("slack:");
  const [slack, git] = ["slack:T1:U1", "github:1"];
  it.each<[string, Turn[], Admission[], number, number | undefined]>([
    ["one that need not be admitted", [turn(1, git)], [], T, 1],
    ["not one of which nothing is known yet", [turn(1, slack), turn(2, git)], [], T, undefined],
    ["not what stands behind one that is just asked about", [turn(1, slack), turn(2, git)], [fresh], T + KEEPS_PLACE_MS - 1, undefined],
    ["what stands behind one that GitHub says nothing about", [turn(1, slack), turn(2, git)], [fresh], T + KEEPS_PLACE_MS, 2],
    ["what stands behind one that is held", [turn(1, slack), turn(2, git)], [held], T, 2],
    ["one with a yes", [turn(1, slack), turn(2, git)], [with_({ state: "allowed" })], T + 1, 1],
    ["not one with a yes of the last hour", [turn(1, slack)], [with_({ state: "allowed" })], T + 3_600_000, undefined],
    ["nobody, where all are held", [turn(1, slack), turn(2, slack)], [held, { ...held, turn: 2 }], T, undefined],
    ["the second of which there is a yes", [turn(1, slack), turn(2, slack)], [held, with_({ turn: 2, state: "allowed" })], T, 2],
  ])("%s", (_name, queued, known, now, expected) => {
    const of = (id: number) => known.find((one) => one.turn === id);
    expect(nextOf(queued, concerns, of, now)?.id).toBe(expected);
  });
});
