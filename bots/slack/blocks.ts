/** The Block Kit blocks errand uses, and how they are built within Slack's limits. Text comes in escaped. */

import type { TaskStatus } from "../tasks.ts";

/** Limits of Slack's block reference, in characters unless said otherwise. */
export const LIMIT = {
  text: 3_500,
  section: 3_000,
  contextText: 2_000,
  /** All markdown blocks of a message together. */
  markdown: 12_000,
  title: 256,
  buttonText: 75,
  buttonValue: 2_000,
  optionValue: 150,
  url: 3_000,
  /** Blocks of a message. */
  blocks: 50,
} as const;

export type Text = { type: "mrkdwn" | "plain_text"; text: string };
export type TaskCard = { type: "task_card"; task_id: string; title: string; status: TaskStatus };
export type Button = { type: "button"; action_id: string; text: Text; value?: string; url?: string; style?: "primary" };
export type Select = {
  type: "static_select";
  action_id: string;
  placeholder: Text;
  options: { text: Text; value: string }[];
};
/** A field to type into. Enter tells us what stands in it, as a click does. */
export type Input = {
  type: "input";
  block_id: string;
  dispatch_action: true;
  label: Text;
  element: {
    type: "plain_text_input";
    action_id: string;
    max_length: number;
    placeholder: Text;
    dispatch_action_config: { trigger_actions_on: ["on_enter_pressed"] };
  };
};
export type Block =
  | { type: "section"; text: Text; expand?: true }
  | { type: "markdown"; text: string }
  | { type: "plan"; title: string; tasks: TaskCard[] }
  | { type: "context"; elements: Text[] }
  | { type: "actions"; block_id: string; elements: (Button | Select)[] }
  | Input
  | { type: "rich_text"; elements: { type: "rich_text_preformatted"; elements: { type: "text"; text: string }[] }[] };

/** What a message is on Slack: the text of notifications and screen readers, and what is seen. */
export type SlackContent = { text: string; blocks: Block[] };

/** A paragraph of mrkdwn that is never folded behind "see more". Slack refuses an empty one. */
export const section = (text: string): Block => ({
  type: "section",
  text: { type: "mrkdwn", text: text.trim() === "" ? "…" : text },
  expand: true,
});

/** A line of small grey text; nothing for no text. Each part has to be within `LIMIT.contextText`. */
export function context(parts: readonly string[]): Block[] {
  const texts = parts.filter((part) => part.trim() !== "").slice(0, 10);
  return texts.length === 0 ? [] : [{ type: "context", elements: texts.map((text) => ({ type: "mrkdwn", text })) }];
}

/** Text shown exactly as it is, in a box; Slack reads nothing in it. */
export const preformatted = (text: string): Block => ({
  type: "rich_text",
  elements: [{ type: "rich_text_preformatted", elements: [{ type: "text", text }] }],
});

/** A button that tells us of its click. */
export const button = (action: string, text: string, value: string): Button => ({
  type: "button",
  action_id: action,
  text: { type: "plain_text", text },
  value,
});

/** A button that opens an address; nothing where Slack would not take the address. */
export function link(action: string, text: string, url: string): Button[] {
  if (!/^https?:\/\/\S+$/.test(url) || url.length > LIMIT.url) return [];
  return [{ type: "button", action_id: action, text: { type: "plain_text", text }, url }];
}

/** A row of buttons; nothing for none. Slack takes 25 of them. */
export function actions(blockId: string, elements: (Button | Select)[]): Block[] {
  return elements.length === 0 ? [] : [{ type: "actions", block_id: blockId, elements: elements.slice(0, 25) }];
}
