/** What people choose and command within the text of a request, on any surface. Pure, and linear in the length of the text. */
import { MAX_PROMPT, type Options } from "../protocol/request.ts";

/** What is put in place of what did not fit. */
const CUT_REMARK = "\n[The message was longer; errand took its first 40,000 characters.]";

/** The parts of a text by whether they are code: spans between runs of equally many backticks, as Slack and Markdown have them. */
export function codeSpans(text: string): { code: boolean; text: string }[] {
  const runs = [...text.matchAll(/`+/g)].map((match) => ({ at: match.index, length: match[0].length }));
  const byLength = new Map<number, number[]>();
  runs.forEach(({ length }, index) => {
    const list = byLength.get(length);
    if (list) list.push(index);
    else byLength.set(length, [index]);
  });
  const parts: { code: boolean; text: string }[] = [];
  const cursor = new Map<number, number>();
  let from = 0;
  for (let index = 0; index < runs.length; index += 1) {
    const open = runs[index];
    if (!open) break;
    const same = byLength.get(open.length) ?? [];
    let next = cursor.get(open.length) ?? 0;
    while (next < same.length && (same[next] ?? 0) <= index) next += 1;
    cursor.set(open.length, next);
    const closeIndex = same[next];
    const close = closeIndex === undefined ? undefined : runs[closeIndex];
    if (close === undefined || closeIndex === undefined) continue;
    if (open.at > from) parts.push({ code: false, text: text.slice(from, open.at) });
    from = close.at + close.length;
    parts.push({ code: true, text: text.slice(open.at, from) });
    index = closeIndex;
  }
  if (from < text.length) parts.push({ code: false, text: text.slice(from) });
  return parts;
}

const VALUE = {
  repo: /^(?:https?:\/\/[^\s]+|[\w.-]+\/[\w.-]+)$/,
  branch: /^[^\s~^:?*[\\]+$/,
  model: /^[\w./:@-]+$/,
};
const FIELD = { repo: "repository", branch: "branch", model: "model" } as const;
const LONGEST = { repo: 300, branch: 255, model: 200 };

/** What can be chosen in a text. */
export type OptionKey = keyof typeof FIELD;

/**
 * Takes `repo=owner/name`, `branch=…` and `model=…` out of a text, wherever they stand outside code; the last of each wins.
 * What is not among `keys`, or does not have the form of a value, stays in the text, so that nothing a person wrote is lost.
 */
export function takeOptions(text: string, keys: readonly OptionKey[] = ["repo", "branch", "model"]): { text: string; options: Options } {
  const options: Options = {};
  const rest = codeSpans(text).map((part) => {
    if (part.code) return part.text;
    return part.text.replace(/(^|\s)(repo|branch|model)=(\S+)/g, (whole, before: string, key: OptionKey, said: string) => {
      const value = said.replace(/[.,;:!?)]+$/, "");
      if (!keys.includes(key) || !VALUE[key].test(value) || value.length > LONGEST[key]) return whole;
      options[FIELD[key]] = value;
      return before.includes("\n") ? before : "";
    });
  });
  return { text: rest.join("").trim(), options };
}

/** A text that fits the contract: longer ones are cut, and say so. */
export function withinLimit(text: string): string {
  if (text.length <= MAX_PROMPT) return text;
  let end = MAX_PROMPT - CUT_REMARK.length;
  const last = text.charCodeAt(end - 1);
  if (last >= 0xd800 && last <= 0xdbff) end -= 1;
  return text.slice(0, end) + CUT_REMARK;
}

/** Whether the whole text asks how errand is used. */
export function saysHelp(text: string): boolean {
  return text.length <= 10 && /^help[.!?]*$/i.test(text);
}

/** Whether the whole text asks where things stand. */
export function saysStatus(text: string): boolean {
  return text.length <= 10 && /^status[.!?]*$/i.test(text);
}

/** What the whole text says about linking an account: the word alone, or with the number of a page; null where it says nothing of the kind. */
export function saysLink(text: string): { word: "link" | "unlink"; number: string | null } | null {
  const [, word, digits] = (text.length <= 40 && /^(link|unlink)(?:[ \t]+(\d[\d \t-]{4,12}\d))?[.!]*$/i.exec(text)) || [];
  if (word === undefined) return null;
  const number = digits?.replace(/\D/g, "") ?? null;
  return word.toLowerCase() === "link" ? { word: "link", number } : number === null ? { word: "unlink", number } : null;
}

/** Whether the whole text is the word that stops a turn. */
export function saysStop(text: string): boolean {
  return text.length <= 10 && /^stop[.!]*$/i.test(text);
}
