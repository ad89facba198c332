/** An inbound Slack delivery over a bare Worker response, in memory and on disk. */
import { quiet } from "./quiet.ts";
import { type Measurement, measurement, median } from "./report.ts";
import { type Bundles, type Stand, startStand } from "./stand.ts";

/** Sessions a round uses, and prompts each of them is sent while measured: they queue behind its running turn. */
const SESSIONS = 100;
const PROMPTS = 4;
const COUNT = SESSIONS * PROMPTS;
/** Requests of the cheap kinds: CPU time is told in steps of 10 ms, so that they need more. */
const MANY = 1_500;
/** Slack's answers may be held back for this long, in ms: the Worker gives a call up after 10 s. */
const HELD_MS = 8_000;
/** Requests under way at once. */
const AT_ONCE = 16;

/** CPU of one request, in µs, by kind. */
type Round = { bare: number; least: number; accept: number; receipt: number; refused: number; ignored: number; duplicate: number };

export async function inbound(bundles: Bundles, rounds: number): Promise<Measurement[]> {
  const taken: Measurement[] = [];
  for (const disk of [false, true]) {
    const stand = await startStand(bundles, { disk });
    try {
      const all: Round[] = [];
      // The first round warms the compilers of both sides up and is thrown away.
      for (let round = 0; all.length <= rounds; round += 1) {
        if (round > 2 * rounds + 1)
          throw new Error(`the machine is too busy: of ${round} rounds only ${all.length} were over before Slack calls time out`);
        const over = await one(stand, round);
        if (over) all.push(over);
      }
      taken.push(verdict(all.slice(1), disk));
    } finally {
      await stand.stop();
    }
  }
  return taken;
}

function verdict(rounds: Round[], disk: boolean): Measurement {
  const ratio = (of: (round: Round) => number) => median(rounds.map((round) => of(round) / round.bare));
  const parts = {
    "bare, µs": median(rounds.map((round) => round.bare)),
    "the least: signature, one call, one row": ratio((round) => round.least),
    "refused signature": ratio((round) => round.refused),
    "event not for errand": ratio((round) => round.ignored),
    "duplicate delivery": ratio((round) => round.duplicate),
    "new prompt": ratio((round) => round.accept),
    "receipt it causes": ratio((round) => round.receipt),
    "new prompt with its receipt": ratio((round) => round.accept + round.receipt),
  };
  const step = (name: keyof typeof parts, before: keyof typeof parts) => (parts[name] - parts[before]).toFixed(1);
  return measurement(
    {
      name: `inbound, ${disk ? "on disk" : "in memory"}`,
      what:
        "CPU of a signed mention in a session whose turn runs, from the request to 200: signature, Bolt, hand-over, the stored request, its turn, " +
        "log, view and alarm; over the same request to a Worker of one Hono route. Not in it: sending the receipt that it causes, given apart.",
      value: parts["new prompt"],
      goal: { most: disk ? 8 : 4, unit: "×" },
      parts,
    },
    () =>
      `the least that could do it (signature, one call of an object, one row) costs ${parts["the least: signature, one call, one row"].toFixed(1)} × here. ` +
      `Of the ${parts["new prompt"].toFixed(1)} ×, ${parts["refused signature"].toFixed(1)} are HTTP and the signature, ` +
      `${step("event not for errand", "refused signature")} Bolt and reading the event, ` +
      `${step("duplicate delivery", "event not for errand")} the call of the object and the check for duplicates, ` +
      `${step("new prompt", "duplicate delivery")} storing the request and making the turn of it`,
  );
}

/** One round; null when it took so long that calls to Slack were given up, which would be counted into it. */
async function one(stand: Stand, round: number): Promise<Round | null> {
  const first = posts(stand);
  const places = await inTurns(SESSIONS, (index) => stand.session((round + 1) * 1_000 + index));
  const place = (index: number) => places[index % SESSIONS]?.place ?? missing();
  const ts = (index: number) => `${1_750_000_000 + index}.${String(round).padStart(6, "0")}`;
  const cost = async (which: "errand" | "baseline", count: number, work: (index: number) => Promise<unknown>) => {
    const before = stand[which].cpuMs();
    await inTurns(count, work);
    return ((stand[which].cpuMs() - before) * 1000) / count;
  };
  await posted(stand, first + SESSIONS);
  await quiet(stand.errand);
  const bare = await cost("baseline", 2 * MANY, (index) => ok(stand.bare(place(index), ts(index))));
  const least = await cost("baseline", MANY, (index) => ok(stand.least(place(index), ts(index))));
  const duplicate = await cost("errand", MANY, (index) => ok(stand.mention(place(index), place(index).ts)));
  const ignored = await cost("errand", MANY, (index) => ok(stand.mention(place(index), ts(index), { type: "reaction_added" })));
  const refused = await cost("errand", MANY, (index) => stand.mention(place(index), ts(index), { signature: `v0=${"0".repeat(64)}` }));
  // From here Slack does not answer posts: each session has one under way, and everything measured stays on this side of it.
  const release = stand.outside.holdPosts();
  const held = Date.now();
  await inTurns(SESSIONS, (index) => ok(stand.mention(place(index), ts(index))));
  await quiet(stand.errand);
  const accept = await cost("errand", COUNT, (index) => ok(stand.mention(place(index), ts(SESSIONS + index))));
  const before = stand.errand.cpuMs();
  const inTime = Date.now() - held < HELD_MS;
  release();
  await posted(stand, first + 2 * SESSIONS + COUNT);
  const receipt = ((stand.errand.cpuMs() - before) * 1000) / (SESSIONS + COUNT);
  const bareAgain = await cost("baseline", 2 * MANY, (index) => ok(stand.bare(place(index), ts(index))));
  for (const session of places) session.runner.close();
  if (!inTime) return null;
  return { bare: (bare + bareAgain) / 2, least, accept, receipt, refused, ignored, duplicate };
}

const missing = (): never => {
  throw new Error("no session");
};

async function ok(status: Promise<number>): Promise<void> {
  if ((await status) !== 200) throw new Error(`a delivery was answered ${await status}`);
}

const posts = (stand: Stand): number => stand.outside.calls.get("chat.postMessage") ?? 0;

/** Waits until Slack has answered so many posts. */
async function posted(stand: Stand, count: number): Promise<void> {
  const late = Date.now() + 60_000;
  while (posts(stand) < count) {
    if (Date.now() > late) throw new Error(`Slack got ${posts(stand)} posts of ${count} within 60 s`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** Runs `work` for 0 … count-1 with a fixed number under way. */
async function inTurns<T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < count; index = next++) results[index] = await work(index);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}
