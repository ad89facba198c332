/**
 * Where the emulator answers otherwise than Slack, corrected: what is refused before a call is applied, and what an answer
 * looks like afterwards. No I/O; the store is read only.
 */
import { complaintsAboutBlocks } from "./blocks.ts";
import type { SlackTables } from "./emulator.ts";
import type { Json, Message, Token } from "./records.ts";

/** `chat.update` refuses a longer text with `msg_too_long`; in characters. Posting takes 40,000 and truncates. */
export const UPDATE_TEXT_LIMIT = 4_000;
/** The longest `markdown_text`, in characters. */
export const MARKDOWN_TEXT_LIMIT = 12_000;

const WRITES = new Set(["chat.postMessage", "chat.update", "chat.postEphemeral"]);
const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);

/** The arguments of a call from its body: JSON, or a form in which lists and objects are JSON texts. Undefined for broken JSON. */
export function parseArguments(contentType: string, body: string): Json | undefined {
  try {
    if (contentType.includes("application/json")) {
      const parsed: unknown = body === "" ? {} : JSON.parse(body);
      return isJson(parsed) ? parsed : undefined;
    }
    const args: Json = Object.fromEntries(new URLSearchParams(body));
    for (const field of ["blocks", "attachments", "metadata"]) {
      const value = args[field];
      if (typeof value === "string" && value !== "") args[field] = JSON.parse(value);
    }
    return args;
  } catch {
    return undefined;
  }
}

/**
 * What goes to the emulator for a call, or Slack's refusal. A message written by a bot gets its `bot_id` and `app_id`, and nobody
 * can claim others; `markdown_text` becomes a `markdown` block, which the emulator knows.
 */
export function correctCall(method: string, given: Json, who: Token): { args: Json } | { refusal: Json } {
  if (!WRITES.has(method)) return { args: given };
  const { bot_id: _bot, app_id: _app, markdown_text: markdown, ...args } = given;
  if (markdown !== undefined) {
    if (args.text !== undefined || args.blocks !== undefined) return { refusal: { ok: false, error: "markdown_text_conflict" } };
    if (String(markdown).length > MARKDOWN_TEXT_LIMIT) return { refusal: { ok: false, error: "msg_too_long" } };
    args.text = String(markdown);
    args.blocks = [{ type: "markdown", text: String(markdown) }];
  }
  if (method === "chat.update" && typeof args.text === "string" && args.text.length > UPDATE_TEXT_LIMIT && markdown === undefined) {
    return { refusal: { ok: false, error: "msg_too_long" } };
  }
  if (args.blocks !== undefined && args.blocks !== "") {
    const complaints = complaintsAboutBlocks(args.blocks);
    if (complaints.length > 0) {
      return { refusal: { ok: false, error: "invalid_blocks", errors: complaints, response_metadata: { messages: complaints } } };
    }
  }
  if (who.bot_id && method !== "chat.update") return { args: { ...args, bot_id: who.bot_id, app_id: who.app_id } };
  return { args };
}

/** A message as Slack shows it to apps, from its row in the store. */
export function presentMessage(row: Message): Json {
  return {
    type: row.type,
    ...(row.subtype ? { subtype: row.subtype } : {}),
    user: row.user,
    text: row.text,
    ts: row.ts,
    ...(row.bot_id ? { bot_id: row.bot_id, app_id: row.app_id } : {}),
    ...(row.thread_ts ? { thread_ts: row.thread_ts } : {}),
    ...(row.blocks ? { blocks: row.blocks } : {}),
    ...(row.edited ? { edited: row.edited } : {}),
  };
}

const asTs = (value: unknown) => (typeof value === "string" || typeof value === "number" ? String(value) : undefined);
const yes = (value: unknown) => value === true || value === "true" || value === 1 || value === "1";

/**
 * The part of a list of messages that was asked for by `oldest`, `latest`, `inclusive`, `limit` and `cursor`. The list is in the
 * order of the answer (`conversations.history` newest first, `conversations.replies` oldest first).
 */
export function pageOf(messages: Json[], args: Json, most: number): Json {
  const oldest = asTs(args.oldest);
  const latest = asTs(args.latest);
  const inside = messages.filter((message) => {
    const ts = Number(message.ts);
    const edge = message.ts === oldest || message.ts === latest;
    if (edge) return yes(args.inclusive);
    return (oldest === undefined || ts > Number(oldest)) && (latest === undefined || ts < Number(latest));
  });
  const limit = Math.min(Math.max(1, Number(args.limit) || most), 1000);
  const from = typeof args.cursor === "string" && args.cursor !== "" ? inside.findIndex((message) => message.ts === args.cursor) : 0;
  if (from < 0) return { ok: false, error: "invalid_cursor" };
  const next = inside[from + limit]?.ts;
  return {
    ok: true,
    messages: inside.slice(from, from + limit),
    has_more: next !== undefined,
    response_metadata: { next_cursor: next ?? "" },
  };
}

/** The arguments with which the emulator gives everything, so that `correctAnswer` can take the page that was asked for. */
export function wholeList(method: string, args: Json): Json {
  if (method !== "conversations.history" && method !== "conversations.replies") return args;
  const { cursor: _cursor, limit: _limit, oldest: _oldest, latest: _latest, ...rest } = args;
  return { ...rest, limit: 1000 };
}

/** Slack's answer to a call, from the emulator's. */
export function correctAnswer(method: string, args: Json, answer: Json, tables: SlackTables): Json {
  if (method !== "conversations.history" && method !== "conversations.replies") return answer;
  if (!Array.isArray(answer.messages)) return answer;
  const messages = answer.messages.filter(isJson).map((message) => {
    const { metadata, ...rest } = message;
    const replies = tables.messages
      .findBy("channel_id", String(args.channel))
      .filter((row) => row.thread_ts === message.ts && row.ts !== message.ts);
    const root = replies.length > 0 ? { thread_ts: message.ts, reply_count: replies.length, latest_reply: replies.at(-1)?.ts } : {};
    return { ...rest, ...root, ...(metadata !== undefined && yes(args.include_all_metadata) ? { metadata } : {}) };
  });
  if (method === "conversations.replies") {
    if (messages.length === 0) return { ok: false, error: "thread_not_found" };
    return pageOf(messages, args, 1000);
  }
  return pageOf(messages, args, 100);
}
