/** A short remark. Pure. */

import { clean } from "../redact.ts";
import type { Message } from "../surface.ts";
import { type CommentContent, comment } from "./content.ts";
import { type Home, line } from "./escape.ts";

/** A remark belongs to no session's repository, so nothing in it refers to another one either. */
const NOWHERE: Home = { repository: null, hosts: ["github.com", "www.github.com"] };

/** How errand is used here: by its own name, and with what a comment can say. */
const help = (slug: string): string =>
  [
    `Tell me what to do, for example: \`@${slug} fix the failing test in src/app\`. Add \`branch=name\` to choose where to begin.`,
    `Mention me again to go on in the same workspace, here or in the pull request that comes of it. \`@${slug} stop\` ends what is running, \`retry\` does the last request once more, \`fix ci\` mends failing checks, \`status\` says where things stand.`,
  ].join("\n");

/** Renders a remark, line by line as it was written. It mentions nobody: on GitHub a name is needed for that, and the message has an id. */
export function renderNote({ code, text: said }: Extract<Message, { kind: "note" }>, slug: string): CommentContent {
  const text = code === "help" ? help(slug) : said;
  const rows = clean(text)
    .slice(0, 8_000)
    .split("\n")
    .map((row) => line(row, 2_000, NOWHERE));
  return comment([rows.join("\n").trim() || "…"]);
}
