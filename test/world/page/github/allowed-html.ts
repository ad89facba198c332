/**
 * The little HTML that may stand in a comment, as rules for markdown-it: a few tags without attributes, put out only where they are
 * balanced; hidden comments left out; pictures as their text. Everything else in angle brackets is text. Pure.
 */
import type { StateBlock, StateInline, Token } from "markdown-it";
import { escapeHtml } from "../html.ts";

/** Tags that may stand in a line. GitHub allows more; these are the ones people write. */
const INLINE = "sub|sup|kbd|b|i|em|strong|code|del|ins|br";
const TAG = new RegExp(`^<(/?)(details|summary|${INLINE})(?:\\s+open(?:="")?)?\\s*/?>`, "i");
const INLINE_TAG = new RegExp(`^<(/?)(${INLINE})\\s*/?>`, "i");
const PICTURE = /^<img\s[^<>]{0,2000}>/i;

/** What an allowed tag or a piece of made HTML is to the balancing: an opening, a closing, or neither. */
type Edge = { open: string } | { close: string } | null;

function edgeOf(token: Token): Edge {
  const { meta } = token;
  if (typeof meta?.open === "string") return { open: meta.open };
  return typeof meta?.close === "string" ? { close: meta.close } : null;
}

/** A picture as its text: one from elsewhere would be fetched by the reader's browser, which the page's policy refuses. */
export const pictureText = (alt: string) => `<span class="picture">🖼 ${escapeHtml(alt || "picture")}</span>`;
const altOf = (tag: string) => /\balt=(?:"([^"]*)"|'([^']*)')/i.exec(tag)?.slice(1).find(Boolean) ?? "";

/** How long the hidden comment is with which a text begins; 0 where it begins with none, or it never ends. */
function hiddenLength(text: string): number {
  const end = text.startsWith("<!--") ? text.indexOf("-->", 4) : -1;
  return end === -1 ? 0 : end + 3;
}

type Push = (html: string, edge: Edge) => void;

/** Puts out one allowed tag, comment or picture at the start of `text`; says how long it was, or 0. */
function takeHtml(text: string, tag: RegExp, push: Push): number {
  const hidden = hiddenLength(text);
  if (hidden > 0) return hidden;
  const picture = PICTURE.exec(text);
  if (picture) {
    push(pictureText(altOf(picture[0])), null);
    return picture[0].length;
  }
  const match = tag.exec(text);
  const name = match?.[2]?.toLowerCase();
  if (!match || !name) return 0;
  const closing = match[1] === "/";
  if (name === "br") push("<br>", null);
  else if (closing) push(`</${name}>`, { close: name });
  else push(name === "details" && /\sopen/i.test(match[0]) ? "<details open>" : `<${name}>`, { open: name });
  return match[0].length;
}

function addMade(token: Token, html: string, edge: Edge) {
  token.content = html;
  token.meta = edge;
}

/** A block that begins with `<details>` or `<summary>`: HTML up to the next empty line, as CommonMark says of such blocks. */
export function htmlBlock(state: StateBlock, start: number, end: number, silent: boolean): boolean {
  const at = (state.bMarks[start] ?? 0) + (state.tShift[start] ?? 0);
  if ((state.sCount[start] ?? 0) - state.blkIndent >= 4) return false;
  if (!/^<\/?(?:details|summary)[\s/>]/i.test(state.src.slice(at, at + 12))) return false;
  if (silent) return true;
  let next = start + 1;
  while (next < end && !state.isEmpty(next) && (state.sCount[next] ?? 0) >= state.blkIndent) next += 1;
  let rest = state.getLines(start, next, state.blkIndent, false);
  const push: Push = (html, edge) => addMade(state.push("made", "", 0), html, edge);
  while (rest !== "") {
    const taken = takeHtml(rest, TAG, push);
    if (taken === 0) {
      const upTo = rest.indexOf("<", 1);
      push(escapeHtml(upTo === -1 ? rest : rest.slice(0, upTo)), null);
      rest = upTo === -1 ? "" : rest.slice(upTo);
    } else rest = rest.slice(taken);
  }
  state.line = next;
  return true;
}

/** A block that begins with `<!--`: hidden up to the line with `-->`, or to the end, as CommonMark says. */
export function commentBlock(state: StateBlock, start: number, end: number, silent: boolean): boolean {
  const at = (state.bMarks[start] ?? 0) + (state.tShift[start] ?? 0);
  if ((state.sCount[start] ?? 0) - state.blkIndent >= 4 || !state.src.startsWith("<!--", at)) return false;
  if (silent) return true;
  let last = start;
  while (last < end - 1 && !state.src.slice(last === start ? at + 4 : state.bMarks[last], state.eMarks[last]).includes("-->")) last += 1;
  const text = state.getLines(start, last + 1, state.blkIndent, false);
  const after = text.includes("-->") ? text.slice(text.indexOf("-->", 4) + 3).trim() : "";
  if (after !== "") addMade(state.push("made", "", 0), `<p>${escapeHtml(after)}</p>`, null);
  state.line = last + 1;
  return true;
}

/** One allowed tag, hidden comment or picture within a line. */
export function inlineHtml(state: StateInline, silent: boolean): boolean {
  if (state.src.charCodeAt(state.pos) !== 0x3c) return false;
  const push: Push = (html, edge) => {
    if (!silent) addMade(state.push("made", "", 0), html, edge);
  };
  const taken = takeHtml(state.src.slice(state.pos), INLINE_TAG, push);
  state.pos += taken;
  return taken > 0;
}

/** Leaves out closings that close nothing, and closes what is left open, so that a text cannot break out of its place. */
export function balance(tokens: Token[], make: (html: string) => Token): Token[] {
  const open: (string | null)[] = [];
  const out: Token[] = [];
  const closeTop = () => {
    const tag = open.pop();
    if (tag) out.push(make(`</${tag}>`));
  };
  for (const token of tokens) {
    const edge = edgeOf(token);
    if (edge && "open" in edge) open.push(edge.open);
    if (edge && "close" in edge) {
      const at = open.lastIndexOf(edge.close);
      if (at <= open.lastIndexOf(null)) continue;
      while (open.length - 1 > at) closeTop();
      open.pop();
    }
    if (token.nesting === 1) open.push(null);
    if (token.nesting === -1) {
      while (open.length > 0 && open.at(-1) !== null) closeTop();
      open.pop();
    }
    out.push(token);
  }
  while (open.length > 0) closeTop();
  return out;
}
