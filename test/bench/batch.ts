/** An event in a batch of 20, from the runner into the log, over an echo of the same size by a Worker. */
import { toolEvent, toolFrames } from "./events.ts";
import { type Measurement, measurement, median } from "./report.ts";
import { echo, freshSocket } from "./socket.ts";
import { type Bundles, startStand } from "./stand.ts";

const BATCH = 20;
const FRAMES = 500;
const ECHOES = 6_000;
/** Messages under way at once, on both sides: a runner sends a frame each 250 ms, so that none meets another. */
const WINDOW = 1;

export async function batch(bundles: Bundles, rounds: number): Promise<Measurement[]> {
  const stand = await startStand(bundles, { disk: true });
  try {
    const { runner } = await stand.session(1);
    const socket = await freshSocket(`${stand.baseline.url.replace("http", "ws")}/echo`);
    const plain = await freshSocket(`${stand.baseline.url.replace("http", "ws")}/echo`, { compress: false });
    const text = JSON.stringify(toolEvent(1, 0));
    const deltas = Array.from({ length: FRAMES }, () =>
      Array.from({ length: BATCH }, (_, index) =>
        index < BATCH - 1
          ? ({ type: "text.delta", at: 1_750_000_000_000, turn: 1, part: "p1", text: "a few words of text, " } as const)
          : toolEvent(1, 0),
      ),
    );
    const whole = JSON.stringify({ t: "events", first: 1, items: toolFrames(1, 1, BATCH)[0] });
    const all: { one: number; plain: number; carried: number; batch: number; mixed: number }[] = [];
    for (let round = 0; round <= rounds; round += 1) {
      const cost = async (which: "errand" | "baseline", count: number, work: () => Promise<void>) => {
        const before = stand[which].cpuMs();
        await work();
        return ((stand[which].cpuMs() - before) * 1000) / count;
      };
      const one = await cost("baseline", ECHOES, () => echo(socket, text, ECHOES, WINDOW));
      const stored = await cost("errand", FRAMES * BATCH, () => runner.pour(toolFrames(1, FRAMES, BATCH), WINDOW));
      const bare = await cost("baseline", ECHOES, () => echo(plain, text, ECHOES, WINDOW));
      const carried = await cost("baseline", FRAMES * BATCH, () => echo(plain, whole, FRAMES, WINDOW));
      const again = await cost("baseline", ECHOES, () => echo(socket, text, ECHOES, WINDOW));
      const mixed = await cost("errand", FRAMES * BATCH, () => runner.pour(deltas, WINDOW));
      all.push({ one: (one + again) / 2, plain: bare, carried, batch: stored, mixed });
    }
    for (const each of [socket, plain]) each.terminate();
    runner.close();
    const counted = all.slice(1);
    const parts = {
      "echo, µs": median(counted.map((round) => round.one)),
      "echo without compression, µs": median(counted.map((round) => round.plain)),
      "event, µs": median(counted.map((round) => round.batch)),
      "its share of the frame's echo, µs": median(counted.map((round) => round.carried)),
      "19 text deltas and one stored event": median(counted.map((round) => round.mixed / round.one)),
    };
    return [
      measurement(
        {
          name: "event in a batch of 20",
          what: `CPU of one stored event of ${text.length} bytes, in frames of ${BATCH} over the runner's WebSocket, stored on disk and acknowledged, the living message kept up to date; over an echo of its size by a Worker to a client that compresses, as browsers and ws do by themselves (the runner does not).`,
          value: median(counted.map((round) => round.batch / round.one)),
          goal: { most: 0.5, unit: "×" },
          parts,
        },
        () =>
          `an event costs ${parts["event, µs"].toFixed(0)} µs where an echo costs only ${parts["echo, µs"].toFixed(0)} µs (${parts["echo without compression, µs"].toFixed(0)} without compression); carrying it is ${parts["its share of the frame's echo, µs"].toFixed(1)} µs of that, ` +
          `the rest checking it against the schema, storing it and applying it to the view (with text deltas, which are not stored, instead of 19 of 20 events: ${parts["19 text deltas and one stored event"].toFixed(2)} ×)`,
      ),
    ];
  } finally {
    await stand.stop();
  }
}
