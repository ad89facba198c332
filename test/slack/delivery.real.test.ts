import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { slackSurface } from "../../bots/slack/deliver.ts";
import type { Address, Surface } from "../../bots/surface.ts";
import { type Slack, startSlack } from "../world/slack/start.ts";
import { TOKENS, WORKSPACE } from "../world/slack/workspace.ts";
import { accepted, asking, booting, finished, LINKS, opened, planned, START, viewOf } from "./views.ts";

const channel = WORKSPACE.channels.general;
let slack: Slack;
let surface: Surface;
let root = "";
let to: Address;

beforeEach(async () => {
  slack = await startSlack({ dataDir: null, eventsUrl: null, signingSecret: "s" });
  surface = slackSurface({ token: TOKENS.bot, apiUrl: slack.apiUrl, timeoutMs: 400 });
  const posted = await slack.call("chat.postMessage", { channel, text: `<@${WORKSPACE.bot}> fix it` }, TOKENS.you);
  root = z.string().parse(posted.ts);
  to = { thread: `slack:${WORKSPACE.team}:${channel}:${root}`, place: null, native: null };
});
afterEach(() => slack.stop());

const progress = (...story: Parameters<typeof viewOf>) =>
  surface.render({ kind: "progress", turn: 1, view: viewOf(...story), links: LINKS, now: START + 90_000 });
const note = (text: string) => surface.render({ kind: "note", code: "test", text, mention: null });
const replies = () => slack.thread(channel, root).slice(1);
const since = () => Date.now() - 60_000;

describe("writing into the emulated Slack", () => {
  it("posts into the thread, edits the whole message, and finds it again", async () => {
    const sent = await surface.post(to, "k1", progress(...opened(), ...booting));
    if (sent.kind !== "sent") throw new Error(JSON.stringify(sent));
    expect(replies()).toMatchObject([{ ts: sent.id, thread_ts: root, user: WORKSPACE.bot }]);
    expect(replies()[0]?.text).toContain("Starting on acme/api");
    const edited = await surface.edit(to, sent.id, "k1", progress(...opened(), ...booting, ...accepted, ...planned));
    expect(edited).toEqual({ kind: "sent", id: sent.id });
    expect(replies()).toHaveLength(1);
    expect(replies()[0]?.text).toContain("Working on acme/api · 1m 20s");
    expect(await surface.find(to, "k1", since(), {})).toEqual({ kind: "found", id: sent.id });
    expect(await surface.find(to, "k2", since(), {})).toEqual({ kind: "absent" });
    const call = slack.faults.callsOf("chat.postMessage").at(-1)?.args;
    expect(call).toMatchObject({ unfurl_links: "false", unfurl_media: "false", link_names: "false", parse: "none" });
  });

  it.each([
    ["progress", () => progress(...opened(), ...booting, ...accepted, ...planned)],
    [
      "final",
      () => surface.render({ kind: "final", turn: 1, view: viewOf(...opened(), ...booting, ...accepted, ...finished), links: LINKS }),
    ],
    [
      "ask",
      () =>
        surface.render({ kind: "ask", turn: 1, ask: "per_1", view: viewOf(...opened(), ...booting, ...accepted, ...asking), links: LINKS }),
    ],
  ])("Slack takes the blocks of a message: %s", async (_name, content) => {
    expect(await surface.post(to, "k", content())).toMatchObject({ kind: "sent" });
  });

  it("finds a message in a long thread, page by page", async () => {
    const old = await surface.post(to, "old", note("old"));
    for (let index = 0; index < 250; index += 1)
      await slack.call("chat.postMessage", { channel, thread_ts: root, text: `${index}` }, TOKENS.you);
    const late = await surface.post(to, "late", note("late"));
    expect(await surface.find(to, "late", since(), {})).toEqual({ kind: "found", id: late.kind === "sent" && late.id });
    expect(await surface.find(to, "old", since(), {})).toEqual({ kind: "found", id: old.kind === "sent" && old.id });
    expect(await surface.find(to, "old", Date.now() + 120_000, {})).toEqual({ kind: "absent" });
  });

  it("falls back to sections once, where Slack does not know the blocks", async () => {
    slack.faults.next("chat.postMessage", { kind: "error", error: "invalid_blocks" });
    const sent = await surface.post(to, "k1", progress(...opened(), ...booting, ...accepted, ...planned));
    expect(sent.kind).toBe("sent");
    expect(replies()[0]?.blocks?.map((block) => block.type)).toEqual(["section", "section", "context", "actions"]);
    expect(JSON.stringify(replies()[0]?.blocks)).toContain(":white_check_mark: Find the flaky test");
    await surface.post(to, "k2", progress(...opened(), ...booting));
    expect(slack.faults.callsOf("chat.postMessage").filter((call) => call.user === WORKSPACE.bot)).toHaveLength(3);
  });

  it("does not try again without new blocks when there were none", async () => {
    slack.faults.next("chat.postMessage", { kind: "error", error: "invalid_blocks" });
    expect(await surface.post(to, "k", note("hello"))).toMatchObject({ kind: "refused", code: "invalid_blocks" });
  });
});

describe("what went wrong, told truthfully", () => {
  const table: [string, Parameters<Slack["faults"]["next"]>[1], object, number][] = [
    ["429", { kind: "429", retryAfterSeconds: 7 }, { kind: "wait", ms: 7_000, method: "chat.postMessage" }, 0],
    ["500", { kind: "500" }, { kind: "unknown" }, 0],
    ["a lost reply", { kind: "lost reply" }, { kind: "unknown" }, 1],
    ["no answer", { kind: "hang" }, { kind: "unknown", why: "no answer from Slack: timed out" }, 0],
    ["a late answer", { kind: "slow", ms: 900 }, { kind: "unknown" }, 1],
    ["ratelimited in the body", { kind: "error", error: "ratelimited" }, { kind: "wait", ms: 30_000, method: "chat.postMessage" }, 0],
    ["service_unavailable", { kind: "error", error: "service_unavailable" }, { kind: "wait", method: null }, 0],
    ["internal_error", { kind: "error", error: "internal_error" }, { kind: "unknown" }, 0],
    ["is_archived", { kind: "error", error: "is_archived" }, { kind: "refused", code: "is_archived" }, 0],
    [
      "not_in_channel",
      { kind: "error", error: "not_in_channel" },
      { kind: "refused", why: expect.stringContaining("Invite errand to the channel.") },
      0,
    ],
    [
      "restricted_action",
      { kind: "error", error: "restricted_action_read_only_channel" },
      { kind: "refused", why: expect.stringContaining("administrator") },
      0,
    ],
    ["an error not known here", { kind: "error", error: "brand_new_error" }, { kind: "refused", code: "brand_new_error" }, 0],
  ];
  it.each(table)("%s", async (_name, fault, outcome, applied) => {
    slack.faults.next("chat.postMessage", fault);
    expect(await surface.post(to, "k", note("hello"))).toMatchObject(outcome);
    await expect.poll(() => replies().length).toBe(applied);
    // Whatever was told: looking finds the message exactly if it is there.
    expect((await surface.find(to, "k", since(), {})).kind).toBe(applied ? "found" : "absent");
  });

  it("calls an edited message gone when it was deleted", async () => {
    const sent = await surface.post(to, "k", note("hello"));
    if (sent.kind !== "sent") throw new Error("not sent");
    await slack.call("chat.delete", { channel, ts: sent.id }, TOKENS.bot);
    expect((await surface.edit(to, sent.id, "k", note("again"))).kind).toBe("gone");
    slack.faults.next("chat.update", { kind: "error", error: "edit_window_closed" });
    expect((await surface.edit(to, sent.id, "k", note("again"))).kind).toBe("gone");
  });

  it("refuses a wrong token, with what to do", async () => {
    const wrong = slackSurface({ token: "xoxb-wrong", apiUrl: slack.apiUrl });
    expect(await wrong.post(to, "k", note("hello"))).toMatchObject({
      kind: "refused",
      code: "invalid_auth",
      why: expect.stringContaining("SLACK_BOT_TOKEN"),
    });
  });

  it("knows that nothing was applied where nobody listens", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const port = typeof address === "object" && address ? address.port : 0;
    await new Promise((resolve) => server.close(resolve));
    const nobody = slackSurface({ token: TOKENS.bot, apiUrl: `http://127.0.0.1:${port}/api/` });
    expect(await nobody.post(to, "k", note("hello"))).toMatchObject({ kind: "wait", method: null });
  });

  it("refuses an address that redirects", async () => {
    const fetch = async () => new Response(null, { status: 302, headers: { location: "https://elsewhere.example" } });
    const moved = slackSurface({ token: TOKENS.bot, apiUrl: slack.apiUrl, fetch });
    expect(await moved.post(to, "k", note("hello"))).toMatchObject({ kind: "refused", code: "redirect" });
  });

  it("names the budget of a write", () => {
    expect(surface.budget(to, "edit")).toEqual({ workspace: `slack:${WORKSPACE.team}`, method: "chat.update", channel });
    expect(() => surface.budget({ ...to, thread: "github:1:2" }, "post")).toThrow("not a Slack thread");
  });
});
