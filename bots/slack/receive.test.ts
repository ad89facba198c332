import { describe, expect, it } from "vitest";
import { receiveClick, receiveEvent, type Verdict } from "./receive.ts";

const SELF = { userId: "UBOT", botId: "BBOT" };
const TS = "1770000000.000100";
const ROOT = "1769999999.000100";

const deliver = (event: object, more: object = {}) =>
  receiveEvent(
    { type: "event_callback", team_id: "T1", event_id: "Ev1", event: { channel: "C1", user: "U1", ts: TS, ...event }, ...more },
    SELF,
  );
const mention = (change: object = {}, more: object = {}) => deliver({ type: "app_mention", text: "<@UBOT> fix it", ...change }, more);
const message = (change: object = {}, more: object = {}) =>
  deliver({ type: "message", channel_type: "channel", text: "and this", ...change }, more);
const changed = (now: object, before: object | undefined, more: object = {}) =>
  deliver({
    type: "message",
    subtype: "message_changed",
    user: undefined,
    ts: "1770000009.000100",
    message: { user: "U1", ts: TS, text: "<@UBOT> fix that", edited: { ts: "1770000009.000000" }, ...now },
    ...(before ? { previous_message: { user: "U1", ts: TS, text: "<@UBOT> fix it", ...before } } : {}),
    ...more,
  });
const removed = (before: object | undefined) =>
  deliver({ type: "message", subtype: "message_deleted", user: undefined, deleted_ts: TS, previous_message: before });

const common = { deliveryId: "Ev1", thread: `slack:T1:C1:${TS}`, who: { id: "slack:T1:U1" }, at: 1_770_000_000_000 };
const prompt = { kind: "prompt", ...common, contentKey: `slack:C1:${TS}`, text: "fix it", options: {}, joins: false };
const request = (change: object = {}): unknown => ({ kind: "request", request: { ...prompt, ...change } });
const ignored = (why: string | RegExp): unknown => ({ kind: "ignored", why: expect.stringMatching(why) });

describe("what is about accounts", () => {
  const act = (what: object): unknown => ({ kind: "account", act: what });
  const person = "slack:T1:U1";
  const inThread = { channel: "C1", thread: ROOT, user: "U1" };
  const thread = `slack:T1:C1:${ROOT}`;
  const table: [string, Verdict, unknown][] = [
    [
      "the word, by a mention",
      mention({ text: "<@UBOT> Link!", user_profile: { display_name: "Ada" } }),
      act({ do: "link", person, name: "Ada", ear: { ...inThread, thread: null }, onlyIn: null }),
    ],
    [
      "the word, in a thread",
      mention({ text: "<@UBOT> unlink", thread_ts: ROOT }),
      act({ do: "unlink", person, name: null, ear: inThread, onlyIn: null }),
    ],
    [
      "the word, to nobody in particular",
      message({ text: "link", thread_ts: ROOT }),
      act({ do: "link", person, name: null, ear: inThread, onlyIn: thread }),
    ],
    [
      "the word, as a direct message",
      message({ text: "link", channel: "D1", channel_type: "im" }),
      act({ do: "link", person, name: null, ear: { channel: "D1", thread: null, user: "U1" }, onlyIn: null }),
    ],
    [
      "a number, as a reply",
      message({ text: "link 123 456", thread_ts: ROOT }),
      act({ do: "number", number: "123456", person, ear: inThread, onlyIn: thread, responseUrl: null }),
    ],
    [
      "a sentence with the word",
      message({ text: "link the two pages", thread_ts: ROOT }),
      { kind: "request", request: expect.objectContaining({ kind: "prompt" }) },
    ],
    [
      "somebody who is deactivated",
      deliver({ type: "user_change", user: { id: "U7", deleted: true } }),
      act({ do: "person-gone", person: "slack:T1:U7" }),
    ],
    ["somebody with another name", deliver({ type: "user_change", user: { id: "U7", deleted: false } }), ignored("changed their profile")],
    ["a change of nobody", deliver({ type: "user_change", user: {} }), { kind: "malformed", why: expect.stringContaining("user.id") }],
    ["errand's removal", deliver({ type: "app_uninstalled" }), act({ do: "workspace-gone", team: "T1" })],
    [
      "errand's token revoked",
      deliver({ type: "tokens_revoked", tokens: { oauth: [], bot: ["UBOT"] } }),
      act({ do: "workspace-gone", team: "T1" }),
    ],
    ["a person's token revoked", deliver({ type: "tokens_revoked", tokens: { oauth: ["U1"] } }), ignored("errand has none")],
  ];
  it.each(table)("%s", (_name, verdict, expected) => expect(verdict).toEqual(expected));

  const click = (action: object, state: object = {}) =>
    receiveClick({
      type: "block_actions",
      team: { id: "T1" },
      user: { id: "U1", team_id: "T1" },
      channel: { id: "C1" },
      container: { type: "message", message_ts: "1770000001.000100", thread_ts: ROOT, is_ephemeral: true },
      response_url: "https://hooks.slack.com/actions/T1/1/x",
      state: { values: state },
      actions: [{ block_id: "link:number", action_ts: "1770000002.000100", ...action }],
    });
  const number = (said: string) =>
    act({ do: "number", number: said, person, ear: inThread, onlyIn: null, responseUrl: "https://hooks.slack.com/actions/T1/1/x" });
  const typed = (value: string | null) => ({ "link:number": { errand_number: { type: "plain_text_input", value } } });
  it.each<[string, Verdict, unknown]>([
    ["Enter in the field", click({ action_id: "errand_number", value: "123 456" }), number("123 456")],
    ["the button beside it", click({ action_id: "errand_number_confirm", value: "number" }, typed("123456")), number("123456")],
    ["the button, with nothing in the field", click({ action_id: "errand_number_confirm", value: "number" }, typed(null)), number("")],
    ["the link to the page", click({ action_id: "errand_open_link" }), ignored("only opens a link")],
  ])("a click: %s", (_name, verdict, expected) => expect(verdict).toEqual(expected));
});

describe("messages that become requests", () => {
  const table: [string, Verdict, unknown][] = [
    ["a mention", mention(), request()],
    ["a mention in a thread", mention({ thread_ts: ROOT }), request({ thread: `slack:T1:C1:${ROOT}` })],
    ["a mention with a name", mention({ user_profile: { display_name: "Ada" } }), request({ who: { id: "slack:T1:U1", name: "Ada" } })],
    ["an empty mention", mention({ text: "<@UBOT>" }), request({ text: "" })],
    ["a mention in the middle", mention({ text: "please <@UBOT> fix it" }), request({ text: "please fix it" })],
    [
      "options in the text",
      mention({ text: "<@UBOT> fix it repo=acme/api branch=main" }),
      request({ options: { repository: "acme/api", branch: "main" } }),
    ],
    ["a reply in a thread", message({ thread_ts: ROOT }), request({ text: "and this", thread: `slack:T1:C1:${ROOT}`, joins: true })],
    [
      "a reply shown in the channel too",
      message({ thread_ts: ROOT, subtype: "thread_broadcast" }),
      request({ text: "and this", thread: `slack:T1:C1:${ROOT}`, joins: true }),
    ],
    [
      "a reply with a file",
      message({ thread_ts: ROOT, subtype: "file_share", files: [{ name: "a.png" }] }),
      request({ text: "and this\n[Attached, not readable for errand: a.png]", thread: `slack:T1:C1:${ROOT}`, joins: true }),
    ],
    [
      "a direct message",
      message({ channel: "D1", channel_type: "im" }),
      request({ text: "and this", thread: `slack:T1:D1:${TS}`, contentKey: `slack:D1:${TS}` }),
    ],
    [
      "a reply in a direct message",
      message({ channel: "D1", channel_type: "im", thread_ts: ROOT }),
      request({ text: "and this", thread: `slack:T1:D1:${ROOT}`, contentKey: `slack:D1:${TS}` }),
    ],
    ["a mention that is an edit", mention({ edited: { ts: "1770000009.000000" } }), request()],
    [
      "stop, by mention",
      mention({ text: "<@UBOT> Stop!", thread_ts: ROOT }),
      { kind: "request", request: { kind: "stop", ...common, thread: `slack:T1:C1:${ROOT}` } },
    ],
    [
      "stop, by reply",
      message({ text: "stop", thread_ts: ROOT }),
      { kind: "request", request: { kind: "stop", ...common, thread: `slack:T1:C1:${ROOT}` } },
    ],
    [
      "status, by mention",
      mention({ text: "<@UBOT> status?", thread_ts: ROOT }),
      { kind: "request", request: { kind: "status", ...common, thread: `slack:T1:C1:${ROOT}` } },
    ],
    [
      "status, by reply",
      message({ text: "Status", thread_ts: ROOT }),
      { kind: "request", request: { kind: "status", ...common, thread: `slack:T1:C1:${ROOT}` } },
    ],
    ["status as part of a text", mention({ text: "<@UBOT> status of the build" }), request({ text: "status of the build" })],
    ["help, by mention", mention({ text: "<@UBOT> Help?" }), request({ text: "" })],
    ["help as part of a text", mention({ text: "<@UBOT> help the user" }), request({ text: "help the user" })],
    ["stop as part of a text", mention({ text: "<@UBOT> stop the server" }), request({ text: "stop the server" })],
  ];
  it.each(table)("%s", (_name, verdict, expected) => expect(verdict).toEqual(expected));

  it("takes 40,000 characters, and cuts more with a remark", () => {
    const whole = mention({ text: `<@UBOT> ${"x".repeat(40_000)}` });
    expect(whole).toMatchObject({ kind: "request", request: { text: "x".repeat(40_000) } });
    const long = mention({ text: "😀".repeat(30_000) });
    if (long.kind !== "request" || long.request.kind !== "prompt") throw new Error("no prompt");
    expect(long.request.text.length).toBeLessThanOrEqual(40_000);
    expect(long.request.text).toMatch(/^(?:😀)+\n\[The message was longer; errand took its first 40,000 characters\.\]$/u);
  });
});

describe("edits and deletions", () => {
  const edit = {
    kind: "edit",
    deliveryId: "Ev1",
    thread: `slack:T1:C1:${TS}`,
    who: { id: "slack:T1:U1" },
    at: 1_770_000_009_000,
    contentKey: `slack:C1:${TS}`,
    text: "fix that",
    options: {},
  };
  const withdraw = { kind: "withdraw", ...common, contentKey: `slack:C1:${TS}` };
  const table: [string, Verdict, unknown][] = [
    ["an edit of a first message", changed({}, {}), { kind: "request", request: edit }],
    [
      "an edit of a reply",
      changed({ thread_ts: ROOT }, { thread_ts: ROOT }),
      { kind: "request", request: { ...edit, thread: `slack:T1:C1:${ROOT}` } },
    ],
    ["an edit without the text before", changed({}, undefined), { kind: "request", request: edit }],
    ["a preview that Slack added", changed({ text: "<@UBOT> fix it", edited: undefined }, {}), ignored("text did not change")],
    ["a preview without the text before", changed({ edited: undefined }, undefined), ignored("text did not change")],
    ["an edit of ours", changed({ user: "UBOT", bot_id: "BBOT" }, {}), ignored("our own message")],
    ["an edit by a bot", changed({ bot_id: "B2" }, {}), ignored("written by an app")],
    [
      "a change without a message",
      deliver({ type: "message", subtype: "message_changed" }),
      { kind: "malformed", why: expect.any(String) },
    ],
    ["a deleted first message", removed({ user: "U1", ts: TS }), { kind: "request", request: withdraw }],
    [
      "a deleted reply",
      removed({ user: "U1", ts: TS, thread_ts: ROOT }),
      { kind: "request", request: { ...withdraw, thread: `slack:T1:C1:${ROOT}` } },
    ],
    ["a deleted message of ours", removed({ user: "UBOT", ts: TS, bot_id: "BBOT" }), ignored("our own message")],
    ["a deletion without the message", removed(undefined), { kind: "malformed", why: expect.any(String) }],
    [
      "a deleted first message that leaves a tombstone",
      changed({ subtype: "tombstone", user: "USLACKBOT", text: "This message was deleted.", thread_ts: TS }, {}),
      { kind: "request", request: { ...withdraw, at: 1_770_000_009_000 } },
    ],
  ];
  it.each(table)("%s", (_name, verdict, expected) => expect(verdict).toEqual(expected));
});

describe("what is ignored", () => {
  const table: [string, Verdict, RegExp][] = [
    ["a message outside threads", message(), /neither a mention nor in a thread/],
    ["the root of a thread, told again", message({ thread_ts: TS }), /neither a mention nor in a thread/],
    ["a mention's second event", message({ text: "<@UBOT> fix it" }), /comes as app_mention/],
    ["a mention's second event with a name", message({ text: "<@UBOT|errand> fix it", thread_ts: ROOT }), /comes as app_mention/],
    ["a mention in a direct message", mention({ channel: "D1" }), /comes as a message/],
    ["a reply to someone else", message({ text: "<@U2> what do you think?", thread_ts: ROOT }), /someone else/],
    ["our own message", message({ user: "UBOT", thread_ts: ROOT }), /our own/],
    ["our own message by bot id", message({ user: "U9", bot_id: "BBOT", thread_ts: ROOT }), /our own/],
    ["another bot", message({ user: "U9", bot_id: "B2", thread_ts: ROOT }), /by an app/],
    ["an app with a person's token", mention({ app_id: "A2" }), /by an app/],
    ["Slackbot", message({ user: "USLACKBOT", thread_ts: ROOT }), /by Slack/],
    ["no author", message({ user: undefined, thread_ts: ROOT }), /no author/],
    ...["bot_message", "channel_join", "channel_topic", "me_message", "message_replied", "pinned_item"].map(
      (subtype): [string, Verdict, RegExp] => [`subtype ${subtype}`, message({ subtype, thread_ts: ROOT }), /subtype/],
    ),
    ["another event", deliver({ type: "reaction_added" }), /not for errand/],
    ["a person of another organisation", mention({ user_team: "T2" }), /Slack Connect/],
    ["a message from another workspace", mention({ source_team: "T2" }, { is_ext_shared_channel: true }), /Slack Connect/],
    ["a profile of another workspace", mention({ user_profile: { team: "T2" } }), /Slack Connect/],
    ["a shared channel that does not say from where", mention({}, { is_ext_shared_channel: true }), /Slack Connect/],
  ];
  it.each(table)("%s", (_name, verdict, why) => expect(verdict).toEqual(ignored(why)));

  it("hears its own workspace in a shared channel", () => {
    expect(mention({ team: "T1" }, { is_ext_shared_channel: true }).kind).toBe("request");
    expect(mention({ user_team: "T1", source_team: "T1" }, { is_ext_shared_channel: true }).kind).toBe("request");
  });
});

describe("clicks", () => {
  const click = (action: object, more: object = {}) =>
    receiveClick({
      type: "block_actions",
      team: { id: "T1" },
      user: { id: "U1", username: "ada" },
      channel: { id: "C1" },
      container: { message_ts: TS, thread_ts: ROOT },
      message: { ts: TS, thread_ts: ROOT },
      actions: [{ block_id: "b", action_ts: "1770000005.000200", ...action }],
      ...more,
    });
  const base = {
    deliveryId: `slack-click:C1:${TS}:U1:1770000005.000200`,
    thread: `slack:T1:C1:${ROOT}`,
    who: { id: "slack:T1:U1", name: "ada" },
    at: 1_770_000_005_000,
  };
  const table: [string, Verdict, unknown][] = [
    ["Stop", click({ action_id: "errand_stop", value: "3" }), { kind: "request", request: { kind: "stop", ...base, turn: 3 } }],
    [
      "an offer taken",
      click({ action_id: "errand_take", value: "o1" }),
      { kind: "request", request: { kind: "take", ...base, offer: "o1" } },
    ],
    ["a button of no offer", click({ action_id: "errand_take", value: "" }), { kind: "malformed", why: expect.any(String) }],
    ["Stop without a turn", click({ action_id: "errand_stop", value: "x" }), { kind: "malformed", why: expect.any(String) }],
    [
      "an answer",
      click({ action_id: "errand_choice:1", block_id: "ask:3:per_1:x", value: "once" }),
      { kind: "request", request: { kind: "answer", ...base, ask: "per_1:x", choice: "once" } },
    ],
    [
      "an answer from the list",
      click({ action_id: "errand_choose", block_id: "ask:3:q1", selected_option: { value: "e" } }),
      { kind: "request", request: { kind: "answer", ...base, ask: "q1", choice: "e" } },
    ],
    [
      "an answer to nothing",
      click({ action_id: "errand_choice:1", block_id: "b", value: "once" }),
      { kind: "malformed", why: expect.any(String) },
    ],
    ["a link", click({ action_id: "errand_open_vscode" }), ignored("only opens a link")],
    ["another app's button", click({ action_id: "x" }), ignored("only opens a link")],
    [
      "a person of another organisation",
      click({ action_id: "errand_stop", value: "3" }, { user: { id: "U1", team_id: "T2" } }),
      ignored("Slack Connect"),
    ],
    ["a click outside a channel", click({ action_id: "errand_stop", value: "3" }, { channel: null }), ignored("outside a thread")],
    [
      "without the message",
      click({ action_id: "errand_stop", value: "3" }, { message: undefined }),
      { kind: "request", request: { kind: "stop", ...base, turn: 3 } },
    ],
  ];
  it.each(table)("%s", (_name, verdict, expected) => expect(verdict).toEqual(expected));
});
