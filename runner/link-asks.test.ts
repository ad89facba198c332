import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { RunnerAsk } from "../protocol/runner.ts";
import { RUNNER_ASK_MS } from "../protocol/runner.ts";
import { openAsks } from "./link-asks.ts";

const ask: RunnerAsk = { what: "credential", url: "https://github.com/acme/sample.git" };
const yes = { is: "credential", username: "u", password: "p", expiresAt: 1 } as const;

describe("an ask", () => {
  let connected = false;
  let sent: string[] = [];
  let asks: ReturnType<typeof openAsks>;
  beforeEach(() => {
    vi.useFakeTimers();
    connected = false;
    sent = [];
    asks = openAsks(
      (id) => sent.push(id),
      () => connected,
    );
  });
  afterEach(() => {
    asks.close();
    vi.useRealTimers();
  });
  const connect = () => {
    connected = true;
    asks.connected();
  };

  it("waits for a connection that is welcomed, and is sent once", async () => {
    const answer = asks.ask(ask);
    expect(sent).toEqual([]);
    connect();
    asks.connected();
    expect(sent).toHaveLength(1);
    asks.answered("of another", { is: "no", why: "no" });
    asks.answered(sent[0] ?? "", yes);
    expect(await answer).toEqual(yes);
    asks.answered(sent[0] ?? "", { is: "no", why: "late" });
  });

  it("has an id of its own each time", async () => {
    connect();
    const answers = [asks.ask(ask), asks.ask(ask)];
    expect(new Set(sent).size).toBe(2);
    for (const id of sent) asks.answered(id, yes);
    expect(await Promise.all(answers)).toEqual([yes, yes]);
  });

  it("is refused without a connection, and without an answer, in time", async () => {
    const waiting = asks.ask(ask);
    await vi.advanceTimersByTimeAsync(RUNNER_ASK_MS / 2);
    connect();
    await vi.advanceTimersByTimeAsync(RUNNER_ASK_MS / 2);
    expect(await waiting).toEqual({ is: "no", why: "errand's server could not be reached within 20 s." });
  });

  it("is refused when its connection breaks, and not sent again; one that was not sent goes over the next", async () => {
    connect();
    const lost = asks.ask(ask);
    connected = false;
    const kept = asks.ask(ask);
    asks.broken();
    expect(await lost).toMatchObject({ is: "no" });
    connect();
    expect(sent).toHaveLength(2);
    asks.answered(sent[1] ?? "", yes);
    expect(await kept).toEqual(yes);
  });

  it("is refused when the link has ended", async () => {
    const waiting = asks.ask(ask);
    asks.close();
    expect(await waiting).toMatchObject({ is: "no" });
    expect(await asks.ask(ask)).toMatchObject({ is: "no" });
  });
});
