import { describe, expect, it } from "vitest";
import { draw, drawAll, LIMITS, type Limit } from "./bucket.ts";

const limit: Limit = { perMinute: 60, burst: 10, scope: "workspace" };

describe("draw", () => {
  it("starts half full and takes one token", () => {
    expect(draw(undefined, limit, "ask", 1_000)).toEqual({ bucket: { tokens: 4, at: 1_000, slot: 0 }, waitMs: 0 });
  });

  it("refills with time, up to the burst", () => {
    expect(draw({ tokens: 0, at: 0, slot: 0 }, limit, "ask", 2_000).bucket.tokens).toBeCloseTo(1);
    expect(draw({ tokens: 0, at: 0, slot: 0 }, limit, "ask", 3600_000).bucket.tokens).toBe(9);
  });

  it.each([
    ["ask", 1, 0],
    ["final", 1, 0],
    ["state", 3, 250],
    ["heartbeat", 3, 2_500],
  ] as const)("leaves a reserve: %s with %d tokens waits %d ms", (priority, tokens, waitMs) => {
    expect(draw({ tokens, at: 0, slot: 0 }, limit, priority, 0).waitMs).toBe(waitMs);
  });

  it("does not fill backwards when the clock jumps back", () => {
    expect(draw({ tokens: 1, at: 10_000, slot: 0 }, limit, "ask", 5_000)).toEqual({ bucket: { tokens: 0, at: 5_000, slot: 0 }, waitMs: 0 });
  });

  it("tells those who wait to come back one after another, and none behind them who must not wait", () => {
    let bucket = { tokens: 0, at: 0, slot: 0 };
    const waits = (["state", "state", "heartbeat", "final", "state"] as const).map((priority) => {
      const drawn = draw(bucket, limit, priority, 0);
      bucket = drawn.bucket;
      return drawn.waitMs;
    });
    expect(waits).toEqual([3_250, 4_250, 5_500, 1_000, 6_500]);
  });

  it("keeps every workspace under Slack's 50 updates a minute", () => {
    const update = LIMITS["chat.update"]?.[0];
    if (!update) throw new Error("chat.update has no limit");
    let bucket: ReturnType<typeof draw>["bucket"] = { tokens: update.burst, at: 0, slot: 0 };
    let granted = 0;
    for (let now = 60_000; now < 120_000; now += 10) {
      const drawn = draw(bucket, update, "ask", now);
      bucket = drawn.bucket;
      if (drawn.waitMs === 0) granted += 1;
    }
    expect(granted).toBeLessThanOrEqual(update.perMinute + update.burst);
    expect(update.perMinute).toBeLessThan(50);
  });

  it("takes from all buckets of a method or from none", () => {
    const minute: Limit = { perMinute: 60, burst: 2, scope: "workspace" };
    const hour: Limit = { perMinute: 6, burst: 1, scope: "workspace" };
    const full = [
      { tokens: 2, at: 0, slot: 0 },
      { tokens: 1, at: 0, slot: 0 },
    ];
    const first = drawAll(full, [minute, hour], "ask", 0);
    expect(first).toMatchObject({ waitMs: 0, buckets: [{ tokens: 1 }, { tokens: 0 }] });
    const second = drawAll(first.buckets, [minute, hour], "ask", 0);
    expect(second).toMatchObject({ waitMs: 10_000, buckets: [{ tokens: 1 }, { tokens: 0 }] });
  });
});
