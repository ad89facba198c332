/** The reply at the end of a turn. Pure. */
import { answerOf, type TurnView, type View } from "../../protocol/view.ts";
import { count } from "../format.ts";
import { clean } from "../redact.ts";
import { splitMarkdown } from "../split.ts";
import type { Message } from "../surface.ts";
import { closedWords, figuresOf, filesOf, isLatest, outcomeOf, overtaken, pullFor, servedFor } from "../words.ts";
import { actions, type Block, context, LIMIT, type SlackContent, section } from "./blocks.ts";
import { code, line, markdown, within } from "./escape.ts";
import { address, buttons, missingLines, pullLine, pushFailureText, servedLine, whereabouts } from "./place.ts";

/** Files named in the reply; the others are counted. */
const FILES_SHOWN = 8;
/** Room kept in the markdown blocks for saying that the answer was cut. */
const POINTER_ROOM = 200;

function filesChanged(turn: TurnView): Block[] {
  const { total, rows, more } = filesOf(turn, FILES_SHOWN);
  if (total === 0) return [];
  const lines = rows.map(({ path, change }) => `${code(path, 220)}  ${change}`);
  if (more > 0) lines.push(`and ${count(more, "more file")}`);
  return [section([`*${count(total, "file")} changed* on this branch`, ...lines].join("\n"))];
}

/** The answer as Markdown within what one message takes. What does not within is on the session page. */
function answerBlocks(answer: string, session: string): Block[] {
  const escaped = markdown(answer);
  const { pieces, whole } = splitMarkdown(escaped, LIMIT.markdown - POINTER_ROOM - session.length, 1);
  const text = whole ? pieces[0] : `${pieces[0] ?? ""}\n\n… The answer is longer than a Slack message. [Read all of it](${session}).`;
  return text === undefined || text === "" ? [] : [{ type: "markdown", text }];
}

const again = (what: string) => `Reply to ${what}.`;

function outcome(turn: TurnView): { head: string; body: Block[] } {
  const { head, action } = outcomeOf(turn, again);
  return { head: line(head, 1_510), body: action === null ? [] : [section(`*What to do:* ${within(action, 2_000)}`)] };
}

/** Which request it is a reply to, where others stand between. */
const about = (turn: TurnView, view: View): Block[] => (overtaken(view, turn) ? context([`To: “${line(turn.prompt, 150)}”`]) : []);

/** Renders the reply: who it is for, what came of it, what it changed and what it cost. */
export function renderFinal(message: Extract<Message, { kind: "final" }>, turn: TurnView): SlackContent {
  const { view, links } = message;
  const { head, body } = outcome(turn);
  const answer = turn.state === "withdrawn" ? "" : clean(answerOf(turn)).trim();
  const silent = answer === "" && turn.state === "done" ? [section("The agent ended without a closing message.")] : [];
  const lead = `${address(turn.who)} ${head}`;
  const closed = isLatest(view, turn) ? closedWords(view) : null;
  const closing = closed === null ? [] : [`${closed} ${again("begin again")}`];
  const blocks = [
    section(lead),
    ...about(turn, view),
    ...body,
    ...(answer !== "" && turn.state !== "done" ? context(["What the agent wrote last:"]) : []),
    ...(answer === "" ? silent : answerBlocks(answer, links.session)),
    ...filesChanged(turn),
    ...[
      ...pushFailureText(turn),
      ...pullLine(pullFor(view, turn, "final")),
      ...servedLine(servedFor(view, { turn, message: "final" }), links),
    ].map(section),
    ...context([figuresOf(turn).join(" · "), whereabouts(view).join(" · "), ...closing, ...missingLines(view)]),
    ...actions(`end:${turn.id}:${turn.state}`, buttons(view, turn, links)),
  ];
  return { text: joinText(lead, answer), blocks };
}

/** The notification: the mention and as much of the answer as `chat.update` takes in a text. */
function joinText(lead: string, answer: string): string {
  return answer === "" ? lead : `${lead}\n${within(answer, LIMIT.text - lead.length - 1)}`;
}
