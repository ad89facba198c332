/** What the model says in the runner's tests: chosen by a marker in the newest prompt that has one, one step for each call. */
import type { ChatRequest, Respond, Step } from "../world/model.ts";

/** Steps for one call after the other, or made from the call's number. Every step uses 100 tokens of input and 10 of output. */
export type Script = Step[] | ((call: number) => Step);

/** Answers by the scripts; a prompt without a marker goes on with the script of the one before. */
export function scripted(scripts: Record<string, Script>) {
  const calls = new Map<string, number>();
  const prompts: string[] = [];
  const respond: Respond = (request) => {
    const said = request.messages.filter((message) => message.role === "user").map((message) => textOf(message));
    prompts.push(said.at(-1) ?? "");
    const marker = said.toReversed().flatMap((text) => Object.keys(scripts).filter((key) => text.includes(key)))[0] ?? "";
    const call = calls.get(marker) ?? 0;
    calls.set(marker, call + 1);
    const script = scripts[marker] ?? [];
    const step = (typeof script === "function" ? script(call) : script[call]) ?? { text: "The script is over." };
    const { faults, ...reply } = step;
    return { reply: { usage: { prompt_tokens: 100, completion_tokens: 10 }, ...reply }, fault: faults?.[0] };
  };
  return {
    respond,
    /** How often the model was called for prompts with a marker. */
    calls: (marker: string) => calls.get(marker) ?? 0,
    /** The newest prompt of every call. */
    prompts,
  };
}

function textOf({ content }: ChatRequest["messages"][number]): string {
  if (typeof content === "string") return content;
  return (content ?? []).map((part) => part.text ?? "").join("\n");
}
