/** An issue or pull request as a conversation. Pure. */
import { type Html, html } from "../html.ts";
import { author, avatar, card, isEdited, minimizedOf } from "./card.ts";
import { type Extras, mergeBox } from "./checks.ts";
import { actionForm, buttonForm, count, moment, type Reader, writingBox } from "./form.ts";
import { githubMarkdown } from "./markdown.ts";
import { addressOf, type ThreadPlace } from "./place.ts";
import type { Thread } from "./read.ts";
import type { Commit, Issue, IssueEvent } from "./records.ts";
import { editLinks, threadView } from "./review.ts";
import { type Entry, timelineOf } from "./timeline.ts";

/** The label that starts errand on an issue. */
export const ERRAND_LABEL = "errand";

/** Open, closed, draft or merged, as a coloured word. */
export function stateTag(thread: { issue: Issue; parts: Thread["parts"] }): Html {
  const { issue, parts } = thread;
  const merged = parts ? parts.pull.merged : Boolean(issue.pull_request?.merged_at);
  const draft = parts ? parts.pull.draft : issue.draft;
  const state = merged ? "merged" : issue.state === "closed" ? "closed" : draft ? "draft" : "open";
  return html`<span class="state ${state}${issue.pull_request ? "" : " issue"}">${state.charAt(0).toUpperCase()}${state.slice(1)}</span>`;
}

/** The head of both pages of a pull request, and of an issue's one. */
export function headOf(thread: Thread, reader: Reader, place: ThreadPlace): Html {
  const { issue, parts } = thread;
  const pull = parts?.pull;
  const from = pull && (pull.head.repo && pull.head.repo.full_name !== reader.repository ? pull.head.label : pull.head.ref);
  const about = pull
    ? html`<b>${issue.user.login}</b> ${pull.merged ? "merged" : "wants to merge"} ${count(parts.commits.length, "commit")} into <code>${pull.base.ref}</code> from <code>${from}</code>`
    : html`<b>${issue.user.login}</b> opened this ${moment(issue.created_at)} · ${count(issue.comments, "comment")}`;
  const tab = (files: boolean, label: string, number: number) =>
    html`<a href="${addressOf({ ...place, files, edit: [], at: [] })}"${place.files === files ? html` aria-current="page"` : null}>${label} <span class="pill">${number}</span></a>`;
  const talk = thread.comments.length + (parts?.comments.length ?? 0);
  const tabs = parts
    ? html`<nav class="tabs" aria-label="Pull request">${tab(false, "Conversation", talk)}${tab(true, "Files changed", parts.files.length)}<span class="stat"><b class="plus">+${pull?.additions ?? 0}</b> <b class="minus">−${pull?.deletions ?? 0}</b></span></nav>`
    : null;
  return html`<div class="head" id="head"><h1>${issue.title} <span class="quiet">#${issue.number}</span></h1>
<p>${stateTag(thread)} <span class="quiet">${about}</span></p>${labelsOf(issue, reader)}${tabs}</div>`;
}

function labelsOf(issue: Issue, reader: Reader): Html | null {
  const has = issue.labels.includes(ERRAND_LABEL);
  const toggle = reader.mayWrite
    ? buttonForm(reader, "label", {
        label: has ? `Remove label “${ERRAND_LABEL}”` : `Add label “${ERRAND_LABEL}”`,
        kind: "plain",
        id: "label-toggle",
        fields: { number: issue.number, name: ERRAND_LABEL, on: has ? 0 : 1 },
      })
    : null;
  if (issue.labels.length === 0 && !toggle) return null;
  return html`<div class="labels">${issue.labels.map((name) => html`<span class="label">${name}</span>`)}${toggle}</div>`;
}

const EVENTS: Record<string, string> = {
  closed: "closed this",
  reopened: "reopened this",
  merged: "merged this",
  ready_for_review: "marked this as ready for review",
  convert_to_draft: "made this a draft",
  head_ref_deleted: "deleted the branch",
  renamed: "changed the title",
};

function eventLine(event: IssueEvent): Html {
  const what =
    event.event === "labeled" || event.event === "unlabeled"
      ? html`${event.event === "labeled" ? "added" : "removed"} the label <span class="label">${event.label?.name}</span>`
      : (EVENTS[event.event] ?? event.event);
  return html`<p class="event" id="event-${event.id}">${author(event.actor)} ${what} ${moment(event.created_at)}</p>`;
}

const VERDICTS: Record<string, string> = {
  APPROVED: "approved these changes",
  CHANGES_REQUESTED: "requested changes",
  DISMISSED: "reviewed (dismissed)",
};

/** Commits, one a line. */
export function commitList(commits: readonly Commit[], reader: Reader): Html {
  const one = ({ sha, commit }: Commit) => {
    const address = addressOf({ page: "commit", repository: reader.repository, sha });
    return html`<li><span>${commit.message.split("\n", 1)[0]}</span> <span class="quiet">${commit.author.name}</span> <a href="${address}"><code>${sha.slice(0, 7)}</code></a></li>`;
  };
  return html`<ul class="commits">${commits.map(one)}</ul>`;
}

function entryView(entry: Entry, reader: Reader, place: ThreadPlace): Html {
  switch (entry.kind) {
    case "comment": {
      const { comment } = entry;
      const anchor = `issuecomment-${comment.id}`;
      const { user, body, reactions } = comment;
      const content = {
        kind: "comment" as const,
        id: comment.id,
        anchor,
        user,
        body,
        reactions,
        at: comment.created_at,
        edited: isEdited(comment),
        minimized: minimizedOf(comment),
      };
      return card(content, reader, editLinks(place, anchor));
    }
    case "event":
      return eventLine(entry.event);
    case "commits":
      return commitList(entry.commits, reader);
    case "review": {
      const { review, threads } = entry;
      const where = { repository: reader.repository, origin: reader.origin, mayTick: false };
      const verdict = review.state.toUpperCase();
      return html`<section class="review ${verdict.toLowerCase()}" id="pullrequestreview-${review.id}">
<p class="event">${avatar(review.user, reader.me)}${author(review.user)} ${VERDICTS[verdict] ?? "reviewed"} ${moment(entry.at)}</p>
${review.body ? html`<div class="card"><div class="body markdown">${githubMarkdown(review.body, where)}</div></div>` : null}
${threads.map((thread) => threadView(thread, reader, place, true))}</section>`;
    }
    case "thread":
      return threadView(entry.thread, reader, place, true);
  }
}

function commentBox(thread: Thread, reader: Reader): Html {
  const { issue } = thread;
  const merged = thread.parts?.pull.merged ?? false;
  const mayClose = !merged && (reader.mayWrite || issue.user.login === reader.me);
  const word = issue.pull_request ? "pull request" : "issue";
  const change = mayClose
    ? html`<button type="submit" class="button" name="state" value="${issue.state === "open" ? "closed" : "open"}" formnovalidate>${issue.state === "open" ? `Close ${word}` : `Reopen ${word}`}</button>`
    : null;
  if (issue.locked && !reader.mayWrite) return html`<p class="quiet" id="comment">This conversation is locked.</p>`;
  return actionForm(
    reader,
    "comment",
    { id: "comment", class: "writing box", fields: { number: issue.number, pull: issue.pull_request ? 1 : 0 } },
    html`<label for="comment-text">Add a comment as <b>${reader.me}</b></label>`,
    writingBox({ id: "comment-text", label: "Leave a comment", rows: 4 }),
    html`<div class="row end"><button type="button" class="at" data-mention>@errand</button><span class="hint">Ctrl+Enter sends</span>
<button type="submit" class="button primary">Comment</button>${change}</div>`,
  );
}

/** The page of an issue, or a pull request's first page. */
export function conversation(thread: Thread, reader: Reader, place: ThreadPlace, extras: Extras): Html {
  const { issue, parts } = thread;
  const { user, body, reactions } = issue;
  // An issue's date of change moves with every comment: whether its text was changed cannot be told.
  const content = {
    kind: "issue" as const,
    id: issue.number,
    anchor: `issue-${issue.number}`,
    user,
    body,
    reactions,
    at: issue.created_at,
    edited: false,
  };
  return html`${headOf(thread, reader, place)}
<div class="conversation">${card(content, reader, editLinks(place, content.anchor))}
${timelineOf(thread).map((entry) => entryView(entry, reader, place))}
${parts ? mergeBox(parts, thread.repository, reader, extras) : null}
${commentBox(thread, reader)}</div>`;
}
