/** The living comment of a turn. It notifies nobody. Pure. */
import { isOver, type TurnView, type View } from "../../protocol/view.ts";
import { cost, tokens } from "../format.ts";
import { clean } from "../redact.ts";
import type { Message } from "../surface.ts";
import { type Task, tasksOf } from "../tasks.ts";
import { modelTrouble, pullFor, servedFor, stepOf, titleOf, waits } from "../words.ts";
import {
  branchOf,
  type CommentContent,
  comment,
  folded,
  markOf,
  missingLines,
  pullLine,
  pushFailure,
  quoted,
  small,
  stoppable,
  viewLink,
  waysOf,
} from "./content.ts";
import { code, type Home, homeOf, line } from "./escape.ts";
import { boxLine } from "./marker.ts";

/** Most tasks in one comment: it is to be read at a glance, 25 lines with all around them. */
const MOST_TASKS = 8;
/** Most remarks, the newest: notices, what keeps the model, services that are missing. */
const MOST_REMARKS = 3;
/** Characters shown of the text being written, and of each text in the list of what was said. */
const TAIL = 280;
const SAID = 200;
/** Lines in the list of what was done. */
const MOST_SAID = 10;

const BOX = { complete: "[x]", in_progress: "[ ]", pending: "[ ]", error: "[ ]" } as const;

function taskLine(task: Task, home: Home): string {
  const title = line(task.title, 200, home) || "…";
  const shown = task.status === "in_progress" ? `**${title}**` : task.status === "error" ? `❌ ${title}` : title;
  return `- ${BOX[task.status]} ${shown}`;
}

/** Markdown made one line, for a glance at it: the words stay, code blocks and the marks of headings and lists go. */
function oneLine(text: string): string {
  let fenced = false;
  return clean(text)
    .split("\n")
    .flatMap((row) => {
      if (!/^\s*(?:`{3,}|~{3,})/.test(row)) return fenced ? [] : [row];
      fenced = !fenced;
      return fenced ? ["…"] : [];
    })
    .map((row) => row.replace(/^\s{0,40}(?:#{1,6}\s+|[-*+>]\s+)+/, "").replaceAll("**", ""))
    .map((row) => row.replace(/(?<![\w_])_(?=[^\s_])([^_]*[^\s_])_(?![\w_])/g, "$1"))
    .join(" ")
    .replace(/\s+/g, " ")
    .trim();
}

/** The end of what is being written now. */
function writing(turn: TurnView, home: Home): string {
  if (isOver(turn.state)) return "";
  const text = oneLine(turn.parts.findLast((part) => part.text.trim() !== "")?.text ?? "");
  if (text === "") return "";
  if (text.length <= TAIL) return `💬 ${line(text, TAIL, home)}`;
  const tail = text.slice(-TAIL);
  return `💬 … ${line(tail.slice(Math.max(0, tail.indexOf(" "))), TAIL, home)}`;
}

/** What the agent said and did before. */
function activity(view: View, turn: TurnView, home: Home): string {
  const done = tasksOf(view, turn, MOST_TASKS).filter((task) => task.id === "prep" && task.status === "complete");
  const last = turn.parts.findLast((part) => part.text.trim() !== "");
  const said = turn.parts.filter((part) => part.done && part !== last).map((part) => oneLine(part.text));
  const rows = [...done.map((task) => task.title), ...said, stepOf({ ...turn, tools: [], thinking: false })];
  return rows
    .map((row) => line(row, SAID, home))
    .filter((row) => row !== "")
    .slice(-MOST_SAID)
    .map((row) => `- ${row}`)
    .join("\n");
}

/** Renders the living comment. The content is the same as long as nothing visible changed. */
export function renderProgress(message: Extract<Message, { kind: "progress" }>, turn: TurnView): CommentContent {
  const { view, links, now } = message;
  const home = homeOf(view);
  const over = isOver(turn.state);
  const all = tasksOf(view, turn, MOST_TASKS);
  // How the workspace was prepared is of interest while it lasts, and when it fails.
  const tasks = all.filter((task) => task.id !== "prep" || task.status !== "complete").map((task) => taskLine(task, home));
  const trouble = modelTrouble(turn, now);
  const remarks = [
    waits(view, turn) ? "⏳ This starts when the work before it is done." : "",
    ...turn.notices.map((notice) => `ℹ️ ${line(notice, 400, home)}`),
    trouble === null ? "" : `⏳ ${line(trouble, 600, home)}`,
    ...missingLines(view, home).map((one) => `ℹ️ ${one}`),
  ]
    .filter((part) => part !== "")
    .slice(-MOST_REMARKS);
  const branch = branchOf(view);
  const step = over ? "" : line(stepOf(turn), 200, home);
  const used = turn.tokens === null ? [] : [tokens(turn.tokens), cost(turn.cost)];
  const who = line(turn.who.name ?? turn.who.id, 60, home);
  return comment(
    [
      `### ${markOf(turn)} ${line(titleOf(view, turn, now), 200, home)}\n${quoted(turn, 160, home)}`,
      over ? "" : tasks.join("\n"),
      writing(turn, home),
      step === "" ? "" : `⚙️ ${step}`,
      remarks.join("  \n"),
      pushFailure(turn, home),
      [pullLine(pullFor(view, turn, "progress"), home), `${branch === "" ? "" : `**Branch** ${branch} · `}${viewLink(links)}`]
        .filter((part) => part !== "")
        .join("  \n"),
      over ? folded("What it did", tasks.join("\n")) : folded("Activity", activity(view, turn, home)),
      small([`requested by ${who}`, code(view.model, 100), ...used]),
      stoppable(turn) ? boxLine(turn.state === "queued" ? "Withdraw this request" : "Stop this run", { kind: "stop" }) : "",
    ],
    waysOf(view, links, servedFor(view, { turn, message: "progress" }), home),
  );
}
