/** HTML from templates in which every value is escaped, unless it is HTML made here. */

/** A piece of HTML that is safe to put into a page as it is. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString() {
    return this.text;
  }
}

/** What a template takes: text and numbers (escaped), HTML, lists of these, and nothing for null, undefined and booleans. */
export type Value = string | number | Html | null | undefined | boolean | readonly Value[];

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Text for HTML content and for quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? "");
}

function toText(value: Value): string {
  if (value === null || value === undefined || typeof value === "boolean") return "";
  if (value instanceof Html) return value.text;
  if (typeof value === "string" || typeof value === "number") return escapeHtml(String(value));
  return value.map(toText).join("");
}

/** The template tag. */
export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  return new Html(strings.reduce((out, part, i) => out + toText(values[i - 1]) + part));
}

/** HTML pieces one after another. */
export function join(parts: readonly Html[], between = ""): Html {
  return new Html(parts.map((part) => part.text).join(between));
}

/** An address that may stand in a link: http, https or mailto. Anything else gives undefined. */
export function safeUrl(url: string): string | undefined {
  return /^(?:https?:\/\/|mailto:)[^\s]+$/i.test(url) ? url : undefined;
}
