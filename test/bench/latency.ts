/** From an event's leaving the runner to its reaching a viewer, over an echo's round trip. */
import type { RunnerEvent } from "../../protocol/events.ts";
import { toolEvent } from "./events.ts";
import { type Measurement, measurement, median } from "./report.ts";
import { echo, freshSocket } from "./socket.ts";
import { type Bundles, startStand } from "./stand.ts";

/** One after the other in each round. */
const COUNT = 200;

type Round = { trip: number; object: number; stored: number; text: number };

export async function latency(bundles: Bundles, rounds: number): Promise<Measurement[]> {
  const disk = await on(bundles, rounds, true);
  const memory = await on(bundles, rounds, false);
  const ratio = (of: Round[], what: "stored" | "text" | "object") => median(of.map((round) => round[what] / round.trip));
  const goal = { most: 2, unit: "×" } as const;
  const way = "from the runner, alone in its frame, to a viewer of the session, over the round trip of an echo by a Worker; median";
  const parts = {
    "echo's round trip, ms": median(disk.map((round) => round.trip)),
    "in memory instead of on disk": ratio(memory, "stored"),
    "echo by an object": ratio(disk, "object"),
  };
  return [
    measurement(
      {
        name: "text to viewer, p50",
        what: `Time of text in progress (four of five events of a turn; not stored) ${way}.`,
        value: ratio(disk, "text"),
        goal,
      },
      () =>
        `an echo by an object, which does nothing else, already takes ${ratio(disk, "object").toFixed(1)} ×; the rest is reading and checking the frame, ` +
        "the view, and a second connection to another socket",
    ),
    measurement(
      {
        name: "stored event to viewer, p50",
        what: `Time of an event that is stored and safe on disk before anyone sees it, ${way}.`,
        value: ratio(disk, "stored"),
        goal,
        parts,
      },
      () =>
        `on storage in memory it is ${ratio(memory, "stored").toFixed(1)} ×, and text in progress, which waits for no row, takes ${ratio(disk, "text").toFixed(1)} ×: the rest is waiting until the row is safe on disk`,
    ),
  ];
}

async function on(bundles: Bundles, rounds: number, disk: boolean): Promise<Round[]> {
  const stand = await startStand(bundles, { disk });
  try {
    const { place, runner } = await stand.session(1);
    const socket = await freshSocket(`${stand.baseline.url.replace("http", "ws")}/echo`);
    const object = await freshSocket(`${stand.baseline.url.replace("http", "ws")}/echo/object`);
    const viewer = await freshSocket(`${stand.errand.url.replace("http", "ws")}/api/sessions/${place.id}/events`);
    let seen: () => void = () => undefined;
    viewer.on("message", () => seen());
    const shown = (event: RunnerEvent) =>
      timed(async () => {
        const heard = new Promise<void>((done) => {
          seen = done;
        });
        runner.events([event]);
        await heard;
      });
    const message = JSON.stringify(toolEvent(1, 0));
    const all: Round[] = [];
    for (let round = 0; round <= rounds; round += 1) {
      const times: Record<keyof Round, number[]> = { trip: [], object: [], stored: [], text: [] };
      for (let index = 0; index < COUNT; index += 1) {
        times.trip.push(await timed(() => echo(socket, message, 1, 1)));
        times.object.push(await timed(() => echo(object, message, 1, 1)));
        times.stored.push(await shown(toolEvent(1, index)));
        times.text.push(await shown({ type: "text.delta", at: 1_750_000_000_000, turn: 1, part: "p1", text: "a few words of text, " }));
      }
      all.push({ trip: median(times.trip), object: median(times.object), stored: median(times.stored), text: median(times.text) });
    }
    for (const each of [viewer, object, socket]) each.terminate();
    runner.close();
    return all.slice(1);
  } finally {
    await stand.stop();
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
