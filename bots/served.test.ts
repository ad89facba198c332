import { expect, test } from "vitest";
import { finished, gitHubView, LINKS, START, second, working } from "../test/github/views.ts";
import { opened, viewOf } from "../test/slack/views.ts";
import { renderGitHub } from "./github/render.ts";
import { renderSlack } from "./slack/render.ts";
import type { Message } from "./surface.ts";

type Story = Parameters<typeof viewOf>;
const open = (port: number, title?: string): Story[number] => ({ type: "port.opened", port, ...(title === undefined ? {} : { title }) });
const shut = (port: number): Story[number] => ({ type: "port.closed", port });

const KINDS = ["progress", "final", "overview"] as const;
const message = (kind: (typeof KINDS)[number], view: Extract<Message, { kind: "overview" }>["view"], turn = 1): Message =>
  kind === "overview"
    ? { kind, view, links: LINKS, now: START }
    : kind === "final"
      ? { kind, turn, view, links: LINKS }
      : { kind, turn, view, links: LINKS, now: START };

/** What a message on Slack says of what is served. */
const onSlack = (kind: (typeof KINDS)[number], story: Story, turn?: number): string =>
  /\*Served:\* [^"]*/.exec(JSON.stringify(renderSlack(message(kind, viewOf(...story), turn)).blocks))?.[0] ?? "";
/** The same on GitHub: it stands among the ways into the sandbox, which public repositories do not show. */
const onGitHub = (kind: (typeof KINDS)[number], story: Story, turn?: number): string => {
  const content = renderGitHub(message(kind, gitHubView(...story), turn), "errand");
  if (content.kind !== "comment") throw new Error("not a comment");
  expect(content.body).not.toContain("Served");
  const said = content.ways.split("  \n")[1] ?? "";
  if (said !== "") expect(content.body).toContain("<!-- errand:ways -->");
  return said;
};

const at = (port: number) => `https://errand.example/s/abc/open/preview/${port}`;
const CASES: [string, Story, string, string][] = [
  ["nothing", [], "", ""],
  [
    "a page with a title, and one without",
    [open(3000, "Shop"), open(8000)],
    `*Served:* <${at(3000)}|Port 3000: Shop> · <${at(8000)}|Port 8000>`,
    `**Served** [Port 3000: Shop](${at(3000)}) · [Port 8000](${at(8000)})`,
  ],
  [
    "a title that would be markup",
    [open(3000, "<!here> *a* [x](y) @all |\u202e")],
    `*Served:* <${at(3000)}|Port 3000: &lt;!here&gt; *a* [x](y) @all ¦>`,
    `**Served** [Port 3000: &lt;!here> \\*a\\* \\[x\\](y) @\u2060all \\|](${at(3000)})`,
  ],
  [
    "more than five",
    [1, 2, 3, 4, 5, 6, 7].map((n) => open(3000 + n)),
    `*Served:* ${[1, 2, 3, 4, 5].map((n) => `<${at(3000 + n)}|Port ${3000 + n}>`).join(" · ")} · and 2 more ports`,
    `**Served** ${[1, 2, 3, 4, 5].map((n) => `[Port ${3000 + n}](${at(3000 + n)})`).join(" · ")} · and 2 more ports`,
  ],
  ["what is closed again", [open(3000, "Shop"), shut(3000)], "", ""],
  ["what ended with its sandbox", [open(3000), { type: "sandbox.lost", generation: 1, failure: { code: "x", message: "gone" } }], "", ""],
  ["an ended conversation", [open(3000), { type: "session.closed", how: "closed", who: null }], "", ""],
];

test.each(CASES)("what is served is listed: %s", (_name, served, slack, github) => {
  for (const kind of ["progress", "overview"] as const) {
    expect(onSlack(kind, [...working, ...served])).toBe(slack);
    expect(onGitHub(kind, [...working, ...served])).toBe(github);
  }
  expect(onSlack("final", [...working, ...finished, ...served])).toBe(slack);
  expect(onGitHub("final", [...working, ...finished, ...served])).toBe(github);
});

test("it stands where it is kept current: not in the living message of a turn that is over, nor in an older reply", () => {
  const over: Story = [...working, ...finished, open(3000)];
  expect([onSlack("progress", over), onGitHub("progress", over)]).toEqual(["", ""]);
  const later: Story = [...over, second(), { type: "turn.started", turn: 2 }, { type: "turn.finished", turn: 2, outcome: "done" }];
  expect([onSlack("final", later), onGitHub("final", later)]).toEqual(["", ""]);
  expect(onSlack("final", later, 2)).toContain("Port 3000");
  expect(onSlack("final", [...opened(), open(3000)])).toContain("Port 3000");
});
