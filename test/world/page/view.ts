/** What the page shows of the store, as HTML pieces by key, so that only what changed is sent. Pure. */
import type { Channel, Message, User } from "../slack/records.ts";
import type { AgentSession } from "../slack/sessions.ts";
import { renderBlocks } from "./blocks.ts";
import { Html, html } from "./html.ts";
import { emoji, mrkdwn } from "./mrkdwn.ts";
import { type Names, toTypedText } from "./names.ts";

/** Everything the page reads. `ephemeral` are the messages only `me` sees. */
export interface Snapshot {
  me: string;
  users: User[];
  channels: Channel[];
  messages: Message[];
  ephemeral: Message[];
  sessionOf: (channel: string, threadTs: string) => AgentSession | undefined;
}

/** Which place a page shows. */
export interface Place {
  channel: string;
  /** The open thread's first message, or null. */
  thread: string | null;
}

/** A list of pieces: their keys in order, and each one's HTML. */
export interface Pane {
  order: string[];
  pieces: Record<string, string>;
}

/** All that changes while a page is open. */
export interface Panes {
  channel: Pane;
  thread: Pane;
  /** The line that says that errand works on the open thread; empty when it does not. */
  status: string;
}

/** The newest messages of a channel that are shown. */
const SHOWN = 200;

/** What a channel without messages shows. */
const EMPTY = html`<div class="empty"><h3>Nothing here yet</h3><p>Mention <b>@errand</b> and give it something to do. A suggestion is in the box below: press Enter to send it.</p></div>`;

/** Names of people and channels, for showing and for what people type. */
export function namesOf(snapshot: Pick<Snapshot, "users" | "channels">): Names {
  return {
    users: new Map(snapshot.users.map((user) => [user.user_id, user.name])),
    channels: new Map(snapshot.channels.map((channel) => [channel.channel_id, channel.name])),
  };
}

const timeTag = (ts: string) => html`<time data-at="${Math.floor(Number(ts) * 1000)}"></time>`;

function reactions(message: Message): Html {
  if (message.reactions.length === 0) return html``;
  return html`<div class="reactions">${message.reactions.map((one) => html`<span class="reaction">${emoji(one.name)} ${one.count}</span>`)}</div>`;
}

function edited(message: Message): Html {
  // Slack shows no mark where a message is edited through its blocks.
  return message.edited && !message.blocks ? html` <span class="edited">(edited)</span>` : html``;
}

function body(message: Message, names: Names): Html {
  if (message.subtype === "tombstone") return html`<p class="gone">${message.text}</p>`;
  if (message.blocks && message.blocks.length > 0) return renderBlocks(message.blocks, names);
  return html`<div class="text">${mrkdwn(message.text, names)}${edited(message)}</div>`;
}

interface Context {
  snapshot: Snapshot;
  names: Names;
  place: Place;
}

/** The line under a thread's first message in the channel: how many replies, and whether errand works on it. */
function threadLink(context: Context, message: Message, replies: Message[]): Html {
  const session = context.snapshot.sessionOf(message.channel_id, message.ts);
  const state =
    session?.status === "processing"
      ? html`<span class="pill working">errand is working</span>`
      : session?.status === "suspended"
        ? html`<span class="pill waiting">errand needs you</span>`
        : html``;
  const last = replies.at(-1);
  if (!last) return state;
  const count = `${replies.length} ${replies.length === 1 ? "reply" : "replies"}`;
  return html`<div class="replies"><a href="/c/${message.channel_id}/t/${message.ts}" data-go>${count}</a> <span class="quiet">last ${timeTag(last.ts)}</span> ${state}</div>`;
}

function piece(context: Context, message: Message, kind: "channel" | "thread", replies: Message[], ephemeral: boolean): Html {
  const { snapshot, names, place } = context;
  const author = snapshot.users.find((user) => user.user_id === message.user);
  const name = author?.name ?? (message.user === "USLACKBOT" ? "Slackbot" : message.user);
  const mine = message.user === snapshot.me && !ephemeral && message.subtype === undefined;
  const thread = message.thread_ts ?? message.ts;
  const open = kind === "channel" && place.thread === message.ts ? " open" : "";
  const reply = kind === "channel" && !ephemeral ? html`<a href="/c/${message.channel_id}/t/${thread}" data-go>Reply</a>` : null;
  const change = mine ? html`<button type="button" data-edit>Edit</button><button type="button" data-delete>Delete</button>` : null;
  const tools = reply || change ? html`<div class="tools">${reply}${change}</div>` : null;
  const raw = mine ? html` data-raw="${toTypedText(message.text, names)}"` : html``;
  return html`<article class="message${open}${ephemeral ? " ephemeral" : ""}" data-channel="${message.channel_id}" data-ts="${message.ts}"${raw}>
<div class="avatar ${author?.is_bot ? "bot" : mine ? "me" : "other"}" aria-hidden="true">${author?.is_bot ? "✦" : name.slice(0, 1).toUpperCase()}</div>
<div class="content">
${ephemeral ? html`<p class="only-you">Only visible to you</p>` : html``}
<header><b>${name}</b>${author?.is_bot ? html` <span class="tag">APP</span>` : html``} ${timeTag(message.ts)}</header>
<div class="body">${body(message, names)}</div>
${reactions(message)}${kind === "channel" ? threadLink(context, message, replies) : html``}
<p class="failed" role="alert" hidden></p>
</div>
${tools}
</article>`;
}

const byTs = (a: Message, b: Message) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0);

function paneOf(
  context: Context,
  messages: { message: Message; ephemeral: boolean }[],
  kind: "channel" | "thread",
  repliesOf: (ts: string) => Message[],
): Pane {
  const pane: Pane = { order: [], pieces: {} };
  for (const { message, ephemeral } of messages.sort((a, b) => byTs(a.message, b.message)).slice(-SHOWN)) {
    const key = `${ephemeral ? "e" : "m"}${message.ts}`;
    pane.order.push(key);
    pane.pieces[key] = piece(context, message, kind, repliesOf(message.ts), ephemeral).text;
  }
  return pane;
}

/** The line of the open thread's session, with the Stop button Slack shows while an agent works. */
export function statusLine(session: AgentSession | undefined): Html {
  if (session?.status === "processing") {
    return html`<span class="spinner" aria-hidden="true"></span><span>errand is working…</span><button type="button" class="button small" data-stop>Stop</button>`;
  }
  if (session?.status === "suspended") return html`<span>errand waits for your answer.</span>`;
  return html``;
}

/** The panes of a place. A thread whose first message is gone still shows its replies. */
export function panesOf(snapshot: Snapshot, place: Place): Panes {
  const context: Context = { snapshot, names: namesOf(snapshot), place };
  const here = snapshot.messages.filter((message) => message.channel_id === place.channel);
  const replies = new Map<string, Message[]>();
  for (const message of here.toSorted(byTs)) {
    if (!message.thread_ts || message.thread_ts === message.ts) continue;
    const list = replies.get(message.thread_ts) ?? [];
    list.push(message);
    replies.set(message.thread_ts, list);
  }
  const repliesOf = (ts: string) => replies.get(ts) ?? [];
  const onlyMe = snapshot.ephemeral
    .filter((message) => message.channel_id === place.channel)
    .map((message) => ({ message, ephemeral: true }));
  const roots = here.filter((message) => !message.thread_ts || message.thread_ts === message.ts || message.reply_broadcast === true);
  const all = roots.map((message) => ({ message, ephemeral: false }));
  const channel = paneOf(context, [...all, ...onlyMe.filter(({ message }) => !message.thread_ts)], "channel", repliesOf);
  if (channel.order.length === 0) {
    channel.order.push("empty");
    channel.pieces.empty = EMPTY.text;
  }
  if (place.thread === null) return { channel, thread: { order: [], pieces: {} }, status: "" };
  const inThread = here.filter((message) => message.ts === place.thread || message.thread_ts === place.thread);
  const thread = paneOf(
    context,
    [...inThread.map((message) => ({ message, ephemeral: false })), ...onlyMe.filter(({ message }) => message.thread_ts === place.thread)],
    "thread",
    () => [],
  );
  return { channel, thread, status: statusLine(snapshot.sessionOf(place.channel, place.thread)).text };
}

/** What to send to a page that has `before` so that it shows `after`; undefined where nothing changed. */
export interface Patch {
  channel?: Pane;
  thread?: Pane;
  status?: string;
}

function panePatch(before: Pane | undefined, after: Pane): Pane | undefined {
  const changed = Object.entries(after.pieces).filter(([key, text]) => before?.pieces[key] !== text);
  const sameOrder = before?.order.length === after.order.length && before.order.every((key, i) => key === after.order[i]);
  return changed.length === 0 && sameOrder ? undefined : { order: after.order, pieces: Object.fromEntries(changed) };
}

/** The difference of two states of a place. */
export function patchOf(before: Panes | undefined, after: Panes): Patch | undefined {
  const patch: Patch = {};
  const channel = panePatch(before?.channel, after.channel);
  const thread = panePatch(before?.thread, after.thread);
  if (channel) patch.channel = channel;
  if (thread) patch.thread = thread;
  if (before?.status !== after.status) patch.status = after.status;
  return Object.keys(patch).length > 0 ? patch : undefined;
}

/** A list of pieces as HTML, as the page has it before its script runs. */
export function paneHtml(pane: Pane): Html {
  return new Html(pane.order.map((key) => `<div data-key="${key}">${pane.pieces[key] ?? ""}</div>`).join(""));
}
