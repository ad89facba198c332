/**
 * Text of the agent as a person reads it: the part of Markdown that models write in answers. What is not understood
 * stays as it was written. Everything becomes elements with text in them, so nothing in it can be markup of the page.
 */

type Block =
  | { kind: "code"; text: string }
  | { kind: "heading"; text: string }
  | { kind: "list"; ordered: boolean; items: string[] }
  | { kind: "paragraph"; text: string };

const FENCE = /^\s{0,3}(`{3,}|~{3,})/;
const HEADING = /^#{1,6}\s+(.*)$/;
const ITEM = /^\s{0,3}(?:([-*+])|\d{1,9}[.)])\s+(.*)$/;

/** The blocks of a text, in order. */
export function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  const lines = text.split(/\r?\n/);
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] ?? "";
    const fence = FENCE.exec(line)?.[1];
    if (fence) {
      let last = at + 1;
      while (last < lines.length && lines[last]?.trim().startsWith(fence) !== true) last += 1;
      blocks.push({ kind: "code", text: lines.slice(at + 1, last).join("\n") });
      at = last + 1;
      continue;
    }
    at += 1;
    const heading = HEADING.exec(line)?.[1];
    const item = ITEM.exec(line);
    const previous = blocks.at(-1);
    const joins = at > 1 && (lines[at - 2] ?? "").trim() !== "";
    if (line.trim() === "") continue;
    if (heading !== undefined) blocks.push({ kind: "heading", text: heading });
    else if (item) {
      const ordered = item[1] === undefined;
      if (previous?.kind === "list" && previous.ordered === ordered) previous.items.push(item[2] ?? "");
      else blocks.push({ kind: "list", ordered, items: [item[2] ?? ""] });
    } else if (joins && previous?.kind === "paragraph") previous.text += `\n${line}`;
    else if (joins && previous?.kind === "list") previous.items.push(`${previous.items.pop() ?? ""}\n${line.trim()}`);
    else blocks.push({ kind: "paragraph", text: line });
  }
  return blocks;
}

/** Code, bold, link, and italics where the underscores stand outside words. No class of characters contains what begins its pattern, so that a hostile text costs no more than its length. */
const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|\[([^\][\n]+)\]\((https?:\/\/[^\s()]+)\)|(?<!\w)_([^_\n]+)_(?!\w)/g;

/** One line of such a text. */
export function Inline(props: { text: string }) {
  const parts = [];
  let from = 0;
  for (const match of props.text.matchAll(INLINE)) {
    if (match.index > from) parts.push(props.text.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[1] !== undefined) parts.push(<code>{match[1]}</code>);
    else if (match[2] !== undefined) parts.push(<strong>{match[2]}</strong>);
    else if (match[5] !== undefined) parts.push(<em>{match[5]}</em>);
    else {
      parts.push(
        <a href={match[4]} rel="noopener noreferrer nofollow" target="_blank">
          {match[3]}
        </a>,
      );
    }
  }
  parts.push(props.text.slice(from));
  return <>{parts}</>;
}

/** A text of the agent. */
export function RichText(props: { text: string }) {
  return (
    <div class="rich">
      {blocksOf(props.text).map((block) => {
        if (block.kind === "code") {
          return (
            <pre>
              <code>{block.text}</code>
            </pre>
          );
        }
        if (block.kind === "heading") {
          return (
            <h4>
              <Inline text={block.text} />
            </h4>
          );
        }
        if (block.kind === "paragraph") {
          return (
            <p>
              <Inline text={block.text} />
            </p>
          );
        }
        const items = block.items.map((item) => (
          <li>
            <Inline text={item} />
          </li>
        ));
        return block.ordered ? <ol>{items}</ol> : <ul>{items}</ul>;
      })}
    </div>
  );
}
