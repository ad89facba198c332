/** Clicks: the `block_actions` payload Slack sends when a person uses a button, and what its `response_url` takes. */
import { presentMessage } from "./corrections.ts";
import type { Channel, Json, Message, User } from "./records.ts";
import { WORKSPACE } from "./workspace.ts";

const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);

/** An element a person can use in a message, and the block it stands in. */
export interface Found {
  element: Json;
  blockId: string;
}

/**
 * The element with this `action_id` in a message's blocks, and with this value and block where they are given. Blocks without a
 * `block_id` get one from their place, as Slack makes one up.
 */
export function findElement(blocks: Json[], actionId: string, value?: string, blockId?: string): Found | undefined {
  for (const [i, block] of blocks.entries()) {
    const id = typeof block.block_id === "string" ? block.block_id : `b${i}`;
    if (blockId !== undefined && id !== blockId) continue;
    const elements = [...(Array.isArray(block.elements) ? block.elements : []), block.accessory, block.element].filter(isJson);
    for (const element of elements) {
      if (element.action_id !== actionId) continue;
      const options = Array.isArray(element.options) ? element.options.filter(isJson).map((option) => option.value) : [];
      // What is typed into a field is the person's own.
      if (element.type === "plain_text_input") return { element, blockId: id };
      if (value !== undefined && element.value !== value && !options.includes(value)) continue;
      return { element, blockId: id };
    }
  }
  return undefined;
}

/** What stands in the fields of a message, by block and action, as Slack sends it with a click. */
export type Typed = Record<string, Record<string, string>>;

const stateOf = (typed: Typed): Json =>
  Object.fromEntries(
    Object.entries(typed).map(([block, fields]) => [
      block,
      Object.fromEntries(
        Object.entries(fields).map(([action, value]) => [action, { type: "plain_text_input", value: value === "" ? null : value }]),
      ),
    ]),
  );

/** The payload of one click. `ids` must be new for every click; `now` in ms. */
export function blockActions(click: {
  user: User;
  channel: Channel;
  message: Message;
  found: Found;
  value: string | undefined;
  typed: Typed;
  ephemeral: boolean;
  triggerId: string;
  responseUrl: string;
  now: number;
}): Json {
  const { user, channel, message, found } = click;
  const { element } = found;
  const options = Array.isArray(element.options) ? element.options.filter(isJson) : [];
  const chosen = options.find((option) => option.value === click.value);
  return {
    type: "block_actions",
    user: { id: user.user_id, username: user.name, name: user.name, team_id: WORKSPACE.team },
    api_app_id: WORKSPACE.app,
    token: "local",
    container: {
      type: "message",
      message_ts: message.ts,
      channel_id: channel.channel_id,
      is_ephemeral: click.ephemeral,
      ...(message.thread_ts ? { thread_ts: message.thread_ts } : {}),
    },
    trigger_id: click.triggerId,
    team: { id: WORKSPACE.team, domain: WORKSPACE.domain },
    enterprise: null,
    is_enterprise_install: false,
    channel: { id: channel.channel_id, name: channel.name },
    message: presentMessage(message),
    state: { values: stateOf(click.typed) },
    response_url: click.responseUrl,
    actions: [
      {
        type: element.type,
        action_id: element.action_id,
        block_id: found.blockId,
        ...(isJson(element.text) ? { text: element.text } : {}),
        ...(typeof element.value === "string" ? { value: element.value } : {}),
        ...(element.type === "plain_text_input" && click.value !== undefined ? { value: click.value } : {}),
        ...(chosen ? { selected_option: chosen } : {}),
        action_ts: (click.now / 1000).toFixed(6),
      },
    ],
  };
}
