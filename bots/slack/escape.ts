/**
 * The one place where text from people and models becomes text that Slack shows. Nothing that went through here can
 * mention anyone, be a link in disguise or hide characters.
 */

import { clean } from "../redact.ts";

const ENTITY: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/** Text for any text field of Slack's: mrkdwn, plain text, titles. Slack decodes exactly these three entities. */
export function escapeText(text: string): string {
  return clean(text).replace(/[&<>]/g, (character) => ENTITY[character] ?? character);
}

/** Escaped text of at most `max` characters. What is too long ends in `…`; an entity or a character is never cut in two. */
export function within(text: string, max: number): string {
  const seen = clean(text);
  if (seen.length * 5 <= max) return escapeText(seen);
  let out = "";
  for (const character of seen) {
    const next = ENTITY[character] ?? character;
    if (out.length + next.length > max) return shorten(out, max);
    out += next;
  }
  return out;
}

/** Makes room for the mark at the end of an escaped text. */
function shorten(escaped: string, max: number): string {
  let end = Math.min(escaped.length, max - 1);
  const entity = escaped.lastIndexOf("&", end - 1);
  if (entity >= 0 && entity + 5 > end && escaped.indexOf(";", entity) >= end) end = entity;
  const last = escaped.charCodeAt(end - 1);
  if (last >= 0xd800 && last <= 0xdbff) end -= 1;
  return `${escaped.slice(0, end).trimEnd()}…`;
}

/** One line of escaped text of at most `max` characters. */
export function line(text: string, max: number): string {
  return within(clean(text).replace(/\s+/g, " ").trim(), max);
}

/**
 * One line for places without markup: titles of plans and tasks, labels of buttons. Whether Slack decodes entities there differs from
 * place to place, so angle brackets become similar signs, which are the same either way. Backticks would be seen, so they go.
 */
export function plain(text: string, max: number): string {
  const seen = clean(text).replace(/\s+/g, " ").trim().replaceAll("<", "‹").replaceAll(">", "›").replaceAll("`", "");
  if (seen.length <= max) return seen;
  return `${seen
    .slice(0, max - 1)
    .replace(/\p{Cs}$/u, "")
    .trimEnd()}…`;
}

/** A short text as inline code in mrkdwn. */
export function code(text: string, max: number): string {
  const inner = line(text.replaceAll("`", "'"), max);
  return inner === "" ? "" : `\`${inner}\``;
}

/**
 * Markdown for a `markdown` block. Slack reads its own `<…>` tokens there too, in code as well, and decodes entities once
 * without reading the result again; so `<` is escaped everywhere, and `&` only where it would look like an entity, because
 * Slack does not decode in the address of a link.
 */
export function markdown(text: string): string {
  return clean(text)
    .replace(/&(?=(?:amp|lt|gt|#\w{1,8});)/g, "&amp;")
    .replace(/<(https?:\/\/[^\s<>]{1,2000})>/g, "$1")
    .replaceAll("<", "&lt;");
}

/** Mentions a person of a Slack workspace, given as `slack:<team>:<user>`; undefined where it is no such person. */
export function mention(person: string | null | undefined): string | undefined {
  const user = /^slack:[A-Z0-9]+:([UW][A-Z0-9]{1,30})$/.exec(person ?? "")?.[1];
  return user && `<@${user}>`;
}

/** A link with a text of our choice. Where the address can't be one of Slack's links, the text alone. */
export function href(url: string | null, text: string, max: number): string {
  const label = line(text, max) || "link";
  return url !== null && /^https?:\/\/[^\s<>|]{1,2000}$/.test(url)
    ? `<${url.replaceAll("&", "&amp;")}|${label.replaceAll("|", "¦")}>`
    : label;
}
