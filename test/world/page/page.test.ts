import { request as httpRequest } from "node:http";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Json, Message, User } from "../slack/records.ts";
import { startSlack } from "../slack/start.ts";
import { WORKSPACE } from "../slack/workspace.ts";
import { renderBlocks } from "./blocks.ts";
import { html, join, safeUrl } from "./html.ts";
import { markdown } from "./markdown.ts";
import { mrkdwn } from "./mrkdwn.ts";
import { type Names, toSlackText, toTypedText } from "./names.ts";
import { startPage } from "./start.ts";
import { panesOf, patchOf, type Snapshot } from "./view.ts";

const names: Names = {
  users: new Map([
    ["U1", "you"],
    ["UB", "errand"],
  ]),
  channels: new Map([["C1", "general"]]),
};

describe("html", () => {
  test("escapes values, keeps HTML, leaves out nothings", () => {
    expect(html`<a title="${"\"<&>'"}">${["<b>", html`<i>`, null, false, 0]}</a>`.text).toBe(
      '<a title="&quot;&lt;&amp;&gt;&#39;">&lt;b&gt;<i>0</a>',
    );
    expect(join([html`a`, html`b`], "<br>").text).toBe("a<br>b");
  });
  test.each([
    ["https://a.example/x", true],
    ["mailto:a@b.example", true],
    ["javascript:alert(1)", false],
    ["data:text/html,x", false],
    ["//a.example", false],
    ["https://a.example/ x", false],
  ])("the address %s may be linked: %s", (url, expected) => expect(safeUrl(url) !== undefined).toBe(expected));
});

describe("what people type", () => {
  test.each([
    ["@errand fix it", "<@UB> fix it"],
    ["hey @errand, @you!", "hey <@UB>, <@U1>!"],
    ["mail me@errand.example", "mail me@errand.example"],
    ["@errands", "@errands"],
    ["a < b && c > d", "a &lt; b &amp;&amp; c &gt; d"],
    ["<!channel>", "&lt;!channel&gt;"],
    ["in #general", "in <#C1|general>"],
  ])("%s", (typed, text) => {
    expect(toSlackText(typed, names)).toBe(text);
    expect(toTypedText(text, names)).toBe(typed);
  });
});

describe("mrkdwn", () => {
  test.each([
    ["plain", "plain"],
    ["*bold* _it_ ~gone~ `a*b*`", "<strong>bold</strong> <em>it</em> <s>gone</s> <code>a*b*</code>"],
    ["2 * 3 * 4, snake_case_name", "2 * 3 * 4, snake_case_name"],
    ["a\nb", "a<br>b"],
    [
      "<@UB> in <#C1|general> <!here>",
      '<span class="mention">@errand</span> in <span class="mention">#general</span> <span class="mention">@here</span>',
    ],
    ["<https://a.example?x=1&amp;y=2|docs>", '<a href="https://a.example?x=1&amp;y=2" target="_blank" rel="noopener noreferrer">docs</a>'],
    ["<javascript:alert(1)|x>", "x"],
    ["&lt;script&gt; &amp;lt;", "&lt;script&gt; &amp;lt;"],
    ["<script>alert(1)</script>", "scriptalert(1)/script"],
    ["```\na *b* &lt;\n```", "<pre><code>a *b* &lt;</code></pre>"],
    ["&gt; quoted\nnot", "<blockquote>quoted</blockquote>not"],
    ["done :white_check_mark: :nope:", "done ✅ :nope:"],
    ["*<https://a.example|x>*", '<strong><a href="https://a.example" target="_blank" rel="noopener noreferrer">x</a></strong>'],
    ['"><img src=x onerror=alert(1)>', "&quot;&gt;img src=x onerror=alert(1)"],
  ])("%s", (text, expected) => expect(mrkdwn(text, names).text).toBe(expected));
});

describe("markdown", () => {
  test.each([
    ["**b** `c`", "<p><strong>b</strong> <code>c</code></p>\n"],
    ["for <@U1>", '<p>for <span class="mention">@you</span></p>\n'],
    ["<b onclick=x>", "<p>&lt;b onclick=x&gt;</p>\n"],
    ["[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>\n"],
    ["![p](https://a.example/x.png)", "<p>p</p>\n"],
    ["a\nb", "<p>a<br>\nb</p>\n"],
    ["[x](https://a.example)", '<p><a href="https://a.example" target="_blank" rel="noopener noreferrer">x</a></p>\n'],
  ])("%s", (text, expected) => expect(markdown(text, names).text).toBe(expected));
  test("tables and fences", () => {
    const out = markdown("| a | b |\n| :-- | --: |\n| 1 | <2> |\n\n```js\nx < 1\n```", names).text;
    expect(out).toContain("<td>&lt;2&gt;</td>");
    expect(out).toContain('<pre><code class="language-js">x &lt; 1\n</code></pre>');
    expect(out).not.toContain("style=");
  });
});

describe("blocks", () => {
  test("a field has its label, its hint and what a click sends it under", () => {
    const element = { type: "plain_text_input", action_id: "n", max_length: 7, placeholder: { type: "plain_text", text: "12 <3" } };
    const shown = renderBlocks([{ type: "input", block_id: "b", label: { type: "plain_text", text: "Number" }, element }], names).text;
    expect(shown).toContain("<span>Number</span>");
    expect(shown).toContain('placeholder="12 &lt;3" maxlength="7" data-typed="n" data-block="b"');
  });

  const out = (block: Json) => renderBlocks([block], names).text;
  const plain = (text: string) => ({ type: "plain_text", text });
  test("a button sends its action; one with an address opens it too", () => {
    const elements = [
      { type: "button", action_id: "go", value: '1"', text: plain("<Go>"), style: "primary" },
      { type: "button", action_id: "open", url: "https://a.example/s", text: plain("Open") },
      { type: "button", action_id: "bad", url: "javascript:alert(1)", text: plain("Bad") },
    ];
    const text = out({ type: "actions", elements });
    expect(text).toContain(
      '<button type="button" class="button primary" data-action="go" data-block="b0" data-value="1&quot;">&lt;Go&gt;</button>',
    );
    expect(text).toContain(
      '<a class="button" href="https://a.example/s" target="_blank" rel="noopener noreferrer" data-action="open" data-block="b0">Open</a>',
    );
    expect(text).not.toContain("javascript:");
  });
  test("a plan shows each task's state in words too", () => {
    const tasks = ["pending", "in_progress", "complete", "error"].map((status, i) => ({
      type: "task_card",
      task_id: String(i),
      title: `<t${i}>`,
      status,
    }));
    const text = out({ type: "plan", title: "Work", tasks });
    for (const word of ["to do", "in progress", "done", "failed"]) expect(text).toContain(`aria-label="${word}"`);
    expect(text).toContain("&lt;t0&gt;");
  });
  test("a type that is not known is named", () => expect(out({ type: "<hologram>" })).toContain("&lt;hologram&gt;"));
  test("rich text", () => {
    const elements = [
      {
        type: "rich_text_section",
        elements: [
          { type: "text", text: "a <", style: { bold: true } },
          { type: "user", user_id: "U1" },
        ],
      },
      { type: "rich_text_list", style: "ordered", elements: [{ type: "rich_text_section", elements: [{ type: "text", text: "one" }] }] },
    ];
    expect(out({ type: "rich_text", elements })).toBe(
      '<div class="rich"><p><strong>a &lt;</strong><span class="mention">@you</span></p><ol><li>one</li></ol></div>',
    );
  });
});

describe("the view", () => {
  const person = (user_id: string, name: string, is_bot: boolean) => ({ user_id, name, is_bot }) as User;
  const message = (ts: string, more: Partial<Message> = {}): Message => ({
    ts,
    channel_id: "C1",
    user: "U1",
    text: ts,
    type: "message",
    reply_count: 0,
    reply_users: [],
    reactions: [],
    ...more,
  });
  const snapshot = (messages: Message[], ephemeral: Message[] = []): Snapshot => ({
    me: "U1",
    users: [person("U1", "you", false), person("UB", "errand", true)],
    channels: [],
    messages,
    ephemeral,
    sessionOf: () => undefined,
  });
  const channel = { channel: "C1", thread: null };

  test("roots are in the channel, replies in the thread, and a thread without its root still shows", () => {
    const panes = panesOf(
      snapshot([message("2.1"), message("1.1"), message("3.1", { thread_ts: "1.1" }), message("5.1", { thread_ts: "4.1" })]),
      { channel: "C1", thread: "1.1" },
    );
    expect(panes.channel.order).toEqual(["m1.1", "m2.1"]);
    expect(panes.thread.order).toEqual(["m1.1", "m3.1"]);
    expect(panes.channel.pieces["m1.1"]).toContain("1 reply");
    expect(panesOf(snapshot([message("5.1", { thread_ts: "4.1" })]), { channel: "C1", thread: "4.1" }).thread.order).toEqual(["m5.1"]);
  });

  test("only one's own messages can be changed", () => {
    const { pieces } = panesOf(
      snapshot([message("1.1"), message("2.1", { user: "UB", bot_id: "B" })], [message("3.1", { user: "UB" })]),
      channel,
    ).channel;
    expect(pieces["m1.1"]).toContain("data-edit");
    expect(pieces["m2.1"]).not.toContain("data-edit");
    expect(pieces["e3.1"]).toContain("Only visible to you");
  });

  test("a change sends what changed and no more", () => {
    const before = panesOf(snapshot([message("1.1"), message("2.1")]), channel);
    const after = panesOf(snapshot([message("1.1"), message("2.1", { text: "new" }), message("3.1")]), channel);
    expect(patchOf(before, before)).toBeUndefined();
    expect(Object.keys(patchOf(before, after)?.channel?.pieces ?? {})).toEqual(["m2.1", "m3.1"]);
    expect(patchOf(after, before)?.channel).toMatchObject({ order: ["m1.1", "m2.1"] });
  });

  test("a change through text is marked, one through blocks is not", () => {
    const edited = { user: "U1", ts: "9.9" };
    const { pieces } = panesOf(
      snapshot([message("1.1", { edited }), message("2.1", { edited, blocks: [{ type: "divider" }] })]),
      channel,
    ).channel;
    expect(pieces["m1.1"]).toContain("(edited)");
    expect(pieces["m2.1"]).not.toContain("(edited)");
  });
});

describe("the server", () => {
  const stops: (() => Promise<void>)[] = [];
  afterEach(async () => {
    while (stops.length > 0) await stops.pop()?.();
  });
  const demo = WORKSPACE.channels.demo;
  async function start() {
    const slack = await startSlack({ dataDir: null, eventsUrl: null, signingSecret: "s" });
    stops.push(slack.stop);
    const page = await startPage({ slack, port: 0 });
    stops.push(page.stop);
    const post = (path: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
      fetch(`${page.url}${path}`, {
        method: "POST",
        body: new URLSearchParams(form),
        redirect: "manual",
        headers: { origin: page.url, accept: "application/json", ...headers },
      });
    return { slack, page, post, texts: () => slack.tables.messages.all().map((row) => row.text) };
  }

  test("shows the demo channel with a strict policy and a suggestion", async () => {
    const { page } = await start();
    const answer = await fetch(page.url);
    expect(answer.url).toBe(`${page.url}/c/${demo}`);
    const policy = answer.headers.get("content-security-policy") ?? "";
    expect(policy).toMatch(/^default-src 'none'; script-src 'nonce-[\w+/=]+'/);
    expect(policy).not.toContain("unsafe");
    expect(await answer.text()).toContain("@errand add a --version option to the sample and run its tests");
    expect((await fetch(`${page.url}/c/C9`)).url).toBe(`${page.url}/c/${demo}`);
  });

  test("posts, changes and deletes as you; the same message twice is one; an empty one is none", async () => {
    const { slack, post, texts } = await start();
    const both = await Promise.all([1, 2].map(() => post("/post", { channel: demo, text: "@errand <hi>", client_msg_id: "one" })));
    const ts = (await Promise.all(both.map((answer) => answer.json()))).map((body) => (body as { ts: string }).ts);
    expect(ts[0]).toBe(ts[1]);
    expect(texts()).toEqual([`<@${WORKSPACE.bot}> &lt;hi&gt;`]);
    expect((await post("/post", { channel: demo, text: "  \n " })).status).toBe(422);
    await post("/post", { channel: demo, thread_ts: ts[0] ?? "", text: "reply" });
    expect(slack.thread(demo, ts[0] ?? "")).toHaveLength(2);
    await post("/edit", { channel: demo, ts: ts[0] ?? "", text: "changed" });
    expect(texts()).toEqual(["changed", "reply"]);
    expect((await post("/delete", { channel: demo, ts: "1.1" })).status).toBe(422);
    const without = await post("/post", { channel: demo, text: "by form" }, { accept: "text/html" });
    expect(without.status).toBe(303);
  });

  test("a Slack that fails is said in words, and the message can be sent again", async () => {
    const { slack, post, texts } = await start();
    slack.faults.next("chat.postMessage", { kind: "500" }, { where: () => true });
    const failed = await post("/post", { channel: demo, text: "x", client_msg_id: "id" });
    expect(await failed.json()).toEqual({ ok: false, error: "Slack refused: internal_error." });
    expect((await post("/post", { channel: demo, text: "x", client_msg_id: "id" })).status).toBe(200);
    expect(texts()).toEqual(["x"]);
    expect(await (await post("/click", { channel: demo, ts: "1.1", action: "go" })).json()).toMatchObject({ ok: false });
  });

  test.each([{ origin: "http://evil.example" }, { origin: "null" }, { origin: "" }])(
    "refuses a post from elsewhere %j",
    async (headers) => {
      const { post, texts } = await start();
      expect((await post("/post", { channel: demo, text: "x" }, headers)).status).toBe(403);
      expect(texts()).toEqual([]);
    },
  );

  test("refuses a foreign Host", async () => {
    const { page } = await start();
    const status = await new Promise((resolve, reject) => {
      httpRequest(page.url, { headers: { host: "evil.example" } }, (answer) => resolve(answer.statusCode))
        .once("error", reject)
        .end();
    });
    expect(status).toBe(403);
  });

  test("sends everything at first and then changes, live", async () => {
    const { page, post } = await start();
    const ended = new AbortController();
    const answer = await fetch(`${page.url}/live?channel=${demo}&thread=`, { signal: ended.signal });
    let heard = "";
    const listening = (async () => {
      for await (const chunk of answer.body ?? []) heard += Buffer.from(chunk).toString();
    })().catch(() => undefined);
    await vi.waitFor(() => expect(heard).toContain("Nothing here yet"));
    await post("/post", { channel: demo, text: "news" });
    await vi.waitFor(() => expect(heard).toContain("news"));
    ended.abort();
    await listening;
    expect((await fetch(`${page.url}/live?channel=C9`)).status).toBe(404);
  });
});
