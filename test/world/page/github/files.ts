/** The changed files of a pull request, with the comments on their lines, and those of a commit. Pure. */
import { type Html, html } from "../html.ts";
import { commitList, headOf } from "./conversation.ts";
import { type DiffLine, parsePatch, type Side, spotOf } from "./diff.ts";
import { count, moment, type Reader } from "./form.ts";
import type { PendingComment } from "./pending.ts";
import { addressOf, spotName, type ThreadPlace } from "./place.ts";
import type { PullParts, Thread } from "./read.ts";
import type { ChangedFile, Commit } from "./records.ts";
import { lineBox, pendingCard, reviewBox, threadView } from "./review.ts";
import { type ReviewThread, threadsOf } from "./timeline.ts";

/** The most lines of a diff that are shown of one file. */
const MOST_LINES = 3_000;

interface View {
  reader: Reader;
  place: ThreadPlace;
  parts: PullParts;
  threads: ReviewThread[];
  pending: readonly PendingComment[];
}

/** What is said about one line, and the way to say more. */
function talkOn(line: DiffLine, file: ChangedFile, view: View): { name: string; add: Html | null; below: Html[] } {
  const { reader, place, parts, threads, pending } = view;
  const where = spotOf(line);
  if (!where) return { name: "", add: null, below: [] };
  const spot = { path: file.filename, ...where };
  const name = spotName(spot);
  const open = place.at.includes(name);
  const here = (comment: { path: string; side?: Side | null | undefined; line?: number | null | undefined }) =>
    comment.path === spot.path && comment.line === spot.line && (comment.side ?? "RIGHT") === spot.side;
  const address = `${addressOf({ ...place, at: [...place.at, name] })}#${name}`;
  const add = open
    ? null
    : html`<a class="add" href="${address}" data-show data-focus="line-text-${name}" aria-label="Comment on line ${spot.line} of ${spot.path}">+</a>`;
  const below = [
    ...threads.filter((thread) => here(thread.top)).map((thread) => threadView(thread, reader, place, false)),
    ...pending.filter(here).map((comment) => pendingCard(comment, reader, place)),
    ...(open ? [lineBox({ reader, place, spot, sha: parts.pull.head.sha, pending: pending.length })] : []),
  ];
  return { name, add, below };
}

function patchRows(file: ChangedFile, view: View | undefined): Html {
  const lines = parsePatch(file.patch ?? "");
  const rows = lines.slice(0, MOST_LINES).map((line) => {
    const { name, add, below } = view ? talkOn(line, file, view) : { name: "", add: null, below: [] };
    const talk = below.length > 0 ? html`<tr class="talk" id="talk-${name}"><td colspan="3">${below}</td></tr>` : null;
    return html`<tr class="line-${line.kind}"${name ? html` id="${name}"` : null}><td class="no">${line.old}</td><td class="no">${line.new}</td><td class="code">${add}<span class="text">${line.text}</span></td></tr>${talk}`;
  });
  const left = lines.length - rows.length;
  return html`<div class="diff"><table><tbody>${rows}</tbody></table></div>${left > 0 ? html`<p class="quiet more">${left} more lines are not shown.</p>` : null}`;
}

/** One file. Without a view nothing can be said about its lines. */
function fileView(file: ChangedFile, view: View | undefined): Html {
  const renamed = file.previous_filename ? html`<span class="quiet">${file.previous_filename} →</span> ` : null;
  const body = file.patch
    ? patchRows(file, view)
    : html`<p class="quiet more">${file.status === "renamed" ? "Renamed without changes." : "No text diff: the file is binary, empty or too large."}</p>`;
  return html`<details class="file" id="file-${file.filename}" open><summary>${renamed}<code>${file.filename}</code> <span class="tag">${file.status}</span><span class="stat"><b class="plus">+${file.additions}</b> <b class="minus">−${file.deletions}</b></span></summary>${body}</details>`;
}

/** What one commit changed. Comments on commits are not shown. */
export function commitPage(commit: Commit, files: readonly ChangedFile[], reader: Reader): Html {
  const [title, ...more] = commit.commit.message.split("\n");
  const text = more.join("\n").trim();
  return html`<div class="head"><h1>${title} <code>${commit.sha.slice(0, 7)}</code></h1>${text ? html`<pre>${text}</pre>` : null}
<p class="quiet"><b>${commit.commit.author.name}</b> ${moment(commit.commit.author.date)} · ${reader.repository}</p></div>
${files.map((file) => fileView(file, undefined))}`;
}

/** What a branch adds to another one. */
export function branchPage(what: { base: string; head: string; commits: Commit[]; files: ChangedFile[] }, reader: Reader): Html {
  const { base, head, commits, files } = what;
  return html`<div class="head"><h1><code>${head}</code></h1><p class="quiet">${count(commits.length, "commit")} more than <code>${base}</code> · ${reader.repository}</p></div>
${commitList(commits, reader)}
${files.map((file) => fileView(file, undefined))}`;
}

/** A pull request's second page. */
export function filesPage(thread: Thread, parts: PullParts, reader: Reader, place: ThreadPlace, pending: readonly PendingComment[]): Html {
  const view: View = { reader, place, parts, threads: threadsOf(parts.comments), pending };
  const mine = thread.issue.user.login === reader.me;
  return html`${headOf(thread, reader, place)}
<div class="row end bar-of-files">${reviewBox(reader, place, pending.length, mine)}</div>
${parts.files.map((file) => fileView(file, view))}
${parts.files.length === 0 ? html`<p class="quiet">No files changed.</p>` : null}`;
}
