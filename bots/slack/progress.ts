/** The living message of a turn. Pure. */
import { isOver, queuedTurns, runningTurn, type TurnView, type View } from "../../protocol/view.ts";
import type { Message } from "../surface.ts";
import { actions, type Block, context, LIMIT, type SlackContent, section } from "./blocks.ts";
import { line, markdown, plain, visible } from "./escape.ts";
import { count, duration, elapsed, ordinal } from "./format.ts";
import { buttons, missingLines, repositoryName, whereabouts } from "./place.ts";
import { tailOfMarkdown } from "./split.ts";
import { tasksOf } from "./tasks.ts";

/** Characters shown of the text being written. */
const TAIL = 600;
/** A working agent without a tool, thoughts or words is said to be silent after this, in ms. */
const SILENT_MS = 30_000;

/** What a turn is at, in one line of plain text. */
export function titleOf(view: View, turn: TurnView, now: number): string {
  const since = turn.startedAt ?? turn.queuedAt;
  const on = view.repository ? ` on ${repositoryName(view.repository)}` : "";
  const took = duration((turn.endedAt ?? now) - since);
  const steps = turn.steps > 0 ? ` · ${count(turn.steps, "step")}` : "";
  switch (turn.state) {
    case "queued": {
      const place = queuedTurns(view).findIndex((queued) => queued.id === turn.id) + 1;
      if (place > 1) return `Queued, ${ordinal(place)} in line`;
      return runningTurn(view) ? "Queued, next in line" : `Starting${on}`;
    }
    case "starting":
      return `Starting${on} · ${elapsed(now - since)}`;
    case "working":
      return `Working${on} · ${elapsed(now - since)}`;
    case "waiting":
      return "Waiting for your answer";
    case "stopping":
      return "Stopping…";
    case "done":
      return `Worked for ${took}${steps}`;
    case "failed":
      return `Failed after ${took}${steps}`;
    case "stopped":
      return turn.startedAt === null ? "Stopped before it began" : `Stopped after ${took}${steps}`;
    case "withdrawn":
      return "Withdrawn before work began";
  }
}

/** What is being written now, as far as it has not ended in a step or an answer. */
function writing(turn: TurnView): Block[] {
  if (isOver(turn.state)) return [];
  const text = visible(turn.parts.findLast((part) => part.text.trim() !== "")?.text ?? "");
  return text.trim() === "" ? [] : [{ type: "markdown", text: markdown(tailOfMarkdown(text, TAIL)) }];
}

/** For how long the agent has given no sign, where nothing it does explains that; null while that is short. */
function silence(turn: TurnView, now: number): number | null {
  if (turn.state !== "working" || turn.thinking || turn.tools.length > 0 || !turn.activeAt) return null;
  const silent = now - turn.activeAt;
  return silent >= SILENT_MS ? silent : null;
}

function remarks(turn: TurnView, now: number): string[] {
  const lines = turn.notices.map((notice) => line(notice, 600));
  if (turn.retry && !isOver(turn.state)) {
    const wait = turn.retry.nextAt - now;
    const when = wait > 1_000 ? `next try in ${elapsed(wait)}` : "trying again";
    lines.push(`:hourglass_flowing_sand: The model failed: ${line(turn.retry.message, 900)} · ${when}`);
  } else {
    const silent = silence(turn, now);
    if (silent !== null) lines.push(`:hourglass_flowing_sand: Waiting for the model, nothing new for ${elapsed(silent)}`);
  }
  return lines;
}

/** What runs now, or what ran last, where the tasks do not say it. Steps are counted as in the title of a turn that is over. */
function step(turn: TurnView): string {
  if (isOver(turn.state) || turn.state === "queued") return "";
  const tool = turn.tools[0];
  const planned = turn.plan.length > 0;
  if (tool)
    return [turn.steps > 0 ? `step ${turn.steps + 1}` : "", planned ? line(tool.title, 300) : ""].filter((part) => part !== "").join(": ");
  if (!planned) return "";
  if (turn.thinking) return "thinking";
  return turn.lastStep ? `${count(turn.steps, "step")} done, last: ${line(turn.lastStep, 300)}` : "";
}

/** Renders the living message. The content is the same as long as nothing visible changed. */
export function renderProgress(message: Extract<Message, { kind: "progress" }>, turn: TurnView): SlackContent {
  const { view, links, now } = message;
  const title = titleOf(view, turn, now);
  const tasks = tasksOf(view, turn);
  const head: Block =
    tasks.length > 0 ? { type: "plan", title: plain(title, LIMIT.title), tasks } : section(`*${line(title, LIMIT.title)}*`);
  const waiting = turn.state === "queued" && runningTurn(view) ? `“${line(turn.prompt, 80)}” starts when the work before it is done.` : "";
  const where = [...whereabouts(view), step(turn), waiting].filter((part) => part !== "").join(" · ");
  const blocks = [
    head,
    ...writing(turn),
    ...context(remarks(turn, now)),
    ...context([where, ...missingLines(view)]),
    ...actions(`run:${turn.id}:${turn.state}`, buttons(view, turn, links)),
  ];
  return { text: line(`${title} · ${where.replaceAll("`", "")}`, LIMIT.text), blocks };
}
