/** `markdown` blocks as HTML, by markdown-it with HTML switched off; mentions in Slack's form are shown as names. */
import markdownIt from "markdown-it";
import { escapeHtml, Html } from "./html.ts";
import { angle } from "./mrkdwn.ts";
import type { Names } from "./names.ts";

const MENTION = /^<([@#!][^<>\s]+)>/;

function make(names: Names) {
  const md = markdownIt({ html: false, linkify: true, breaks: true });
  md.inline.ruler.before("autolink", "slack_mention", (state, silent) => {
    const match = MENTION.exec(state.src.slice(state.pos, state.pos + 200));
    if (!match?.[1]) return false;
    if (!silent) state.push("slack_mention", "", 0).content = match[1];
    state.pos += match[0].length;
    return true;
  });
  md.renderer.rules.slack_mention = (tokens, at) => angle(tokens[at]?.content ?? "", names).text;
  md.renderer.rules.link_open = (tokens, at, options, _env, self) => {
    tokens[at]?.attrSet("target", "_blank");
    tokens[at]?.attrSet("rel", "noopener noreferrer");
    return self.renderToken(tokens, at, options);
  };
  md.renderer.rules.table_open = () => '<div class="table"><table>';
  md.renderer.rules.table_close = () => "</table></div>";
  // Pictures from elsewhere would be fetched by the reader's browser: shown as their text.
  md.renderer.rules.image = (tokens, at) => escapeHtml(tokens[at]?.content ?? "");
  // Alignment comes as a style attribute, which the page's policy refuses.
  for (const name of ["th_open", "td_open"]) md.renderer.rules[name] = () => (name === "th_open" ? "<th>" : "<td>");
  return md;
}

const made = new WeakMap<Names, ReturnType<typeof make>>();

/** A text in Markdown as HTML; HTML in it is shown as text. */
export function markdown(text: string, names: Names): Html {
  const md = made.get(names) ?? make(names);
  made.set(names, md);
  return new Html(md.render(text));
}
