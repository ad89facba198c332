/**
 * The one place where text from people and models becomes Markdown that GitHub shows. Nothing that went through here notifies anybody,
 * leaves a reference in another repository, is HTML, carries one of our marks, loads a picture or hides characters.
 *
 * GitHub's own reading of Markdown decides what is code, and only outside code do mentions and tags work. So code is not guessed: what
 * is taken for code here is written out in a form that can't be read differently (a fence at the start of a line after an empty one, a
 * span within one line), and every other backtick is escaped. Linear in the length of the text.
 */
import type { View } from "../../protocol/view.ts";
import { clean } from "../redact.ts";
import { repositoryName } from "../words.ts";

/** Put after a sign, it keeps the sign from being read as the start of something, and is not seen. */
const JOIN = "\u2060";
/** GitHub's own host for addresses of repositories that are to leave no reference there. */
const QUIET_HOST = "redirect.github.com";

/** What this text may refer to: its own repository, and the hosts whose addresses GitHub reads as references. */
export type Home = { repository: string | null; hosts: readonly string[] };

/** The repository of a session, as its text sees it. */
export function homeOf(view: View): Home {
  const address = view.pull?.url ?? view.repository ?? "";
  const host = URL.canParse(address) ? [new URL(address).host.toLowerCase()] : [];
  const name = view.pull?.repository ?? (view.repository === null ? null : repositoryName(view.repository));
  return { repository: name?.toLowerCase() ?? null, hosts: ["github.com", "www.github.com", ...host] };
}

const cut = (text: string, max: number): string =>
  text.length <= max
    ? text
    : `${text
        .slice(0, max - 1)
        .replace(/\p{Cs}$/u, "")
        .trimEnd()}…`;

/** An address of another repository of the same forge, in a form that leaves no reference there; null where it is none. */
function quiet(address: string, home: Home): string | null {
  // Characters that Markdown lets one escape can be in an address too.
  const bare = address.replace(/\\([!-/:-@[-`{-~])/g, "$1");
  const full = bare.startsWith("//") ? `https:${bare}` : /^www\./i.test(bare) ? `https://${bare}` : bare;
  if (!URL.canParse(full)) return null;
  const url = new URL(full);
  const host = url.host.replace(/\.$/, "");
  if (!home.hosts.includes(host)) return null;
  const [owner, name, ...rest] = url.pathname.split("/").filter(Boolean);
  if (rest.length === 0 || `${owner}/${name}`.toLowerCase() === home.repository) return null;
  if (host === "github.com" || host === "www.github.com") return `https://${QUIET_HOST}${url.pathname}${url.search}${url.hash}`;
  // Elsewhere there is no such host; a number that is spelt differently is the same page and no reference.
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/(\d)/g, "/%3$1")}${url.search}${url.hash}`;
}

const ENTITY = /&(?=#?\w{1,40};)/g;

function address(text: string, home: Home): string {
  const named = (quiet(text, home) ?? text).replace(ENTITY, "&amp;");
  // Where it is no address for GitHub, its end could be the number of an issue. Browsers decode what is after `#`.
  const numbered = named.replace(/#(?=\d)/g, "#%3");
  return /^https?:/i.test(named) ? numbered.replaceAll("@", "%40") : numbered.replaceAll("@", `@${JOIN}`);
}

/** An address, up to where it can end for Markdown or where another begins. */
const ADDRESS = String.raw`(?:(?:https?:)?(?:\\?\/){2}|www\\?\.)(?:(?!(?:https?:)?(?:\\?\/){2}|!\[)[^\s<>()\[\]])+`;
const SIGNS = String.raw`<br ?\/?>|<|@|~{3,}|#(?=\d)|!(?=\[)|&(?=#?\w{1,40};)`;
/** Where Markdown is let through, `\` escapes what follows it. */
const IN_MARKDOWN = new RegExp(String.raw`${ADDRESS}|\\[!-/:-@\[-\x60{-~]|\x60|${SIGNS}`, "gi");
/** Where nothing is to be Markdown, every sign of it is text. */
const IN_LINE = new RegExp(String.raw`${ADDRESS}|${SIGNS}|[\\*_~\[\]|$\x60]`, "gi");

type Mode = { flat: boolean; breaks: boolean };

/** Text outside code. */
function prose(source: string, home: Home, mode: Mode): string {
  const text = source.replace(/<(https?:\/\/[^\s<>]{1,2000})>/gi, "$1");
  return text.replace(mode.flat ? IN_LINE : IN_MARKDOWN, (found, offset: number) => {
    const [first, second] = found;
    if (found.length > 2 && (first === "/" || first === "\\" || /^(?:https?:|www)/i.test(found))) return address(found, home);
    if (first === "\\" && !mode.flat) {
      if (second === "<") return "&lt;";
      if (second === "@") return `@${JOIN}`;
      if (second === "&") return "&amp;";
      return second === "#" ? `#${/\d/.test(text[offset + 2] ?? "") ? JOIN : ""}` : found;
    }
    if (first === "@") return `@${JOIN}`;
    if (first === "&") return "&amp;";
    // A picture is fetched by who reads it, from wherever its address says: it becomes a link.
    if (first === "!") return mode.flat ? found : "🖼 ";
    if (first === "#") return /[\w.\-/]/.test(text[offset - 1] ?? "") ? `#${JOIN}` : "#";
    if (first === "<") return found.length > 1 && mode.breaks ? "<br>" : `&lt;${found.slice(1)}`;
    // Tildes could begin a fence that is not seen here.
    return found.replace(/./g, "\\$&");
  });
}

/** Code stays as it is, but for our own marks: whoever looks for them looks at the whole text of a comment. */
const unmarked = (code: string): string => code.replace(/<(?=!--\s*errand)/gi, `<${JOIN}`);
/** The same where GitHub might read the span otherwise than we do: then it is text, and must do as little there. */
const guarded = (code: string): string => code.replace(/[@<]|#(?=\d)|\/(?=\/)/g, `$&${JOIN}`);

/** One row: its code spans, and what stands between them. `risky` says whether what we take for code may be none for GitHub. */
function row(text: string, home: Home, mode: Mode, risky: (code: string) => boolean): string {
  const runs = new Map<number, number[]>();
  for (const { index, 0: run } of text.matchAll(/`+/g)) {
    const same = runs.get(run.length);
    if (same) same.push(index);
    else runs.set(run.length, [index]);
  }
  const seen = new Map<number, number>();
  const opening = mode.flat ? /`+/g : /\\[!-/:-@[-`{-~]|`+/g;
  let out = "";
  let from = 0;
  for (let found = opening.exec(text); found; found = opening.exec(text)) {
    const [run] = found;
    if (run.startsWith("\\")) continue;
    const same = runs.get(run.length) ?? [];
    let next = seen.get(run.length) ?? 0;
    while (next < same.length && (same[next] ?? 0) < opening.lastIndex) next += 1;
    seen.set(run.length, next);
    const close = same[next];
    if (close === undefined) continue;
    const before = prose(text.slice(from, found.index), home, mode);
    // A bare address would go on into the span.
    const word = before.slice(Math.max(before.lastIndexOf(" "), before.lastIndexOf("\t")) + 1);
    const gap = /\/\/|www\./i.test(word) ? " " : "";
    const inner = text.slice(opening.lastIndex, close);
    out += `${before}${gap}${run}${risky(inner) ? guarded(inner) : unmarked(inner)}${run}`;
    from = close + run.length;
    opening.lastIndex = from;
  }
  return out + prose(text.slice(from), home, mode);
}

/** Text in a fence that nothing in it can close. */
export function fence(text: string, info = ""): string {
  const runs = text.match(/`{3,}/g) ?? [];
  const mark = "`".repeat(runs.reduce((longest, run) => Math.max(longest, run.length + 1), 3));
  return `${mark}${/^[\w+#.-]{1,40}/.exec(info.trim())?.[0] ?? ""}\n${unmarked(text)}\n${mark}`;
}

/** Starts of what would be a heading, a quote, a list or a rule at the start of a line. */
const STARTS = /^(?:[>+=-]|#(?=[#\s]|$)|\d{1,9}(?=[.)]))/;

/** One line of at most `max` characters of the text, in which nothing is Markdown but code between backticks. */
export function line(text: string, max: number, home: Home): string {
  const short = cut(clean(text).replace(/\s+/g, " ").trim(), max);
  const shown = row(short, home, { flat: true, breaks: false }, () => false);
  return shown.replace(STARTS, (start) => (/^\d/.test(start) ? `${start}\\` : `\\${start}`));
}

/** A short text as inline code. Empty for no text. */
export function code(text: string, max: number): string {
  const inner = cut(clean(text).replaceAll("`", "'").replace(/\s+/g, " ").trim(), max);
  return inner === "" ? "" : `\`${unmarked(inner)}\``;
}

/** Our own link: `label` is escaped text. Where the address is none of the web, the label alone. */
export function link(label: string, url: string | null): string {
  if (url === null || !URL.canParse(url) || url.length > 2_000) return label;
  const { protocol, href } = new URL(url);
  if (protocol !== "https:" && protocol !== "http:") return label;
  return `[${label}](${href.replace(/[()\\'"`<>@*_]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)})`;
}

/** Links that have certainly ended before what comes after them. */
const WHOLE_LINK = /\]\([^\s()\\`"'<>]*\)/g;
/** A row that may make a table of its paragraph. */
const DELIMITERS = /^[\s>|:*+\d.)-]*-[\s|:-]*$/;

/** Rows that follow each other without an empty one. */
function paragraph(rows: string[], home: Home): string[] {
  const table = rows.some((one) => one.length < 2_000 && DELIMITERS.test(one));
  // In a table, cells end before code does; and a backtick may stand in the address or title of a link, or in what a link refers to.
  const linked = /\][([]/.test(rows.join("\n").replace(WHOLE_LINK, ""));
  const risky = (code: string) => linked || (table && code.includes("|"));
  return rows.map((text) => row(text, home, { flat: false, breaks: text.trimStart().startsWith("|") }, risky));
}

const FENCE = /^(\s*(?:(?:[-*+]|\d{1,9}[.)])\s+)*)(`{3,}(?=[^`]*$)|~{3,})(.*)$/;

/** A whole text in Markdown. */
export function markdown(text: string, home: Home): string {
  const out: string[] = [];
  let rows: string[] = [];
  let open: { mark: string; info: string; indent: number; rows: string[] } | null = null;
  const gap = () => {
    if (out.length > 0 && out.at(-1) !== "") out.push("");
  };
  const flush = () => {
    for (const shown of paragraph(rows, home)) out.push(shown);
    rows = [];
  };
  const close = () => {
    if (open === null) return;
    const { indent, rows: inside, info } = open;
    const unindented = inside.map((one) => one.slice(Math.min(indent, one.length - one.trimStart().length)));
    gap();
    out.push(fence(unindented.join("\n"), info), "");
    open = null;
  };
  for (const one of clean(text).split("\n")) {
    if (open !== null) {
      const trimmed = one.trim();
      if (trimmed.startsWith(open.mark) && trimmed === (open.mark[0] ?? "").repeat(trimmed.length)) close();
      else open.rows.push(one);
      continue;
    }
    const [, lead, mark, info] = FENCE.exec(one.length > 400 ? "" : one) ?? [];
    if (lead !== undefined && mark !== undefined) {
      // What stands before the fence in its row, as the mark of a list, gets a row of its own.
      if (lead.trim() !== "") rows.push(lead.trimEnd());
      flush();
      open = { mark, info: info ?? "", indent: lead.length, rows: [] };
    } else if (one.trim() === "") {
      flush();
      gap();
    } else rows.push(one);
  }
  flush();
  close();
  while (out.at(-1) === "") out.pop();
  return out.join("\n");
}

/** GitHub's rule for names of people; accounts that an organisation manages end in `_` and its short name. */
const LOGIN = /^[a-z\d](?:[a-z\d]|-(?=[a-z\d])){0,38}(?:_[a-z\d]{1,20})?$/i;

/** Mentions a person of GitHub, whose name is the login; undefined where it is no such person. */
export function mention(person: { id: string; name?: string | undefined }): string | undefined {
  return person.id.startsWith("github:") && person.name !== undefined && LOGIN.test(person.name) ? `@${person.name}` : undefined;
}
