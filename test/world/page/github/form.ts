/** Forms and small pieces that all GitHub pages share. Pure. */
import { type Html, html, type Value } from "../html.ts";

/** Who reads a page, and where. */
export interface Reader {
  /** The login one acts as. */
  me: string;
  repository: string;
  origin: string;
  mayWrite: boolean;
}

/** A moment, filled with words by the page's script. `at` is a date as GitHub writes it. */
export function moment(at: string | number): Html {
  const date = new Date(at);
  const iso = Number.isNaN(date.getTime()) ? "" : date.toISOString();
  return html`<time datetime="${iso}" data-at="${date.getTime()}">${iso.slice(0, 16).replace("T", " ")}</time>`;
}

/** The place where the page's script says what went wrong. */
export const failure = html`<p class="failed" role="alert" data-client hidden></p>`;

/** A form that posts to one of the page's actions as the reader. */
export function actionForm(reader: Pick<Reader, "me" | "repository">, action: string, options: FormOptions, ...content: Value[]): Html {
  const fields = Object.entries(options.fields ?? {}).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`);
  return html`<form method="post" action="/github/${reader.repository}/do/${action}" data-act${options.id ? html` id="${options.id}"` : null} class="${options.class ?? ""}"${options.confirm ? html` data-confirm="${options.confirm}"` : null}>
<input type="hidden" name="as" value="${reader.me}">${fields}${content}${failure}
</form>`;
}

/** What distinguishes a form. */
export interface FormOptions {
  class?: string;
  id?: string;
  fields?: Record<string, string | number>;
  /** A question to ask before. */
  confirm?: string;
}

/** A box to write Markdown in. */
export function writingBox(options: { label: string; text?: string; rows?: number; optional?: boolean; id: string }): Html {
  return html`<textarea id="${options.id}" name="body" rows="${options.rows ?? 3}" maxlength="65536" aria-label="${options.label}" placeholder="${options.label}" autocomplete="off"${options.optional ? null : html` required`}>\n${options.text ?? ""}</textarea>`;
}

/** A form that is one button. */
export function buttonForm(
  reader: Pick<Reader, "me" | "repository">,
  action: string,
  options: FormOptions & { label: string; kind?: string; title?: string },
): Html {
  const button = html`<button type="submit" class="button ${options.kind ?? ""}"${options.title ? html` title="${options.title}"` : null}>${options.label}</button>`;
  return actionForm(reader, action, { ...options, class: `inline ${options.class ?? ""}` }, button);
}

/** "1 comment", "2 comments". */
export function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}
