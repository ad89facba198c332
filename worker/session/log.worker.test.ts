/** The log on real SQLite: what is taken once, what may be acknowledged, and what does not fit into one row. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { AgentEvent, RunnerEvent } from "../../protocol/events.ts";
import { TURNS_KEPT } from "../../protocol/view.ts";
import { Log, logTables } from "./log.ts";
import { migrate } from "./schema.ts";

const queued = (turn: number, text = "t"): AgentEvent => ({
  type: "turn.queued",
  at: 1,
  turn,
  who: { id: "u" },
  text,
  options: {},
  contentKey: `c${turn}`,
});
const delta = (text: string): RunnerEvent => ({ type: "text.delta", at: 1, turn: 1, part: "p", text });
const done = (text: string, turn = 1): RunnerEvent => ({ type: "text.done", at: 1, turn, part: "p", text });
const thinking: RunnerEvent = { type: "thinking", at: 1, turn: 1, on: true };

/** SQLite with Cloudflare's limit of 2 MB for one value, which workerd alone does not keep. */
function asDeployed(sql: SqlStorage): SqlStorage {
  const exec: SqlStorage["exec"] = (query, ...values) => {
    for (const value of values)
      if (typeof value === "string" && new TextEncoder().encode(value).length >= 2_000_000) throw new Error("string or blob too big");
    return sql.exec(query, ...values);
  };
  return { exec } as SqlStorage;
}

let objects = 0;
/** Runs a test with a log that knows turn 1. `again` is the log of the object's next life. */
function withLog(test: (log: Log, again: () => Log, rollBack: (work: () => void) => void) => void): Promise<void> {
  objects += 1;
  return runInDurableObject(env.SESSIONS.getByName(`log-${objects}`), (_object, { storage }) => {
    storage.transactionSync(() => migrate(storage.sql, [logTables]));
    const log = new Log(asDeployed(storage.sql));
    log.append([queued(1)]);
    test(
      log,
      () => new Log(asDeployed(storage.sql)),
      (work) => {
        const undo = new Error("undone");
        expect(() =>
          storage.transactionSync(() => {
            work();
            throw undo;
          }),
        ).toThrow(undo);
        log.forget();
      },
    );
  });
}

const types = (log: Log) => log.after(1, 1_000).map(({ event }) => event.type);
const textOf = (log: Log) => log.view().turns[0]?.parts[0]?.text;

describe("a batch of the runner", () => {
  it("is stored without its text in progress, which shows in the view", () =>
    withLog((log) => {
      expect(log.take(1, 1, [thinking, delta("a"), delta("b")])).toMatchObject({
        stored: [{ n: 2 }],
        live: [{ text: "a" }, { text: "b" }],
      });
      expect(types(log)).toEqual(["thinking"]);
      expect([log.stored(1), log.received(1), textOf(log)]).toEqual([1, 3, "ab"]);
    }));

  it("counts once, however it overlaps with what is known", () =>
    withLog((log) => {
      log.take(1, 1, [delta("a"), done("ab")]);
      expect(log.take(1, 1, [delta("a"), done("ab")])).toEqual({ stored: [], live: [] });
      log.take(1, 2, [done("ab"), thinking]);
      expect(types(log)).toEqual(["text.done", "thinking"]);
      expect(log.received(1)).toBe(3);
    }));

  it("is refused when events before it are missing", () =>
    withLog((log) => {
      expect(log.take(1, 2, [thinking])).toBeUndefined();
      expect(types(log)).toEqual([]);
    }));

  it("of another generation is numbered from 1 again", () =>
    withLog((log) => {
      log.take(1, 1, [thinking, thinking]);
      log.take(2, 1, [thinking]);
      expect([log.stored(1), log.stored(2), log.last()]).toEqual([2, 1, 4]);
    }));

  it("may be as large as a frame, in any script", () =>
    withLog((log) => {
      // 990,000 characters, three bytes each.
      expect(
        log.take(
          1,
          1,
          Array.from({ length: 5 }, () => done("語".repeat(198_000))),
        )?.stored,
      ).toHaveLength(5);
      expect([log.stored(1), log.last()]).toEqual([5, 6]);
    }));
});

describe("after a restart", () => {
  it("only what is stored is known, so that the runner sends the rest again", () =>
    withLog((log, again) => {
      log.take(1, 1, [thinking, delta("a")]);
      const reborn = again();
      expect([reborn.received(1), textOf(reborn)]).toEqual([1, undefined]);
      reborn.take(1, 2, [delta("a"), delta("b")]);
      expect(textOf(reborn)).toBe("ab");
    }));

  it("the view is the same, from its last saving on", () =>
    withLog((log, again) => {
      log.take(1, 1, [done("said")]);
      log.save();
      log.take(1, 2, [thinking]);
      expect(again().view()).toEqual(log.view());
    }));

  it("a view that is too large for a row is read from the events", () =>
    withLog((log, again) => {
      for (let turn = 2; turn <= TURNS_KEPT + 2; turn += 1) {
        log.append([queued(turn, "語".repeat(40_000)), { type: "turn.started", at: 1, turn }]);
        log.take(1, 2 * turn - 3, [done("語".repeat(40_000), turn), { type: "turn.finished", at: 2, turn, outcome: "done" }]);
        log.save();
      }
      expect(again().view()).toEqual(log.view());
    }));
});

it("remembers nothing of a transaction that was rolled back", () =>
  withLog((log, _again, rollBack) => {
    rollBack(() => log.take(1, 1, [delta("a"), thinking]));
    expect([log.last(), log.stored(1), log.received(1), textOf(log)]).toEqual([1, 0, 0, undefined]);
    // What was committed before is not lost for those who watch.
    expect(log.fresh()).toMatchObject([{ n: 1 }]);
    expect(log.take(1, 1, [delta("a"), thinking])?.stored).toMatchObject([{ n: 2 }]);
  }));
