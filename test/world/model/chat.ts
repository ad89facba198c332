/** The part of the OpenAI chat completions protocol that OpenCode speaks, as far as a stand-in model needs it. */

import { z } from "zod";
import { AFTER_STOP, AROUND } from "../../../runner/briefing.ts";

const Part = z.object({ type: z.string(), text: z.string().optional() }).loose();
const Content = z.union([z.string(), z.array(Part), z.null()]).optional();

const ToolCall = z.object({ id: z.string(), function: z.object({ name: z.string(), arguments: z.string() }).loose() }).loose();

const Message = z
  .object({ role: z.string(), content: Content, tool_calls: z.array(ToolCall).optional(), tool_call_id: z.string().optional() })
  .loose();

/** A request, as it comes. */
export const ChatRequest = z
  .object({
    model: z.string(),
    messages: z.array(Message),
    stream: z.boolean().optional(),
    tools: z.array(z.object({ function: z.object({ name: z.string() }).loose() }).loose()).optional(),
  })
  .loose();
export type ChatRequest = z.infer<typeof ChatRequest>;
type Message = z.infer<typeof Message>;

/** A tool call to be made: the tool's name and its arguments. */
export interface Call {
  name: string;
  args: Record<string, unknown>;
}

/** What a model says in one answer: thinking, then text, then tool calls. */
export interface Reply {
  reasoning?: string;
  text?: string;
  calls?: Call[];
  /** `tool_calls` where there are calls, else `stop`, unless given. */
  finish?: "stop" | "length" | "tool_calls";
  usage?: { prompt_tokens: number; completion_tokens: number };
}

/** One thing that happened in a turn: a call that was made, and what came of it once it did. */
export interface Done {
  name: string;
  args: Record<string, unknown>;
  result: string | undefined;
}

/** A turn of the conversation: what the person said, then all the model said and did until the next prompt. */
export interface Turn {
  prompt: string;
  /** What errand put around it for the agent to read; empty where there was nothing. */
  context: string;
  texts: string[];
  done: Done[];
  /** How many answers the model gave. */
  answers: number;
}

function ofPerson(said: string): Pick<Turn, "prompt" | "context"> {
  const text = said.startsWith(AFTER_STOP) ? said.slice(AFTER_STOP.length) : said;
  const at = text.indexOf(AROUND);
  return at < 0 ? { prompt: text, context: "" } : { prompt: text.slice(0, at), context: text.slice(at) };
}

/** The plain text of a message. */
export function textOf(message: Message | undefined): string {
  const content = message?.content;
  if (typeof content === "string") return content;
  return (content ?? []).map((part) => part.text ?? "").join("\n");
}

function argumentsOf(json: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(json);
    return typeof parsed === "object" && parsed !== null ? { ...parsed } : {};
  } catch {
    return {};
  }
}

/** The conversation as turns, oldest first. Prompts that came one after another without an answer are one turn. */
export function turnsOf(request: ChatRequest): Turn[] {
  const turns: Turn[] = [];
  const open = new Map<string, Done>();
  let last: string | undefined;
  for (const message of request.messages) {
    const turn = turns.at(-1);
    if (message.role === "user") {
      if (last === "user" && turn && !textOf(message).startsWith(AFTER_STOP)) turn.prompt += `\n${textOf(message)}`;
      else turns.push({ ...ofPerson(textOf(message)), texts: [], done: [], answers: 0 });
    } else if (message.role === "assistant" && turn) {
      turn.answers += 1;
      const text = textOf(message).trim();
      if (text) turn.texts.push(text);
      for (const call of message.tool_calls ?? []) {
        const done: Done = { name: call.function.name, args: argumentsOf(call.function.arguments), result: undefined };
        open.set(call.id, done);
        turn.done.push(done);
      }
    } else if (message.role === "tool") {
      const done = open.get(message.tool_call_id ?? "");
      if (done) done.result = textOf(message);
    }
    if (message.role !== "system") last = message.role;
  }
  return turns;
}

/** The names of the tools that are offered. */
export function toolsOf(request: ChatRequest): Set<string> {
  return new Set((request.tools ?? []).map((tool) => tool.function.name));
}

/** Everything the system prompt says. */
export function systemOf(request: ChatRequest): string {
  return request.messages
    .filter((message) => message.role === "system")
    .map(textOf)
    .join("\n");
}

/** Whether this asks for a title only: no tools, and a system prompt that says so. */
export function isTitleRequest(request: ChatRequest): boolean {
  return toolsOf(request).size === 0 && /title generator|generate a (brief |short )?title/i.test(systemOf(request));
}

/** A short title from the first prompt: its first words without mentions, at most 50 characters. */
export function titleOf(request: ChatRequest): string {
  const prompts = request.messages.filter((message) => message.role === "user").map(textOf);
  const words = (prompts.at(-1) ?? "")
    .replace(/<@\w+>|Generate a title for this conversation:?/gi, " ")
    .split(/\s+/)
    .filter(Boolean);
  let title = "";
  for (const word of words) {
    if (title.length + word.length >= 50) break;
    title += `${title ? " " : ""}${word}`;
  }
  return title || "A task";
}

/** Roughly how many tokens a text is: four characters each, the usual rule of thumb. */
export function tokens(text: string): number {
  return Math.ceil(text.length / 4);
}
