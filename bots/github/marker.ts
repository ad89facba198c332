/**
 * The hidden marks in errand's comments: which message a comment is, and which of its boxes does what. They are HTML comments, which
 * GitHub keeps and does not show. In text that people or models wrote, `escape.ts` leaves none. A mark means something only in a comment
 * of our own. Pure, linear.
 */

/** Text as it may stand within an HTML comment: no `>`, and no `--`, which ended comments in older Markdown. `:` stays readable. */
const encode = (text: string): string =>
  encodeURIComponent(text.toWellFormed()).replaceAll("-", "%2D").replaceAll("'", "%27").replaceAll("%3A", ":");

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** What a box of a comment of ours does when it is ticked. */
export type Box = { kind: "stop" } | { kind: "take" } | { kind: "choice"; id: string };

/** The mark that names a message, for `keyIn`. */
export const keyMark = (key: string): string => `<!-- errand:key=${encode(key)} -->`;

/** The mark of a box. It stands at the end of the box's line. */
export const boxMark = (box: Box): string => `<!-- errand:${box.kind === "choice" ? `choice:${encode(box.id)}` : box.kind} -->`;

/** A box that can be ticked by whoever may write to the repository. `label` is escaped text. */
export const boxLine = (label: string, box: Box): string => `- [ ] ${label} ${boxMark(box)}`;

const KEY = /<!-- errand:key=([^\s<>]{1,2000}) -->/g;

/** The key of the message that a comment is: that of its last mark, where ours stands. Null where there is none. */
export function keyIn(body: string): string | null {
  const marked = [...body.matchAll(KEY)].at(-1)?.[1];
  return marked === undefined ? null : decode(marked);
}

const TICKED = /^\s{0,3}[-*+] \[[xX]\] .*<!-- errand:(stop|take|choice:([^\s<>]{1,2000})) -->\s*$/;

/** The boxes that are ticked in a comment, in their order. */
export function tickedIn(body: string): Box[] {
  return body.split("\n").flatMap((row): Box[] => {
    const [, what, choice] = TICKED.exec(row) ?? [];
    if (what === undefined) return [];
    if (what === "stop" || what === "take") return [{ kind: what }];
    const id = decode(choice ?? "");
    return id === null || id === "" ? [] : [{ kind: "choice", id }];
  });
}
