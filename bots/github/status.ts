/** The check run of a turn beside the commit it works on. It ends well or in nothing: it never keeps anybody from merging. Pure. */
import { isOver, type TurnView } from "../../protocol/view.ts";
import { count, duration } from "../format.ts";
import type { Message } from "../surface.ts";
import { tasksOf } from "../tasks.ts";
import type { CheckContent } from "./content.ts";
import { quoted, stoppable } from "./content.ts";
import { homeOf, line } from "./escape.ts";

/** Most tasks in the summary. */
const MOST_TASKS = 20;

/** What the buttons of a check run ask for, in GitHub's `requested_action.identifier`: at most 20 characters. */
export const CHECK_ACTION = { stop: "stop", retry: "retry", fix: "fix_ci" } as const;

/** The state in a few words without a clock: a check run changes when the state does. */
function titleOf(turn: TurnView): string {
  const took = turn.startedAt !== null && turn.endedAt !== null ? ` ${duration(turn.endedAt - turn.startedAt)}` : "";
  const STATE: Record<TurnView["state"], string> = {
    queued: "Queued",
    starting: "Starting",
    working: turn.steps > 0 ? `Working · ${count(turn.steps, "step")}` : "Working",
    waiting: "Waiting for an answer",
    stopping: "Stopping",
    done: `Worked for${took}`,
    failed: `Failed after${took}`,
    stopped: took === "" ? "Stopped before it began" : `Stopped after${took}`,
    withdrawn: "Withdrawn before work began",
  };
  return STATE[turn.state];
}

const STATUS: Partial<Record<TurnView["state"], CheckContent["status"]>> = { queued: "queued" };
const iso = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());

/** Renders the check run. GitHub shows at most three buttons, with labels of 20 characters and descriptions of 40. */
export function renderStatus(message: Extract<Message, { kind: "status" }>, turn: TurnView): CheckContent {
  const { view, links, commit } = message;
  const home = homeOf(view);
  // The work went on at a newer commit: what is shown beside this one must not run for ever.
  const newer = turn.pushed !== null && turn.pushed.commit !== commit ? turn.pushed.commit : null;
  const over = isOver(turn.state) || newer !== null;
  const tasks = tasksOf(view, turn, MOST_TASKS).map(
    ({ title, status }) => `- [${status === "complete" ? "x" : " "}] ${status === "error" ? "❌ " : ""}${line(title, 200, home) || "…"}`,
  );
  const failure = turn.failure
    ? `**${line(turn.failure.message, 1_500, home)}**${turn.failure.action ? `\n\n${line(turn.failure.action, 1_500, home)}` : ""}`
    : "";
  const fix = over && view.offers.some((offer) => offer.state === "open" && !offer.auto && offer.label === null);
  return {
    kind: "check",
    commit,
    status: over ? "completed" : (STATUS[turn.state] ?? "in_progress"),
    conclusion: over ? (turn.state === "done" && newer === null ? "success" : "neutral") : null,
    startedAt: iso(turn.startedAt),
    completedAt: over ? iso(turn.endedAt ?? turn.activeAt) : null,
    detailsUrl: links.session,
    title: newer === null ? titleOf(turn) : `Went on at ${line(newer.slice(0, 10), 60, home)}`,
    summary: [quoted(turn, 160, home), tasks.join("\n"), failure].filter((part) => part !== "").join("\n\n"),
    actions: [
      ...(stoppable(turn) && !over ? [{ label: "Stop", description: "End this run", identifier: CHECK_ACTION.stop }] : []),
      ...(over ? [{ label: "Try again", description: "Do the same work once more", identifier: CHECK_ACTION.retry }] : []),
      ...(fix ? [{ label: "Fix checks", description: "Let errand look at what fails", identifier: CHECK_ACTION.fix }] : []),
    ],
  };
}
