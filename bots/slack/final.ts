/** The reply at the end of a turn. Pure. */
import type { FileChange } from "../../protocol/events.ts";
import { answerOf, type TurnView, type View } from "../../protocol/view.ts";
import type { Message } from "../surface.ts";
import { actions, type Block, context, LIMIT, type SlackContent, section } from "./blocks.ts";
import { code, line, markdown, visible, within } from "./escape.ts";
import { cost, count, duration, tokens } from "./format.ts";
import { address, buttons, missingLines, whereabouts } from "./place.ts";
import { splitMarkdown } from "./split.ts";

/** Files named in the reply; the others are counted. */
const FILES_SHOWN = 8;
/** Room kept in the markdown blocks for saying that the answer was cut. */
const POINTER_ROOM = 200;

const SIGN: Record<FileChange["status"], string> = { added: "new", deleted: "deleted", renamed: "renamed", modified: "" };

function filesChanged(turn: TurnView): Block[] {
  if (turn.filesTotal === 0 && turn.files.length === 0) return [];
  const total = Math.max(turn.filesTotal, turn.files.length);
  const rows = turn.files.slice(0, FILES_SHOWN).map((file) => {
    const sign = SIGN[file.status];
    return `${code(file.path, 220)}  +${file.additions} −${file.deletions}${sign ? ` (${sign})` : ""}`;
  });
  if (total > rows.length) rows.push(`and ${count(total - rows.length, "more file")}`);
  return [section([`*${count(total, "file")} changed* on this branch`, ...rows].join("\n"))];
}

/** The answer as Markdown within what one message takes. What does not within is on the session page. */
function answerBlocks(answer: string, session: string): Block[] {
  const escaped = markdown(answer);
  const { pieces, whole } = splitMarkdown(escaped, LIMIT.markdown - POINTER_ROOM - session.length, 1);
  const text = whole ? pieces[0] : `${pieces[0] ?? ""}\n\n… The answer is longer than a Slack message. [Read all of it](${session}).`;
  return text === undefined || text === "" ? [] : [{ type: "markdown", text }];
}

const HEAD: Partial<Record<TurnView["state"], string>> = {
  done: "Done.",
  stopped: "Stopped. Reply to continue.",
  withdrawn: "Withdrawn before work began.",
};

function outcome(turn: TurnView): { head: string; body: Block[] } {
  if (turn.state !== "failed") return { head: HEAD[turn.state] ?? "Still at work.", body: [] };
  const message = turn.failure?.message ?? "The work ended without saying why.";
  const action = turn.failure?.action ?? "Reply to try again.";
  return { head: `Failed: ${line(message, 1_500)}`, body: [section(`*What to do:* ${within(action, 2_000)}`)] };
}

/** Other requests that came while this one was under way stand between it and its reply; then the reply says what it is to. */
function about(turn: TurnView, view: View): Block[] {
  const between = view.turns.some((other) => other.id > turn.id && turn.endedAt !== null && other.queuedAt <= turn.endedAt);
  return between ? context([`To: “${line(turn.prompt, 150)}”`]) : [];
}

/** Renders the reply: who it is for, what came of it, what it changed and what it cost. */
export function renderFinal(message: Extract<Message, { kind: "final" }>, turn: TurnView): SlackContent {
  const { view, links } = message;
  const { head, body } = outcome(turn);
  const answer = turn.state === "withdrawn" ? "" : visible(answerOf(turn)).trim();
  const silent = answer === "" && turn.state === "done" ? [section("The agent ended without a closing message.")] : [];
  const lead = `${address(turn.who)} ${head}`;
  const took = turn.startedAt !== null && turn.endedAt !== null ? duration(turn.endedAt - turn.startedAt) : "";
  // A turn that never reached the agent used nothing; saying "unknown" would be wrong.
  const used = turn.acceptedAt === null && turn.tokens === null ? [] : [tokens(turn.tokens), cost(turn.cost)];
  const figures = [took, turn.steps > 0 ? count(turn.steps, "step") : "", ...used].filter((part) => part !== "");
  const blocks = [
    section(lead),
    ...about(turn, view),
    ...body,
    ...(answer !== "" && turn.state !== "done" ? context(["What the agent wrote last:"]) : []),
    ...(answer === "" ? silent : answerBlocks(answer, links.session)),
    ...filesChanged(turn),
    ...context([figures.join(" · "), whereabouts(view).join(" · "), ...missingLines(view)]),
    ...actions(`end:${turn.id}:${turn.state}`, buttons(view, turn, links)),
  ];
  return { text: joinText(lead, answer), blocks };
}

/** The notification: the mention and as much of the answer as `chat.update` takes in a text. */
function joinText(lead: string, answer: string): string {
  return answer === "" ? lead : `${lead}\n${within(answer, LIMIT.text - lead.length - 1)}`;
}
