/** Cuts Markdown into pieces: between paragraphs where it can, never leaving a code fence open. Pure, linear. */

type Block = { text: string; fence: { mark: string; open: string } | null };

/** The paragraphs and fenced code blocks of a Markdown text, in order. */
function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let lines: string[] = [];
  let fence: { mark: string; open: string } | null = null;
  const flush = () => {
    const joined = lines.join("\n").replace(/\s+$/, "");
    if (joined.trim() !== "") blocks.push({ text: joined, fence });
    lines = [];
  };
  for (const row of text.split("\n")) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(row)?.[1];
    if (fence) {
      lines.push(row);
      if (mark?.startsWith(fence.mark) && row.trim() === mark) {
        flush();
        fence = null;
      }
    } else if (mark) {
      flush();
      fence = { mark, open: row.slice(0, 200) };
      lines.push(row);
    } else if (row.trim() === "") flush();
    else lines.push(row);
  }
  if (fence && lines.length > 0) lines.push(fence.mark);
  flush();
  return blocks;
}

/** Cuts lines so that pieces have at most `max` characters; a longer line is cut between characters. */
function cutLines(text: string, max: number): string[] {
  const pieces: string[] = [];
  let current = "";
  for (const row of text.split("\n")) {
    let rest = row;
    while (rest.length > max) {
      if (current !== "") pieces.push(current);
      current = "";
      const last = rest.charCodeAt(max - 1);
      const end = last >= 0xd800 && last <= 0xdbff ? max - 1 : max;
      pieces.push(rest.slice(0, end));
      rest = rest.slice(end);
    }
    const joined = current === "" ? rest : `${current}\n${rest}`;
    if (joined.length > max) {
      pieces.push(current);
      current = rest;
    } else current = joined;
  }
  if (current !== "") pieces.push(current);
  return pieces;
}

function cutBlock(block: Block, max: number): string[] {
  if (block.text.length <= max) return [block.text];
  if (!block.fence) return cutLines(block.text, max);
  const { mark, open } = block.fence;
  const rows = block.text.split("\n");
  const inner = rows.slice(1, -1).join("\n");
  const room = max - open.length - mark.length - 2;
  if (room < 20) return cutLines(inner, max);
  return cutLines(inner, room).map((piece) => `${open}\n${piece}\n${mark}`);
}

/**
 * Cuts a Markdown text into pieces of at most `max` characters (at least 100), at most `most` of them. A code block that must be cut is
 * closed and opened again. `whole` is false when the end was left out.
 */
export function splitMarkdown(text: string, max: number, most = 1_000): { pieces: string[]; whole: boolean } {
  const pieces: string[] = [];
  let current = "";
  for (const block of blocksOf(text)) {
    for (const part of cutBlock(block, max)) {
      const joined = current === "" ? part : `${current}\n\n${part}`;
      if (joined.length <= max) {
        current = joined;
        continue;
      }
      pieces.push(current);
      current = part;
      if (pieces.length >= most) return { pieces, whole: false };
    }
  }
  if (current !== "") pieces.push(current);
  return { pieces, whole: true };
}

/** The end of a Markdown text, about `max` characters of it, from the start of a line or word, with a cut fence opened again. */
export function tailOfMarkdown(text: string, max: number): string {
  const trimmed = text.trimEnd();
  const from = Math.max(0, trimmed.length - max);
  let tail = trimmed.slice(from);
  if (from > 0) {
    const newline = tail.indexOf("\n");
    const space = tail.search(/\s/);
    tail = newline >= 0 && newline < max / 2 ? tail.slice(newline + 1) : tail.slice(Math.max(0, space));
  }
  const fences = (part: string) => part.match(/^ {0,3}(?:`{3,}|~{3,})/gm)?.length ?? 0;
  const before = trimmed.slice(0, trimmed.length - tail.length);
  const opened = fences(before) % 2 === 1 ? "```\n" : "";
  const closed = (fences(before) + fences(tail)) % 2 === 1 ? "\n```" : "";
  return `${from > 0 ? "…\n" : ""}${opened}${tail.trim()}${closed}`;
}
