/** A comment as a card: who, when, the text, reactions, and what its reader may do with it. Pure. */
import { type Html, html, type Value } from "../html.ts";
import { actionForm, buttonForm, moment, type Reader, writingBox } from "./form.ts";
import { githubMarkdown } from "./markdown.ts";

/** Which of GitHub's kinds of text: the issue itself, a comment, or a comment on a line. */
export type TextKind = "issue" | "comment" | "review";

/** What a card shows. */
export interface CardContent {
  kind: TextKind;
  /** The number of an issue, or a comment's id. */
  id: number;
  /** The id in the page, as GitHub has it. */
  anchor: string;
  user: { login: string; type: string };
  at: string;
  edited: boolean;
  body: string;
  reactions: { content: string; count: number }[];
  /** Why the text is hidden, such as "outdated"; nothing where it is not. */
  minimized?: string | undefined;
}

const REACTIONS: Record<string, string> = {
  "+1": "👍",
  "-1": "👎",
  laugh: "😄",
  confused: "😕",
  heart: "❤️",
  hooray: "🎉",
  rocket: "🚀",
  eyes: "👀",
};

/** A person's sign and name, with a mark where it is a program. */
export function author(user: { login: string; type: string }): Html {
  const bot = user.type === "Bot";
  return html`<b class="login">${user.login}</b>${bot ? html` <span class="tag">bot</span>` : null}`;
}

/** A person's letter in a box, the same for all that they write. */
export function avatar(user: { login: string; type: string }, me: string): Html {
  const kind = user.type === "Bot" ? "bot" : user.login === me ? "me" : "other";
  return html`<span class="avatar ${kind}" aria-hidden="true">${kind === "bot" ? "✦" : user.login.slice(0, 1).toUpperCase()}</span>`;
}

function shownReactions(content: CardContent): Html | null {
  if (content.reactions.length === 0) return null;
  const one = ({ content: name, count }: { content: string; count: number }) =>
    html`<span class="reaction" title="${name}"><span aria-hidden="true">${REACTIONS[name] ?? "•"}</span> ${count}<span class="sr"> ${name}</span></span>`;
  return html`<div class="reactions">${content.reactions.map(one)}</div>`;
}

/** A text's HTML. Boxes can be ticked by people with write access and by who wrote it, as on GitHub. */
export function cardBody(content: Pick<CardContent, "user" | "body">, reader: Reader): Html {
  if (content.body.trim() === "") return html`<p class="quiet"><em>No description provided.</em></p>`;
  const mayTick = reader.mayWrite || content.user.login === reader.me;
  return githubMarkdown(content.body, { repository: reader.repository, origin: reader.origin, mayTick });
}

function shownBody(content: CardContent, reader: Reader): Html {
  const body = cardBody(content, reader);
  if (!content.minimized) return body;
  return html`<details><summary class="quiet">This comment was marked as ${content.minimized}.</summary>${body}</details>`;
}

/** Why a comment is hidden, as cards take it. */
export function minimizedOf(comment: { minimized?: { reason?: string | null | undefined } | null | undefined }): string | undefined {
  return comment.minimized ? (comment.minimized.reason ?? "hidden") : undefined;
}

/**
 * A card. `editing` shows the text in a box instead; `links` are the addresses that open and close that box. `extra` stands below the text.
 */
export function card(content: CardContent, reader: Reader, view: { editing: boolean; edit: string; done: string; extra?: Value }): Html {
  const mine = content.user.login === reader.me;
  const mayDelete = content.kind !== "issue" && (mine || reader.mayWrite);
  const remove = mayDelete
    ? buttonForm(reader, "delete", {
        label: "Delete",
        kind: "plain",
        fields: { kind: content.kind, id: content.id },
        confirm: "Delete this comment?",
      })
    : null;
  const edit = mine ? html`<a href="${view.edit}" class="button plain" data-show>Edit</a>` : null;
  const tools = !view.editing && (edit || remove) ? html`<span class="tools">${edit}${remove}</span>` : null;
  const editor = actionForm(
    reader,
    "edit",
    { id: `edit-${content.anchor}`, class: "writing", fields: { kind: content.kind, id: content.id } },
    writingBox({
      id: `text-${content.anchor}`,
      label: "Change the comment",
      text: content.body,
      rows: 6,
      optional: content.kind === "issue",
    }),
    html`<div class="row end"><span class="hint">Ctrl+Enter saves</span><a href="${view.done}" class="button" data-show data-cancel>Cancel</a><button type="submit" class="button primary" data-close="${view.done}">Save</button></div>`,
  );
  return html`<article class="card${mine ? " mine" : ""}" id="${content.anchor}" data-kind="${content.kind}" data-id="${content.id}">
<header>${avatar(content.user, reader.me)}${author(content.user)} <span class="quiet">commented <a href="#${content.anchor}" class="when">${moment(content.at)}</a>${content.edited ? html` · edited` : null}</span>${tools}</header>
<div class="body markdown">${view.editing ? editor : shownBody(content, reader)}</div>
${shownReactions(content)}<p class="failed" role="alert" data-client hidden></p>${view.extra ?? null}
</article>`;
}

/** Whether a comment was changed after it was written. GitHub's dates are whole seconds. */
export function isEdited(comment: { created_at: string; updated_at: string }): boolean {
  return Date.parse(comment.updated_at) - Date.parse(comment.created_at) >= 1_000;
}
