import { expect, test } from "vitest";
import { ago, count, dollars, duration, until } from "./time.ts";

test.each([
  [0, "0 ms"],
  [340, "340 ms"],
  [999, "999 ms"],
  [4_240, "4.2 s"],
  [59_960, "1 min 00 s"],
  [185_000, "3 min 05 s"],
  [7_800_000, "2 h 10 min"],
  [-5, "0 ms"],
])("%d ms is %s", (ms, text) => expect(duration(ms)).toBe(text));

test.each([
  [10_000, "just now"],
  [300_000, "5 min ago"],
  [3 * 3_600_000, "3 h ago"],
  [50 * 3_600_000, "2 days ago"],
])("%d ms ago is %s", (ms, text) => expect(ago(0, ms)).toBe(text));

test.each([
  [940, "940"],
  [12_345, "12.3k"],
  [999_960, "1.0M"],
  [1_240_000, "1.2M"],
])("%d tokens are %s", (tokens, text) => expect(count(tokens)).toBe(text));

test.each([
  [0, "$0"],
  [0.0012, "$0.0012"],
  [1.234, "$1.23"],
])("%d is %s", (cost, text) => expect(dollars(cost)).toBe(text));

test.each([
  [10, "1 h"],
  [30 * 3_600_000, "30 h"],
  [7 * 24 * 3_600_000 - 5, "7 days"],
])("%d ms from now is in %s", (ms, words) => expect(until(1_000 + ms, 1_000)).toBe(words));
