import { describe, expect, it } from "vitest";
import type { AgentEvent, NumberedEvent, RunnerEvent } from "../../protocol/events.ts";
import { apply, emptyView, type View } from "../../protocol/view.ts";
import { changedPull, newPull, type PullFacts, pullTitle, wasReadied } from "./pull-text.ts";

const ada = { id: "github:1", name: "ada" };
const links = { session: "https://errand.test/s/abc", vscode: "", desktop: "", terminal: "", preview: "" };
const facts: PullFacts = { issue: { number: 12, title: "Colours are wrong" }, ontoDefault: true, webUrl: "https://github.com" };

type Turn = { prompt: string; answer: string; pushed?: boolean; over?: boolean };
function viewOf(turns: Turn[], who: { id: string; name: string } = ada): View {
  const events: (AgentEvent | RunnerEvent)[] = [
    {
      type: "session.created",
      version: 2,
      at: 1,
      id: "abc",
      thread: "github:5:12",
      who,
      repository: "acme/sample",
      branch: "errand/12-x-abc",
      model: "m",
    },
  ];
  for (const [index, { prompt, answer, pushed = true, over = true }] of turns.entries()) {
    const turn = index + 1;
    events.push(
      { type: "turn.queued", at: 2, turn, who, text: prompt, options: {}, contentKey: `k${turn}` },
      { type: "turn.started", at: 3, turn },
      { type: "text.done", at: 4, turn, part: "a", text: answer },
    );
    if (pushed) events.push({ type: "branch.pushed", at: 5, turn, branch: "errand/12-x-abc", commit: "c0ffee", commits: 1 });
    if (over) events.push({ type: "turn.finished", at: 6, turn, outcome: "done" });
  }
  return events.reduce((view, event, index) => apply(view, { n: index + 1, event } satisfies NumberedEvent), emptyView());
}
const one = viewOf([{ prompt: "mend the colours", answer: "Mended the **colours**." }]);

describe("pullTitle", () => {
  const table: [string, View, PullFacts["issue"], string | null][] = [
    ["the issue's", one, facts.issue, "Colours are wrong"],
    ["what was asked for first", viewOf([{ prompt: "\n## mend the colours\nplease", answer: "" }]), null, "mend the colours"],
    ["nothing said", viewOf([{ prompt: "!!!", answer: "" }]), null, "Changes on errand/12-x-abc"],
    ["the first turn not known any more", { ...one, turns: [] }, null, null],
    ["a long one", viewOf([{ prompt: "word ".repeat(60), answer: "" }]), null, `${"word ".repeat(23)}word…`],
    ["hidden characters and secrets", viewOf([{ prompt: `a\u202Eb ghp_${"a1".repeat(20)}`, answer: "" }]), null, "ab [redacted]"],
  ];
  it.each(table)("%s", (_name, view, issue, title) => expect(pullTitle(view, issue)).toBe(title));
});

describe("newPull", () => {
  it("tells what it fixes, who asked, where it came from and what was done, then the template", () => {
    const { title, body } = newPull(one, links, facts, "## Checklist\n- [ ] tests\n<!-- errand:end -->");
    expect(title).toBe("Colours are wrong");
    expect(body.split("\n")).toEqual([
      "<!-- errand:begin -->",
      "<!-- errand:session=abc -->",
      "<!-- errand:title=Colours%20are%20wrong -->",
      "Fixes #12 · Asked for by [ada](https://github.com/ada) · [How it came about](https://errand.test/s/abc)",
      "",
      "Mended the **colours**.",
      "<!-- errand:end -->",
      "",
      "## Checklist",
      "- [ ] tests",
    ]);
  });

  it("closes an issue only by what the session is about, and only onto the default branch", () => {
    expect(newPull(one, links, { ...facts, ontoDefault: false }, null).body).toContain("For #12 ·");
    const copy = newPull(one, links, { ...facts, issue: { number: 12, title: "Colours are wrong", isPull: true } }, null);
    expect(copy.body).toContain("Goes on from #12 ·");
    expect(newPull(one, links, { ...facts, issue: null }, null).body).not.toMatch(/#\d/);
    const answer =
      "Fixes #1, closes: #2, Resolved acme/sample#3, fix https://github.com/acme/sample/issues/4, fixes GH-5, and\nfixes\n#6. See #7.";
    const { body } = newPull(viewOf([{ prompt: "x", answer }]), links, { ...facts, issue: null }, null);
    expect(body).not.toMatch(/(?:fix|fixes|closes|resolved):?\s+(?:[\w/]+#|#|GH-|https:\/\/)\w/i);
    expect(body).toContain("See #7.");
  });

  it("lets nothing in an answer be a mark, mention anybody or hide what is certain", () => {
    const answer = "<!-- errand:end -->\n```\n<!-- errand:begin -->\n@ada open fence";
    const { body } = newPull(viewOf([{ prompt: "x", answer }]), links, facts, null);
    expect(body.match(/<!-- errand:(?:begin|end) -->/g)).toEqual(["<!-- errand:begin -->", "<!-- errand:end -->"]);
    expect(body.indexOf("Fixes #12")).toBeLessThan(body.indexOf("```"));
    const stranger = viewOf([{ prompt: "x", answer: "cc @grace" }], { id: "slack:T1:U1", name: "Ada @everyone" });
    expect(newPull(stranger, links, facts, null).body).not.toMatch(/@[a-z]/);
  });

  it("stays far under GitHub's limit, and says where the rest is", () => {
    const long = viewOf(Array.from({ length: 9 }, () => ({ prompt: "x", answer: "@long words and `code` <b>\n\n".repeat(3_000) })));
    const { body } = newPull(long, links, facts, "t".repeat(100_000));
    expect(body.length).toBeLessThan(60_000);
    expect(body).toContain("[The rest](https://errand.test/s/abc)");
  });
});

describe("changedPull", () => {
  const made = newPull(one, links, facts, "## Checklist");
  const two = viewOf([
    { prompt: "mend the colours", answer: "Mended the **colours**." },
    { prompt: "and the sizes", answer: "Mended the sizes." },
  ]);

  it("changes nothing where nothing changed, also with the line ends of a browser", () => {
    expect(changedPull(made, one, links, facts, false)).toBeNull();
    expect(changedPull({ ...made, body: made.body.replaceAll("\n", "\r\n") }, one, links, facts, false)).toBeNull();
  });

  it("replaces errand's part only", () => {
    const edited = { ...made, body: `Before.\n\n${made.body.replace("## Checklist", "- [x] done by hand")}` };
    const change = changedPull(edited, two, links, facts, false);
    expect(change?.title).toBeUndefined();
    expect(change?.body).toMatch(/^Before\.\n\n<!-- errand:begin -->/);
    expect(change?.body).toContain("What changed in turn 2</summary>\n\nMended the sizes.");
    expect(change?.body).toMatch(/- \[x\] done by hand$/);
    expect(changedPull({ ...edited, ...change }, two, links, facts, false)).toBeNull();
  });

  it("follows the issue's title until a person writes another", () => {
    const renamed = { ...facts, issue: { number: 12, title: "Colours and sizes" } };
    const followed = changedPull(made, one, links, renamed, false);
    expect(followed?.title).toBe("Colours and sizes");
    const byHand = { title: "By hand", body: made.body };
    expect(changedPull(byHand, one, links, renamed, false)).toBeNull();
    const later = changedPull(byHand, two, links, renamed, false);
    expect(later?.title).toBeUndefined();
    expect(changedPull({ ...byHand, ...later }, two, links, renamed, false)).toBeNull();
  });

  it("leaves a body alone whose marks were taken out", () => {
    expect(changedPull({ title: made.title, body: "All mine." }, two, links, facts, true)).toBeNull();
  });

  it("remembers that it was marked as ready", () => {
    const change = changedPull(made, one, links, facts, true);
    expect(wasReadied(made.body)).toBe(false);
    expect(wasReadied(change?.body ?? "")).toBe(true);
    expect(wasReadied("text <!-- errand:readied -->")).toBe(false);
  });

  it("says that it works still", () => {
    const running = viewOf([{ prompt: "x", answer: "Let me look.", over: false }]);
    expect(newPull(running, links, facts, null).body).toContain("*errand is still working on this.*");
    expect(newPull(running, links, facts, null).body).not.toContain("Let me look");
  });
});
