/**
 * A Slack on this machine: the real `emulate` Slack with what it lacks or gets wrong put right, its Web API on a loopback
 * port, its events and clicks posted to the app, its data kept over a restart.
 */
import { randomBytes } from "node:crypto";
import { complaintsAboutBlocks } from "./blocks.ts";
import { correctAnswer, correctCall, presentMessage, wholeList } from "./corrections.ts";
import { DELIVERY_TIMEOUT_MS, send, startDeliveries } from "./deliver.ts";
import { createEmulatedSlack, type SlackTables } from "./emulator.ts";
import { envelope, eventsFor } from "./events.ts";
import { type Faults, makeFaults } from "./faults.ts";
import { serveApi } from "./http.ts";
import { blockActions, findElement, type Typed } from "./interactivity.ts";
import { makeKeeper, readKept } from "./keep.ts";
import type { Json, Message, Token } from "./records.ts";
import { type AgentSession, makeSessions } from "./sessions.ts";
import { seedTokens, seedWorkspace, TOKENS, WORKSPACE } from "./workspace.ts";

/** How a Slack is started. */
export interface SlackOptions {
  /** The port of the Web API on 127.0.0.1; 0 takes a free one. */
  port?: number;
  /** Where the workspace is kept; null keeps it in memory only. */
  dataDir: string | null;
  /** Where events and clicks are posted; null while there is no app. `setEventsUrl` changes it. */
  eventsUrl: string | null;
  signingSecret: string;
  /** The bot's token; `TOKENS.bot` unless given. */
  botToken?: string;
  /** Multiplies the waiting times before retries (0, 1 and 5 minutes); 1 unless given. */
  retryScale?: number;
  /** How long an answer to a delivery is waited for, in ms; Slack's 3,000 unless given. */
  deliveryTimeoutMs?: number;
  /** The clock, in ms since 1970. */
  now?: () => number;
  fetch?: typeof fetch;
}

/** What a click did: the app's answer, or why there was none. */
export type ClickOutcome = { ok: true; status: number; body: string } | { ok: false; error: string };

const READS = /\.(history|replies|info|list|members|test|getPermalink|get|lookupByEmail)$/;
const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);

/** Starts a Slack and waits until it listens. Throws where the port is taken or the kept data cannot be read. */
export async function startSlack(options: SlackOptions) {
  const now = options.now ?? Date.now;
  const botToken = options.botToken ?? TOKENS.bot;
  const timeoutMs = options.deliveryTimeoutMs ?? DELIVERY_TIMEOUT_MS;
  const outward = { signingSecret: options.signingSecret, now, fetch: options.fetch ?? fetch, timeoutMs };
  const kept = options.dataDir ? readKept(options.dataDir) : undefined;
  const faults: Faults = makeFaults(now);
  const listeners = new Set<() => void>();
  let eventsUrl = options.eventsUrl;

  // The address is needed before the emulator can be made, which writes it into links; until then calls get 503.
  let ready = false;
  const api = await serveApi({
    port: options.port ?? 0,
    ready: () => ready,
    call: (method, args, token) => call(method, args, token),
    faults,
    raw: (request) => raw(request),
    respond: (id, body) => respond(id, body),
    userOf: (token) => tokenOf(token)?.user_id,
  });

  const made = createEmulatedSlack({ baseUrl: api.url, onEvent: (event) => happened(event) });
  const { app, store, tables } = await made.catch(async (error: unknown) => {
    await api.close();
    throw error;
  });
  if (kept) store.restore(kept.store);
  else seedWorkspace(tables, now());
  seedTokens(tables, botToken);
  store.setData("slack.strict_scopes", true);

  const sessions = makeSessions(now, kept?.sessions ?? [], () => changed());
  const keeper = makeKeeper(options.dataDir, () => ({
    version: 1,
    store: store.snapshot(),
    sessions: sessions.all(),
    pending: deliveries.pending(),
  }));
  const deliveries = startDeliveries(
    { ...outward, url: () => eventsUrl, retryScale: options.retryScale ?? 1, changed: () => keeper.mark() },
    kept?.pending ?? [],
  );

  ready = true;

  function changed() {
    keeper.mark();
    for (const listener of listeners) listener();
  }
  function newId(prefix: string) {
    return prefix + randomBytes(8).toString("hex").toUpperCase();
  }
  function tokenOf(token: string | undefined): Token | undefined {
    return token === undefined ? undefined : tables.tokens.findOneBy("token", token);
  }
  function happened(raw: unknown) {
    for (const event of eventsFor(raw, (id) => tables.channels.findOneBy("channel_id", id))) {
      deliveries.deliver(envelope(event, newId("Ev"), now()));
    }
    changed();
  }
  function rowOf(channel: string, ts: string) {
    return tables.messages.findBy("ts", ts).find((row) => row.channel_id === channel);
  }
  function repliesOf(channel: string, ts: string) {
    return tables.messages.findBy("channel_id", channel).filter((row) => row.thread_ts === ts && row.ts !== ts);
  }

  /** Deleting the first message of a thread leaves a tombstone in its place, and is told as a change. */
  function bury(row: Message & { id: number }): Json {
    const previous = presentMessage(row);
    const grave = { subtype: "tombstone", text: "This message was deleted.", user: "USLACKBOT", thread_ts: row.ts };
    const buried = tables.messages.update(row.id, { ...grave, blocks: undefined, metadata: undefined, client_msg_id: undefined });
    const ts = (now() / 1000).toFixed(6);
    const message = { ...(buried ? presentMessage(buried) : {}), hidden: true };
    const event = { type: "message", subtype: "message_changed", hidden: true, channel: row.channel_id, ts, event_ts: ts };
    happened({ event: { ...event, message, previous_message: previous } });
    return { ok: true, channel: row.channel_id, ts: row.ts };
  }

  /** One Web API call, without faults and log. */
  async function call(method: string, given: Json, token: string | undefined): Promise<Json> {
    const who = tokenOf(token);
    if (!who) return { ok: false, error: token === undefined ? "not_authed" : "invalid_auth" };
    const session = sessions.call(method, given, (channel) => tables.channels.findOneBy("channel_id", channel) !== undefined);
    if (session) return who.bot_id ? session : { ok: false, error: "not_allowed_token_type" };
    const corrected = correctCall(method, given, who);
    if ("refusal" in corrected) return corrected.refusal;
    if (method === "chat.delete") {
      const row = rowOf(String(given.channel), String(given.ts));
      if (row && row.user === who.user_id && repliesOf(row.channel_id, row.ts).length > 0) return bury(row);
    }
    const request = new Request(`${api.url}/api/${method}`, {
      method: "POST",
      headers: { authorization: `Bearer ${who.token}`, "content-type": "application/json; charset=utf-8" },
      body: JSON.stringify(wholeList(method, corrected.args)),
    });
    const response = await app.fetch(request);
    if (response.status === 404) return { ok: false, error: "unknown_method" };
    const answer: unknown = await response.json();
    if (!READS.test(method)) changed();
    return isJson(answer) ? correctAnswer(method, given, answer, tables) : { ok: false, error: "internal_error" };
  }

  /** Everything that is not `/api/`: file uploads and downloads, the OAuth page, the emulator's own inspector. */
  async function raw(request: Request): Promise<Response> {
    const response = await app.fetch(request);
    if (request.method !== "GET") changed();
    return response;
  }

  const responses = new Map<
    string,
    { channel: string; ts: string; threadTs: string | undefined; user: string; until: number; uses: number }
  >();
  /** What a `response_url` takes: five uses in half an hour. */
  async function respond(id: string, body: Json): Promise<Json> {
    const to = responses.get(id);
    if (!to || to.until < now() || to.uses >= 5) return { ok: false, error: "used_url" };
    to.uses += 1;
    const ephemeral = tables.ephemeralMessages.findBy("ts", to.ts).find((row) => row.channel_id === to.channel);
    if (ephemeral && (body.delete_original || body.replace_original)) {
      if (body.delete_original) tables.ephemeralMessages.delete(ephemeral.id);
      else {
        const complaints = body.blocks === undefined ? [] : complaintsAboutBlocks(body.blocks);
        if (complaints.length > 0) return { ok: false, error: "invalid_blocks" };
        const blocks = Array.isArray(body.blocks) ? { blocks: body.blocks.filter(isJson) } : { blocks: undefined };
        tables.ephemeralMessages.update(ephemeral.id, { text: String(body.text ?? ""), ...blocks });
      }
      changed();
      return { ok: true };
    }
    if (body.delete_original) return call("chat.delete", { channel: to.channel, ts: to.ts }, botToken);
    const content = { channel: to.channel, text: body.text, ...(body.blocks ? { blocks: body.blocks } : {}) };
    if (body.replace_original) return call("chat.update", { ...content, ts: to.ts }, botToken);
    const thread = to.threadTs ? { thread_ts: to.threadTs } : {};
    if (body.response_type === "in_channel") return call("chat.postMessage", { ...content, ...thread }, botToken);
    return call("chat.postEphemeral", { ...content, ...thread, user: to.user }, botToken);
  }

  /** A person uses a button. Slack waits 3 s for the app and does not try again. */
  async function click(what: {
    user?: string;
    channel: string;
    messageTs: string;
    actionId: string;
    value?: string;
    blockId?: string;
    /** What stands in the message's fields. */
    typed?: Typed;
  }): Promise<ClickOutcome> {
    const user = tables.users.findOneBy("user_id", what.user ?? WORKSPACE.you);
    const channel = tables.channels.findOneBy("channel_id", what.channel);
    const ephemeral = tables.ephemeralMessages.findBy("ts", what.messageTs).find((row) => row.channel_id === what.channel);
    const message = rowOf(what.channel, what.messageTs) ?? ephemeral;
    if (!user || !channel || !message || (message === ephemeral && ephemeral.target_user !== user.user_id))
      return { ok: false, error: "There is no such message." };
    const found = findElement(message.blocks ?? [], what.actionId, what.value, what.blockId);
    if (!found) return { ok: false, error: "That button is no longer there." };
    if (!eventsUrl) return { ok: false, error: "No app is connected." };
    const id = newId("R");
    responses.set(id, {
      channel: what.channel,
      ts: message.ts,
      threadTs: message.thread_ts,
      user: user.user_id,
      until: now() + 1_800_000,
      uses: 0,
    });
    const payload = blockActions({
      user,
      channel,
      message,
      found,
      value: what.value,
      typed: what.typed ?? {},
      ephemeral: ephemeral === message,
      triggerId: newId("T"),
      responseUrl: `${api.url}/actions/${id}`,
      now: now(),
    });
    const body = new URLSearchParams({ payload: JSON.stringify(payload) }).toString();
    const answer = await send(outward, eventsUrl, body, { "content-type": "application/x-www-form-urlencoded" });
    if (answer.ok) return answer;
    return {
      ok: false,
      error: answer.status
        ? `The app answered ${answer.status}.`
        : answer.reason === "http_timeout"
          ? "The app did not answer in time."
          : "The app cannot be reached.",
    };
  }

  return {
    /** The address for a Web API client, with `/api/` and a slash at the end. */
    apiUrl: `${api.url}/api/`,
    /** The address of the emulator's own inspector. */
    url: api.url,
    botToken,
    signingSecret: options.signingSecret,
    faults,
    /** The emulator's store. Tests may read it; writing it sends no events. */
    tables: tables as SlackTables,
    /** Every try of every delivery so far. */
    deliveries: deliveries.tries,
    /** Deliveries that are still to be made. */
    pending: deliveries.pending,
    /** A Web API call without port, faults and log, as whoever the token belongs to. */
    call,
    click,
    /** The native Stop button of a session's status line. */
    pressStop(channel: string, threadTs: string, user: string = WORKSPACE.you) {
      const event = { type: "agent_session_stopped", channel, thread_ts: threadTs, user, streaming_message_ts: [] };
      happened({ event: { ...event, event_ts: (now() / 1000).toFixed(6) } });
    },
    /** What only one person sees in a channel, oldest first. */
    whispers: (channel: string, user: string): Message[] =>
      tables.ephemeralMessages
        .findBy("channel_id", channel)
        .filter((row) => row.target_user === user)
        .sort((a, b) => (a.ts < b.ts ? -1 : 1)),
    /** An administrator deactivates somebody, as when they leave. */
    deactivate(user: string) {
      const row = tables.users.findOneBy("user_id", user);
      if (!row) return;
      tables.users.update(row.id, { deleted: true });
      const seconds = now() / 1000;
      const about = { id: user, team_id: WORKSPACE.team, name: row.name, deleted: true, updated: Math.floor(seconds) };
      happened({ event: { type: "user_change", user: about, cache_ts: Math.floor(seconds), event_ts: seconds.toFixed(6) } });
    },
    /** An administrator removes the app: its token ends, and Slack says so twice. */
    uninstall() {
      const ts = (now() / 1000).toFixed(6);
      happened({ event: { type: "tokens_revoked", tokens: { oauth: [], bot: [WORKSPACE.bot] }, event_ts: ts } });
      happened({ event: { type: "app_uninstalled", event_ts: ts } });
    },
    /** The status of a thread's session. */
    sessionOf: (channel: string, threadTs: string): AgentSession | undefined => sessions.of(channel, threadTs),
    sessions: () => sessions.all(),
    /** A thread: its first message and the replies, oldest first. */
    thread: (channel: string, ts: string): Message[] =>
      tables.messages
        .findBy("channel_id", channel)
        .filter((row) => row.ts === ts || row.thread_ts === ts)
        .sort((a, b) => (a.ts < b.ts ? -1 : 1)),
    /** Hears that something changed, without saying what; the result ends that. */
    onChange(listener: () => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    setEventsUrl(url: string | null) {
      eventsUrl = url;
    },
    /** Sends `url_verification`, as Slack does when an address is saved, and takes the address when it answers rightly. */
    async subscribe(url: string): Promise<{ ok: true } | { ok: false; error: string }> {
      const challenge = randomBytes(24).toString("base64url");
      const body = JSON.stringify({ token: "local", challenge, type: "url_verification" });
      const answer = await send(outward, url, body, { "content-type": "application/json" });
      if (!answer.ok) return { ok: false, error: `The address did not take the challenge: ${answer.status ?? answer.reason}.` };
      if (!answer.body.includes(challenge)) return { ok: false, error: "The address answered without the challenge." };
      eventsUrl = url;
      return { ok: true };
    },
    /** Ends it; what was kept is on disk when this resolves. */
    async stop() {
      deliveries.stop();
      await api.close();
      keeper.flush();
    },
  };
}

/** A running Slack. */
export type Slack = Awaited<ReturnType<typeof startSlack>>;
