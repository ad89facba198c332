import { describe, expect, test } from "vitest";
import { counted, judge, type Samples, sampleTable, verdictTable } from "./goals.ts";

const samples: Samples = {
  direct: { "requests/s, 32 connections": [900, 1800] },
  nginx: { "requests/s, 32 connections": [1_000, 800], "CPU per request": [10, 30, 20], "WebSocket p99": [0.2, 0.1] },
  "nginx + auth_request": { "CPU per request": [60, 60, 60] },
  gateway: { "requests/s, 32 connections": [500, 600], "CPU per request": [50, 60, 70], "WebSocket p99": [0.3, 0.2] },
  "gateway without check": { "CPU per request": [50, 50, 50] },
};
const rss = { idle: 100, after: 256.4 };
const verdict = (name: string, over: string | null, stretch = false) =>
  judge(samples, rss).find((each) => each.name === name && each.over === over && each.stretch === stretch);

test.each([
  ["nginx", "requests/s, 32 connections", 1_000],
  ["nginx", "CPU per request", 20],
  ["nginx", "WebSocket p99", 0.1],
  ["direct", "CPU per request", undefined],
] as const)("what counts of %s's rounds, %s: %s", (contender, metric, value) => {
  expect(counted(samples, contender, metric)).toBe(value);
});

describe("judge", () => {
  test.each([
    ["requests/s, 32 connections", "nginx", false, { value: 0.6, rounds: [0.5, 0.75], at: "least", goal: 0.45, met: true }],
    ["requests/s, 32 connections", "nginx", true, { value: 0.6, goal: 0.6, met: true }],
    ["CPU per request", "nginx", false, { value: 3, rounds: [2, 5], at: "most", goal: 3.3, met: true }],
    ["CPU per request", "nginx + auth_request", false, { value: 1, met: true }],
    ["CPU per request", "gateway without check", false, { value: 1.2, goal: 1.1, met: false }],
    ["WebSocket p99", "nginx", false, { value: 2, rounds: [1.5, 2], met: false }],
    ["memory, idle", null, false, { value: 100, met: true }],
    ["memory, after all of this", null, false, { value: 256, met: true }],
  ] as const)("%s over %s (stretch: %s)", (name, over, stretch, is) => {
    expect(verdict(name, over, stretch)).toMatchObject(is);
  });

  test("says nothing of what was not measured", () => {
    expect(verdict("large body", "nginx")).toBeUndefined();
    expect(judge({ gateway: samples.gateway ?? {} }, rss).map(({ name }) => name)).toEqual(["memory, idle", "memory, after all of this"]);
  });
});

test("the tables", () => {
  expect(sampleTable(samples)[1]).toMatch(/^requests\/s, 32 connections, \/s +1800 +1000 +600$/);
  const lines = verdictTable(judge(samples, rss));
  expect(lines).toContainEqual(expect.stringMatching(/^requests\/s, 32 connections +over nginx +0\.6 × +0\.5 – 0\.75 +≥ 0\.6 +reached$/));
  expect(lines).toContainEqual(expect.stringMatching(/^WebSocket p99 +over nginx +2 × .*NOT MET$/));
});
