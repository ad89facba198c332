/** A short remark. Pure. */
import type { Message } from "../surface.ts";
import { type CommentContent, comment } from "./content.ts";
import { clean, type Home, line } from "./escape.ts";

/** A remark belongs to no session's repository, so nothing in it refers to another one either. */
const NOWHERE: Home = { repository: null, hosts: ["github.com", "www.github.com"] };

/** Renders a remark, line by line as it was written. It mentions nobody: on GitHub a name is needed for that, and the message has an id. */
export function renderNote({ text }: Extract<Message, { kind: "note" }>): CommentContent {
  const rows = clean(text)
    .slice(0, 8_000)
    .split("\n")
    .map((row) => line(row, 2_000, NOWHERE));
  return comment([rows.join("\n").trim() || "…"]);
}
