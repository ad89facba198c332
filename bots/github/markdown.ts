/**
 * GitHub's Markdown, taken apart as far as it matters for who said what and what a reader can see: code, quotes, HTML comments and tags. Follows
 * CommonMark 0.31 where a mistake would show hidden text to a model as code. Pure, and linear in the length of the text.
 */

/**
 * `text` is said; `html` too, but what looks like Markdown in it is none; `aside` is readable, but quoted or indented; `fence` is a code block with
 * its fences; `hidden` does not show.
 */
export type Block = { kind: "text" | "html" | "aside" | "fence" | "hidden"; from: number; to: number };

type Fence = { mark: string; length: number; indent: number };

/** Tags that begin an HTML block wherever a line begins with one; it lasts to the next blank line (CommonMark 4.6, condition 6). */
const HTML_BLOCK =
  /^ {0,3}<\/?(?:address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|dt|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|menuitem|nav|noframes|ol|optgroup|option|p|param|search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|track|ul)(?:[\s>]|\/>|$)/i;
/** A line that is one tag begins one, too, unless it goes on with a paragraph (condition 7). */
const LONE_TAG = /^ {0,3}<\/?[a-z][a-z0-9-]*(?:\s[^<>]*)?>\s*$/i;
/** These last to their closing tag, over blank lines (condition 1). */
const RAW = /^ {0,3}<(?:pre|script|style|textarea)(?:[\s>]|$)/i;
const RAW_END = /<\/(?:pre|script|style|textarea)>/i;
/** What does not show, at the beginning of a line or of what a list or quote holds (conditions 2 to 5). */
const HIDING = /^[ \t]*(?:(?:>|[-*+]|\d{1,9}[.)])[ \t]*)*(<!--|<\?|<!\[CDATA\[|<![A-Za-z])/;

/** What ends the hidden text that begins so. */
function endOf(opening: string): string {
  if (opening === "<!--") return "-->";
  if (opening === "<?") return "?>";
  return opening === "<![CDATA[" ? "]]>" : ">";
}

/** The text with `\n` for every kind of line end. */
export const withPlainLines = (md: string): string => md.replace(/\r\n?/g, "\n");

/** The blocks of a text, in order and without gaps. Lines end with `\n`. */
export function blocksOf(md: string): Block[] {
  const blocks: Block[] = [];
  let fence: Fence | null = null;
  let hiddenUntil: string | null = null;
  let html: "none" | "blank" | "raw" = "none";
  let afterBlank = true;
  const add = (kind: Block["kind"], from: number, to: number) => {
    const last = blocks.at(-1);
    if (last?.kind === kind) last.to = to;
    else if (to > from) blocks.push({ kind, from, to });
  };
  for (let start = 0, end = 0; start < md.length; start = end) {
    const newline = md.indexOf("\n", start);
    end = newline < 0 ? md.length : newline + 1;
    const line = md.slice(start, end);
    if (hiddenUntil !== null) {
      const at = line.indexOf(hiddenUntil);
      const rest = at < 0 ? end : start + at + hiddenUntil.length;
      add("hidden", start, rest);
      if (at >= 0) hiddenUntil = hide(md.slice(rest, end), rest, add, "html");
      continue;
    }
    const blank = line.trim() === "";
    if (fence) {
      const closing = /^ {0,3}(`{3,}|~{3,})\s*$/.exec(line)?.[1];
      if (closing?.startsWith(fence.mark) && closing.length >= fence.length) fence = null;
      // A list that ends takes its fence with it: what is indented less may not be code, and is read as if it were none.
      else if (!blank && indentOf(line) < fence.indent) {
        hiddenUntil = hide(line, start, add, "aside");
        continue;
      }
      add("fence", start, end);
      afterBlank = true;
      continue;
    }
    if (blank) {
      if (html === "blank") html = "none";
      add(html === "none" ? "text" : "html", start, end);
      afterBlank = true;
      continue;
    }
    const opening = html === "none" ? fenceOf(line) : null;
    if (opening) {
      fence = opening;
      add("fence", start, end);
      continue;
    }
    if (html === "none") {
      if (RAW.test(line)) html = "raw";
      else if (HTML_BLOCK.test(line) || (afterBlank && LONE_TAG.test(line))) html = "blank";
    }
    const kind = html !== "none" ? "html" : /^(?: {0,3}>| {4}|\t)/.test(line) ? "aside" : "text";
    if (html === "raw" && RAW_END.test(line)) html = "none";
    hiddenUntil = hide(line, start, add, kind);
    afterBlank = false;
  }
  return blocks;
}

const indentOf = (line: string) => line.length - line.trimStart().length;

function fenceOf(line: string): Fence | null {
  const [, indent = "", run = "", info = ""] = /^( {0,3})(`{3,}|~{3,})(.*)/.exec(line) ?? [];
  if (run === "" || (run.startsWith("`") && info.includes("`"))) return null;
  return { mark: run.slice(0, 1), length: run.length, indent: indent.length };
}

/**
 * Adds a line, without what is hidden in it: from its beginning, and in HTML from anywhere. Returns what ends the hidden text where this line
 * does not.
 */
function hide(
  line: string,
  start: number,
  add: (kind: Block["kind"], from: number, to: number) => void,
  kind: "text" | "html" | "aside",
): string | null {
  const [all = "", opening = ""] = HIDING.exec(line) ?? [];
  let at = opening !== "" ? all.length - opening.length : kind === "html" ? line.indexOf("<!--") : -1;
  let ending = opening !== "" ? endOf(opening) : "-->";
  let to = 0;
  while (at >= 0) {
    add(kind, start + to, start + at);
    // `<!-->` is a whole comment: the end may overlap the beginning.
    const found = line.indexOf(ending, at + 2);
    to = found < 0 ? line.length : found + ending.length;
    add("hidden", start + at, start + to);
    if (found < 0) return ending;
    // The rest of the line is HTML as it stands.
    at = line.indexOf("<!--", to);
    ending = "-->";
  }
  add(kind, start + to, start + line.length);
  return null;
}

/** A part of a block's text. `tag` is an HTML tag. */
export type Inline = { kind: "text" | "code" | "hidden" | "tag"; text: string };

/** Where one paragraph, list item, heading or quote ends and the next begins: code and tags do not reach across. */
const BOUNDARY = /\n(?=[ \t]*(?:\n|[-*+>#]|\d{1,9}[.)]))/;
/** An open or closing tag (CommonMark 6.6). */
const TAG = /<(?:\/[a-z][a-z0-9-]*\s*|[a-z][a-z0-9-]*(?:\s+[a-z_:][\w.:-]*(?:\s*=\s*(?:[^\s"'=<>`]+|'[^']*'|"[^"]*"))?)*\s*\/?)>/iy;

/** The parts of the text of a block that is neither a fence nor hidden, in order and without gaps. */
export function inlineOf(text: string, kind: Block["kind"]): Inline[] {
  const parts: Inline[] = [];
  const paragraphs = kind === "html" ? [text] : text.split(BOUNDARY);
  for (const [index, paragraph] of paragraphs.entries()) {
    if (!/[`<]/.test(paragraph)) parts.push({ kind: "text", text: paragraph });
    else inlineInto(parts, paragraph, kind === "html" ? () => null : codeEnds(paragraph));
    if (index < paragraphs.length - 1) parts.push({ kind: "text", text: "\n" });
  }
  return parts;
}

function inlineInto(parts: Inline[], text: string, codeEnd: (at: number, length: number) => number | null): void {
  const lasts = new Map<string, number>();
  /** Looked for once, so that a text full of beginnings is not searched to its end for each of them. */
  const lastOf = (ending: string) => {
    const last = lasts.get(ending) ?? text.lastIndexOf(ending);
    lasts.set(ending, last);
    return last;
  };
  const special = /`+|</g;
  let from = 0;
  const take = (kind: Inline["kind"], at: number, to: number) => {
    if (at > from) parts.push({ kind: "text", text: text.slice(from, at) });
    parts.push({ kind, text: text.slice(at, to) });
    from = to;
    special.lastIndex = to;
  };
  for (let match = special.exec(text); match; match = special.exec(text)) {
    const at = match.index;
    if (match[0] !== "<") {
      const end = codeEnd(at, match[0].length);
      if (end !== null) take("code", at, end);
      continue;
    }
    const opening = /^(?:<!--|<\?|<!\[CDATA\[|<![A-Za-z])/.exec(text.slice(at, at + 9))?.[0];
    if (opening !== undefined) {
      const ending = endOf(opening);
      if (lastOf(ending) >= at + 2) take("hidden", at, text.indexOf(ending, at + 2) + ending.length);
      continue;
    }
    TAG.lastIndex = at;
    const tag = TAG.exec(text);
    if (tag) take("tag", at, at + tag[0].length);
  }
  if (from < text.length) parts.push({ kind: "text", text: text.slice(from) });
}

/** Answers, for runs of backticks asked in order, where the next run of the same length ends; null where there is none. */
function codeEnds(text: string): (at: number, length: number) => number | null {
  const byLength = new Map<number, number[]>();
  for (const { 0: run, index } of text.matchAll(/`+/g)) {
    const list = byLength.get(run.length);
    if (list) list.push(index);
    else byLength.set(run.length, [index]);
  }
  const cursor = new Map<number, number>();
  return (at, length) => {
    const list = byLength.get(length) ?? [];
    let next = cursor.get(length) ?? 0;
    while (next < list.length && (list[next] ?? 0) <= at) next += 1;
    cursor.set(length, next);
    const found = list[next];
    return found === undefined ? null : found + length;
  };
}
