/** Whether a long session costs more than a short one: appending, resuming and waking at 10⁵ events over 2·10³. */
import { toolFrames } from "./events.ts";
import { quiet } from "./quiet.ts";
import { type Measurement, measurement, median } from "./report.ts";
import type { Runner } from "./runner.ts";
import { freshSocket } from "./socket.ts";
import { type Bundles, type Place, type Stand, startStand } from "./stand.ts";

/** Events of the two sessions. Both are the same way past the last saved view, so that waking replays as many. */
const SHORT = 2_000;
const LONG = 100_000;
const APPENDS = 500;
const RESUMES = 200;
/** How far behind a viewer is when it comes back. */
const BEHIND = 100;
const WAKES = 15;

type Session = { place: Place; runner: Runner };
type Costs = { append: number; resume: number };

export async function growth(bundles: Bundles, rounds: number): Promise<Measurement[]> {
  const stand = await startStand(bundles, { disk: true, metered: true });
  try {
    const sessions: Record<"short" | "long", Session> = { short: await stand.session(1), long: await stand.session(2) };
    await sessions.short.runner.pour(toolFrames(1, SHORT / 500, 500), 2);
    await sessions.long.runner.pour(toolFrames(1, LONG / 500, 500), 2);
    await quiet(stand.errand);
    const all: Record<"short" | "long", Costs>[] = [];
    for (let round = 0; round <= rounds; round += 1) {
      const order = round % 2 === 0 ? (["short", "long"] as const) : (["long", "short"] as const);
      const costs: Record<"short" | "long", Costs> = { short: { append: 0, resume: 0 }, long: { append: 0, resume: 0 } };
      for (const which of order)
        costs[which].append = await cost(stand, APPENDS, () => sessions[which].runner.pour(toolFrames(1, APPENDS, 1), 1));
      for (const which of order) costs[which].resume = await cost(stand, RESUMES, () => resume(stand, sessions[which]));
      all.push(costs);
    }
    const wakes: Record<"short" | "long", number[]> = { short: [], long: [] };
    for (const { runner } of Object.values(sessions)) runner.close();
    for (let wake = 0; wake <= WAKES; wake += 1) {
      for (const which of ["short", "long"] as const) {
        await stand.end(sessions[which].place);
        const began = performance.now();
        const answer = await fetch(`${stand.errand.url}/api/sessions/${sessions[which].place.id}`);
        await answer.arrayBuffer();
        if (answer.status !== 200) throw new Error(`a woken session answered ${answer.status}`);
        if (wake > 0) wakes[which].push(performance.now() - began);
      }
    }
    const ratio = (of: "append" | "resume") => median(all.slice(1).map(({ short, long }) => long[of] / short[of]));
    const goal = { most: 1.5, unit: "×" } as const;
    const events = `at ${LONG} events over the same at ${SHORT}`;
    const absolute = (of: "append" | "resume") => ({
      "short, µs": median(all.slice(1).map(({ short }) => short[of])),
      "long, µs": median(all.slice(1).map(({ long }) => long[of])),
    });
    const reason = () => "see the parts: the cost of the long session is higher by that much";
    return [
      measurement(
        {
          name: "append at 10⁵ events",
          what: `CPU of a stored event alone in its frame, ${events}.`,
          value: ratio("append"),
          goal,
          parts: absolute("append"),
        },
        reason,
      ),
      measurement(
        {
          name: "resume at 10⁵ events",
          what: `CPU of a viewer that connects with \`after\` and gets the ${BEHIND} events it lacks, ${events}.`,
          value: ratio("resume"),
          goal,
          parts: absolute("resume"),
        },
        reason,
      ),
      measurement(
        {
          name: "waking at 10⁵ events",
          what: `Time of the first call to an object that is not in memory, its view read from disk, ${events}.`,
          value: median(wakes.long) / median(wakes.short),
          goal,
          parts: { "short, ms": median(wakes.short), "long, ms": median(wakes.long) },
        },
        reason,
      ),
    ];
  } finally {
    await stand.stop();
  }
}

/** CPU of one of `count`, in µs. */
async function cost(stand: Stand, count: number, work: () => Promise<void>): Promise<number> {
  const before = stand.errand.cpuMs();
  await work();
  return ((stand.errand.cpuMs() - before) * 1000) / count;
}

async function resume(stand: Stand, { place }: Session): Promise<void> {
  const url = `${stand.errand.url.replace("http", "ws")}/api/sessions/${place.id}/events`;
  const { n } = (await (await fetch(`${stand.errand.url}/api/sessions/${place.id}`)).json()) as { n: number };
  for (let index = 0; index < RESUMES; index += 1) {
    const socket = await freshSocket(`${url}?after=${n - BEHIND}`, { until: (frame) => frame.includes('"events"') });
    socket.terminate();
  }
}
