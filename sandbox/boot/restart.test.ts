import { describe, expect, it } from "vitest";
import { afterCrash, type Crashes, MAX_CRASHES, NO_CRASHES, WINDOW_MS } from "./restart.ts";

const T = 1_000_000;

describe("afterCrash", () => {
  it.each([
    ["first crash", NO_CRASHES, T, T - 5_000, "restarting", 100],
    ["second within a minute", { at: [T - 1_000], givenUp: false }, T, null, "restarting", 200],
    ["fourth", { at: [T - 3, T - 2, T - 1], givenUp: false }, T, null, "restarting", 800],
    ["fifth within a minute", { at: [T - 40_000, T - 3, T - 2, T - 1], givenUp: false }, T, null, "unavailable", WINDOW_MS],
    ["older ones are forgotten", { at: [T - WINDOW_MS, T - 2, T - 1], givenUp: false }, T, null, "restarting", 400],
    ["given up, and dead again at once", { at: [T - 60_500], givenUp: true }, T, null, "unavailable", WINDOW_MS],
    ["given up, then up for half a minute", { at: [], givenUp: true }, T, T - 30_000, "unavailable", WINDOW_MS],
    ["given up, then up for a minute", { at: [], givenUp: true }, T, T - WINDOW_MS, "restarting", 100],
  ] as [string, Crashes, number, number | null, string, number][])("%s", (_name, before, now, readySince, state, delayMs) => {
    expect(afterCrash(before, now, readySince)).toMatchObject({ state, delayMs });
  });

  it("gives up exactly at the fifth of a quick series and stays so", () => {
    let crashes = NO_CRASHES;
    const states = Array.from({ length: 7 }, (_, i) => {
      const next = afterCrash(crashes, T + i * 1_000, null);
      crashes = next.crashes;
      return next.state;
    });
    expect(states.indexOf("unavailable")).toBe(MAX_CRASHES - 1);
    expect(states.slice(MAX_CRASHES - 1).every((state) => state === "unavailable")).toBe(true);
  });
});
