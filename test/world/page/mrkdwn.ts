/** Slack's own markup (`mrkdwn`) as HTML. Pure. */
import { Html, html, join, safeUrl } from "./html.ts";
import type { Names } from "./names.ts";

const EMOJI: Record<string, string> = {
  white_check_mark: "✅",
  heavy_check_mark: "✔️",
  x: "❌",
  warning: "⚠️",
  eyes: "👀",
  "+1": "👍",
  thumbsup: "👍",
  "-1": "👎",
  hourglass: "⌛",
  hourglass_flowing_sand: "⏳",
  rocket: "🚀",
  tada: "🎉",
  wave: "👋",
  robot_face: "🤖",
  speech_balloon: "💬",
  question: "❓",
  exclamation: "❗",
  octagonal_sign: "🛑",
  stop_sign: "🛑",
  hammer_and_wrench: "🛠️",
  bulb: "💡",
  lock: "🔒",
  key: "🔑",
  link: "🔗",
  gear: "⚙️",
  zap: "⚡",
  memo: "📝",
  no_entry: "⛔",
  arrows_counterclockwise: "🔄",
  large_green_circle: "🟢",
  red_circle: "🔴",
  large_yellow_circle: "🟡",
  white_circle: "⚪",
};

/** An emoji by its Slack name; the name in colons where it is not known here. */
export function emoji(name: string): string {
  return EMOJI[name] ?? `:${name}:`;
}

const decode = (text: string) => text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");

/** What stands between `<` and `>`: a mention, a channel, a date or a link. */
export function angle(inside: string, names: Names): Html {
  const [target = "", label] = inside.split("|", 2);
  if (target.startsWith("@")) {
    const id = target.slice(1);
    return html`<span class="mention">@${names.users.get(id) ?? label ?? id}</span>`;
  }
  if (target.startsWith("#")) return html`<span class="mention">#${names.channels.get(target.slice(1)) ?? label ?? target.slice(1)}</span>`;
  if (target.startsWith("!date^")) {
    const seconds = Number(target.split("^")[1]);
    return html`<time data-at="${seconds * 1000}">${label ?? ""}</time>`;
  }
  if (target.startsWith("!")) return html`<span class="mention">@${target.slice(1).split("^")[0] ?? ""}</span>`;
  const url = safeUrl(decode(target));
  const shown = decode(label ?? target);
  return url ? html`<a href="${url}" target="_blank" rel="noopener noreferrer">${shown}</a>` : html`${shown}`;
}

const INLINE = [
  /(?<code>`[^`\n]+`)/,
  /(?<angle><[^<>\n]+>)/,
  /(?<bold>(?<![\w*])\*(?=\S)[^*\n]*[^\s*]\*(?![\w*]))/,
  /(?<italic>(?<!\w)_(?=\S)[^_\n]*[^\s_]_(?!\w))/,
  /(?<strike>(?<![\w~])~(?=\S)[^~\n]*[^\s~]~(?![\w~]))/,
  /(?<emoji>:[a-z0-9_+-]+:)/,
];
const TOKEN = new RegExp(INLINE.map((one) => one.source).join("|"), "g");

function inline(text: string, names: Names): Html {
  const out: Html[] = [];
  let at = 0;
  for (const match of text.matchAll(TOKEN)) {
    out.push(html`${decode(text.slice(at, match.index))}`);
    at = match.index + match[0].length;
    const inner = match[0].slice(1, -1);
    const group = match.groups ?? {};
    if (group.code) out.push(html`<code>${decode(inner)}</code>`);
    else if (group.angle) out.push(angle(inner, names));
    else if (group.bold) out.push(html`<strong>${inline(inner, names)}</strong>`);
    else if (group.italic) out.push(html`<em>${inline(inner, names)}</em>`);
    else if (group.strike) out.push(html`<s>${inline(inner, names)}</s>`);
    else out.push(html`${emoji(inner)}`);
  }
  out.push(html`${decode(text.slice(at))}`);
  return join(out);
}

function paragraphs(text: string, names: Names): Html {
  const out: Html[] = [];
  let quoted: string[] = [];
  const flush = () => {
    if (quoted.length > 0)
      out.push(
        html`<blockquote>${join(
          quoted.map((line) => inline(line, names)),
          "<br>",
        )}</blockquote>`,
      );
    quoted = [];
  };
  const lines = text.split("\n");
  for (const [i, line] of lines.entries()) {
    const quote = /^&gt; ?(.*)$/.exec(line);
    if (quote) {
      quoted.push(quote[1] ?? "");
      continue;
    }
    const wasQuote = quoted.length > 0;
    flush();
    if (i > 0 && !wasQuote) out.push(new Html("<br>"));
    out.push(inline(line, names));
  }
  flush();
  return join(out);
}

/** A text in Slack's markup as HTML; nothing in it can become markup of the page. */
export function mrkdwn(text: string, names: Names): Html {
  const parts = text.split(/```\n?([\s\S]*?)\n?```/);
  return join(
    parts.map((part, i) =>
      i % 2 === 1
        ? html`<pre><code>${decode(part)}</code></pre>`
        : part === ""
          ? html``
          : paragraphs(part.replace(i > 0 ? /^\n/ : /^$/, ""), names),
    ),
  );
}
