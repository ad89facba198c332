/**
 * Rows written by a ten-minute turn, as they are billed. The turn runs at its own pace on a clock that the benchmark
 * sets: every timer and alarm fires when it is due on that clock, so that edits of the living message are as many as in real time.
 */

import { renderSlack } from "../../bots/slack/render.ts";
import { applyEvent, emptyView } from "../../protocol/view.ts";
import { longTurn, TURN_MS } from "./long-turn.ts";
import { type Meter, rowsOf } from "./meter.ts";
import { type Measurement, measurement } from "./report.ts";
import type { Runner } from "./runner.ts";
import { type Bundles, type Place, type Stand, startStand } from "./stand.ts";

export async function rows(bundles: Bundles): Promise<Measurement[]> {
  const stand = await startStand(bundles, { disk: false, metered: true });
  try {
    const { place, runner } = await stand.session(1);
    runner.events([{ type: "turn.finished", at: Date.now(), turn: 1, outcome: "done" }]);
    await runner.until(() => runner.acknowledged === runner.sent);
    // The first turn's messages are sent and done with; from here the clock stands unless it is set.
    await new Promise((done) => setTimeout(done, 8_000));
    const start = Date.now() + 1_000;
    const before = { ...(await stand.tick(place, start)), calls: new Map(stand.outside.calls) };
    const rowsBefore = { ...before.rows };
    const status = await stand.mention(place, `${Math.floor(start / 1000)}.000200`);
    if (status !== 200) throw new Error(`the mention was answered ${status}`);
    await runner.until(() => runner.prompts.includes(2));
    runner.events([{ type: "turn.accepted", at: start, turn: 2 }]);
    const frames = longTurn(2, start);
    for (const frame of frames) {
      await dueUntil(stand, place, frame.at);
      await sent(stand, place, runner, frame.items, frame.at);
    }
    await dueUntil(stand, place, start + TURN_MS + 30_000);
    const after = await stand.tick(place, start + TURN_MS + 30_000);
    const parts = Object.fromEntries(
      Object.entries(after.rows).map(([table, count]) => [`rows: ${table}`, count - (rowsBefore[table] ?? 0)]),
    );
    const calls = Object.fromEntries(
      [...stand.outside.calls].map(([method, count]) => [`calls: ${method}`, count - (before.calls.get(method) ?? 0)]),
    );
    const events = frames.flatMap((frame) => frame.items);
    const value = rowsOf(after) - rowsOf({ ...before, rows: rowsBefore });
    const changes = changesOf(frames);
    runner.close();
    return [
      measurement(
        {
          name: "rows of a ten-minute turn",
          what: `Rows written (rowsWritten of every statement, and one for each setAlarm) from a mention in an existing session to its outcome in the thread: ${events.length + 1} events of the runner, ${events.filter((event) => event.type === "text.delta").length} of them text in progress; the living message's content changed ${changes} times.`,
          value,
          goal: { most: 600, unit: "rows" },
          parts: { ...parts, ...calls, "changes of the living message": changes },
        },
        () =>
          Object.entries(parts)
            .filter(([, count]) => count > 0)
            .sort(([, a], [, b]) => b - a)
            .map(([table, count]) => `${count} ${table.slice(6)}`)
            .join(", "),
      ),
    ];
  } finally {
    await stand.stop();
  }
}

/** Lets every timer and alarm due by then fire at its own time. */
async function dueUntil(stand: Stand, place: Place, time: number): Promise<void> {
  let meter = await stand.tick(place, null);
  for (let rounds = 0; meter.due !== null && meter.due <= time; rounds += 1) {
    if (rounds > 1_000) throw new Error("timers without end");
    meter = await stand.tick(place, meter.due);
  }
  await stand.tick(place, time);
}

/** Sends a frame and waits until the object has handled it and all that came of it at that time. */
async function sent(stand: Stand, place: Place, runner: Runner, items: Parameters<Runner["events"]>[0], time: number): Promise<void> {
  const { frames }: Meter = await stand.tick(place, time);
  runner.events(items);
  const late = Date.now() + 10_000;
  while ((await stand.tick(place, time)).frames <= frames) if (Date.now() > late) throw new Error("a frame was not handled within 10 s");
}

/** How often what the living message shows changes, a frame being looked at as one change, its clock aside. */
function changesOf(frames: ReturnType<typeof longTurn>): number {
  const view = emptyView();
  const start = frames[0]?.at ?? 0;
  applyEvent(view, { type: "turn.queued", at: start, turn: 2, who: { id: "slack:T1:UADA" }, text: "please", options: {}, contentKey: "k" });
  applyEvent(view, { type: "turn.started", at: start, turn: 2 });
  const links = {
    session: "https://e.test/s",
    vscode: "https://e.test/v",
    desktop: "https://e.test/d",
    terminal: "https://e.test/t",
    preview: "https://e.test/p/",
  };
  let shown = "";
  let changes = 0;
  for (const { items } of frames) {
    for (const event of items) applyEvent(view, event);
    const content = JSON.stringify(renderSlack({ kind: "progress", turn: 2, view, links, now: start }));
    if (content !== shown) changes += 1;
    shown = content;
  }
  return changes;
}
