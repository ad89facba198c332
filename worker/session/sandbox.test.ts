import { describe, expect, it } from "vitest";
import {
  AWAY_LIMIT_MS,
  BOOT_LIMIT_MS,
  lossOf,
  nextStep,
  RECONNECT_MS,
  retryAfterMs,
  type SandboxState,
  SILENT_MS,
  step,
} from "./sandbox.ts";

const sandbox = (change: Partial<SandboxState>): SandboxState => ({
  generation: 1,
  state: "none",
  since: 0,
  sandboxId: null,
  sites: null,
  failures: 0,
  nextTry: 0,
  wantedUntil: 0,
  ...change,
});

describe("step", () => {
  it.each([
    ["nothing is wanted", sandbox({}), false, undefined, 10, "nothing"],
    ["wanted", sandbox({}), true, undefined, 10, "reserve"],
    ["wanted, but too soon after a failure", sandbox({ nextTry: 11 }), true, undefined, 10, "nothing"],
    ["reserved", sandbox({ state: "starting" }), true, undefined, 10, "ensure"],
    [
      "a start is repeated although nobody wants it any more: only its answer tells what runs",
      sandbox({ state: "starting" }),
      false,
      undefined,
      10,
      "ensure",
    ],
    ["booting", sandbox({ state: "booting", nextTry: 20 }), true, undefined, 10, "nothing"],
    ["booting for long", sandbox({ state: "booting" }), true, undefined, BOOT_LIMIT_MS + 1, "replace"],
    ["away for a moment", sandbox({ state: "away" }), true, undefined, RECONNECT_MS - 1, "nothing"],
    ["away", sandbox({ state: "away" }), true, undefined, RECONNECT_MS, "check"],
    ["away for too long", sandbox({ state: "away", nextTry: 1e9 }), true, undefined, AWAY_LIMIT_MS + 1, "replace"],
    ["ready and pinging", sandbox({ state: "ready" }), true, 1_000, 1_000 + SILENT_MS, "nothing"],
    ["ready and silent", sandbox({ state: "ready" }), true, 1_000, 1_001 + SILENT_MS, "look"],
    ["ready, no ping yet", sandbox({ state: "ready", since: 1_000 }), true, undefined, 1e9, "nothing"],
  ] as const)("%s", (_name, state, wanted, lastPing, now, expected) => {
    expect(step(state, wanted, lastPing, now)).toBe(expected);
  });

  it("never waits for a time at which it would say the same", () => {
    for (const state of ["none", "starting", "booting", "away"] as const) {
      let current = sandbox({ state, nextTry: 500 });
      const due = nextStep(current, true, 0);
      expect(due, state).toBeDefined();
      for (let now = due ?? 0; step(current, true, undefined, now) === "nothing"; ) {
        const later: number | undefined = nextStep(current, true, now);
        expect(later, `${state} at ${now}`).toBeGreaterThan(now);
        now = later ?? 0;
        current = { ...current };
      }
    }
  });
});

it("waits longer after each failed start", () => {
  expect([1, 2, 3, 9].map(retryAfterMs)).toEqual([1_000, 4_000, 16_000, 60_000]);
});

it("says why a sandbox ended where it is known", () => {
  expect(lossOf({ exitCode: 137, reason: "out of memory" }).message).toBe("The sandbox ended: out of memory");
  expect(lossOf({ exitCode: 1, reason: null }).message).toContain("exit code 1");
  expect(lossOf(null).code).toBe("sandbox_lost");
});
