import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isFromOtherPage, isLoopbackHost } from "../loopback.ts";
import { correctCall, pageOf, parseArguments } from "./corrections.ts";
import { eventsFor } from "./events.ts";
import { findElement } from "./interactivity.ts";
import { FILE, readKept, writeKept } from "./keep.ts";
import type { Channel, Token } from "./records.ts";
import { makeSessions, PROCESSING_LAPSES_MS } from "./sessions.ts";
import { WORKSPACE } from "./workspace.ts";

const bot: Token = { token: "b", token_type: "bot", team_id: "T1", user_id: "UB", scopes: [], bot_id: "B1", app_id: "A1" };
const person: Token = { token: "p", token_type: "user", team_id: "T1", user_id: "U1", scopes: [] };

test.each([
  ["127.0.0.1", true],
  ["127.0.0.1:8787", true],
  ["localhost:1", true],
  ["slack.localhost:80", true],
  ["[::1]:80", true],
  ["evil.example", false],
  ["127.0.0.1.evil.example", false],
  ["localhost.evil.example:80", false],
  ["127.0.0.1:80@evil.example", false],
  ["", false],
  [undefined, false],
])("the host %s is this machine: %s", (host, expected) => expect(isLoopbackHost(host)).toBe(expected));

test.each([
  [{}, false],
  [{ origin: "http://127.0.0.1:9" }, false],
  [{ "sec-fetch-site": "none" }, false],
  [{ "sec-fetch-site": "same-origin", origin: "http://127.0.0.1:9" }, false],
  [{ origin: "http://evil.example" }, true],
  [{ origin: "http://127.0.0.1:10" }, true],
  [{ origin: "null" }, true],
  [{ "sec-fetch-site": "cross-site" }, true],
  [{ "sec-fetch-site": "same-site" }, true],
])("a request with %j is another page's: %s", (headers, expected) =>
  expect(isFromOtherPage({ host: "127.0.0.1:9", ...headers })).toBe(expected),
);

test.each([
  ["application/json; charset=utf-8", '{"channel":"C","blocks":[]}', { channel: "C", blocks: [] }],
  ["application/json", "", {}],
  ["application/json", "[1]", undefined],
  ["application/json", "{", undefined],
  [
    "application/x-www-form-urlencoded",
    "channel=C&text=a%20b&metadata=%7B%22a%22%3A1%7D",
    { channel: "C", text: "a b", metadata: { a: 1 } },
  ],
  ["application/x-www-form-urlencoded", "blocks=%5B", undefined],
])("arguments of %s %s", (type, body, expected) => expect(parseArguments(type, body)).toEqual(expected));

describe("a call is corrected", () => {
  test.each([
    ["a bot's message gets its ids", "chat.postMessage", { text: "x" }, bot, { args: { text: "x", bot_id: "B1", app_id: "A1" } }],
    ["nobody claims a bot's ids", "chat.postMessage", { text: "x", bot_id: "B9", app_id: "A9" }, person, { args: { text: "x" } }],
    ["a change of 4,000 characters", "chat.update", { text: "x".repeat(4_000) }, bot, { args: { text: "x".repeat(4_000) } }],
    ["a change of 4,001 characters", "chat.update", { text: "x".repeat(4_001) }, bot, { refusal: { ok: false, error: "msg_too_long" } }],
    [
      "Markdown beside text",
      "chat.postMessage",
      { text: "x", markdown_text: "y" },
      bot,
      { refusal: { ok: false, error: "markdown_text_conflict" } },
    ],
    ["Markdown", "chat.update", { markdown_text: "y" }, bot, { args: { text: "y", blocks: [{ type: "markdown", text: "y" }] } }],
    ["other methods are left alone", "users.info", { user: "U" }, bot, { args: { user: "U" } }],
  ])("%s", (_, method, args, who, expected) => expect(correctCall(method, args, who)).toEqual(expected));

  test("bad blocks are refused with the place", () => {
    const result = correctCall("chat.postMessage", { text: "x", blocks: [{ type: "nope" }] }, bot);
    expect(result).toMatchObject({ refusal: { error: "invalid_blocks", errors: [expect.stringContaining("/blocks/0/type")] } });
  });
});

describe("a page of messages", () => {
  const messages = ["1.1", "2.1", "3.1", "4.1"].map((ts) => ({ ts }));
  const told = (args: object) => {
    const page = pageOf(messages, { ...args }, 100);
    return Array.isArray(page.messages) ? page.messages.map((one: { ts: string }) => one.ts).join() : page.error;
  };
  test.each([
    [{}, "1.1,2.1,3.1,4.1"],
    [{ limit: 2 }, "1.1,2.1"],
    [{ limit: "2", cursor: "3.1" }, "3.1,4.1"],
    [{ cursor: "9.9" }, "invalid_cursor"],
    [{ oldest: "2.1" }, "3.1,4.1"],
    [{ oldest: "2.1", inclusive: true }, "2.1,3.1,4.1"],
    [{ latest: "2.1", inclusive: "true", limit: 1 }, "1.1"],
    [{ latest: "3.1" }, "1.1,2.1"],
  ])("%j", (args, expected) => expect(told(args)).toBe(expected));
});

describe("events", () => {
  const channel = (more: Partial<Channel> = {}): Channel => ({
    channel_id: "C1",
    team_id: "T1",
    name: "c",
    is_channel: true,
    is_private: false,
    is_archived: false,
    topic: { value: "", creator: "", last_set: 0 },
    purpose: { value: "", creator: "", last_set: 0 },
    members: ["U1", WORKSPACE.bot],
    creator: "U1",
    num_members: 2,
    ...more,
  });
  const message = { type: "message", channel: "C1", user: "U1", text: `<@${WORKSPACE.bot}> hi`, ts: "1.1" };
  const types = (event: object, where = channel()) => eventsFor({ event }, () => where).map((one) => one.type);
  test.each([
    ["a mention comes twice", message, channel(), ["message", "app_mention"]],
    ["a message comes once", { ...message, text: "hi" }, channel(), ["message"]],
    ["no app_mention in a direct message", message, channel({ is_im: true }), ["message"]],
    ["none for a bot's own message", { ...message, bot_id: "B1" }, channel(), ["message"]],
    ["none for a change", { ...message, subtype: "message_changed" }, channel(), ["message"]],
    ["nothing where the bot is not", message, channel({ members: ["U1"] }), []],
    ["nothing that is not subscribed", { type: "reaction_added" }, channel(), []],
    ["a stop", { type: "agent_session_stopped", channel: "C1" }, channel(), ["agent_session_stopped"]],
  ])("%s", (_, event, where, expected) => expect(types(event, where)).toEqual(expected));

  test("fields the emulator leaves out are there", () => {
    const [first, second] = eventsFor({ event: message }, () => channel());
    expect(first).toMatchObject({ channel_type: "channel", event_ts: "1.1", team: WORKSPACE.team });
    expect(second).not.toHaveProperty("channel_type");
  });
});

describe("an element is found", () => {
  const go = (value: string) => ({ type: "button", action_id: "go", value });
  const blocks = [
    { type: "actions", block_id: "x", elements: [go("1"), go("2")] },
    { type: "section", accessory: { type: "overflow", action_id: "more", options: [{ value: "log" }] } },
  ];
  test.each([
    ["go", undefined, undefined, "x"],
    ["go", "2", "x", "x"],
    ["go", "3", undefined, undefined],
    ["go", "1", "y", undefined],
    ["more", "log", undefined, "b1"],
    ["nope", undefined, undefined, undefined],
  ])("%s %s %s", (action, value, block, expected) => expect(findElement(blocks, action, value, block)?.blockId).toBe(expected));
});

describe("sessions", () => {
  test("keep a title from the start, renew, and lapse", () => {
    let now = 0;
    const sessions = makeSessions(
      () => now,
      [],
      () => undefined,
    );
    const set = (more: object) => sessions.call("agents.sessions.setStatus", { channel_id: "C1", thread_ts: "1.1", ...more }, () => true);
    expect(set({ status: "processing", title: "One" })).toEqual({ ok: true });
    expect(set({ status: "suspended", title: "Two" })).toEqual({ ok: true });
    expect(sessions.of("C1", "1.1")).toMatchObject({ status: "suspended", title: "One" });
    set({ status: "processing" });
    now += PROCESSING_LAPSES_MS + 1;
    expect(sessions.of("C1", "1.1")?.status).toBe("active");
    expect(set({ status: "busy" })).toMatchObject({ error: "invalid_arguments" });
    expect(sessions.call("agents.sessions.setStatus", { channel_id: "C9", status: "active" }, () => false)).toMatchObject({
      error: "channel_not_found",
    });
    expect(sessions.call("chat.postMessage", {}, () => true)).toBeUndefined();
  });
});

describe("what is kept", () => {
  test("is read as it was written, and a broken file is named", () => {
    const folder = mkdtempSync(join(tmpdir(), "errand-keep-"));
    try {
      expect(readKept(folder)).toBeUndefined();
      const kept = { version: 1, store: { a: [1] }, sessions: [], pending: [] } as const;
      writeKept(folder, { ...kept, sessions: [], pending: [] });
      expect(readKept(folder)).toEqual(kept);
      expect(readdirSync(folder)).toEqual([FILE]);
      writeFileSync(join(folder, FILE), "{");
      expect(() => readKept(folder)).toThrow(join(folder, FILE));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
