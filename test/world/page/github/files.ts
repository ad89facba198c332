/** The changed files of a pull request, with the comments on their lines. Pure. */
import { type Html, html } from "../html.ts";
import { headOf } from "./conversation.ts";
import { parsePatch, spotOf } from "./diff.ts";
import type { Reader } from "./form.ts";
import type { PendingComment } from "./pending.ts";
import { addressOf, spotName, type ThreadPlace } from "./place.ts";
import type { PullParts, Thread } from "./read.ts";
import type { ChangedFile } from "./records.ts";
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

function patchRows(file: ChangedFile, view: View): Html {
  const { reader, place, parts, threads, pending } = view;
  const lines = parsePatch(file.patch ?? "");
  const rows = lines.slice(0, MOST_LINES).map((line) => {
    if (line.kind === "hunk" || line.kind === "note") {
      return html`<tr class="${line.kind}"><td class="no"></td><td class="no"></td><td class="code">${line.text}</td></tr>`;
    }
    const where = spotOf(line);
    const spot = where && { path: file.filename, ...where };
    const name = spot ? spotName(spot) : "";
    const open = place.at.includes(name);
    const here = (comment: { path: string; side?: "LEFT" | "RIGHT" | null | undefined; line?: number | null | undefined }) =>
      spot !== undefined && comment.path === spot.path && comment.line === spot.line && (comment.side ?? "RIGHT") === spot.side;
    const add =
      spot && !open
        ? html`<a class="add" href="${addressOf({ ...place, at: [...place.at, name] })}#${name}" data-show data-focus="line-text-${name}" aria-label="Comment on line ${spot.line} of ${spot.path}">+</a>`
        : null;
    const below = [
      ...threads.filter((thread) => here(thread.top)).map((thread) => threadView(thread, reader, place, false)),
      ...pending.filter(here).map((comment) => pendingCard(comment, reader, place)),
      ...(open && spot ? [lineBox({ reader, place, spot, sha: parts.pull.head.sha, pending: pending.length })] : []),
    ];
    return html`<tr class="${line.kind}" id="${name}"><td class="no">${line.old}</td><td class="no">${line.new}</td><td class="code">${add}<span class="text">${line.text}</span></td></tr>${below.length > 0 ? html`<tr class="talk" id="talk-${name}"><td colspan="3">${below}</td></tr>` : null}`;
  });
  const left = lines.length - rows.length;
  return html`<div class="diff"><table><tbody>${rows}</tbody></table></div>${left > 0 ? html`<p class="quiet more">${left} more lines are not shown.</p>` : null}`;
}

function fileView(file: ChangedFile, view: View): Html {
  const renamed = file.previous_filename ? html`<span class="quiet">${file.previous_filename} →</span> ` : null;
  const body = file.patch
    ? patchRows(file, view)
    : html`<p class="quiet more">${file.status === "renamed" ? "Renamed without changes." : "No text diff: the file is binary, empty or too large."}</p>`;
  return html`<details class="file" id="file-${file.filename}" open><summary>${renamed}<code>${file.filename}</code> <span class="tag">${file.status}</span><span class="stat"><b class="plus">+${file.additions}</b> <b class="minus">−${file.deletions}</b></span></summary>${body}</details>`;
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
