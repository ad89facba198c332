/** From a mention to the model's first request, in a session whose sandbox is awake, against OpenCode asked directly. */
import { execFile } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Errand, MENTION } from "../end-to-end/errand.ts";
import { startGitHost } from "../world/git-host.ts";
import { startModel } from "../world/model.ts";
import { startOpenCode } from "../world/real-opencode.ts";
import { type Measurement, measurement, median } from "./report.ts";
import type { Bundles } from "./stand.ts";

const run = promisify(execFile);
/** The longest wait for a request of the model, in ms. */
const LATE = 60_000;

export async function prompt(_: Bundles, rounds: number): Promise<Measurement[]> {
  const folder = mkdtempSync(join(tmpdir(), "errand-bench-prompt-"));
  const errand = new Errand();
  const stops: (() => Promise<unknown>)[] = [() => errand.remove(), () => rm(folder, { recursive: true, force: true })];
  // Also when the benchmark is interrupted: each of these sends its signal before it waits.
  const abandon = () => {
    for (const stop of stops) void stop();
  };
  process.once("exit", abandon);
  try {
    const model = await startModel({ respond: () => ({ reply: { text: "Done." } }), models: ["bench"] });
    stops.unshift(() => model.stop());
    const git = await startGitHost({ dataDir: join(folder, "git") });
    stops.unshift(() => git.stop());
    await run("git", ["clone", "--quiet", git.cloneUrl("acme/sample"), join(folder, "repo")]);
    const alone = await startOpenCode({ folder: join(folder, "repo"), url: model.url });
    stops.unshift(() => alone.stop());
    await errand.start({ ERRAND_MODEL_URL: model.url, ERRAND_MODEL_KEY: "bench", ERRAND_MODEL: "bench" });

    /** When the model was first asked something that holds the word, ms since 1970. */
    const asked = async (word: string) => {
      for (const late = Date.now() + LATE; Date.now() < late; await new Promise((done) => setTimeout(done, 2))) {
        const call = model.calls.find(({ request }) => JSON.stringify(request.messages).includes(word));
        if (call) return call.at;
      }
      throw new Error(`the model was not asked within ${LATE / 1000} s; errand's log ends:\n${errand.output.join("").slice(-2_000)}`);
    };
    const session = (await alone.client.session.create({})).data?.id ?? "";
    const direct = async (word: string) => {
      const began = Date.now();
      await alone.client.session.promptAsync({
        sessionID: session,
        model: { providerID: "errand", modelID: "main" },
        parts: [{ type: "text", text: `Say done: ${word}` }],
      });
      return (await asked(word)) - began;
    };
    const thread = await errand.say(`${MENTION} say done`);
    const { session: id } = await errand.message(thread, "turn:1:final", /./, LATE);
    const mentioned = async (word: string, turn: number) => {
      const began = Date.now();
      await errand.say(`${MENTION} say done: ${word}`, thread);
      const at = await asked(word);
      await errand.message(thread, `turn:${turn}:final`, /./, LATE);
      const seen = (await errand.view(id)).turns.find((each) => each.id === turn);
      if (!seen?.acceptedAt) throw new Error(`turn ${turn} was not taken by the agent`);
      return { whole: at - began, queued: seen.queuedAt - began, accepted: seen.acceptedAt - seen.queuedAt, asked: at - seen.acceptedAt };
    };
    const all: { direct: number; mentioned: Awaited<ReturnType<typeof mentioned>> }[] = [];
    // One takes some three seconds and times scatter more than CPU does: twice the rounds.
    for (let round = 0; round <= 2 * rounds; round += 1) {
      all.push({
        direct: await direct(`direct-word-${round}-`),
        mentioned: await mentioned(`mention-word-${round}-`, round + 2),
      });
      // The last answer is still being written down on both sides.
      await new Promise((done) => setTimeout(done, 1_000));
    }
    const counted = all.slice(1);
    const middle = (of: keyof Awaited<ReturnType<typeof mentioned>>) => median(counted.map((round) => round.mentioned[of]));
    const parts = {
      "OpenCode alone, ms": median(counted.map((round) => round.direct)),
      "mention, ms": middle("whole"),
      "posting to queued, ms": middle("queued"),
      "queued to taken by the agent, ms": middle("accepted"),
      "taken to the model, ms": middle("asked"),
    };
    return [
      measurement(
        {
          name: "mention to model, over OpenCode",
          what:
            "Time from a person's posting the mention, through the local Slack, Worker, runner, OpenCode in its sandbox and the Worker's model route, " +
            "to the request's arrival at the model; minus the time from a prompt to an OpenCode outside to its request. Sandbox awake, session with earlier turns, medians.",
          value: parts["mention, ms"] - parts["OpenCode alone, ms"],
          goal: { most: 150, unit: "ms" },
          parts,
        },
        () =>
          `a mention takes ${parts["mention, ms"].toFixed(0)} ms to the model: ${parts["posting to queued, ms"].toFixed(0)} from Slack into the session, ` +
          `${parts["queued to taken by the agent, ms"].toFixed(0)} to the agent, ${parts["taken to the model, ms"].toFixed(0)} in OpenCode and the model route, ` +
          `where OpenCode alone takes ${parts["OpenCode alone, ms"].toFixed(0)} ms`,
      ),
    ];
  } finally {
    process.off("exit", abandon);
    for (const stop of stops) await stop().catch((error: unknown) => process.stderr.write(`bench: ${String(error)}\n`));
  }
}
