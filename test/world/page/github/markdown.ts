/**
 * GitHub-flavoured Markdown as HTML: tables, task lists, alerts, mentions and references, hidden comments left out. HTML in it is
 * shown as text, but for a few tags without attributes, which are put out only where they are balanced. Pure.
 */
import markdownIt, { type StateCore, type Token } from "markdown-it";
import { escapeHtml, Html } from "../html.ts";
import { balance, commentBlock, htmlBlock, inlineHtml, pictureText } from "./allowed-html.ts";

/** Where a text stands. */
export interface Where {
  /** `owner/name`: what `#12` means. */
  repository: string;
  /** The page's own origin: links to it open in the same tab. */
  origin: string;
  /** Whether the reader may tick the boxes of task lists. */
  mayTick: boolean;
}

/** One box of a task list in the source. */
export interface Task {
  /** The source after the box. */
  label: string;
  checked: boolean;
  /** The line of the source in which it stands, from 0. */
  line: number;
}

const ALERT = /^\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\][ \t]*(?:\n|$)/i;
const BOX = /^\[([ xX])\]\s+(?=\S)/;
const REFERENCE =
  /(?<![\w@/`-])@([a-z\d](?:[a-z\d]|-(?=[a-z\d])){0,38}(?:\[bot\])?)(?![\w-])|(?<![\w&/])(?:([\w-]+\/[\w.-]+))?#(\d{1,9})\b/gi;

function alerts(state: StateCore) {
  const { tokens } = state;
  for (let i = 0; i < tokens.length - 2; i++) {
    const [quote, , inline] = tokens.slice(i, i + 3);
    if (quote?.type !== "blockquote_open" || inline?.type !== "inline") continue;
    const kind = ALERT.exec(inline.content)?.[1]?.toLowerCase();
    if (!kind) continue;
    const close = tokens.find((token, at) => at > i && token.type === "blockquote_close" && token.level === quote.level);
    if (!close) continue;
    quote.tag = close.tag = "div";
    quote.attrSet("class", `alert alert-${kind}`);
    inline.content = inline.content.replace(ALERT, "");
    const title = new state.Token("made", "", 0);
    title.content = `<p class="alert-title">${kind.charAt(0).toUpperCase()}${kind.slice(1)}</p>`;
    tokens.splice(i + 1, inline.content === "" ? 3 : 0, title);
  }
}

function taskBoxes(state: StateCore) {
  state.tokens.forEach((item, i) => {
    const inline = state.tokens[i + 2];
    const first = inline?.children?.[0];
    if (item.type !== "list_item_open" || inline?.type !== "inline" || first?.type !== "text") return;
    const box = BOX.exec(inline.content);
    if (!box || !inline.map) return;
    const token = new state.Token("task_box", "", 0);
    token.meta = { label: inline.content.slice(box[0].length), checked: box[1] !== " ", line: inline.map[0] };
    first.content = first.content.replace(/^\[[ xX]\]\s*/, "");
    inline.children?.unshift(token);
    item.attrJoin("class", "task-item");
  });
}

function taskOf(token: Token): Task {
  const { label, checked, line } = token.meta ?? {};
  return { label: typeof label === "string" ? label : "", checked: checked === true, line: typeof line === "number" ? line : 0 };
}

const boxesIn = (tokens: Token[]) => tokens.flatMap((token) => token.children ?? []).filter((token) => token.type === "task_box");

/** People's names and the numbers of issues in a text, outside of links. */
function references(state: StateCore, where: Where) {
  for (const inline of state.tokens) {
    if (inline.type !== "inline" || !inline.children) continue;
    let links = 0;
    inline.children = inline.children.flatMap((token) => {
      if (token.type === "link_open") links += 1;
      if (token.type === "link_close") links -= 1;
      if (token.type !== "text" || links > 0) return [token];
      const out: Token[] = [];
      const push = (type: string, content: string) => {
        const piece = new state.Token(type, "", 0);
        piece.content = content;
        if (content !== "") out.push(piece);
      };
      let done = 0;
      for (const match of token.content.matchAll(REFERENCE)) {
        push("text", token.content.slice(done, match.index));
        const repository = match[2] ?? where.repository;
        const shown = escapeHtml(match[0]);
        push(
          "made",
          match[1]
            ? `<span class="mention">${shown}</span>`
            : `<a href="/github/${escapeHtml(repository)}/issues/${match[3]}">${shown}</a>`,
        );
        done = match.index + match[0].length;
      }
      if (done === 0) return [token];
      push("text", token.content.slice(done));
      return out;
    });
  }
}

function make(where: Where) {
  const md = markdownIt({ html: false, linkify: true, breaks: true });
  const alt = ["paragraph", "reference", "blockquote", "list"];
  md.block.ruler.before("fence", "allowed_html", htmlBlock, { alt });
  md.block.ruler.before("fence", "hidden_comment", commentBlock, { alt });
  md.inline.ruler.before("autolink", "allowed_html", inlineHtml);
  md.core.ruler.after("block", "alerts", alerts);
  md.core.ruler.push("task_boxes", taskBoxes);
  md.core.ruler.push("references", (state) => references(state, where));
  md.core.ruler.push("balance", (state) => {
    const made = (html: string) => {
      const token = new state.Token("made", "", 0);
      token.content = html;
      return token;
    };
    for (const token of state.tokens) if (token.children) token.children = balance(token.children, made);
    state.tokens = balance(state.tokens, made);
    boxesIn(state.tokens).forEach((token, index) => {
      token.meta = { ...token.meta, index };
    });
  });
  const { rules } = md.renderer;
  rules.made = (tokens, at) => tokens[at]?.content ?? "";
  rules.task_box = (tokens, at) => {
    const token = tokens[at];
    if (!token) return "";
    const { label, checked } = taskOf(token);
    const tick = where.mayTick ? ` data-tick="${Number(token.meta?.index)}" data-label="${escapeHtml(label)}"` : " disabled";
    return `<input type="checkbox" autocomplete="off" aria-label="${escapeHtml(label)}"${checked ? " checked" : ""}${tick}> `;
  };
  rules.link_open = (tokens, at, options, _env, self) => {
    const token = tokens[at];
    if (!String(token?.attrGet("href")).startsWith(`${where.origin}/`)) token?.attrSet("target", "_blank");
    token?.attrSet("rel", "noopener noreferrer nofollow");
    return self.renderToken(tokens, at, options);
  };
  const fence = rules.fence;
  rules.fence = (tokens, at, options, env, self) => {
    const code = fence?.(tokens, at, options, env, self) ?? "";
    return tokens[at]?.info.trim() === "suggestion" ? `<div class="suggestion"><p>Suggested change</p>${code}</div>` : code;
  };
  rules.table_open = () => '<div class="table"><table>';
  rules.table_close = () => "</table></div>";
  rules.image = (tokens, at) => pictureText(tokens[at]?.content ?? "");
  // Alignment comes as a style attribute, which the page's policy refuses.
  for (const tag of ["th", "td"]) {
    rules[`${tag}_open`] = (tokens, at) => {
      const align = /text-align:(center|right)/.exec(String(tokens[at]?.attrGet("style")))?.[1];
      return align ? `<${tag} class="${align}">` : `<${tag}>`;
    };
  }
  return md;
}

const made = new Map<string, ReturnType<typeof make>>();

function parserFor(where: Where) {
  const key = JSON.stringify([where.repository, where.origin, where.mayTick]);
  const md = made.get(key) ?? make(where);
  if (made.size > 100) made.clear();
  made.set(key, md);
  return md;
}

/** A text as HTML. */
export function githubMarkdown(text: string, where: Where): Html {
  return new Html(parserFor(where).render(text));
}

/** The boxes of a text's task lists, in order. */
export function tasksOf(text: string): Task[] {
  return boxesIn(parserFor({ repository: "", origin: "", mayTick: false }).parse(text, {})).map(taskOf);
}

/**
 * The text with one box ticked or not. The box is the one with that label, at that place among the boxes if there are several; undefined
 * where there is none such any more, since the text may have changed between the reading and the tick.
 */
export function tickTask(text: string, tick: { index: number; label: string; checked: boolean }): string | undefined {
  const tasks = tasksOf(text);
  const same = tasks.filter((task) => task.label === tick.label);
  const here = tasks[tick.index];
  const task = here?.label === tick.label ? here : same.length === 1 ? same[0] : undefined;
  if (!task) return undefined;
  const lines = text.split(/(\r\n|\n|\r)/);
  const line = lines[task.line * 2];
  const changed = line?.replace(/((?:[-*+]|\d+[.)])\s+)\[[ xX]\](?=\s)/, `$1[${tick.checked ? "x" : " "}]`);
  if (line === undefined || changed === undefined) return undefined;
  lines[task.line * 2] = changed;
  return lines.join("");
}
