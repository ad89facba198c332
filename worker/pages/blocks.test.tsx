import { expect, test } from "vitest";
import { apply, emptyView } from "../../protocol/view.ts";
import { SessionBlocks } from "./blocks.tsx";
import { Openings, type Reach } from "./openings.tsx";

const all: Reach = { drive: { ok: true, by: "owner" }, watch: { ok: true, by: "owner" } };

const asked = (title: string, detail: string, label: string) => {
  const view = emptyView();
  const events = [
    { type: "turn.queued", at: 1, turn: 1, who: { id: "u" }, text: "do it", options: {}, contentKey: "c" },
    { type: "turn.started", at: 2, turn: 1 },
    {
      type: "ask.opened",
      at: 3,
      turn: 1,
      ask: { id: "a", kind: "permission", title, detail, choices: [{ id: "once", label }], freeText: false },
    },
  ] as const;
  for (const [index, event] of events.entries()) {
    const copy = structuredClone(event) as Parameters<typeof apply>[1]["event"];
    apply(view, { n: index + 1, event: copy });
  }
  return (<SessionBlocks view={view} session="s" reach={all} now={4} steps={[]} />).toString();
};

test("what a person is asked to allow shows no hidden characters and no other reading direction", () => {
  const page = asked("Run\u202e this?", "rm -rf \u2066~\u2069 # \u202etxt.\u200b", "Allow\u200f");
  expect(page).toContain("<pre>rm -rf ~ # txt.</pre>");
  expect(page).toContain("<p>Run this?</p>");
  expect(page).not.toMatch(/[\u200b-\u200f\u202a-\u202e\u2066-\u2069]/);
});

const no = (code: "watch_only" | "see_only", why: string) => ({ ok: false, code, why }) as const;
const yes = { ok: true, by: "repository" } as const;
const served = () => {
  const view = emptyView();
  view.sandbox.ports = [
    { port: 3000, title: "<b>Shop</b>\u202e" },
    { port: 8000, title: null },
  ];
  return view;
};
const opening = (reach: Reach) => (<Openings view={served()} session="s" reach={reach} />).toString();
const hrefs = (html: string) => [...html.matchAll(/href="([^"]+)"/g)].map(([, href]) => href);

test("who may use the sandbox is offered all that opens, and the ports with their titles as text", () => {
  const html = opening(all);
  const paths = ["vscode", "desktop", "terminal", "opencode", "preview/3000", "preview/8000"].map((name) => `/s/s/open/${name}`);
  expect(hrefs(html)).toEqual(paths);
  expect(html).toContain("&lt;b&gt;Shop&lt;/b&gt;<");
  expect(html).not.toContain("Look on");
});

test("who may only look on is offered what can be looked at, and told so", () => {
  const html = opening({ drive: no("watch_only", "It takes write access."), watch: yes });
  expect(hrefs(html)).toEqual(["/s/s/open/desktop", "/s/s/open/terminal"]);
  expect(html).toContain("Look on: Desktop");
  expect(html).toContain("It takes write access.");
});

test("who may neither is told why", () => {
  const html = opening({ drive: no("see_only", "It is public."), watch: no("see_only", "It is public.") });
  expect(html).toBe('<p class="quiet">It is public.</p>');
});
