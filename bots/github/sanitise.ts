/**
 * Text of people, made into what a model may read: what a reader on GitHub does not see is taken out, since an instruction hidden there is one that
 * nobody noticed. It lowers noise; the boundary is the sandbox. Pure, and linear in the length of the text.
 */
import { blocksOf, inlineOf, withPlainLines } from "./markdown.ts";

/** Control characters except tab and line end. */
const CONTROLS = /(?![\t\n])\p{Cc}/gu;
/**
 * What Unicode says is not shown: soft hyphen, joiners, zero-width characters, bidirectional controls, Unicode tags, variation selectors but those
 * of an emoji. Besides separators that no editor shows, and half surrogate pairs.
 */
const INVISIBLE =
  /(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\d#*])[\ufe0e\ufe0f]|(?![\ufe0e\ufe0f])\p{Default_Ignorable_Code_Point}|[\u2028\u2029\ufff9-\ufffb]|\p{Cs}/gu;

/** Attributes that show where they lead; all others can hold text that does not show. */
const SHOWN = /\s(?:href|src)\s*=\s*(?:[^\s"'=<>`]+|'[^']*'|"[^"]*")/gi;

/** `![alt](…)`, `[text](… "title")`, and definitions of links. */
const LINK_TITLE = /(\]\(\s*(?:<[^<>\n]*>|[^\s()<>]*(?:\([^\s()]*\)[^\s()]*)*))\s+(?:"[^"]*"|'[^']*'|\([^()]*\))\s*\)/g;
const DEFINITION = /^( {0,3}\[([^[\]\n]{1,999})\]:\s*\S+)(?:\s+(?:"[^"]*"|'[^']*'|\([^()]*\)))?[ \t]*$/gm;
const LABEL = /\[([^[\]\n]{1,999})\]/g;

/** The text as a reader sees it: no hidden text, no invisible characters. Code blocks stay as they are, but for invisible characters. */
export function sanitise(md: string): string {
  const text = withPlainLines(md);
  const blocks = blocksOf(text);
  const labels = new Map<string, number>();
  for (const [, label = ""] of text.matchAll(LABEL)) labels.set(label.toLowerCase(), (labels.get(label.toLowerCase()) ?? 0) + 1);
  const shown = blocks.map((block) => {
    const said = text.slice(block.from, block.to);
    if (block.kind === "hidden") return "";
    if (block.kind === "fence") return said;
    const parts = inlineOf(said, block.kind).map((part) => {
      if (part.kind === "hidden") return "";
      if (part.kind === "tag") return plainTag(part.text);
      return part.kind === "code" ? part.text : withoutEntities(part.text);
    });
    return withoutAlt(parts.join(""))
      .replace(LINK_TITLE, "$1)")
      .replace(DEFINITION, (_, kept: string, label: string) => ((labels.get(label.toLowerCase()) ?? 0) > 1 ? kept : ""));
  });
  return visible(shown.join("")).trim();
}

/** A text that is no Markdown, such as a title, a diff or a log: without control and invisible characters. */
export function visible(text: string): string {
  return withPlainLines(text).replace(CONTROLS, "").replace(INVISIBLE, "");
}

function plainTag(tag: string): string {
  const [, opening = "", name = ""] = /^(<\/?)([a-z][a-z0-9-]*)/i.exec(tag) ?? [];
  return `${opening}${name}${(tag.match(SHOWN) ?? []).join("")}${tag.endsWith("/>") ? "/>" : ">"}`;
}

/** Numeric entities as the characters they show as. */
function withoutEntities(text: string): string {
  return text.replace(/&#(?:(\d{1,7})|[xX]([0-9a-fA-F]{1,6}));/g, (whole, decimal?: string, hex?: string) => {
    const point = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal);
    return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}

/** Takes out what images show only where they cannot be shown. */
function withoutAlt(text: string): string {
  if (!text.includes("![")) return text;
  const open: { at: number; image: boolean }[] = [];
  const cuts: { from: number; to: number }[] = [];
  for (const { 0: bracket, index } of text.matchAll(/!?\[|\]/g)) {
    if (bracket !== "]") {
      open.push({ at: index, image: bracket === "![" });
      continue;
    }
    const begun = open.pop();
    const next = text[index + 1];
    if (begun?.image && (next === "(" || next === "[")) {
      while ((cuts.at(-1)?.from ?? -1) > begun.at) cuts.pop();
      cuts.push({ from: begun.at + 2, to: index });
    }
  }
  let from = 0;
  let kept = "";
  for (const cut of cuts) {
    kept += text.slice(from, cut.from);
    from = cut.to;
  }
  return kept + text.slice(from);
}

/** At most `limit` UTF-16 code units of a text, saying where it was cut. `keep`: its beginning, or its end, where a diff has the line that is meant. */
export function clip(text: string, limit: number, keep: "start" | "end" = "start"): string {
  if (text.length <= limit) return text;
  const left = text.length - limit;
  const remark = `[errand cut ${left} of ${text.length} characters here]`;
  return keep === "start" ? `${text.slice(0, limit).toWellFormed()}\n${remark}` : `${remark}\n${text.slice(-limit).toWellFormed()}`;
}
