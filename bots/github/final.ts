/** The comment at the end of a turn: the one that notifies the requester. Pure. */
import { answerOf, type TurnView, type View } from "../../protocol/view.ts";
import { count } from "../format.ts";
import { clean } from "../redact.ts";
import { splitMarkdown } from "../split.ts";
import type { Message } from "../surface.ts";
import { closedWords, figuresOf, filesOf, isLatest, outcomeOf, overtaken, pullFor, servedFor } from "../words.ts";
import {
  branchOf,
  type CommentContent,
  comment,
  folded,
  MAX_BODY,
  markOf,
  pullLine,
  pushFailure,
  quoted,
  sizeOf,
  small,
  viewLink,
  waysOf,
} from "./content.ts";
import { code, type Home, homeOf, line, link, markdown, mention } from "./escape.ts";

/** Files named; the others are counted. */
const FILES_SHOWN = 20;
/** Room kept for marks that are added when a comment is sent. */
const MARKS = 3_000;

/** As much of an answer as fits into `room`, cut between paragraphs. It is cut before it is escaped: half a code span would be none. */
function answerWithin(answer: string, room: number, home: Home, session: string): string {
  const whole = markdown(answer, home);
  if (sizeOf(whole) <= room) return whole;
  const pointer = `… The answer is longer than a comment on GitHub can be. ${link("Read all of it", session)}.`;
  let max = room;
  for (let tries = 0; tries < 12; tries += 1) {
    const shown = `${markdown(splitMarkdown(answer, Math.max(100, max), 1).pieces[0] ?? "", home)}\n\n${pointer}`;
    const size = sizeOf(shown);
    if (size <= room) return shown;
    max = Math.floor(max * Math.min(0.9, room / size));
  }
  return pointer;
}

function filesChanged(turn: TurnView): string {
  const { total, rows, more } = filesOf(turn, FILES_SHOWN);
  if (total === 0) return "";
  const lines = rows.map(({ path, change }) => `- ${code(path, 300)} ${change}`);
  if (more > 0) lines.push(`- and ${count(more, "more file")}`);
  return folded(`${count(total, "file")} changed on this branch`, lines.join("\n"));
}

function pushed(view: View, turn: TurnView): string {
  // A branch that nothing was done on is not worth a line, and may be in the workspace only.
  if (turn.pushed === null) return turn.filesTotal > 0 && branchOf(view) ? `**Branch** ${branchOf(view)}` : "";
  const { branch, commit, commits } = turn.pushed;
  return `**Branch** ${code(branch, 255)} at ${code(commit.slice(0, 7), 7)}${commits > 0 ? ` (${count(commits, "commit")})` : ""}`;
}

/** Renders the comment: who it is for, what came of it, what it changed and what it cost. `slug`: the name errand is called by. */
export function renderFinal(message: Extract<Message, { kind: "final" }>, turn: TurnView, slug: string): CommentContent {
  const { view, links } = message;
  const home = homeOf(view);
  const again = (what: string) => `Mention ${slug} to ${what}.`;
  const { head, action } = outcomeOf(turn, again);
  const who = mention(turn.who) ?? line(turn.who.name ?? turn.who.id, 100, home);
  const answer = turn.state === "withdrawn" ? "" : clean(answerOf(turn)).trim();
  const closed = isLatest(view, turn) ? closedWords(view) : null;
  const place = (text: string) =>
    [
      `${who} ${markOf(turn)} ${line(head, 1_600, home)}`,
      overtaken(view, turn) ? quoted(turn, 160, home) : "",
      action === null ? "" : `**What to do:** ${line(action, 2_000, home)}`,
      answer !== "" && turn.state !== "done" ? "What the agent wrote last:" : "",
      text,
      pushFailure(turn, home),
      [pullLine(pullFor(view, turn, "final"), home), pushed(view, turn)].filter((part) => part !== "").join("  \n"),
      filesChanged(turn),
      closed === null ? "" : `${closed} ${again("begin again")}`,
      small([...figuresOf(turn), code(view.model, 100), viewLink(links)]),
    ].filter((part) => part !== "");
  const silent = turn.state === "done" ? "The agent ended without a closing message." : "";
  const ways = waysOf(view, links, servedFor(view, { turn, message: "final" }), home);
  const room = MAX_BODY - MARKS - sizeOf(place("").join("\n\n")) - sizeOf(ways);
  return comment(place(answer === "" ? silent : answerWithin(answer, room, home, links.session)), ways);
}
