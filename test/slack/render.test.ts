import { describe, expect, it } from "vitest";
import { renderSlack } from "../../bots/slack/render.ts";
import { FAILING, offered, pulled, taken, unpushed } from "../github/views.ts";
import { WORKSPACE } from "../world/slack/workspace.ts";
import { accepted, answered, asking, booting, finished, LINKS, opened, planned, START, second, viewOf, WHO } from "./views.ts";

type Story = Parameters<typeof viewOf>;
const progress = (story: Story, seconds = 90, turn = 1) =>
  renderSlack({ kind: "progress", turn, view: viewOf(...story), links: LINKS, now: START + seconds * 1000 });
const final = (story: Story) => renderSlack({ kind: "final", turn: 1, view: viewOf(...story), links: LINKS });
const ask = (story: Story, id = "per_1") => renderSlack({ kind: "ask", turn: 1, ask: id, view: viewOf(...story), links: LINKS });

type Rendered = ReturnType<typeof renderSlack>;
const plan = ({ blocks }: Rendered) => blocks.find((block) => block.type === "plan");
const tasks = (rendered: Rendered) => plan(rendered)?.tasks.map((task) => `${task.status}: ${task.title}`) ?? [];
const title = (rendered: Rendered) => {
  const [head] = rendered.blocks;
  return head?.type === "plan" ? head.title : head?.type === "section" ? head.text.text : undefined;
};
const buttons = ({ blocks }: Rendered) =>
  blocks
    .flatMap((block) => (block.type === "actions" ? block.elements : []))
    .map((one) => (one.type === "button" ? one.text.text : "list"));
const shown = ({ blocks }: Rendered) => JSON.stringify(blocks);

const first = [...opened(), ...booting, ...accepted];
const stopping = { type: "turn.stopping", turn: 1, who: WHO } as const;
const stopped = [...first, ...planned, stopping, 42, { type: "turn.ended", turn: 1, outcome: "stopped" } as const];
const failure = { code: "model", message: "The model answered 500 <five> times", action: "Reply to try again." };
const held = { type: "turn.held", turn: 1, why: "link", until: START + 3_600_000 } as const;
const refused = [
  ...opened(),
  {
    type: "turn.ended",
    turn: 1,
    outcome: "failed",
    failure: { code: "not_allowed", message: "You may not write to `acme/api`.", action: "Ask." },
  } as const,
];
const failed = [...first, ...planned, 42, { type: "turn.ended", turn: 1, outcome: "failed", failure } as const];

describe("the living message", () => {
  it.each([
    ["queued alone", progress(opened(), 0), "*Starting on acme/api*"],
    ["queued behind one", progress([...first, second()], 90, 2), "*Queued, next in line*"],
    ["queued behind two", progress([...first, second(), second(3)], 90, 3), "*Queued, 2nd in line*"],
    ["held for its author", progress([...opened(), held], 9), "*Waiting for an account to be linked*"],
    ["let go", progress([...opened(), held, { type: "turn.released", turn: 1 }], 9), "*Starting on acme/api*"],
    ["queued behind one that is held", progress([...opened(), held, second()], 9, 2), "*Starting on acme/api*"],
    ["refused", progress(refused), "Not begun"],
    ["starting", progress([...opened(), ...booting], 5), "Starting on acme/api · 4s"],
    ["working", progress([...first, ...planned], 139), "Working on acme/api · 2m 10s"],
    ["working for long", progress([...first, ...planned], 3_700), "Working on acme/api · 1h 01m"],
    ["without a repository", progress([...opened(null), ...booting, ...accepted], 9), "Working · 8s"],
    ["waiting", progress([...first, ...asking]), "Waiting for your answer"],
    ["stopping", progress([...first, stopping]), "Stopping…"],
    ["stopped", progress(stopped), "Stopped after 41s · 1 step"],
    ["failed", progress(failed), "Failed after 41s · 1 step"],
    ["done", progress([...first, ...planned, ...finished]), "Worked for 2m 09s · 2 steps"],
  ])("says what it is at: %s", (_name, rendered, expected) => expect(title(rendered)).toBe(expected));

  it("says for whom it waits, and not how that is done: the link is theirs alone", () => {
    const rendered = progress([...opened(), held], 9);
    expect(shown(rendered)).toContain(`<@${WORKSPACE.you}> has to link their account`);
    expect(shown(rendered)).not.toContain("/link/");
    expect(shown(progress([...opened(), held, { type: "turn.withdrawn", turn: 1 }], 9))).not.toContain("has to link");
  });

  it("shows the boot phases with their times, while it starts and after", () => {
    expect(tasks(progress([...opened(), ...booting], 5))).toEqual([
      "in_progress: Preparing the workspace · sandbox 820 ms · clone 1.2 s · opencode …",
    ]);
    expect(tasks(progress([...first, ...planned]))[0]).toBe(
      "complete: Prepared the workspace in 3.4 s · sandbox 820 ms · clone 1.2 s · opencode 2.1 s",
    );
  });

  it("says which boot phase failed and why", () => {
    const story: Story = [...opened(), ...booting, { type: "boot.phase", phase: "clone", ms: 300, ok: false, error: "no such repository" }];
    expect(tasks(progress(story))).toEqual(["error: Preparing the workspace failed · clone: no such repository"]);
  });

  it("does not show an old preparation in a later turn", () => {
    const story: Story = [...first, ...finished, 200, second(), { type: "turn.started", turn: 2 }, { type: "turn.accepted", turn: 2 }];
    expect(tasks(progress(story, 201, 2))).toEqual(["in_progress: Working"]);
  });

  it("shows the agent's plan, or what runs now without one", () => {
    expect(tasks(progress([...first, ...planned])).slice(1)).toEqual([
      "complete: Find the flaky test",
      "in_progress: Make the retry wait for the clock",
      "pending: Run the test suite 50 times",
    ]);
    const tool = { type: "tool.started", turn: 1, id: "x", tool: "bash", title: "npm test" } as const;
    expect(tasks(progress([...first, tool])).slice(1)).toEqual(["in_progress: npm test"]);
    expect(tasks(progress([...first, { type: "thinking", turn: 1, on: true }])).slice(1)).toEqual(["in_progress: Thinking"]);
  });

  it("counts the steps as the title of the turn does when it is over", () => {
    const ended = { type: "tool.finished", turn: 1, id: "t2", tool: "edit", title: "Edit src/retry.ts", ok: true, ms: 9 } as const;
    expect(shown(progress([...first, ...planned]))).toContain("step 2: Edit src/retry.ts");
    expect(shown(progress([...first, ...planned, ended]))).toContain("2 steps done, last: Edit src/retry.ts");
  });

  it("folds a long plan into twelve tasks", () => {
    const items = (done: number, all: number) =>
      Array.from({ length: all }, (_, n) => ({ text: `Step ${n + 1}`, status: n < done ? ("completed" as const) : ("pending" as const) }));
    const folded = (done: number, all: number) =>
      tasks(progress([...opened(), ...accepted, { type: "plan.updated", turn: 1, items: items(done, all) }]));
    expect(folded(5, 12)).toHaveLength(12);
    expect(folded(20, 24)).toEqual([
      "complete: Earlier: 13 steps",
      ...items(20, 24)
        .slice(13)
        .map((item) => `${item.status === "completed" ? "complete" : "pending"}: ${item.text}`),
    ]);
    expect(folded(2, 40)).toHaveLength(12);
    expect(folded(2, 40).slice(0, 2)).toEqual(["complete: Earlier: 2 steps", "pending: Step 3"]);
    expect(folded(2, 40).at(-1)).toBe("pending: Later: 28 more steps");
    expect(folded(0, 100)).toHaveLength(12);
  });

  it("leaves nothing spinning and no Stop when the turn is over", () => {
    for (const story of [stopped, failed, [...first, ...planned, ...finished]]) {
      const rendered = progress(story);
      expect(shown(rendered)).not.toContain("in_progress");
      expect(buttons(rendered)).toEqual(["VS Code", "Desktop", "Terminal", "Session"]);
    }
    expect(tasks(progress(failed))).toContain("error: Make the retry wait for the clock");
  });

  it("has Stop while there is something to stop", () => {
    expect(buttons(progress([...first, ...planned]))).toEqual(["Stop", "VS Code", "Desktop", "Terminal", "Session"]);
    expect(buttons(progress([...first, second()], 90, 2))[0]).toBe("Stop");
    expect(buttons(progress([...first, stopping]))).not.toContain("Stop");
  });

  it("leaves out a service that is not there, and says why", () => {
    const gone = { type: "service.state", service: "desktop", state: "unavailable", reason: "no X server <installed>" } as const;
    const rendered = progress([...first, gone]);
    expect(buttons(rendered)).toEqual(["Stop", "VS Code", "Terminal", "Session"]);
    expect(shown(rendered)).toContain("Desktop unavailable: no X server &lt;installed&gt;");
  });

  it("keeps the ways in when a sandbox was lost, since a click wakes one", () => {
    const lost = { type: "sandbox.lost", generation: 1, failure: { code: "idle", message: "asleep" } } as const;
    expect(buttons(progress([...first, ...finished, lost]))).toEqual(["VS Code", "Desktop", "Terminal", "Session"]);
  });

  it("shows the end of what is being written, whole as Markdown", () => {
    const text = `${"Earlier words. ".repeat(200)}\n\n\`\`\`ts\nconst a = 1 < 2;`;
    const rendered = progress([...first, { type: "text.delta", turn: 1, part: "p", text }]);
    const block = rendered.blocks.find((one) => one.type === "markdown");
    expect(block?.text).toMatch(/^…\n/);
    expect(block?.text).toMatch(/```ts\nconst a = 1 &lt; 2;\n```$/);
    expect(block?.text.length).toBeLessThan(650);
  });

  it("tells of a retry and of notices", () => {
    const story: Story = [
      ...first,
      { type: "turn.notice", turn: 1, code: "restarted", message: "The agent was restarted" },
      { type: "turn.retrying", turn: 1, attempt: 2, message: "The model is overloaded", nextAt: START + 105_000 },
    ];
    expect(shown(progress(story))).toContain("The agent was restarted");
    expect(shown(progress(story))).toContain("The model failed: The model is overloaded · next try in 15s");
    expect(tasks(progress(story)).at(-1)).toBe("in_progress: Waiting for the model");
  });

  it("says that nothing comes from the model, unless a step, thoughts or a question explain it", () => {
    const silent = (seconds: number, ...story: Story) => shown(progress([...first, ...story], seconds)).includes("nothing new for");
    const tool: Story = [{ type: "tool.started", turn: 1, id: "t", tool: "bash", title: "Run the tests" }];
    expect(silent(115)).toBe(true);
    expect(silent(15)).toBe(false);
    expect(silent(115, ...tool)).toBe(false);
    expect(silent(115, { type: "thinking", turn: 1, on: true })).toBe(false);
    expect(silent(115, ...finished)).toBe(false);
  });

  it("changes only when something visible changes", () => {
    const story: Story = [...first, ...planned];
    const at = (ms: number) =>
      JSON.stringify(renderSlack({ kind: "progress", turn: 1, view: viewOf(...story), links: LINKS, now: START + ms }));
    expect(at(30_100)).toBe(at(30_900));
    expect(at(30_100)).not.toBe(at(31_100));
    expect(at(121_000)).toBe(at(130_900));
    expect(at(121_000)).not.toBe(at(131_100));
    expect(at(1_201_000)).toBe(at(1_260_900));
  });

  it("names the buttons anew when their meaning changes", () => {
    const id = (rendered: Rendered) => rendered.blocks.find((block) => block.type === "actions")?.block_id;
    expect(
      new Set([progress(first), progress([...first, stopping]), progress(stopped), progress([...first, second()], 90, 2)].map(id)).size,
    ).toBe(4);
  });
});

describe("the final reply", () => {
  it("says what came of it, what changed and what it cost, and mentions the requester once", () => {
    const rendered = final([...first, ...planned, ...finished]);
    expect(shown(rendered).match(/<@/g)).toHaveLength(1);
    expect(rendered.text.match(/<@/g)).toHaveLength(1);
    expect(rendered.text).toContain("The retry test no longer depends on real time.");
    expect(shown(rendered)).toContain("*2 files changed* on this branch\\n`src/retry.ts`  +12 −4\\n`src/clock.ts`  +20 −0 (new)");
    expect(shown(rendered)).toContain("2m 09s · 2 steps · 20.3k tokens in (8.0k cached), 1.5k out · $0.0123");
    expect(rendered.blocks.find((block) => block.type === "markdown")?.text).toContain("- `retry()` takes a **clock**");
  });

  it("says what it replies to where another request came between", () => {
    const other = { type: "turn.queued", turn: 2, who: WHO, text: "And then this", options: {}, contentKey: "slack:C1:2" } as const;
    expect(shown(final([...first, ...planned, other, ...finished]))).toContain("To: “Fix the flaky retry test”");
    expect(shown(final([...first, ...planned, ...finished, 1_000, other]))).not.toContain("To:");
  });

  it("says when the cost is not known", () => {
    const tokens = { input: 10, output: 5, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
    expect(
      shown(final([...first, { type: "turn.usage", turn: 1, tokens, cost: null }, { type: "turn.finished", turn: 1, outcome: "done" }])),
    ).toContain("10 tokens in, 5 out · cost unknown");
  });

  it("counts the files it does not name", () => {
    const files = Array.from({ length: 8 }, (_, n) => ({ path: `f${n}`, status: "modified" as const, additions: 1, deletions: 1 }));
    const rendered = final([
      ...first,
      { type: "files.changed", turn: 1, files, total: 20 },
      { type: "turn.finished", turn: 1, outcome: "done" },
    ]);
    expect(shown(rendered)).toContain("*20 files changed*");
    expect(shown(rendered)).toContain("`f7`  +1 −1\\nand 12 more files");
  });

  it("says what failed and what to do", () => {
    expect(shown(final(failed))).toContain("Failed: The model answered 500 &lt;five&gt; times");
    expect(shown(final(failed))).toContain("*What to do:* Reply to try again.");
    expect(shown(final(failed))).toContain("What the agent wrote last:");
  });

  it("says that it was stopped", () => expect(final(stopped).text).toContain("Stopped. Reply to continue."));

  it("says that there was no answer", () => {
    expect(shown(final([...first, { type: "turn.finished", turn: 1, outcome: "done" }]))).toContain("ended without a closing message");
  });

  it("cuts an answer that is too long, with whole fences and a pointer", () => {
    const text = `${"A paragraph of words.\n\n".repeat(400)}\`\`\`ts\n${"const line = 1;\n".repeat(400)}\`\`\`\n\nThe end.`;
    const rendered = final([
      ...first,
      { type: "text.done", turn: 1, part: "p", text },
      { type: "turn.finished", turn: 1, outcome: "done" },
    ]);
    const block = rendered.blocks.find((one) => one.type === "markdown");
    expect(block?.text.length).toBeLessThanOrEqual(12_000);
    expect(block?.text).toContain(`[Read all of it](${LINKS.session})`);
    expect((block?.text.match(/^```/gm) ?? []).length % 2).toBe(0);
  });

  it("calls a person of another surface by name", () => {
    const view = viewOf(...first, ...finished);
    const [turn] = view.turns;
    if (turn) turn.who = { id: "owner", name: "Ada <!here>" };
    const rendered = renderSlack({ kind: "final", turn: 1, view, links: LINKS });
    expect(rendered.text.startsWith("Ada &lt;!here&gt; Done.")).toBe(true);
  });
});

describe("an ask", () => {
  it("mentions the requester and says word by word what is asked, with buttons", () => {
    const rendered = ask([...first, ...asking]);
    expect(rendered.blocks[0]).toMatchObject({
      text: { text: expect.stringMatching(/^<@U\w+> The agent asks for permission: Run a command outside/) },
    });
    expect(rendered.blocks[1]).toMatchObject({
      type: "rich_text",
      elements: [{ elements: [{ text: "rm -rf /tmp/cache && echo `done` <!channel>" }] }],
    });
    expect(buttons(rendered)).toEqual(["Allow once", "Always in this run", "Reject"]);
    expect(shown(rendered)).toContain("Choose, or reply in this thread.");
    expect(shown(rendered)).toContain('"block_id":"ask:1:per_1"');
  });

  it("then says who answered what and when, without buttons", () => {
    const rendered = ask([...first, ...asking, ...answered]);
    expect(buttons(rendered)).toEqual([]);
    expect(shown(rendered)).toMatch(/\*Allow once\* — <@U\w+> · <!date\^1770000070\^\{time\}\|02:41 UTC>/);
    expect(rendered.text).not.toContain("<!date");
  });

  it("says that nobody answered, or that it is no longer needed", () => {
    const late = { type: "ask.settled", turn: 1, id: "per_1", by: null, label: "Rejected", expired: true } as const;
    expect(shown(ask([...first, ...asking, late]))).toContain("Nobody answered in time: Rejected");
    expect(shown(ask([...first, ...asking, { type: "turn.ended", turn: 1, outcome: "stopped" }]))).toContain(
      "No longer needed: ended with its turn",
    );
  });

  it("offers more than four choices in a list, and explains them", () => {
    const choices = Array.from({ length: 7 }, (_, n) => ({ id: `c${n}`, label: `Choice ${n}`, description: `what ${n} means` }));
    const opening = { type: "ask.opened", turn: 1, ask: { id: "q", kind: "question", title: "Which?", choices, freeText: false } } as const;
    const rendered = ask([...first, { ...opening, ask: { ...opening.ask, choices } }], "q");
    expect(buttons(rendered)).toEqual(["Choice 0", "Choice 1", "Choice 2", "Choice 3", "list"]);
    expect(shown(rendered)).toContain("*Choice 6* — what 6 means");
    expect(shown(rendered)).not.toContain("reply in this thread");
  });

  it("asks for words where there are no choices", () => {
    const opening = {
      type: "ask.opened",
      turn: 1,
      ask: { id: "q", kind: "question", title: "Which?", choices: [], freeText: true },
    } as const;
    const rendered = ask([...first, { ...opening, ask: { ...opening.ask, choices: [] } }], "q");
    expect(buttons(rendered)).toEqual([]);
    expect(shown(rendered)).toContain("Reply in this thread to answer.");
  });
});

it("answers who asks where things stand, and mentions nobody", () => {
  const overview = (story: Story) => renderSlack({ kind: "overview", view: viewOf(...story), links: LINKS, now: START + 90_000 });
  const many = Array.from({ length: 7 }, (_, index) => second(index + 2));
  const busy = overview([...first, ...planned, ...many, ...pulled({ checks: FAILING })]);
  expect(busy.text).toBe("Working on acme/api · 1m 20s");
  expect(title(busy)).toMatch(
    /^\*Working on acme\/api · 1m 20s\*\n“Fix the flaky retry test”, asked by you\nstep 2: Edit src\/retry.ts\n\*Waiting\*\n(?:• “.+”\n){5}and 2 more requests$/,
  );
  expect(shown(busy)).toContain(":x: checks fail:");
  expect(shown(busy)).toContain("`errand/87-fix-the-flaky-retry-3fa9`");
  expect(shown(busy)).toContain("<https://errand.example/s/abc|The session page>");
  expect(shown(busy)).not.toContain("<@");
  expect(title(overview([...first, ...planned, ...finished]))).toContain("*Nothing runs. Last: Worked for 2m 09s · 2 steps*");
  expect(title(overview([...first, ...planned, ...finished, { type: "session.closed", how: "merged", who: null }]))).toContain(
    "*The pull request was merged, so this session has ended. Last: Worked for 2m 09s · 2 steps*",
  );
});

it("renders a note, for one person or for all", () => {
  expect(renderSlack({ kind: "note", code: "x", text: "No <repository>", mention: WHO.id }).text).toMatch(
    /^<@U\w+> No &lt;repository&gt;$/,
  );
  expect(renderSlack({ kind: "note", code: "x", text: "Hi", mention: null }).text).toBe("Hi");
});

describe("what a forge adds", () => {
  const done: Story = [...first, ...planned, ...pulled({ checks: FAILING }), ...finished];

  it("tells of the pull request while the turn runs, and in its reply", () => {
    const line =
      "*Pull request* <https://github.com/acme/sample/pull/124|#124 Let the retry test move its clock> · draft · +32 −4 in 2 files · :x: checks fail: <https://github.com/acme/sample/actions/runs/1/job/2|test (node 20)>, lint";
    expect(shown(progress([...first, ...planned, ...pulled({ checks: FAILING })]))).toContain(line);
    expect(shown(final(done))).toContain(line);
    expect(shown(final([...first, ...planned, ...pulled({ state: "merged", checks: FAILING }), ...finished]))).toContain(
      '· merged · +32 −4 in 2 files"',
    );
  });

  it("says nothing of its state where that is no longer kept current", () => {
    const name = "#124 Let the retry test move its clock>";
    expect(shown(progress(done))).toContain(`${name}"`);
    const later: Story = [...done, 200, second(), { type: "turn.ended", turn: 2, outcome: "stopped" }];
    expect(shown(final([...later]))).toContain(`${name}"`);
    const withdrawn: Story = [...done, 200, second(), { type: "turn.withdrawn", turn: 2 }];
    expect(shown(final([...withdrawn]))).toContain("· draft · +32");
  });

  it("says nothing of how a workspace was prepared for a request that was withdrawn", () => {
    const wanted = { type: "sandbox.wanted", generation: 2, why: "a turn" } as const;
    const withdrawn: Story = [...done, 200, second(), wanted, 201, { type: "turn.withdrawn", turn: 2 }];
    expect(shown(progress(withdrawn, 300, 2))).not.toContain("workspace");
  });

  it("does not tell of it in the reply to a question asked before", () => {
    const question: Story = [...first, ...finished, 200, second(), { type: "turn.started", turn: 2 }];
    expect(shown(final([...question, ...pulled().slice(1)]))).not.toContain("Pull request");
  });

  it("says what could not be pushed, and what to do", () => {
    for (const rendered of [progress([...first, ...unpushed]), final([...first, ...unpushed, ...finished])]) {
      expect(shown(rendered)).toContain(
        ":warning: *Not pushed:* GitHub does not let the errand App change files under .github/workflows/.",
      );
      expect(shown(rendered)).toContain("*What to do:* Apply that part by hand");
    }
  });

  it("says that the session has ended, in the last reply", () => {
    const closed = { type: "session.closed", how: "merged", who: null } as const;
    expect(shown(final([...done, closed]))).toContain("The pull request was merged, so this session has ended. Reply to begin again.");
  });

  it("offers what could be done next, until somebody takes it", () => {
    const offer = (...story: Story) => renderSlack({ kind: "offer", offer: "fix:9f86d08", view: viewOf(...first, ...story), links: LINKS });
    expect(buttons(offer(...offered))).toEqual(["Fix it"]);
    expect(shown(offer(...offered))).toContain('"action_id":"errand_take"');
    expect(shown(offer(...offered))).toContain("*Checks fail on #124: test (node 20), lint*");
    expect(buttons(offer(...offered, ...taken))).toEqual([]);
    expect(shown(offer(...offered, ...taken))).toContain("Taken by bob");
    expect(offer().text).toBe("This is long past.");
  });
});

it("the reply to what was refused says that nothing was begun, and what to do", () => {
  const text = shown(final(refused));
  expect(text).toContain("Not begun: You may not write to");
  expect(text).toContain("*What to do:* Ask.");
});
