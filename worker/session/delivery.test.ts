import { describe, expect, it } from "vitest";
import { apply, emptyView, type TurnView } from "../../protocol/view.ts";
import { afterAttempt, backoffMs, compareRows, editDue, GIVE_UP_AFTER_MS, HEARTBEAT_MS, type Row, SETTLE_MS } from "./delivery.ts";

const row = (change: Partial<Row> = {}): Row => ({
  key: "k",
  thread: "slack:T1:C1:1.1",
  place: null,
  kind: "progress",
  turn: 1,
  ref: "",
  seq: 1,
  frozen: null,
  sent: null,
  nativeId: null,
  postingSince: null,
  attempts: 0,
  due: 0,
  sentAt: 0,
  wantedAt: 0,
  dead: null,
  ...change,
});

function turn(): TurnView {
  const view = emptyView();
  apply(view, { n: 1, event: { type: "turn.queued", at: 0, turn: 1, who: { id: "u" }, text: "t", options: {}, contentKey: "c" } });
  apply(view, { n: 2, event: { type: "turn.started", at: 0, turn: 1 } });
  const [only] = view.turns;
  if (!only) throw new Error("no turn");
  return only;
}

describe("afterAttempt", () => {
  const posting = row({ postingSince: 5, attempts: 2 });
  it.each([
    ["sent", { kind: "sent", id: "9.9" }, { sent: "body", nativeId: "9.9", postingSince: null, attempts: 0, due: 100, sentAt: 100 }],
    [
      "not applied, with the time to wait",
      { kind: "wait", ms: 7_000, method: "chat.update", why: "429" },
      { postingSince: null, attempts: 3, due: 7_100 },
    ],
    ["refused", { kind: "refused", code: "is_archived", why: "archived" }, { dead: "archived", postingSince: null }],
    ["a living message that was deleted", { kind: "gone", why: "deleted" }, { dead: "deleted", postingSince: null }],
  ] as const)("%s", (_name, outcome, expected) => {
    expect(afterAttempt(posting, { write: "post", content: "body" }, outcome, 100, 0)).toEqual(expected);
  });

  it("keeps the mark of a post whose outcome is unknown, so that the thread is searched first", () => {
    const after = afterAttempt(posting, { write: "post", content: "body" }, { kind: "unknown", why: "reset" }, 100, 0);
    expect(after).not.toHaveProperty("postingSince");
    expect(after.due).toBeGreaterThanOrEqual(100 + SETTLE_MS);
  });

  it("keeps that mark when the look itself has to wait", () => {
    const looking = { write: "find", content: "body" } as const;
    const after = afterAttempt(posting, looking, { kind: "wait", ms: 1_000, method: "conversations.replies", why: "429" }, 100, 0);
    expect(after).toEqual({ attempts: 3, due: 1_100 });
    expect(afterAttempt(posting, looking, { kind: "found", id: "9.9" }, 100, 0)).toEqual({
      nativeId: "9.9",
      postingSince: null,
      attempts: 0,
      due: 100,
    });
  });

  it("posts an outcome again when somebody deleted it", () => {
    expect(
      afterAttempt(row({ kind: "final", nativeId: "1.1" }), { write: "edit", content: "body" }, { kind: "gone", why: "deleted" }, 100, 0),
    ).toMatchObject({
      nativeId: null,
      sent: null,
    });
  });

  it("gives up after a day, with the reason", () => {
    const old = row({ attempts: 50, wantedAt: 0 });
    expect(
      afterAttempt(old, { write: "post", content: "body" }, { kind: "wait", ms: 1, method: null, why: "down" }, GIVE_UP_AFTER_MS + 1, 0)
        .dead,
    ).toBe("down");
  });
});

const pace = (elapsed: number) => ({ gap: 3_000, trailing: elapsed < 60_000 ? 5_000 : 10_000 });

describe("editDue", () => {
  const sent = row({ sent: "x", nativeId: "1.1", sentAt: 10_000, due: 10_000 });
  it("posts at once", () => expect(editDue(row({ due: 3 }), turn(), undefined, false, pace)).toBe(3));
  it("keeps the gap for a change of state", () => expect(editDue(sent, turn(), 10_500, true, pace)).toBe(13_000));
  it("waits for more text", () => expect(editDue(sent, turn(), 11_000, false, pace)).toBe(16_000));
  it("beats without a change", () => expect(editDue(sent, turn(), undefined, false, pace)).toBe(10_000 + HEARTBEAT_MS));
  it("sends the last content soon", () => expect(editDue({ ...sent, frozen: "y" }, turn(), undefined, false, pace)).toBe(11_000));
  it("waits for more text the longer the turn takes", () => expect(editDue(sent, turn(), 61_000, false, pace)).toBe(71_000));
  it("beats only while work is shown", () => expect(editDue({ ...sent, kind: "status" }, turn(), undefined, false, pace)).toBeUndefined());
  it("leaves a finished turn alone", () => expect(editDue(sent, { ...turn(), state: "done" }, undefined, false, pace)).toBeUndefined());
});

describe("compareRows", () => {
  it("posts in the order of the thread, then edits what matters first", () => {
    const receipt = row({ key: "receipt", seq: 1 });
    const final = row({ key: "final", seq: 2, kind: "final" });
    const edit = row({ key: "edit", seq: 0, nativeId: "1.1" });
    const ask = row({ key: "ask", seq: 9, kind: "ask", nativeId: "1.2" });
    expect([edit, final, ask, receipt].sort(compareRows).map((each) => each.key)).toEqual(["receipt", "final", "ask", "edit"]);
  });
});

describe("backoffMs", () => {
  it.each([
    [0, 500, 1_000],
    [3, 4_000, 8_000],
    [20, 30_000, 60_000],
  ])("try %d is between %d and %d", (attempts, low, high) => {
    expect(backoffMs(attempts, 0)).toBe(low);
    expect(backoffMs(attempts, 1)).toBe(high);
  });
});
