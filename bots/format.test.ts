import { expect, it } from "vitest";
import { cost, count, duration, elapsed, measured, ordinal, tokens } from "./format.ts";

it("writes times as people read them", () => {
  expect([0, 4_400, 59_600, 724_000, 7_500_000].map(duration)).toEqual(["0s", "4s", "1m 00s", "12m 04s", "2h 05m"]);
  expect([999, 59_999, 60_000, 139_000, 600_000, 3_660_000].map(elapsed)).toEqual(["0s", "59s", "1m 00s", "2m 10s", "10m", "1h 01m"]);
  expect([0.4, 340, 1_240, 64_000].map(measured)).toEqual(["0 ms", "340 ms", "1.2 s", "1m 04s"]);
});

it("writes counts and places", () => {
  expect([1, 2, 3, 4, 11, 12, 13, 21, 102].map(ordinal)).toEqual(["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd"]);
  expect([count(1, "step"), count(1_234, "step")]).toEqual(["1 step", "1,234 steps"]);
});

it("writes what was used and what it cost", () => {
  expect([null, 0, 0.00001, 0.0123, 1.5].map(cost)).toEqual(["cost unknown", "$0", "under $0.0001", "$0.0123", "$1.50"]);
  expect(tokens(null)).toBe("tokens unknown");
  expect(tokens({ input: 900, output: 99_700, reasoning: 0, cacheRead: 0, cacheWrite: 0 })).toBe("900 tokens in, 100k out");
  expect(tokens({ input: 1_000, output: 5, reasoning: 1, cacheRead: 1_250_000, cacheWrite: 0 })).toBe(
    "1.3M tokens in (1.3M cached), 6 out",
  );
});
