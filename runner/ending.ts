/** What belongs to a turn's end beside its outcome: what is left is committed, told and pushed, and a full disk is named. */
import { statfs } from "node:fs/promises";
import type { Failure, RunnerEvent } from "../protocol/events.ts";
import { DISK_FULL } from "./failures.ts";
import { changedFiles } from "./git.ts";
import type { OpenCode } from "./opencode.ts";
import { delay } from "./opencode-stream.ts";
import type { Outcome, Publisher } from "./publisher.ts";
import { rejectAsks } from "./reading.ts";

/** Below this many free bytes, a failure of any kind is one of the full disk. */
const DISK_RESERVE = 2_000_000;
/** A stopped turn tells its end within two seconds, so what changed is not waited for longer than this, ms. */
const STOPPED_CHANGES_MS = 400;

/** What the end of turns needs. */
export type EndingOptions = {
  workspace: string;
  home: string;
  openCode: OpenCode;
  publisher: Publisher;
  workspaceReady: () => boolean;
  emit: (event: RunnerEvent) => void;
  now: () => number;
};

/** A turn at its end. `request`: the text it was for; null where nothing is to be committed any more. */
export type Ending = { turn: number; outcome: Outcome; failure: Failure | undefined; tree: ReadonlySet<string>; request: string | null };

/** Does all of it, each part within its time; `hurry` resolves when nobody wants to wait any longer. Returns the failure to tell. */
export async function settleTurn(options: EndingOptions, ending: Ending, hurry: Promise<unknown>): Promise<Failure | undefined> {
  const { turn, outcome, tree } = ending;
  const [failure] = await Promise.all([
    outcome === "failed" && (await isDiskFull(options.home)) ? DISK_FULL : ending.failure,
    tellWork(options, ending, hurry),
    tree.size === 0 ? undefined : Promise.race([rejectAsks(options.openCode, tree), delay(1_000)]),
  ]);
  return failure;

  async function tellWork(at: EndingOptions, end: Ending, soon: Promise<unknown>): Promise<void> {
    if (!at.workspaceReady()) return;
    const { committed, pushed } = at.publisher.end(turn, outcome, end.request);
    // Counted while files are being added, one could be missed or counted twice.
    await Promise.race([committed, soon]);
    await Promise.all([tellChanges(at, turn, outcome), Promise.race([pushed, soon])]);
  }
}

async function tellChanges({ workspace, emit, now }: EndingOptions, turn: number, outcome: Outcome): Promise<void> {
  const changes = await Promise.race([changedFiles(workspace), ...(outcome === "stopped" ? [delay(STOPPED_CHANGES_MS)] : [])]);
  if (changes) emit({ type: "files.changed", at: now(), turn, ...changes });
}

async function isDiskFull(home: string): Promise<boolean> {
  const free = await statfs(home).catch(() => null);
  return free !== null && free.bavail * free.bsize < DISK_RESERVE;
}
