import { createHmac } from "node:crypto";
import { Hono } from "hono";
import { beforeEach, describe, expect, it } from "vitest";
import type { Request as Ask } from "../../protocol/request.ts";
import { sessionIdOf } from "../../protocol/thread.ts";
import type { SessionRpc } from "../session/contract.ts";
import { type App, withSettings } from "./app.ts";
import { type SlackRouteOptions, slackRoutes } from "./slack.ts";
import { isSignedBySlack } from "./slack-receiver.ts";

const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";
const NOW = 1_770_000_000_000;
const ENV = { SLACK_SIGNING_SECRET: SECRET, SLACK_BOT_TOKEN: "xoxb-test", SESSION_KEY: "key", SLACK_API_URL: "http://slack.test/api/" };

/** A session that takes requests so. */
const session = (accept: SessionRpc["accept"]) => ({ accept, whose: async () => null, linked: async () => undefined });

let accepted: { id: string; request: Ask }[] = [];
let authTests = 0;
let authAnswer: () => Response | Promise<Response>;
let logged: Record<string, string | number | null>[] = [];

beforeEach(() => {
  accepted = [];
  logged = [];
  authTests = 0;
  authAnswer = () => Response.json({ ok: true, user_id: "UBOT", bot_id: "BBOT", team_id: "T1" });
});

function appWith(options: SlackRouteOptions = {}) {
  const routes = slackRoutes({
    agent: (_env, id) =>
      session(async (request) => {
        accepted.push({ id, request });
        return { status: "accepted", why: null };
      }),
    now: () => NOW,
    fetch: async () => {
      authTests += 1;
      return authAnswer();
    },
    log: (line) => logged.push(line),
    ...options,
  });
  return new Hono<App>().use(withSettings).route("/", routes);
}

function signed(body: string, more: { secret?: string; at?: number; type?: string; signature?: string } = {}) {
  const time = String(Math.floor((more.at ?? NOW) / 1000));
  const signature = `v0=${createHmac("sha256", more.secret ?? SECRET)
    .update(`v0:${time}:${body}`)
    .digest("hex")}`;
  const headers = {
    "content-type": more.type ?? "application/json",
    "x-slack-request-timestamp": time,
    "x-slack-signature": more.signature ?? signature,
  };
  return { method: "POST", headers, body };
}

const event = (change: object = {}, id = "Ev1") => ({
  type: "event_callback",
  team_id: "T1",
  event_id: id,
  authorizations: [{ team_id: "T1", enterprise_id: null, user_id: "UBOT", is_bot: true }],
  event: { type: "app_mention", channel: "C1", user: "U1", ts: "1770000000.000100", text: "<@UBOT> fix it", ...change },
});
const send = (app: ReturnType<typeof appWith>, body: string, more = {}, env: object = ENV) =>
  app.request("/slack/events", signed(body, more), env);

describe("the Slack route", () => {
  it("hands a mention to the session of its thread, and answers 200 after that", async () => {
    const answer = await send(appWith(), JSON.stringify(event()));
    expect([answer.status, await answer.text()]).toEqual([200, ""]);
    expect(accepted).toHaveLength(1);
    expect(accepted[0]?.id).toBe(await sessionIdOf("slack:T1:C1:1770000000.000100", "key"));
    expect(accepted[0]?.request).toMatchObject({ kind: "prompt", text: "fix it", deliveryId: "Ev1" });
    expect(JSON.stringify(logged)).not.toContain("fix it");
  });

  it("asks Slack who we are once", async () => {
    const app = appWith();
    await send(app, JSON.stringify(event()));
    await send(app, JSON.stringify(event({}, "Ev2")));
    expect([accepted.length, authTests]).toEqual([2, 1]);
  });

  it.each([
    ["another secret", { secret: "other" }],
    ["older than five minutes", { at: NOW - 301_000 }],
    ["from the future", { at: NOW + 301_000 }],
    ["no signature", { signature: "" }],
    ["a signature of another form", { signature: "v0=zz" }],
  ])("refuses with 401: %s", async (_name, more) => {
    expect((await send(appWith(), JSON.stringify(event()), more)).status).toBe(401);
    expect([accepted.length, authTests]).toEqual([0, 0]);
  });

  it.each([
    ["not JSON", "{", {}],
    ["a list", "[1]", {}],
    ["no type", "{}", {}],
    ["an event without an event", JSON.stringify({ type: "event_callback" }), {}],
    ["an event without a type", JSON.stringify({ type: "event_callback", event: {} }), {}],
    ["an event without an id", JSON.stringify({ ...event(), event_id: undefined }), {}],
    ["a mention without a channel", JSON.stringify(event({ channel: undefined })), {}],
    ["a time that is none", JSON.stringify(event({ ts: "soon" })), {}],
    ["another content type", JSON.stringify(event()), { type: "text/plain" }],
    ["a form without JSON", "payload=%7B", { type: "application/x-www-form-urlencoded" }],
    ["a click without actions", JSON.stringify({ type: "block_actions", user: { id: "U1" }, team: { id: "T1" } }), {}],
    ["a challenge that is none", JSON.stringify({ type: "url_verification" }), {}],
  ])("refuses with 400: %s", async (_name, body, more) => {
    expect((await send(appWith(), body, more)).status).toBe(400);
    expect(accepted).toEqual([]);
  });

  it("refuses bytes that are not UTF-8 with 400", async () => {
    const body = Buffer.from([0x7b, 0xff, 0x7d]);
    const time = String(NOW / 1000);
    const signature = `v0=${createHmac("sha256", SECRET).update(`v0:${time}:`).update(body).digest("hex")}`;
    const headers = { "content-type": "application/json", "x-slack-request-timestamp": time, "x-slack-signature": signature };
    expect((await appWith().request("/slack/events", { method: "POST", headers, body }, ENV)).status).toBe(400);
  });

  it("refuses more than 1 MiB with 413", async () => {
    expect((await send(appWith(), "x".repeat(1024 * 1024 + 1))).status).toBe(413);
  });

  it.each(["SLACK_SIGNING_SECRET", "SLACK_BOT_TOKEN", "SESSION_KEY"])("refuses with 503 and says what to set without %s", async (name) => {
    const answer = await send(appWith(), JSON.stringify(event()), {}, { ...ENV, [name]: "" });
    expect([answer.status, await answer.text()]).toEqual([503, `Slack is not set up. Set ${name}.`]);
  });

  it("answers url_verification and ssl_check", async () => {
    const answer = await send(appWith(), JSON.stringify({ type: "url_verification", challenge: "abc" }));
    expect(await answer.json()).toEqual({ challenge: "abc" });
    const form = { type: "application/x-www-form-urlencoded" };
    expect((await send(appWith(), "ssl_check=1&token=x", form)).status).toBe(200);
  });

  it.each([
    ["a failing hand-over", { agent: () => session(() => Promise.reject(new Error("disk full"))) }, 500],
    ["a hand-over that takes too long", { agent: () => session(() => new Promise<never>(() => undefined)), capMs: 30 }, 503],
    ["Slack failing to say who we are", { fetch: async () => Response.json({ ok: false, error: "invalid_auth" }) }, 500],
    ["Slack answering 429", { fetch: async () => new Response("", { status: 429, headers: { "retry-after": "30" } }) }, 500],
    ["Slack out of reach", { fetch: () => Promise.reject(new TypeError("fetch failed")) }, 500],
    ["Slack not answering", { fetch: () => new Promise<never>(() => undefined), capMs: 30 }, 503],
  ] satisfies [string, SlackRouteOptions, number][])("makes Slack try again after %s", async (_name, options, status) => {
    const answer = await send(appWith(options), JSON.stringify(event()));
    expect(answer.status).toBe(status);
  });

  it("does not remember that Slack could not say who we are", async () => {
    const app = appWith();
    authAnswer = () => new Response("", { status: 500 });
    expect((await send(app, JSON.stringify(event()))).status).toBe(500);
    authAnswer = () => Response.json({ ok: true, user_id: "UBOT", bot_id: "BBOT" });
    expect((await send(app, JSON.stringify(event()))).status).toBe(200);
    expect(accepted).toHaveLength(1);
  });

  it("drops our own messages", async () => {
    const own = event({ type: "message", user: "UBOT", bot_id: "BBOT", thread_ts: "1770000000.000000" });
    expect((await send(appWith(), JSON.stringify(own))).status).toBe(200);
    expect([accepted.length, logged[0]?.why]).toEqual([0, "our own message"]);
  });

  const click = (action: object) => ({
    type: "block_actions",
    team: { id: "T1", domain: "d" },
    user: { id: "U1", username: "alice", team_id: "T1" },
    api_app_id: "A1",
    container: { type: "message", message_ts: "1770000001.000100", channel_id: "C1", thread_ts: "1770000000.000100" },
    channel: { id: "C1", name: "general" },
    message: { ts: "1770000001.000100", thread_ts: "1770000000.000100", text: "" },
    actions: [{ type: "button", block_id: "b", action_ts: "1770000002.000100", ...action }],
  });
  const form = { type: "application/x-www-form-urlencoded" };
  const sendClick = (app: ReturnType<typeof appWith>, action: object) =>
    send(app, new URLSearchParams({ payload: JSON.stringify(click(action)) }).toString(), form);

  it("hands over a click on Stop, and answers 200 to clicks that only open a link", async () => {
    const app = appWith();
    expect((await sendClick(app, { action_id: "errand_open_vscode" })).status).toBe(200);
    expect(accepted).toEqual([]);
    expect((await sendClick(app, { action_id: "errand_stop", value: "2" })).status).toBe(200);
    expect(accepted[0]?.request).toMatchObject({ kind: "stop", turn: 2, thread: "slack:T1:C1:1770000000.000100", who: { name: "alice" } });
  });

  it("tells the one who clicked when the click was not taken", async () => {
    const app = appWith({ agent: () => session(() => Promise.reject(new Error("no"))) });
    expect((await sendClick(app, { action_id: "errand_stop", value: "2" })).status).toBe(500);
  });
});

/** Slack's own example of a signature, from "Verifying requests from Slack". */
it("checks signatures as Slack's documentation does", async () => {
  const body =
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
  const headers = new Headers({
    "x-slack-request-timestamp": "1531420618",
    "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
  });
  const check = (text: string) => isSignedBySlack(SECRET, headers, new TextEncoder().encode(text), 1_531_420_618_000);
  expect([await check(body), await check(`${body}x`)]).toEqual([true, false]);
});
