/** Comments on lines: threads with their answers, boxes to write new ones, and the review that gathers several. Pure. */
import { type Html, html } from "../html.ts";
import { card, isEdited, minimizedOf } from "./card.ts";
import { parsePatch, type Side } from "./diff.ts";
import { actionForm, buttonForm, count, type Reader, writingBox } from "./form.ts";
import { githubMarkdown } from "./markdown.ts";
import type { PendingComment } from "./pending.ts";
import { addressOf, spotName, type ThreadPlace } from "./place.ts";
import type { ReviewComment } from "./records.ts";
import type { ReviewThread } from "./timeline.ts";

/** How many lines of the diff stand above a thread in the conversation; GitHub shows four. */
const SHOWN_LINES = 4;

/** The card of a comment on a line. */
function reviewCard(comment: ReviewComment, reader: Reader, place: ThreadPlace): Html {
  const anchor = `discussion_r${comment.id}`;
  const content = {
    kind: "review" as const,
    id: comment.id,
    anchor,
    user: comment.user,
    at: comment.created_at,
    edited: isEdited(comment),
    body: comment.body,
    reactions: comment.reactions,
    minimized: minimizedOf(comment),
  };
  return card(content, reader, editLinks(place, anchor));
}

/** Whether a text is being changed, and the addresses that begin and end that. */
export function editLinks(place: ThreadPlace, anchor: string): { editing: boolean; edit: string; done: string } {
  const others = place.edit.filter((name) => name !== anchor);
  return {
    editing: place.edit.includes(anchor),
    edit: `${addressOf({ ...place, edit: [...others, anchor] })}#${anchor}`,
    done: `${addressOf({ ...place, edit: others })}#${anchor}`,
  };
}

function hunkTail(comment: ReviewComment): Html | null {
  const lines = parsePatch(comment.diff_hunk).filter((line) => line.kind !== "hunk" && line.kind !== "note");
  if (lines.length === 0) return null;
  return html`<div class="diff"><table>${lines.slice(-SHOWN_LINES).map((line) => html`<tr class="line-${line.kind}"><td class="no">${line.old}</td><td class="no">${line.new}</td><td class="code">${line.text}</td></tr>`)}</table></div>`;
}

/** One thread. `heading` shows where it is, with the last lines of the diff, as in the conversation. */
export function threadView(thread: ReviewThread, reader: Reader, place: ThreadPlace, heading: boolean): Html {
  const { top, replies } = thread;
  const line = top.line ?? top.original_line;
  const outdated = top.line === null && top.subject_type !== "file";
  const files = addressOf({ ...place, files: true, edit: [], at: [] });
  const head = html`<p class="where"><a href="${files}#${spotName({ path: top.path, side: top.side ?? "RIGHT", line: line ?? 0 })}"><code>${top.path}</code></a>${line ? html` <span class="quiet">line ${line}</span>` : null}${outdated ? html` <span class="tag">outdated</span>` : null}</p>${hunkTail(top)}`;
  const reply = actionForm(
    reader,
    "reply",
    { id: `reply-${top.id}`, class: "writing reply", fields: { number: place.number, id: top.id } },
    writingBox({ id: `reply-text-${top.id}`, label: "Reply…", rows: 1 }),
    html`<div class="row end"><button type="submit" class="button">Reply</button></div>`,
  );
  return html`<div class="thread" id="thread-${top.id}">${heading ? head : null}
${[top, ...replies].map((comment) => reviewCard(comment, reader, place))}${reply}</div>`;
}

/** The box for a new comment on a line. */
export function lineBox(options: {
  reader: Reader;
  place: ThreadPlace;
  spot: { path: string; side: Side; line: number };
  sha: string;
  pending: number;
}): Html {
  const { reader, place, spot, sha, pending } = options;
  const name = spotName(spot);
  const done = addressOf({ ...place, at: place.at.filter((other) => other !== name) });
  return actionForm(
    reader,
    "line-comment",
    { id: `line-${name}`, class: "writing", fields: { number: place.number, path: spot.path, side: spot.side, line: spot.line, sha } },
    writingBox({ id: `line-text-${name}`, label: `Comment on line ${spot.line}` }),
    html`<div class="row end"><span class="hint">Ctrl+Enter adds</span><a href="${done}" class="button" data-show data-cancel>Cancel</a>
<button type="submit" class="button${pending > 0 ? "" : " primary"}" name="how" value="single" data-close="${done}">Add single comment</button>
<button type="submit" class="button${pending > 0 ? " primary" : ""}" name="how" value="review" data-close="${done}">${pending > 0 ? "Add to review" : "Start a review"}</button></div>`,
  );
}

/** A comment that waits for its review to be submitted. */
export function pendingCard(comment: PendingComment, reader: Reader, place: ThreadPlace): Html {
  const remove = buttonForm(reader, "pending-remove", { label: "Delete", kind: "plain", fields: { number: place.number, id: comment.id } });
  const where = { repository: reader.repository, origin: reader.origin, mayTick: false };
  return html`<article class="card mine pending" id="pending-${comment.id}"><header><b class="login">${reader.me}</b> <span class="tag">pending</span><span class="tools">${remove}</span></header>
<div class="body markdown">${githubMarkdown(comment.body, where)}</div></article>`;
}

/** The box that submits a review with all that is pending. */
export function reviewBox(reader: Reader, place: ThreadPlace, pending: number, mine: boolean): Html {
  const choice = (value: string, label: string, off = false) =>
    html`<label><input type="radio" name="event" value="${value}" autocomplete="off"${value === "COMMENT" ? html` checked` : null}${off ? html` disabled` : null}> ${label}</label>`;
  return html`<details class="menu" id="review-box"><summary class="button primary">Review changes${pending > 0 ? html` <span class="pill">${pending}</span>` : null}</summary><div>
${actionForm(
  reader,
  "review",
  { id: "review-form", class: "writing", fields: { number: place.number } },
  html`<p class="quiet">${pending > 0 ? `Submits ${count(pending, "pending comment")} at once.` : "Comments on lines are added with the + beside them."}</p>`,
  writingBox({ id: "review-text", label: "Leave a comment", optional: true }),
  html`<div class="choices">${choice("COMMENT", "Comment")}${choice("APPROVE", "Approve", mine)}${choice("REQUEST_CHANGES", "Request changes", mine)}</div>
<div class="row end"><button type="submit" class="button primary">Submit review</button></div>`,
)}</div></details>`;
}
