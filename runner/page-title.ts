/** The title of a web page, read from its HTML. Pure. */

/** The longest title that is told, in characters. */
const TITLE = 200;
const NAMED: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " " };

/** The title, or the beginning of one; null where there is none. Text of a stranger: it is data to whoever shows it. */
export function pageTitleOf(html: string): string | null {
  const raw = /<title(?:\s[^>]*)?>([^<]*)/i.exec(html)?.[1] ?? "";
  const text = raw.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,6}));/gi, (whole, decimal, hex, name) => {
    if (name) return NAMED[String(name).toLowerCase()] ?? whole;
    const code = decimal ? Number(decimal) : Number.parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : "";
  });
  // Control and format characters could break a line, or turn the text around that follows.
  const title = text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")
    .replace(/\p{Cf}/gu, "")
    .replace(/\s+/g, " ")
    .trim();
  return title === "" ? null : Array.from(title).slice(0, TITLE).join("").slice(0, TITLE);
}
