/** Whether a text of GitHub's speaks to errand, and what it says then. Pure, and linear in the length of the text. */
import type { Options } from "../../protocol/request.ts";
import { saysHelp, saysStatus, saysStop, takeOptions, withinLimit } from "../options.ts";
import { blocksOf, inlineOf, withPlainLines } from "./markdown.ts";
import { sanitise } from "./sanitise.ts";

/** `take` is what errand offered last, such as to mend failing checks. */
export type Command = "stop" | "status" | "retry" | "take" | "help";

/** `nothing`: the text does not speak to errand. */
export type Said = { kind: "nothing" } | { kind: "command"; command: Command } | { kind: "prompt"; text: string; options: Options };

const blank = (text: string) => text.replace(/[^\n]/g, " ");

/** The text with all blanked out that its author does not say: code, quotes, HTML comments, tags, addresses. What is left stands where it stood. */
function spoken(md: string): string {
  const shown = blocksOf(md).map(({ kind, from, to }) => {
    const text = md.slice(from, to);
    if (kind !== "text" && kind !== "html") return blank(text);
    return inlineOf(text, kind)
      .map((part) => (part.kind === "text" || (part.kind === "tag" && CODE_TAG.test(part.text)) ? part.text : blank(part.text)))
      .join("");
  });
  return shown
    .join("")
    .replace(/<(pre|code)\b[^<>]*>[\s\S]*?(?:<\/\1>|$)/gi, blank)
    .replace(/\bhttps?:\/\/\S+/gi, blank);
}
const CODE_TAG = /^<\/?(?:pre|code)\b/i;

/** `@slug` and `@slug[bot]`, not within an address, another name or a team's. */
function mention(slug: string): RegExp {
  const name = slug.replace(/[^\w-]/g, "");
  return new RegExp(`(?<![\\w/@.\`-])@${name}(?:\\[bot\\])?(?![\\w@/-]|\\.\\w)`, "i");
}
/** `/errand` where a line begins. */
const COMMAND = /^ {0,3}\/errand(?![\w/-]|\.\w)/im;

/** Whether the text mentions us, or has a line that begins with `/errand`. */
export function speaksTo(md: string, slug: string): boolean {
  const said = spoken(withPlainLines(md));
  return COMMAND.test(said) || mention(slug).test(said);
}

/** What the text says to us: without what calls us at its beginning, without hidden text, without the options. */
export function saidTo(md: string, slug: string): Said {
  const plain = withPlainLines(md);
  const said = spoken(plain);
  const line = COMMAND.exec(said);
  if (line) {
    const rest = said.slice(line.index + line[0].length).split("\n", 1)[0] ?? "";
    const command = commandOf(rest.replace(/^[:,]/, "").trim());
    if (command) return { kind: "command", command };
    return promptOf(plain, line.index, line.index + line[0].length);
  }
  const called = mention(slug).exec(said);
  if (!called) return { kind: "nothing" };
  // Where nothing is said before it, it only calls us; elsewhere it is a part of a sentence.
  const calls = said.slice(0, called.index).trim() === "";
  const prompt = promptOf(plain, called.index, calls ? called.index + called[0].length : called.index);
  const command = calls && commandOf(prompt.text);
  return command ? { kind: "command", command } : prompt;
}

function promptOf(text: string, from: number, to: number): Extract<Said, { kind: "prompt" }> {
  const after = text.slice(to);
  const rest = text.slice(0, from) + (to > from ? after.replace(/^\s*[:,]?[ \t]*/, (gap) => (gap.includes("\n") ? "\n" : "")) : after);
  // Another repository is not for a thread to choose: its reader may have no right there.
  const taken = takeOptions(sanitise(rest), ["branch", "model"]);
  return { kind: "prompt", text: withinLimit(taken.text), options: taken.options };
}

/** The command that the whole text is, if it is one. */
function commandOf(text: string): Command | null {
  if (saysStop(text)) return "stop";
  if (saysStatus(text)) return "status";
  if (saysHelp(text)) return "help";
  if (text.length > 20) return null;
  if (/^retry[.!]*$/i.test(text)) return "retry";
  return /^fix (?:ci|(?:the )?checks)[.!]*$/i.test(text) ? "take" : null;
}
