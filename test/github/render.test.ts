import { describe, expect, it } from "vitest";
import type { CheckContent, CommentContent } from "../../bots/github/content.ts";
import { keyIn, tickedIn } from "../../bots/github/marker.ts";
import { renderGitHub } from "../../bots/github/render.ts";
import type { Message } from "../../bots/surface.ts";
import type { TurnView, View } from "../../protocol/view.ts";
import {
  answered,
  asking,
  begun,
  booting,
  FAILING,
  finished,
  gitHubView,
  LINKS,
  offered,
  opened,
  pastView,
  pulled,
  START,
  second,
  taken,
  unpushed,
  working,
} from "./views.ts";

type Story = Parameters<typeof gitHubView>;
const comment = (message: Message): CommentContent => {
  const content = renderGitHub(message, "errand");
  if (content.kind !== "comment") throw new Error("not a comment");
  return content;
};
const progress = (story: Story, seconds = 90, turn = 1) =>
  comment({ kind: "progress", turn, view: gitHubView(...story), links: LINKS, now: START + seconds * 1000 }).body;
const finalOf = (view: View, turn = 1) => comment({ kind: "final", turn, view, links: LINKS }).body;
const final = (...story: Story) => finalOf(gitHubView(...story));
const ask = (story: Story, id = "per_1") => comment({ kind: "ask", turn: 1, ask: id, view: gitHubView(...story), links: LINKS }).body;
const offer = (...story: Story) =>
  comment({ kind: "offer", offer: "fix:9f86d08", view: gitHubView(...working, ...story), links: LINKS }).body;
const status = (...story: Story): CheckContent => {
  const content = renderGitHub({ kind: "status", turn: 1, commit: "9f86d08", view: gitHubView(...story), links: LINKS }, "errand");
  if (content.kind !== "check") throw new Error("not a check run");
  return content;
};
const tick = (body: string) => tickedIn(body.replaceAll("- [ ]", "- [x]"));
/** The lines one sees without unfolding anything. */
const seen = (body: string) =>
  body
    .replace(/<details>[\s\S]*?<\/details>/g, "folded")
    .split("\n")
    .filter((row) => row !== "");

const done: Story = [...working, ...finished];
const stopping = { type: "turn.stopping", turn: 1, who: { id: "github:1" } } as const;
const stopped: Story = [...working, stopping, 42, { type: "turn.ended", turn: 1, outcome: "stopped" }];
const failure = { code: "model", message: "The model answered 500 <five> times, ask @bob", action: "Reply to try again." };
const failed: Story = [...working, 42, { type: "turn.ended", turn: 1, outcome: "failed", failure }];

describe("the living comment", () => {
  it.each([
    ["queued behind one", progress([...working, second()], 90, 2), "### ⏳ Queued, next in line"],
    ["starting", progress([...opened(), ...booting], 5), "### ⏳ Starting on acme/sample · 4s"],
    ["working", progress(working, 139), "### ⏳ Working on acme/sample · 2m 10s"],
    ["waiting", progress([...working, ...asking]), "### 🟡 Waiting for your answer"],
    ["stopping", progress([...working, stopping]), "### ⏹️ Stopping…"],
    ["stopped", progress(stopped), "### ⏹️ Stopped after 41s · 1 step"],
    ["failed", progress(failed), "### ❌ Failed after 41s · 1 step"],
    ["done", progress(done), "### ✅ Worked for 2m 09s · 2 steps"],
  ])("says what it is at: %s", (_name, body, expected) => expect(body.split("\n")[0]).toBe(expected));

  it("quotes the request in one line and shows the plan, the step of now in bold", () => {
    expect(seen(progress([...working, ...pulled()]))).toEqual([
      "### ⏳ Working on acme/sample · 1m 20s",
      "> Fix the flaky retry test",
      "- [x] Find the flaky test",
      "- [ ] **Make the retry wait for the clock**",
      "- [ ] Run the test suite 50 times",
      "💬 The test sleeps 50 ms and hopes: …",
      "⚙️ step 2: Edit src/retry.ts",
      "**Pull request** [#124 Let the retry test move its clock](https://github.com/acme/sample/pull/124) · draft · +32 −4 in 2 files · ⏳ checks are running  ",
      "**Branch** `errand/87-fix-the-flaky-retry-3fa9` · [Live view](https://errand.example/s/abc)<!-- errand:ways -->",
      "folded",
      "<sub>requested by alice · `gpt-5`</sub>",
      "- [ ] Stop this run <!-- errand:stop -->",
    ]);
  });

  it("shows what is being written in plain words: signs of emphasis go, names keep theirs", () => {
    const text = "_I am a script._ I read **two** files: max_of_two and _first_ of __init__.py";
    const shown = progress([...opened(), ...booting, { type: "text.delta", turn: 1, part: "p1", text }]);
    expect(shown).toContain("💬 I am a script. I read two files: max\\_of\\_two and first of \\_\\_init\\_\\_.py");
  });

  it("has one box that does something, as long as there is something to stop", () => {
    expect(tick(progress(working))).toEqual([{ kind: "stop" }]);
    expect(tick(progress([...working, second()], 90, 2))).toEqual([{ kind: "stop" }]);
    for (const story of [[...working, stopping] as Story, stopped, failed, done]) expect(tick(progress(story))).toEqual([]);
  });

  it("keeps to 25 lines whatever happens", () => {
    const items = Array.from({ length: 100 }, (_, n) => ({
      text: `Step ${n} `.repeat(30),
      status: n < 40 ? ("completed" as const) : ("pending" as const),
    }));
    const tools = Array.from({ length: 20 }, (_, n) => ({
      type: "tool.started" as const,
      turn: 1,
      id: `x${n}`,
      tool: "bash",
      title: "x\n".repeat(40),
    }));
    const noted = Array.from({ length: 9 }, (_, n) => ({ type: "turn.notice" as const, turn: 1, code: "x", message: `Notice\n\n${n}` }));
    const text = { type: "text.delta", turn: 1, part: "p", text: "A line.\n\n".repeat(3_000) } as const;
    const gone = { type: "service.state", service: "desktop", state: "unavailable", reason: "no X\nserver" } as const;
    const story: Story = [...working, ...tools, ...noted, text, gone, ...asking, ...pulled({ checks: FAILING }), ...unpushed];
    expect(seen(progress(story)).length).toBeLessThanOrEqual(25);
    expect(seen(progress([...story, { type: "plan.updated", turn: 1, items }])).length).toBeLessThanOrEqual(25);
  });

  it("mentions nobody, also where the texts do", () => {
    for (const story of [working, [...working, ...asking] as Story, stopped, failed, done]) expect(progress(story)).not.toMatch(/@\w/);
  });

  it("leads to the page in the open, and into the sandbox only where the surface lets it", () => {
    const { body, ways } = comment({ kind: "progress", turn: 1, view: gitHubView(...working), links: LINKS, now: START });
    expect(body).not.toContain("/open/");
    expect(ways).toBe(
      " · [VS Code](https://errand.example/s/abc/open/vscode) · [Desktop](https://errand.example/s/abc/open/desktop) · [Terminal](https://errand.example/s/abc/open/terminal)",
    );
    const gone = { type: "service.state", service: "desktop", state: "unavailable", reason: "no X server" } as const;
    const without = comment({ kind: "progress", turn: 1, view: gitHubView(...working, gone), links: LINKS, now: START });
    expect(without.ways).not.toContain("Desktop");
    expect(without.body).toContain("ℹ️ Desktop unavailable: no X server");
  });

  it("says in a queue what it waits for", () => {
    expect(progress([...working, second()], 90, 2)).toContain("⏳ This starts when the work before it is done.");
    expect(progress(opened(), 0)).not.toContain("the work before it");
  });

  it("changes only when something visible changes", () => {
    const at = (ms: number) => comment({ kind: "progress", turn: 1, view: gitHubView(...working), links: LINKS, now: START + ms }).body;
    expect(at(121_000)).toBe(at(130_900));
    expect(at(121_000)).not.toBe(at(131_100));
  });

  it("does not tell of the pull request in its own conversation", () => {
    const view = gitHubView(...working, ...pulled());
    const [turn] = view.turns;
    if (turn && view.pull) turn.thread = view.pull.thread;
    expect(comment({ kind: "progress", turn: 1, view, links: LINKS, now: START }).body).not.toContain("**Pull request**");
  });
});

describe("the comment at the end", () => {
  it("mentions the requester once, and says what came of it", () => {
    const body = final(...working, ...pulled({ checks: FAILING }), ...finished);
    expect(body.match(/@\w/g)).toHaveLength(1);
    expect(body).toMatch(/^@alice ✅ Done\.\n\nThe retry test no longer depends on real time\.\n\n- `retry\(\)` takes a \*\*clock\*\*/);
    expect(body).toContain(
      "· draft · +32 −4 in 2 files · ❌ checks fail: [test (node 20)](https://github.com/acme/sample/actions/runs/1/job/2), lint",
    );
    expect(body).toContain("**Branch** `errand/87-fix-the-flaky-retry-3fa9` at `9f86d08` (2 commits)");
    expect(body).toContain("<summary>2 files changed on this branch</summary>\n\n- `src/retry.ts` +12 −4\n- `src/clock.ts` +20 −0 (new)");
    expect(body).toContain("2m 09s · 2 steps · 20.3k tokens in (8.0k cached), 1.5k out · $0.0123 · `gpt-5`");
  });

  it("keeps the line of the pull request current", () => {
    expect(final(...done, ...pulled({ checks: { state: "passing", failing: [] } }))).toContain("· ✅ checks pass");
    expect(final(...done, ...pulled({ state: "merged", checks: FAILING }))).toContain("· merged · +32 −4 in 2 files  \n");
  });

  it("says what could not be pushed, and what to do", () => {
    expect(final(...working, ...unpushed, ...finished)).toContain(
      "> [!WARNING]\n> **Not pushed:** GitHub does not let the errand App change files under .github/workflows/.\n>\n> **What to do:** Apply that part by hand",
    );
  });

  it("says what failed and what to do, and pings nobody else", () => {
    expect(final(...failed)).toContain(
      "@alice ❌ Failed: The model answered 500 &lt;five> times, ask @\u2060bob\n\n**What to do:** Reply to try again.",
    );
    expect(final(...working, { type: "turn.ended", turn: 1, outcome: "failed" })).toContain("**What to do:** Mention errand to try again.");
    expect(final(...stopped)).toContain("@alice ⏹️ Stopped. Mention errand to continue.");
    expect(final(...begun, { type: "turn.finished", turn: 1, outcome: "done" })).toContain("The agent ended without a closing message.");
  });

  it("calls a person of elsewhere by name", () => {
    const view = gitHubView(...done);
    for (const turn of view.turns) turn.who = { id: "owner", name: "Ada @all" };
    expect(finalOf(view)).toMatch(/^Ada @\u2060all ✅ Done\./);
  });

  it("says that the session has ended", () => {
    expect(final(...done, { type: "session.closed", how: "merged", who: null })).toContain(
      "The pull request was merged, so this session has ended. Mention errand to begin again.",
    );
  });

  it.each([
    ["paragraphs", "A paragraph of words with `code`.\n\n"],
    ["one line", "word "],
    ["what is escaped", "<@&amp;"],
    ["many bytes", "語"],
    ["code", "```ts\nconst a = '@b';\n```\n\n"],
    ["a fence without an end", "~~~ js\n"],
  ])("cuts an answer that is too long, with a pointer: %s", (_name, part) => {
    const text = part.repeat(200_000 / part.length);
    const view = gitHubView(...begun, { type: "text.done", turn: 1, part: "p", text }, { type: "turn.finished", turn: 1, outcome: "done" });
    for (const turn of view.turns) turn.parts = [{ id: "p", text, done: true }];
    const body = finalOf(view);
    expect(new TextEncoder().encode(body).length).toBeLessThanOrEqual(60_000);
    expect(body.length).toBeGreaterThan(10_000);
    expect(body).toContain(`The answer is longer than a comment on GitHub can be. [Read all of it](${LINKS.session}).`);
    expect(body).toMatch(/<sub>[^\n]*<\/sub>$/);
    expect((body.match(/^```/gm) ?? []).length % 2).toBe(0);
  });
});

describe("an ask", () => {
  it("mentions the requester, says word by word what is asked, and has a box for each answer", () => {
    const body = ask([...working, ...asking]);
    expect(body).toMatch(/^@alice 🟡 The agent asks for permission: \*\*Run a command outside the workspace\*\*/);
    expect(body).toContain("```\nrm -rf /tmp/cache && echo `done` <!channel>\n```");
    expect(body).toContain("- [ ] Allow once <!-- errand:choice:once -->");
    expect(body).toContain("Tick one, or reply with `@errand your answer`.");
    expect(tick(body)).toEqual(["once", "always", "reject"].map((id) => ({ kind: "choice", id })));
  });

  it("then says who answered what and when, without boxes and without calling anybody", () => {
    const body = ask([...working, ...asking, ...answered]);
    expect(tick(body)).toEqual([]);
    expect(body).toContain("☑️ **Allow once** — bob · 02:41 UTC");
    expect(body).not.toMatch(/@\w/);
  });

  it("asks for words where there are no choices", () => {
    const opening = { id: "q", kind: "question" as const, title: "Which?", choices: [], freeText: true };
    const body = ask([...working, { type: "ask.opened", turn: 1, ask: opening }], "q");
    expect(tick(body)).toEqual([]);
    expect(body).toContain("To answer, reply with `@errand your answer`.");
  });
});

describe("an offer", () => {
  it("has a box until it is taken", () => {
    expect(tick(offer(...offered))).toEqual([{ kind: "take" }]);
    expect(offer(...offered)).toContain("Tick it, or reply with `@errand fix ci`.");
    expect(offer(...offered)).toContain("### 🔧 Checks fail on #124: test (node 20), lint");
    expect(tick(offer(...offered, ...taken))).toEqual([]);
    expect(offer(...offered, ...taken)).toContain("☑️ Taken by bob");
    expect(offer(...offered, { type: "offer.settled", id: "fix:9f86d08", by: null })).toContain("☑️ No longer needed");
  });
});

describe("a check run", () => {
  it.each([
    ["queued", status(...opened()), "queued", null, []],
    ["working", status(...working), "in_progress", null, ["stop"]],
    ["done", status(...done), "completed", "success", ["retry"]],
    ["failed", status(...failed), "completed", "neutral", ["retry"]],
    ["stopped", status(...stopped), "completed", "neutral", ["retry"]],
    ["done with an offer", status(...done, ...offered), "completed", "success", ["retry", "fix_ci"]],
  ] as const)("never keeps anybody from merging: %s", (name, check, state, conclusion, actions) => {
    expect(check).toMatchObject({ commit: "9f86d08", status: state, conclusion, detailsUrl: LINKS.session });
    expect(check.actions.map((action) => action.identifier)).toEqual(name === "queued" ? ["stop"] : actions);
    for (const action of check.actions) {
      expect(action.label.length).toBeLessThanOrEqual(20);
      expect(action.description.length).toBeLessThanOrEqual(40);
      expect(action.identifier.length).toBeLessThanOrEqual(20);
    }
    expect(check.summary).toContain("> Fix the flaky retry test");
  });
});

it("answers who asks where things stand, and mentions nobody", () => {
  const overview = (story: Story) => comment({ kind: "overview", view: gitHubView(...story), links: LINKS, now: START + 90_000 });
  const busy = overview([...working, second(), ...pulled({ checks: FAILING })]);
  expect(busy.body.split("\n")).toEqual([
    "**⏳ Working on acme/sample · 1m 20s**, asked by alice",
    "> Fix the flaky retry test",
    "",
    "⚙️ step 2: Edit src/retry.ts",
    "",
    "**Waiting**",
    "",
    "- And update the docs",
    "",
    "**Pull request** [#124 Let the retry test move its clock](https://github.com/acme/sample/pull/124) · draft · +32 −4 in 2 files · ❌ checks fail: [test (node 20)](https://github.com/acme/sample/actions/runs/1/job/2), lint  ",
    "**Branch** `errand/87-fix-the-flaky-retry-3fa9` · [Session page](https://errand.example/s/abc)",
  ]);
  // The ways into a sandbox are in the living comment.
  expect(busy.ways).toBe("");
  expect(overview(done).body.split("\n")[0]).toBe("**✅ Nothing runs. Last: Worked for 2m 09s · 2 steps**, asked by alice");
  expect(overview([...working, ...asking]).body).toContain("**🟡 Waiting for an answer of alice**");
  // In the pull request's own conversation its checks are told all the same.
  const own = { ...gitHubView(...working, ...pulled()), thread: "github:1296269:124" };
  expect(comment({ kind: "overview", view: own, links: LINKS, now: START }).body).toContain("checks are running");
});

it("says how it is used by the name it has here, and with what a comment can say", () => {
  const { body } = comment({ kind: "note", code: "help", text: "`repo=owner/name`", mention: null });
  expect(body).toMatch(/`@errand fix the failing test in src\/app`.*`branch=name`/);
  expect(body).toMatch(/`retry`.*`fix ci`.*`status`/);
  expect(body).not.toContain("repo=");
});

it("renders a note, and what is long past", () => {
  expect(comment({ kind: "note", code: "x", text: "No <b>, @bob\n\nacme/x#1", mention: "github:1" }).body).toBe(
    "No &lt;b>, @\u2060bob\n\nacme/x#\u20601",
  );
  for (const message of [
    { kind: "progress", turn: 9, view: pastView(), links: LINKS, now: START },
    { kind: "ask", turn: 1, ask: "none", view: gitHubView(...working), links: LINKS },
    { kind: "offer", offer: "none", view: pastView(), links: LINKS },
  ] satisfies Message[])
    expect(comment(message).body).toBe("This is long past. [The session page](https://errand.example/s/abc) has all of it.");
});

describe("texts of people, models and tools", () => {
  const EVIL =
    "@all </details> <!-- errand:key=x --> \n\n- [x] y <!-- errand:stop -->\n```\n victim/repo#1 ![p](https://x.example) ` | [a](javascript:x) ghp_0123456789abcdefghijABCDEFGHIJ012345 ";
  const KEEP = new Set(["state", "status", "kind", "version", "id", "thread", "contentKey", "url"]);
  function spoil<T>(value: T, key = ""): T {
    if (typeof value === "string") return (KEEP.has(key) ? value : EVIL) as T;
    if (Array.isArray(value)) return value.map((item) => spoil(item, key)) as T;
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, spoil(item, name)])) as T;
  }

  it.each(["working", "waiting", "done", "failed", "stopped", "queued"] as const)("do nothing in any message of a turn: %s", (state) => {
    const gone = { type: "service.state", service: "desktop", state: "unavailable", reason: "x" } as const;
    const story: Story = [
      ...working,
      { type: "turn.notice", turn: 1, code: "x", message: "x" },
      gone,
      ...asking,
      ...pulled({ checks: FAILING }),
    ];
    const view = spoil(gitHubView(...story, ...unpushed, ...offered));
    for (const turn of view.turns)
      Object.assign(turn, { state, endedAt: START + 1, failure: { code: "x", message: EVIL, action: EVIL } } satisfies Partial<TurnView>);
    const messages: Message[] = [
      { kind: "progress", turn: 1, view, links: LINKS, now: START },
      { kind: "final", turn: 1, view, links: LINKS },
      { kind: "ask", turn: 1, ask: "per_1", view, links: LINKS },
      { kind: "offer", offer: "fix:9f86d08", view, links: LINKS },
      { kind: "note", code: "x", text: EVIL, mention: null },
      { kind: "overview", view, links: LINKS, now: START },
      { kind: "status", turn: 1, commit: "9f86d08", view, links: LINKS },
    ];
    for (const message of messages) {
      const content = renderGitHub(message, "errand");
      const text = content.kind === "comment" ? content.body : `${content.title}\n${content.summary}`;
      // In code nothing of this does anything; the marks are looked for there too.
      const prose = text.replaceAll("\\`", "").replace(/^(`{3,})[^`]*\n[\s\S]*?\n\1$|`[^`\n]*`/gm, "");
      expect(prose).not.toMatch(/@\w|victim\/repo#\d|!\[|ghp_/);
      expect(prose).not.toMatch(/<(?!!-- errand:(?:stop|take|ways|choice:[^<>\s]+) -->|\/?(?:details|summary|sub)>)/);
      expect(keyIn(text)).toBeNull();
      expect(tickedIn(text)).toEqual([]);
      expect((prose.match(/<details>/g) ?? []).length).toBe((prose.match(/<\/details>/g) ?? []).length);
    }
  });
});
