/** What else happens to a session: killed runners and sandboxes, doubles, bursts, a backend that says no, stops, asks. */
import { createHmac } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { WORKSPACE } from "../world/slack/workspace.ts";
import { ordinary, type Rig, type Script, startRig, until } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.stop());
beforeEach(() => {
  rig.backend.script = ordinary;
  rig.backend.refuse = null;
});

const MENTION = "<@U0ERRAND01>";
const finals = async (thread: string) => (await rig.replies(thread)).filter((reply) => reply.key.endsWith(":final"));
const final = (thread: string, turn: number, ms?: number) =>
  until(`outcome of turn ${turn}`, async () => (await rig.replies(thread)).find((reply) => reply.key.endsWith(`turn:${turn}:final`)), ms);
const progress = (thread: string, turn: number, pattern: RegExp, ms?: number) =>
  until(
    `${pattern} in turn ${turn}`,
    async () => (await rig.replies(thread)).find((reply) => reply.key.endsWith(`turn:${turn}:progress`) && pattern.test(reply.all)),
    ms,
  );

/** Works until it is stopped. */
const endless: Script = async (_prompt, say, stopped) => {
  say({ type: "plan.updated", items: [{ text: "Work for ever", status: "in_progress" }] });
  while (!stopped()) await new Promise((done) => setTimeout(done, 20));
};

describe("a turn", () => {
  it("goes on in a new generation when its sandbox is killed", async () => {
    rig.backend.script = endless;
    const thread = await rig.say(`${MENTION} survive`);
    await progress(thread, 1, /Work for ever/);
    rig.backend.script = ordinary;
    const before = rig.backend.started.length;
    rig.backend.end();
    const outcome = await final(thread, 1, 40_000);
    expect(outcome.all).toContain("Done: survive");
    expect(rig.backend.started.length).toBe(before + 1);
    expect(await finals(thread)).toHaveLength(1);
  });

  it("ends in honest text when no sandbox can be started", async () => {
    rig.backend.refuse = { status: 500, code: "internal", message: "The disk is full.", retryable: false };
    const thread = await rig.say(`${MENTION} no machine`);
    const outcome = await final(thread, 1);
    expect(outcome.all).toMatch(/could not be started/);
    expect(outcome.all).toMatch(/disk is full/);
    rig.backend.refuse = null;
    await rig.say("again", thread);
    expect((await final(thread, 2)).all).toContain("Done: again");
  });

  it("stops by the word, and the session goes on", async () => {
    rig.backend.script = endless;
    const thread = await rig.say(`${MENTION} run for ever`);
    await progress(thread, 1, /Work for ever/);
    const asked = Date.now();
    await rig.say("stop", thread);
    const outcome = await final(thread, 1);
    expect(Date.now() - asked).toBeLessThan(3_000);
    expect(outcome.all).toMatch(/Stopped/);
    rig.backend.script = ordinary;
    await rig.say("go on", thread);
    expect((await final(thread, 2)).all).toContain("Done: go on");
  });

  it("stops by the button, once, however often it is pressed", async () => {
    rig.backend.script = endless;
    const thread = await rig.say(`${MENTION} button`);
    const living = await progress(thread, 1, /Work for ever/);
    const press = () => rig.slack.click({ channel: rig.channel, messageTs: living.ts, actionId: "errand_stop" });
    await Promise.all([press(), press(), press()]);
    expect((await final(thread, 1)).all).toMatch(/Stopped/);
    await new Promise((done) => setTimeout(done, 500));
    expect(await finals(thread)).toHaveLength(1);
  });

  it("is stopped by the SessionAgent itself when the runner does not obey", async () => {
    let free = false;
    rig.backend.script = async (_prompt, say) => {
      say({ type: "plan.updated", items: [{ text: "Deaf", status: "in_progress" }] });
      while (!free) await new Promise((done) => setTimeout(done, 50));
    };
    const thread = await rig.say(`${MENTION} deaf`);
    await progress(thread, 1, /Deaf/);
    await rig.say("stop", thread);
    expect((await final(thread, 1, 12_000)).all).toMatch(/Stopped/);
    free = true;
  });
});

describe("prompts that come while a turn runs", () => {
  it("queue in order, are told their place, and can be edited or deleted until they start", async () => {
    rig.backend.script = endless;
    const thread = await rig.say(`${MENTION} first`);
    await progress(thread, 1, /Work for ever/);
    const edited = await rig.say("second", thread);
    await progress(thread, 2, /[Qq]ueued/);
    const deleted = await rig.say("third", thread);
    await progress(thread, 3, /2nd|second in line|place 2/i);
    await rig.you.chat.update({ channel: rig.channel, ts: edited, text: "second, but better" });
    await rig.you.chat.delete({ channel: rig.channel, ts: deleted });
    await progress(thread, 3, /withdrawn|Withdrawn/);
    rig.backend.script = ordinary;
    await rig.say("stop", thread);
    expect((await final(thread, 2)).all).toContain("Done: second, but better");
    await new Promise((done) => setTimeout(done, 500));
    expect((await finals(thread)).map((reply) => reply.key.split(":").at(-2))).toEqual(["1", "2"]);
  });

  it("are refused with the number when the queue is full", async () => {
    rig.backend.script = endless;
    const thread = await rig.say(`${MENTION} full`);
    await progress(thread, 1, /Work for ever/);
    for (let index = 0; index < 21; index += 1) await rig.say(`more ${index}`, thread);
    const refusal = await until(
      "a refusal",
      async () => (await rig.replies(thread)).find((reply) => /Not taken: 20/.test(reply.all)),
      60_000,
    );
    expect(refusal.all).toContain(WORKSPACE.you);
  }, 90_000);
});

describe("deliveries", () => {
  const secret = "rig-signing-secret-0123456789abcdef";
  async function deliver(body: unknown, change: { signature?: string; timestamp?: string; raw?: string } = {}): Promise<number> {
    const raw = change.raw ?? JSON.stringify(body);
    const timestamp = change.timestamp ?? String(Math.floor(Date.now() / 1000));
    const signature = change.signature ?? `v0=${createHmac("sha256", secret).update(`v0:${timestamp}:${raw}`).digest("hex")}`;
    const response = await fetch(`${rig.workerd.url}/slack/events`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-slack-request-timestamp": timestamp, "x-slack-signature": signature },
      body: raw,
    });
    await response.body?.cancel();
    return response.status;
  }
  const event = (id: string, ts: string, text: string) => ({
    type: "event_callback",
    event_id: id,
    team_id: WORKSPACE.team,
    api_app_id: WORKSPACE.app,
    event_time: Math.floor(Date.now() / 1000),
    event: { type: "app_mention", user: WORKSPACE.you, text, ts, channel: rig.channel, event_ts: ts, channel_type: "channel" },
  });

  it("sent five times at once make one turn", async () => {
    const thread = await rig.say("a message without a mention");
    const body = event("EvTWICE", thread, `${MENTION} only once`);
    expect(await Promise.all(Array.from({ length: 5 }, () => deliver(body)))).toEqual([200, 200, 200, 200, 200]);
    expect(await deliver({ ...body, event_id: "EvOTHER" })).toBe(200);
    expect((await final(thread, 1)).all).toContain("Done: only once");
    await new Promise((done) => setTimeout(done, 500));
    expect(await finals(thread)).toHaveLength(1);
  });

  it("of two mentions in the same instant make two turns of their two threads", async () => {
    const [first, second] = await Promise.all([rig.say(`${MENTION} one`), rig.say(`${MENTION} two`)]);
    expect((await final(first, 1)).all).toContain("Done: one");
    expect((await final(second, 1)).all).toContain("Done: two");
  });

  it("that are wrong are refused and leave nothing", async () => {
    const body = event("EvWRONG", "1700000000.000100", `${MENTION} evil`);
    const before = rig.backend.started.length;
    expect(await deliver(body, { signature: `v0=${"0".repeat(64)}` })).toBe(401);
    expect(await deliver(body, { timestamp: String(Math.floor(Date.now() / 1000) - 301) })).toBe(401);
    expect(await deliver(body, { timestamp: String(Math.floor(Date.now() / 1000) + 301) })).toBe(401);
    expect(await deliver(null, { raw: "{not json" })).toBe(400);
    expect(await deliver({ type: "event_callback" })).toBe(400);
    expect(await deliver({ type: "url_verification", challenge: "abc" })).toBe(200);
    await new Promise((done) => setTimeout(done, 300));
    expect(rig.backend.started.length).toBe(before);
  });

  it("of an empty mention are answered with help", async () => {
    const thread = await rig.say(MENTION);
    const help = await until("help", async () => (await rig.replies(thread))[0]);
    expect(help.all).toMatch(/what to do/);
  });

  it("of 40,000 characters arrive whole", async () => {
    let length = 0;
    rig.backend.script = async (prompt, say, stopped) => {
      length = prompt.text.length;
      await ordinary({ ...prompt, text: "long" }, say, stopped);
    };
    const thread = await rig.say(`${MENTION} ${"x".repeat(39_900)}`);
    await final(thread, 1);
    expect(length).toBe(39_900);
  });
});

describe("an ask", () => {
  const asking: Script = async (prompt, say, stopped) => {
    say({
      type: "ask.opened",
      ask: {
        id: `ask-${prompt.text}`,
        kind: "question",
        title: "Which database?",
        choices: [
          { id: "pg", label: "Postgres" },
          { id: "sl", label: "SQLite" },
        ],
        freeText: true,
      },
    });
    while (!stopped()) await new Promise((done) => setTimeout(done, 20));
  };
  const ask = (thread: string) =>
    until("the ask", async () =>
      (await rig.replies(thread)).find((reply) => /Which database/.test(reply.all) && reply.key.includes(":ask:")),
    );

  it("is a reply that mentions the requester, is settled once by a button, and shows who did", async () => {
    rig.backend.script = asking;
    const thread = await rig.say(`${MENTION} q1`);
    const message = await ask(thread);
    expect(message.all).toContain(`<@${WORKSPACE.you}>`);
    const stored = rig.slack.faults.callsOf("chat.postMessage").at(-1)?.args.blocks;
    const ids = [...JSON.stringify(stored).matchAll(/"action_id":"(errand_choice[^"]*)"/g)].map((match) => match[1] ?? "");
    expect(ids.length).toBeGreaterThan(1);
    await Promise.all(ids.slice(0, 2).map((actionId) => rig.slack.click({ channel: rig.channel, messageTs: message.ts, actionId })));
    const settled = await until("the settled ask", async () =>
      (await rig.replies(thread)).find((reply) => reply.ts === message.ts && !/errand_choice/.test(reply.all)),
    );
    expect(settled.all).toMatch(/Postgres|SQLite/);
    await rig.say("stop", thread);
    await final(thread, 1);
  });

  it("takes a plain reply as its answer, and nobody else's", async () => {
    rig.backend.script = asking;
    const thread = await rig.say(`${MENTION} q2`);
    const message = await ask(thread);
    const answered = await rig.slack.click({
      user: WORKSPACE.colleague,
      channel: rig.channel,
      messageTs: message.ts,
      actionId: (/"action_id":"(errand_choice[^"]*)"/.exec(message.all) ?? [])[1] ?? "",
    });
    expect(answered.ok).toBe(true);
    await until("a refusal", async () => (await rig.replies(thread)).find((reply) => /Only the person/.test(reply.all)));
    await rig.say("DuckDB", thread);
    const settled = await until("the settled ask", async () =>
      (await rig.replies(thread)).find((reply) => reply.ts === message.ts && /DuckDB/.test(reply.all)),
    );
    expect(settled.all).not.toContain("errand_choice");
    await rig.say("stop", thread);
    await final(thread, 1);
  });
});
