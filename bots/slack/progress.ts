/** The living message of a turn. Pure. */
import { isOver, type TurnView, type View } from "../../protocol/view.ts";
import { clean } from "../redact.ts";
import { tailOfMarkdown } from "../split.ts";
import type { Message } from "../surface.ts";
import { tasksOf } from "../tasks.ts";
import { modelTrouble, pullFor, servedFor, stepOf, titleOf, waits } from "../words.ts";
import { actions, type Block, context, LIMIT, type SlackContent, section, type TaskCard } from "./blocks.ts";
import { line, markdown, plain } from "./escape.ts";
import { address, buttons, missingLines, pullLine, pushFailureText, servedLine, whereabouts } from "./place.ts";

/** Most tasks in one message. */
const MOST_TASKS = 12;
/** Characters shown of the text being written. */
const TAIL = 600;

/** What is being written now, as far as it has not ended in a step or an answer. */
function writing(turn: TurnView): Block[] {
  if (isOver(turn.state)) return [];
  const text = clean(turn.parts.findLast((part) => part.text.trim() !== "")?.text ?? "");
  return text.trim() === "" ? [] : [{ type: "markdown", text: markdown(tailOfMarkdown(text, TAIL)) }];
}

/** Whom it waits for, and for what; how to do it is said to that person alone. */
const heldText = (turn: TurnView): string =>
  `${address(turn.who)} has to link their account with errand, since work in this repository takes their own rights: a message here that only they can see says how. This begins by itself then, and is dropped after an hour.`;

function remarks(turn: TurnView, now: number): string[] {
  const trouble = modelTrouble(turn, now);
  return [
    ...turn.notices.map((notice) => line(notice, 600)),
    ...(trouble === null ? [] : [`:hourglass_flowing_sand: ${line(trouble, 1_000)}`]),
  ];
}

const cards = (view: View, turn: TurnView): TaskCard[] =>
  tasksOf(view, turn, MOST_TASKS).map(({ id, title, status }) => ({
    type: "task_card",
    task_id: id.slice(0, 250),
    title: plain(title, LIMIT.title) || "…",
    status,
  }));

/** Renders the living message. The content is the same as long as nothing visible changed. */
export function renderProgress(message: Extract<Message, { kind: "progress" }>, turn: TurnView): SlackContent {
  const { view, links, now } = message;
  const title = titleOf(view, turn, now);
  const tasks = cards(view, turn);
  const head: Block =
    tasks.length > 0 ? { type: "plan", title: plain(title, LIMIT.title), tasks } : section(`*${line(title, LIMIT.title)}*`);
  const waiting = waits(view, turn) ? `“${line(turn.prompt, 80)}” starts when the work before it is done.` : "";
  const held = turn.held === null || isOver(turn.state) ? [] : [section(heldText(turn))];
  const where = [...whereabouts(view), line(stepOf(turn), 320), waiting].filter((part) => part !== "").join(" · ");
  const blocks = [
    head,
    ...held,
    ...writing(turn),
    ...context(remarks(turn, now)),
    ...pushFailureText(turn).map(section),
    ...context([
      where,
      ...pullLine(pullFor(view, turn, "progress")),
      ...servedLine(servedFor(view, { turn, message: "progress" }), links),
      ...missingLines(view),
    ]),
    ...actions(`run:${turn.id}:${turn.state}`, buttons(view, turn, links)),
  ];
  return { text: line(`${title} · ${where.replaceAll("`", "")}`, LIMIT.text), blocks };
}
