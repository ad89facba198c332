import { expect, test } from "vitest";
import { apply, emptyView } from "../../protocol/view.ts";
import { SessionBlocks } from "./blocks.tsx";

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
  return (<SessionBlocks view={view} session="s" now={4} steps={[]} />).toString();
};

test("what a person is asked to allow shows no hidden characters and no other reading direction", () => {
  const page = asked("Run\u202e this?", "rm -rf \u2066~\u2069 # \u202etxt.\u200b", "Allow\u200f");
  expect(page).toContain("<pre>rm -rf ~ # txt.</pre>");
  expect(page).toContain("<p>Run this?</p>");
  expect(page).not.toMatch(/[\u200b-\u200f\u202a-\u202e\u2066-\u2069]/);
});
