/** What Slack delivers, made into what the session core takes. Pure: one payload in, one verdict out. */
import * as z from "zod";
import { Request } from "../../protocol/request.ts";
import { threadKey } from "../../protocol/thread.ts";
import { saysHelp, saysLink, saysStatus, saysStop, takeOptions, withinLimit } from "../options.ts";
import { ACTION, askOfBlock } from "./actions.ts";
import { mentions, mentionsOthers, plainText } from "./heard.ts";
import { NUMBER_BLOCK } from "./linking.ts";
import type { Ear } from "./whisper.ts";

/** Who we are in the workspace, from `auth.test`. */
export type Self = { userId: string; botId: string | null };

/**
 * What is said of accounts and not of work. `person` as requests have it. `onlyIn`: the thread that has to have a session, since nobody spoke to
 * us; null where somebody did. `responseUrl`: where the message that was clicked in can be replaced.
 */
export type AccountAct =
  | { do: "link" | "unlink"; person: string; name: string | null; ear: Ear; onlyIn: string | null }
  | { do: "number"; number: string; person: string; ear: Ear; onlyIn: string | null; responseUrl: string | null }
  /** Slack says that somebody is deactivated, or that errand is not in a workspace any more. */
  | { do: "person-gone"; person: string }
  | { do: "workspace-gone"; team: string };

/**
 * `request`: hand it to its session. `account`: it is about somebody's account. `ignored`: answer 200 and do nothing, for this reason. `malformed`: not
 * Slack's form, 400.
 */
export type Verdict =
  | { kind: "request"; request: Request }
  | { kind: "account"; act: AccountAct }
  | { kind: "ignored"; why: string }
  | { kind: "malformed"; why: string };

const ts = z.string().regex(/^\d{1,12}\.\d{1,9}$/);
const id = z.string().regex(/^[A-Z0-9]{1,40}$/);
const text = z.string().nullish();

const Inner = z.object({
  subtype: text,
  user: text,
  bot_id: text,
  app_id: text,
  text,
  ts: ts.nullish(),
  thread_ts: ts.nullish(),
  edited: z.object({ ts: text }).nullish(),
  files: z.array(z.object({ name: text })).nullish(),
});

const MessageEvent = z.object({
  ...Inner.shape,
  type: z.enum(["message", "app_mention"]),
  channel: id,
  channel_type: text,
  event_ts: ts.nullish(),
  team: text,
  user_team: text,
  source_team: text,
  user_profile: z.object({ team: text, display_name: text, real_name: text }).nullish(),
  deleted_ts: ts.nullish(),
  message: Inner.nullish(),
  previous_message: Inner.nullish(),
});
type MessageEvent = z.infer<typeof MessageEvent>;

const Envelope = z.object({
  type: z.literal("event_callback"),
  team_id: id,
  event_id: z.string().min(1).max(250),
  is_ext_shared_channel: z.boolean().nullish(),
  event: z.object({ type: z.string() }).loose(),
});
type Envelope = z.infer<typeof Envelope>;

const ignored = (why: string): Verdict => ({ kind: "ignored", why });
const malformed = (error: z.ZodError): Verdict => ({
  kind: "malformed",
  why: error.issues
    .map((issue) => `${issue.path.join(".")}: ${issue.message}`)
    .join("; ")
    .slice(0, 500),
});
/** Passes a request only in the form the session core takes. */
function request(candidate: Request): Verdict {
  const parsed = Request.safeParse(candidate);
  return parsed.success ? { kind: "request", request: parsed.data } : malformed(parsed.error);
}
const millis = (slackTime: string) => Math.round(Number(slackTime) * 1000);

/** An Events API payload. */
export function receiveEvent(payload: unknown, self: Self): Verdict {
  const envelope = Envelope.safeParse(payload);
  if (!envelope.success) return malformed(envelope.error);
  const { type } = envelope.data.event;
  if (type === "user_change" || type === "app_uninstalled" || type === "tokens_revoked") return left(envelope.data);
  if (type !== "message" && type !== "app_mention") return ignored(`event ${type} is not for errand`);
  const event = MessageEvent.safeParse(envelope.data.event);
  if (!event.success) return malformed(event.error);
  if (isExternal(envelope.data, event.data)) return ignored("from outside the workspace (Slack Connect)");
  if (event.data.subtype === "message_changed") return changed(envelope.data, event.data, self);
  if (event.data.subtype === "message_deleted") return deleted(envelope.data, event.data, self);
  return said(envelope.data, event.data, self);
}

const UserChange = z.object({ user: z.object({ id, deleted: z.boolean().nullish() }) });
const TokensRevoked = z.object({ tokens: z.object({ bot: z.array(z.string()).nullish() }) });

/** Somebody left the workspace, or errand did. */
function left({ team_id: team, event }: Envelope): Verdict {
  if (event.type === "user_change") {
    const change = UserChange.safeParse(event);
    if (!change.success) return malformed(change.error);
    const { user } = change.data;
    return user.deleted
      ? { kind: "account", act: { do: "person-gone", person: `slack:${team}:${user.id}` } }
      : ignored("somebody changed their profile");
  }
  if (event.type === "tokens_revoked") {
    const revoked = TokensRevoked.safeParse(event);
    if (!revoked.success) return malformed(revoked.error);
    if ((revoked.data.tokens.bot ?? []).length === 0) return ignored("a person's token was revoked, and errand has none");
  }
  return { kind: "account", act: { do: "workspace-gone", team } };
}

/** People of other organisations in a shared channel are refused; where the sender's team is not told there, too. */
function isExternal(envelope: Envelope, event: MessageEvent): boolean {
  const teams = [event.user_team, event.source_team, event.user_profile?.team].filter((team) => typeof team === "string");
  if (teams.some((team) => team !== envelope.team_id)) return true;
  const edit = event.subtype === "message_changed" || event.subtype === "message_deleted";
  // An edit names no team; it only ever reaches a request that passed this check before.
  return envelope.is_ext_shared_channel === true && teams.length === 0 && event.team !== envelope.team_id && !edit;
}

function notPerson(message: z.infer<typeof Inner>, self: Self): string | undefined {
  if (message.user === self.userId || (self.botId !== null && message.bot_id === self.botId)) return "our own message";
  if (message.bot_id || message.app_id) return "written by an app";
  if (!message.user || !id.safeParse(message.user).success) return "no author";
  return message.user === "USLACKBOT" || message.user === "USLACK" ? "written by Slack" : undefined;
}

function base(envelope: Envelope, channel: string, thread: string, user: string, at: string, name?: string | null) {
  return {
    deliveryId: envelope.event_id,
    thread: threadKey({ surface: "slack", team: envelope.team_id, channel, ts: thread }),
    who: { id: `slack:${envelope.team_id}:${user}`, ...(name ? { name: name.slice(0, 200) } : {}) },
    at: millis(at),
  };
}

/** What was asked for, from a raw text. Files are named, since errand does not read them. */
function prompt(message: z.infer<typeof Inner>, self: Self) {
  const taken = takeOptions(plainText(message.text ?? "", self.userId));
  const names = (message.files ?? []).map((file) => file.name ?? "unnamed");
  const remark = names.length > 0 ? `\n[Attached, not readable for errand: ${names.slice(0, 20).join(", ").slice(0, 1_000)}]` : "";
  return { text: withinLimit((taken.text + remark).trim()), options: taken.options };
}

const SPOKEN = new Set([undefined, null, "", "file_share", "thread_broadcast"]);

function said(envelope: Envelope, event: MessageEvent, self: Self): Verdict {
  if (!SPOKEN.has(event.subtype)) return ignored(`subtype ${event.subtype}`);
  const stranger = notPerson(event, self);
  if (stranger) return ignored(stranger);
  if (!event.ts || !event.user) return { kind: "malformed", why: "event.ts: missing" };
  const raw = event.text ?? "";
  const direct = event.channel_type === "im" || (event.channel_type == null && event.channel.startsWith("D"));
  const reply = event.thread_ts != null && event.thread_ts !== event.ts;
  if (event.type === "app_mention" && direct) return ignored("a mention in a direct message comes as a message too");
  if (event.type === "message" && !direct) {
    if (mentions(raw, self.userId)) return ignored("a mention comes as app_mention too");
    if (!reply) return ignored("neither a mention nor in a thread");
    if (mentionsOthers(raw, self.userId)) return ignored("addressed to someone else");
  }
  const name = event.user_profile?.display_name || event.user_profile?.real_name;
  const common = base(envelope, event.channel, event.thread_ts ?? event.ts, event.user, event.ts, name);
  const asked = prompt(event, self);
  const account = saysLink(asked.text);
  if (account) {
    // A reply that was not said to us is meant for us where we are at work.
    const onlyIn = event.type === "message" && !direct ? common.thread : null;
    const ear = { channel: event.channel, thread: reply ? (event.thread_ts ?? null) : null, user: event.user };
    const who = { person: common.who.id, ear, onlyIn };
    if (account.number !== null) return { kind: "account", act: { do: "number", number: account.number, ...who, responseUrl: null } };
    return { kind: "account", act: { do: account.word, name: name || null, ...who } };
  }
  if (saysStop(asked.text)) return request({ kind: "stop", ...common });
  if (saysStatus(asked.text)) return request({ kind: "status", ...common });
  const contentKey = `slack:${event.channel}:${event.ts}`;
  // A prompt without a text is answered with how errand is used.
  const text = (event.type === "app_mention" || direct) && saysHelp(asked.text) ? "" : asked.text;
  return request({ kind: "prompt", ...common, contentKey, ...asked, text, joins: event.type === "message" && !direct });
}

function changed(envelope: Envelope, event: MessageEvent, self: Self): Verdict {
  const { message, previous_message: previous } = event;
  if (!message?.ts) return { kind: "malformed", why: "event.message.ts: missing" };
  const at = event.event_ts ?? event.ts ?? message.ts;
  if (message.subtype === "tombstone") {
    const author = previous ?? message;
    return gone(envelope, event.channel, message.ts, { ...author, thread_ts: message.thread_ts ?? author.thread_ts }, at, self);
  }
  const stranger = notPerson(message, self);
  if (stranger) return ignored(stranger);
  if (!SPOKEN.has(message.subtype)) return ignored(`change of subtype ${message.subtype}`);
  // Slack also tells of previews, reactions to links and thread counts as changes; none of them changes what was asked.
  if (previous ? previous.text === message.text : !message.edited) return ignored("the text did not change");
  const common = base(envelope, event.channel, message.thread_ts ?? message.ts, message.user ?? "", at);
  return request({ kind: "edit", ...common, contentKey: `slack:${event.channel}:${message.ts}`, ...prompt(message, self) });
}

function deleted(envelope: Envelope, event: MessageEvent, self: Self): Verdict {
  const at = event.deleted_ts ?? event.previous_message?.ts;
  if (!at || !event.previous_message) return { kind: "malformed", why: "event.deleted_ts or event.previous_message: missing" };
  return gone(envelope, event.channel, at, event.previous_message, event.event_ts ?? event.ts ?? at, self);
}

function gone(envelope: Envelope, channel: string, message: string, author: z.infer<typeof Inner>, at: string, self: Self): Verdict {
  const stranger = notPerson(author, self);
  if (stranger) return ignored(stranger);
  const common = base(envelope, channel, author.thread_ts ?? message, author.user ?? "", at);
  return request({ kind: "withdraw", ...common, contentKey: `slack:${channel}:${message}` });
}

const Click = z.object({
  type: z.literal("block_actions"),
  team: z.object({ id }),
  user: z.object({ id, name: text, username: text, team_id: text }),
  channel: z.object({ id }).nullish(),
  container: z.object({ message_ts: ts.nullish(), thread_ts: ts.nullish() }).nullish(),
  response_url: z.string().max(2_000).nullish(),
  state: z.object({ values: z.record(z.string(), z.record(z.string(), z.object({ value: text }))).nullish() }).nullish(),
  message: z.object({ ts, thread_ts: ts.nullish() }).nullish(),
  actions: z
    .array(
      z.object({
        action_id: z.string().max(255),
        block_id: text,
        value: text,
        selected_option: z.object({ value: text }).nullish(),
        action_ts: ts,
      }),
    )
    .min(1),
});

/** A `block_actions` payload: a click on one of our buttons. Buttons that only open a link are ignored. */
export function receiveClick(payload: unknown): Verdict {
  const click = Click.safeParse(payload);
  if (!click.success) return malformed(click.error);
  const { team, user, channel, container, message, actions } = click.data;
  const action = actions[0];
  const messageTs = message?.ts ?? container?.message_ts;
  const thread = message?.thread_ts ?? container?.thread_ts ?? messageTs;
  if (!action || !channel || !messageTs || !thread) return ignored("a click outside a thread");
  if (user.team_id && user.team_id !== team.id) return ignored("from outside the workspace (Slack Connect)");
  const name = user.name || user.username;
  const common = {
    // Slack sends a click once and gives it no id; who clicked what and when is one.
    deliveryId: `slack-click:${channel.id}:${messageTs}:${user.id}:${action.action_ts}`,
    thread: threadKey({ surface: "slack", team: team.id, channel: channel.id, ts: thread }),
    who: { id: `slack:${team.id}:${user.id}`, ...(name ? { name: name.slice(0, 200) } : {}) },
    at: millis(action.action_ts),
  };
  if (action.action_id === ACTION.number || action.action_id === ACTION.confirm) {
    const typed = click.data.state?.values?.[NUMBER_BLOCK]?.[ACTION.number]?.value;
    const number = (action.action_id === ACTION.number ? (action.value ?? typed) : typed) ?? "";
    // The thread of a message that only one person sees is told apart from it only where there is one.
    const inThread = message?.thread_ts ?? container?.thread_ts ?? null;
    const ear = { channel: channel.id, thread: inThread, user: user.id };
    const responseUrl = click.data.response_url ?? null;
    return { kind: "account", act: { do: "number", number: number.slice(0, 40), person: common.who.id, ear, onlyIn: null, responseUrl } };
  }
  if (action.action_id === ACTION.stop) {
    const turn = Number(action.value);
    if (!Number.isSafeInteger(turn) || turn < 1) return { kind: "malformed", why: "the Stop button names no turn" };
    return request({ kind: "stop", ...common, turn });
  }
  if (action.action_id === ACTION.choose || action.action_id.startsWith(`${ACTION.choice}:`)) {
    const ask = askOfBlock(action.block_id ?? "");
    const choice = action.value ?? action.selected_option?.value;
    if (ask === undefined || !choice) return { kind: "malformed", why: "the button names no question or no answer" };
    return request({ kind: "answer", ...common, ask, choice });
  }
  if (action.action_id === ACTION.take) {
    if (!action.value) return { kind: "malformed", why: "the button names no offer" };
    return request({ kind: "take", ...common, offer: action.value });
  }
  return ignored("a button that only opens a link");
}
