import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ErrorCode, LogLevel, WebClient } from "@slack/web-api";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type Slack, type SlackOptions, startSlack } from "./start.ts";
import { TOKENS, WORKSPACE } from "./workspace.ts";

const SECRET = "a signing secret";
const channel = WORKSPACE.channels.demo;
const stops: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  while (stops.length > 0) await stops.pop()?.();
});

interface Got {
  headers: IncomingHttpHeaders;
  raw: string;
  body: Record<string, unknown>;
}

/** A tiny app: keeps what it gets and answers as told; 0 hangs. */
async function startApp(statuses: number[] = [], headers: Record<string, string> = {}) {
  const got: Got[] = [];
  const server = createServer((request, response) => {
    let raw = "";
    request.on("data", (chunk) => {
      raw += chunk;
    });
    request.on("end", () => {
      const form = new URLSearchParams(raw).get("payload");
      const body = JSON.parse(form ?? raw);
      got.push({ headers: request.headers, raw, body });
      if (body.type === "url_verification") return response.end(JSON.stringify({ challenge: body.challenge }));
      const status = statuses.shift() ?? 200;
      if (status !== 0) response.writeHead(status, headers).end("fine");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stops.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  return { got, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/slack/events`, close: () => server.close() };
}

async function start(options: Partial<SlackOptions> = {}): Promise<Slack> {
  const slack = await startSlack({ dataDir: null, eventsUrl: null, signingSecret: SECRET, retryScale: 0.001, ...options });
  stops.push(slack.stop);
  return slack;
}

const client = (slack: Slack, token: string) =>
  new WebClient(token, {
    slackApiUrl: slack.apiUrl,
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    timeout: 2_000,
    logLevel: LogLevel.ERROR,
  });
const both = (slack: Slack) => ({ you: client(slack, TOKENS.you), bot: client(slack, TOKENS.bot) });
const say = async (slack: Slack, text: string) => (await both(slack).you.chat.postMessage({ channel, text })).ts ?? "";
const eventOf = (got: Got) => got.body.event as Record<string, unknown>;
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error as { code?: string; data?: { error?: string }; retryAfter?: number },
  );

describe("deliveries", () => {
  test("a mention arrives signed, as a message and as a mention, with the whole envelope", async () => {
    const app = await startApp();
    const slack = await start({ eventsUrl: app.url });
    const ts = await say(slack, `<@${WORKSPACE.bot}> hello`);
    await vi.waitFor(() => expect(app.got).toHaveLength(2));
    expect(app.got.map((one) => eventOf(one).type).sort()).toEqual(["app_mention", "message"]);
    expect(new Set(app.got.map((one) => one.body.event_id)).size).toBe(2);
    for (const { headers, raw, body } of app.got) {
      const mac = createHmac("sha256", SECRET).update(`v0:${headers["x-slack-request-timestamp"]}:${raw}`).digest("hex");
      expect(headers["x-slack-signature"]).toBe(`v0=${mac}`);
      expect(headers).not.toHaveProperty("x-slack-retry-num");
      expect(body).toMatchObject({
        type: "event_callback",
        team_id: WORKSPACE.team,
        api_app_id: WORKSPACE.app,
        event: { channel, ts, user: WORKSPACE.you },
      });
      expect(body.authorizations).toEqual([expect.objectContaining({ user_id: WORKSPACE.bot, is_bot: true })]);
    }
  });

  test("posting does not wait for the app", async () => {
    const app = await startApp([0, 0]);
    const slack = await start({ eventsUrl: app.url, deliveryTimeoutMs: 60_000 });
    const before = performance.now();
    await say(slack, `<@${WORKSPACE.bot}> hello`);
    expect(performance.now() - before).toBeLessThan(1_500);
  });

  test("a failed one comes again three times, with its number and reason, and then no more", async () => {
    const app = await startApp([500, 503, 500, 500]);
    const slack = await start({ eventsUrl: app.url, retryScale: 0.0001 });
    await say(slack, "hello");
    await vi.waitFor(() => expect(slack.pending()).toEqual([]), 5_000);
    expect(app.got.map((one) => [one.headers["x-slack-retry-num"], one.headers["x-slack-retry-reason"]])).toEqual([
      [undefined, undefined],
      ["1", "http_error"],
      ["2", "http_error"],
      ["3", "http_error"],
    ]);
    expect(new Set(app.got.map((one) => one.body.event_id)).size).toBe(1);
  });

  test("no answer in time and no connection are told apart", async () => {
    const app = await startApp([0]);
    const slack = await start({ eventsUrl: app.url, deliveryTimeoutMs: 60 });
    await say(slack, "hello");
    await vi.waitFor(() => expect(app.got[1]?.headers["x-slack-retry-reason"]).toBe("http_timeout"));
    slack.setEventsUrl("http://127.0.0.1:1/");
    await say(slack, "hello again");
    await vi.waitFor(() => expect(slack.deliveries.some((one) => one.failed === "connection_failed")).toBe(true));
  });

  test("X-Slack-No-Retry ends it", async () => {
    const app = await startApp([500], { "x-slack-no-retry": "1" });
    const slack = await start({ eventsUrl: app.url });
    await say(slack, "hello");
    await vi.waitFor(() => expect(slack.deliveries).toHaveLength(1));
    expect(slack.pending()).toEqual([]);
  });

  test("changes and deletions are told; a thread whose first message goes keeps a tombstone", async () => {
    const app = await startApp();
    const slack = await start({ eventsUrl: app.url });
    const { you, bot } = both(slack);
    const alone = await say(slack, "one");
    await you.chat.update({ channel, ts: alone, text: "two" });
    await you.chat.delete({ channel, ts: alone });
    const root = await say(slack, "root");
    await bot.chat.postMessage({ channel, thread_ts: root, text: "reply" });
    await you.chat.delete({ channel, ts: root });
    await vi.waitFor(() => expect(app.got).toHaveLength(6));
    const changes = app.got.map(eventOf).filter((event) => event.subtype);
    expect(changes).toMatchObject([
      {
        subtype: "message_changed",
        message: { text: "two", user: WORKSPACE.you },
        previous_message: { text: "one" },
        channel_type: "channel",
      },
      { subtype: "message_deleted", deleted_ts: alone, previous_message: { text: "two" } },
      {
        subtype: "message_changed",
        message: { subtype: "tombstone", user: "USLACKBOT", thread_ts: root },
        previous_message: { text: "root" },
      },
    ]);
    expect(slack.thread(channel, root).map((row) => row.subtype ?? row.text)).toEqual(["tombstone", "reply"]);
  });

  test("somebody who is deactivated and an app that is removed are told", async () => {
    const { got, url } = await startApp();
    const slack = await start({ eventsUrl: url });
    slack.deactivate(WORKSPACE.colleague);
    slack.uninstall();
    await vi.waitFor(() => expect(got).toHaveLength(3));
    const events = got.map(({ body }) => body.event as Record<string, unknown>);
    expect(events.find(({ type }) => type === "user_change")).toMatchObject({ user: { id: WORKSPACE.colleague, deleted: true } });
    expect(events.map(({ type }) => type).toSorted()).toEqual(["app_uninstalled", "tokens_revoked", "user_change"]);
    const { user } = await client(slack, TOKENS.bot).users.info({ user: WORKSPACE.colleague });
    expect(user?.deleted).toBe(true);
  });

  test("an address is taken only when it answers the challenge", async () => {
    const app = await startApp();
    const slack = await start();
    expect(await slack.subscribe("http://127.0.0.1:1/")).toMatchObject({ ok: false, error: expect.stringContaining("connection_failed") });
    expect(await slack.subscribe(app.url)).toEqual({ ok: true });
    await say(slack, "hello");
    await vi.waitFor(() => expect(app.got).toHaveLength(2));
  });
});

describe("the Web API", () => {
  test("knows whose token it is", async () => {
    const slack = await start();
    expect(await both(slack).bot.auth.test()).toMatchObject({
      user_id: WORKSPACE.bot,
      bot_id: WORKSPACE.botId,
      team_id: WORKSPACE.team,
      team: WORKSPACE.name,
    });
    expect((await failure(client(slack, "xoxb-other").auth.test()))?.data?.error).toBe("invalid_auth");
    expect((await failure(client(slack, "xoxb-other").chat.postMessage({ channel, text: "x" })))?.data?.error).toBe("invalid_auth");
    expect((await failure(both(slack).bot.apiCall("no.such")))?.data?.error).toBe("unknown_method");
  });

  test("marks what the bot writes, and gives metadata only when asked", async () => {
    const slack = await start();
    const { bot } = both(slack);
    const root = await say(slack, "root");
    const metadata = { event_type: "errand_message", event_payload: { id: "7" } };
    await bot.chat.postMessage({ channel, thread_ts: root, text: "reply", metadata });
    const without = await bot.conversations.replies({ channel, ts: root });
    expect(without.messages?.[0]).toMatchObject({ thread_ts: root, reply_count: 1 });
    expect(without.messages?.[1]).toMatchObject({ bot_id: WORKSPACE.botId, app_id: WORKSPACE.app, user: WORKSPACE.bot });
    expect(without.messages?.[1]).not.toHaveProperty("metadata");
    const withIt = await bot.conversations.replies({ channel, ts: root, include_all_metadata: true });
    expect(withIt.messages?.[1]).toMatchObject({ metadata });
    expect((await failure(bot.conversations.replies({ channel, ts: "1.000001" })))?.data?.error).toBe("thread_not_found");
  });

  test("keeps metadata and drops blocks over a change, as Slack does", async () => {
    const slack = await start();
    const { bot } = both(slack);
    const metadata = { event_type: "e", event_payload: { id: "7" } };
    const blocks = [{ type: "section", text: { type: "mrkdwn", text: "a" } }];
    const { ts = "" } = await bot.chat.postMessage({ channel, text: "a", metadata, blocks });
    await bot.chat.update({ channel, ts, text: "b" });
    expect(slack.thread(channel, ts)[0]).toMatchObject({ text: "b", metadata, blocks: undefined });
    expect((await failure(bot.chat.update({ channel, ts, text: "x".repeat(4_001) })))?.data?.error).toBe("msg_too_long");
    expect((await failure(both(slack).you.chat.update({ channel, ts, text: "c" })))?.data?.error).toBe("cant_update_message");
  });

  test("refuses what another page in the browser sends, a form as well as a picture's address", async () => {
    const slack = await start();
    const call = `${slack.apiUrl}chat.postMessage?token=${TOKENS.you}&channel=${channel}&text=planted`;
    const form = await fetch(call, { method: "POST", headers: { origin: "http://evil.example" }, body: "x" });
    const picture = await fetch(call, { headers: { "sec-fetch-site": "cross-site" } });
    expect([form.status, picture.status]).toEqual([403, 403]);
    expect(slack.tables.messages.all().filter((message) => message.text === "planted")).toEqual([]);
  });

  test("refuses a foreign Host", async () => {
    const slack = await start();
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest(`${slack.apiUrl}auth.test`, { method: "POST", headers: { host: "evil.example" } }, (answer) =>
        resolve(answer.statusCode),
      );
      request.once("error", reject).end();
    });
    expect(status).toBe(403);
  });

  test("shows a person what only they see, and a session's status", async () => {
    const slack = await start();
    const { bot } = both(slack);
    const root = await say(slack, "root");
    await bot.chat.postEphemeral({ channel, user: WORKSPACE.you, thread_ts: root, text: "psst" });
    expect(slack.tables.ephemeralMessages.all()).toMatchObject([{ target_user: WORKSPACE.you, text: "psst" }]);
    await bot.apiCall("agents.sessions.setStatus", { channel_id: channel, thread_ts: root, status: "processing" });
    expect(slack.sessionOf(channel, root)?.status).toBe("processing");
    await bot.reactions.add({ channel, timestamp: root, name: "eyes" });
    expect(slack.thread(channel, root)[0]?.reactions).toMatchObject([{ name: "eyes", count: 1 }]);
  });
});

describe("clicks", () => {
  test("reach the app signed, with the button's value; the app's refusal is told", async () => {
    const app = await startApp();
    const slack = await start({ eventsUrl: app.url });
    const root = await say(slack, "root");
    const elements = ["1", "2"].map((value) => ({
      type: "button",
      action_id: `go_${value}`,
      value,
      text: { type: "plain_text", text: "Go" },
    }));
    const { ts = "" } = await both(slack).bot.chat.postMessage({
      channel,
      thread_ts: root,
      text: "t",
      blocks: [{ type: "actions", block_id: "run:1", elements }] as never,
    });
    await vi.waitFor(() => expect(app.got).toHaveLength(2));
    expect(await slack.click({ channel, messageTs: ts, actionId: "go_2" })).toMatchObject({ ok: true, body: "fine" });
    const clicked = app.got.at(-1);
    expect(clicked?.headers["content-type"]).toBe("application/x-www-form-urlencoded");
    expect(clicked?.body).toMatchObject({
      type: "block_actions",
      user: { id: WORKSPACE.you },
      container: { message_ts: ts, thread_ts: root, channel_id: channel },
      message: { ts, thread_ts: root, bot_id: WORKSPACE.botId },
      actions: [{ action_id: "go_2", block_id: "run:1", value: "2", type: "button" }],
    });
    const responseUrl = String(clicked?.body.response_url);
    const answer = await fetch(responseUrl, { method: "POST", body: JSON.stringify({ text: "only you" }) });
    expect(await answer.json()).toMatchObject({ ok: true });
    expect(slack.tables.ephemeralMessages.all()).toMatchObject([{ text: "only you", thread_ts: root }]);
    expect(await slack.click({ channel, messageTs: ts, actionId: "gone" })).toMatchObject({ ok: false });
    slack.setEventsUrl("http://127.0.0.1:1/");
    expect(await slack.click({ channel, messageTs: ts, actionId: "go_1" })).toEqual({ ok: false, error: "The app cannot be reached." });
  });

  test("bring what stands in the fields of a message that only one person sees; the app can put another in its place", async () => {
    const { got, url } = await startApp();
    const slack = await start({ eventsUrl: url });
    const field = { type: "plain_text_input", action_id: "number", placeholder: { type: "plain_text", text: "12" } };
    const blocks = [
      { type: "input", block_id: "in", dispatch_action: true, label: { type: "plain_text", text: "Number" }, element: field },
      {
        type: "actions",
        block_id: "act",
        elements: [{ type: "button", action_id: "ok", text: { type: "plain_text", text: "OK" }, value: "go" }],
      },
    ];
    await client(slack, TOKENS.bot).chat.postEphemeral({ channel, user: WORKSPACE.you, text: "only you", blocks });
    const ts = slack.whispers(channel, WORKSPACE.you)[0]?.ts ?? "";
    const typed = { in: { number: "42" } };
    expect(await slack.click({ user: WORKSPACE.colleague, channel, messageTs: ts, actionId: "ok", typed })).toMatchObject({ ok: false });
    expect(await slack.click({ channel, messageTs: ts, actionId: "ok", value: "go", typed })).toMatchObject({ ok: true });
    expect(await slack.click({ channel, messageTs: ts, actionId: "number", value: "43", typed: { in: { number: "43" } } })).toMatchObject({
      ok: true,
    });
    const [button, enter] = got.map(({ body }) => body);
    expect(button).toMatchObject({
      state: { values: { in: { number: { type: "plain_text_input", value: "42" } } } },
      actions: [{ action_id: "ok", value: "go" }],
    });
    expect(enter).toMatchObject({ container: { is_ephemeral: true }, actions: [{ action_id: "number", block_id: "in", value: "43" }] });
    const answer = (body: object) =>
      fetch(String(button?.response_url), { method: "POST", body: JSON.stringify({ replace_original: true, ...body }) });
    expect((await answer({ text: "no", blocks: [{ type: "nonsense" }] })).status).toBe(404);
    expect((await answer({ text: "done" })).status).toBe(200);
    expect(slack.whispers(channel, WORKSPACE.you)).toMatchObject([{ text: "done" }]);
    expect(slack.whispers(channel, WORKSPACE.you)[0]?.blocks).toBeUndefined();
  });

  test("the Stop of a session's status line is told as its own event", async () => {
    const app = await startApp();
    const slack = await start({ eventsUrl: app.url });
    slack.pressStop(channel, "1.000001");
    await vi.waitFor(() =>
      expect(app.got.map(eventOf)).toMatchObject([{ type: "agent_session_stopped", channel, thread_ts: "1.000001", user: WORKSPACE.you }]),
    );
  });
});

describe("faults", () => {
  test("429 and 500 do not apply the call; a lost reply does", async () => {
    const slack = await start();
    const { bot } = both(slack);
    const post = (text: string) => failure(bot.chat.postMessage({ channel, text }));
    slack.faults.next("chat.postMessage", { kind: "429", retryAfterSeconds: 7 });
    slack.faults.next("chat.postMessage", { kind: "500" });
    slack.faults.next("chat.postMessage", { kind: "lost reply" });
    slack.faults.next("chat.postMessage", { kind: "error", error: "is_archived" });
    const limited = await post("limited");
    expect(limited).toMatchObject({ code: ErrorCode.RateLimitedError, retryAfter: 7 });
    expect(await post("broken")).toMatchObject({ code: ErrorCode.HTTPError });
    expect(await post("lost")).toMatchObject({ code: ErrorCode.RequestError });
    expect((await post("refused"))?.data?.error).toBe("is_archived");
    expect(await post("fine")).toBeUndefined();
    expect(slack.tables.messages.all().map((row) => row.text)).toEqual(["lost", "fine"]);
    expect(slack.faults.callsOf("chat.postMessage").map((call) => [call.n, call.fault, call.status])).toEqual([
      [1, "429", 429],
      [2, "500", 500],
      [3, "lost reply", undefined],
      [4, "error", 200],
      [5, undefined, 200],
    ]);
  });

  test("a hanging call is not applied, and ends with its caller", async () => {
    const slack = await start();
    slack.faults.next("*", { kind: "hang" });
    const impatient = new WebClient(TOKENS.bot, {
      slackApiUrl: slack.apiUrl,
      retryConfig: { retries: 0 },
      timeout: 100,
      logLevel: LogLevel.ERROR,
    });
    expect(await failure(impatient.chat.postMessage({ channel, text: "never" }))).toBeDefined();
    expect(slack.tables.messages.all()).toEqual([]);
  });

  test("the person at the page is spared unless asked for", async () => {
    const slack = await start();
    slack.faults.next("chat.postMessage", { kind: "500" });
    expect(await say(slack, "mine")).not.toBe("");
    expect(await failure(both(slack).bot.chat.postMessage({ channel, text: "bot's" }))).toBeDefined();
  });

  test("a listener hears of the phases in order, and holds the call while it thinks", async () => {
    const slack = await start();
    const heard: string[] = [];
    const end = slack.faults.onCall(async ({ method, phase, n }) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      heard.push(`${method} ${n} ${phase} ${slack.tables.messages.all().length}`);
    });
    await both(slack).bot.chat.postMessage({ channel, text: "x" });
    await vi.waitFor(() =>
      expect(heard).toEqual(["chat.postMessage 1 before 0", "chat.postMessage 1 after 1", "chat.postMessage 1 replied 1"]),
    );
    end();
    await both(slack).bot.chat.postMessage({ channel, text: "y" });
    expect(heard).toHaveLength(3);
  });
});

describe("a restart", () => {
  test("keeps messages, sessions and what the app has not taken", async () => {
    const folder = mkdtempSync(join(tmpdir(), "errand-slack-"));
    stops.push(() => rmSync(folder, { recursive: true }));
    const first = await startSlack({ dataDir: folder, eventsUrl: "http://127.0.0.1:1/", signingSecret: SECRET });
    const { bot } = both(first);
    const root = await say(first, `<@${WORKSPACE.bot}> hello`);
    await bot.chat.postMessage({ channel, thread_ts: root, text: "working", metadata: { event_type: "e", event_payload: {} } });
    await bot.apiCall("agents.sessions.setStatus", { channel_id: channel, thread_ts: root, status: "processing" });
    await vi.waitFor(() => expect(first.deliveries.length).toBeGreaterThan(0));
    await first.stop();

    const app = await startApp();
    const second = await start({ dataDir: folder, eventsUrl: app.url });
    expect(second.thread(channel, root).map((row) => row.text)).toEqual([`<@${WORKSPACE.bot}> hello`, "working"]);
    expect(second.sessionOf(channel, root)?.status).toBe("processing");
    expect(second.pending()).toHaveLength(3);
    const next = await say(second, "again");
    expect(Number(next)).toBeGreaterThan(Number(root));
    await both(second).bot.chat.update({ channel, ts: second.thread(channel, root)[1]?.ts ?? "", text: "done" });
    expect(second.thread(channel, root)[1]?.text).toBe("done");
  });

  test("a taken port is an error that says so", async () => {
    const slack = await start();
    const port = Number(new URL(slack.url).port);
    await expect(startSlack({ port, dataDir: null, eventsUrl: null, signingSecret: SECRET })).rejects.toThrow(/EADDRINUSE/);
  });
});
