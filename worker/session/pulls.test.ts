import { describe, expect, it } from "vitest";
import type { Pull } from "../../protocol/events.ts";
import { apply, emptyView, type View } from "../../protocol/view.ts";
import { failingCommit, NONE, nextWork, onFailure, type PullState, signatureOf } from "./pulls.ts";

const state = (change: Partial<PullState> = {}): PullState => ({
  ...NONE,
  identity: { name: "errand[bot]", email: "1+errand[bot]@users.noreply.github.com" },
  policy: { checks: "ask", ready: true },
  ...change,
});

const pull: Pull = {
  repository: "acme/sample",
  number: 7,
  thread: "github:1:7",
  url: "https://github.com/acme/sample/pull/7",
  title: "t",
  state: "draft",
  branch: "errand/x",
  base: "main",
  commit: "c0ffee",
  additions: 1,
  deletions: 0,
  files: 1,
  checks: { state: "failing", failing: [{ name: "test", url: null }] },
  own: true,
};

function view(change: Partial<Pull> | null, work: "none" | "running" | "closed" = "none"): View {
  const made = emptyView();
  let n = 0;
  const add = (event: Parameters<typeof apply>[1]["event"]) => {
    n += 1;
    apply(made, { n, event });
  };
  add({
    type: "session.created",
    version: 2,
    at: 0,
    id: "s",
    thread: "github:1:3",
    who: { id: "u" },
    repository: "acme/sample",
    branch: "b",
    model: "m",
  });
  if (change !== null) add({ type: "pull.changed", at: 0, pull: { ...pull, ...change } });
  if (work === "running") add({ type: "turn.queued", at: 0, turn: 1, who: { id: "u" }, text: "t", options: {}, contentKey: "c" });
  if (work === "closed") add({ type: "session.closed", at: 0, how: "closed", who: null });
  return made;
}

describe("nextWork", () => {
  it.each([
    ["who errand is comes first", state({ identity: null, open: true }), view(null), "identity"],
    ["a push wants a pull request", state({ open: true }), view(null), "open"],
    ["a look wants one that is there", state({ look: true }), view(null), null],
    ["looks", state({ look: true }), view({}), "look"],
    ["asks for the rules before what depends on them", state({ describe: { ready: true }, policy: null }), view({}), "policy"],
    ["describes", state({ describe: { ready: true } }), view({}), "describe"],
    ["reads what failed", state({ read: "c0ffee" }), view({}), "read"],
    ["rests", state(), view({}), null],
    ["nothing without a repository", state({ open: true }), emptyView(), null],
  ])("%s", (_name, now, seen, expected) => expect(nextWork(now, seen)).toBe(expected));
});

describe("failingCommit", () => {
  it.each([
    ["failing checks of an own pull request", state(), view({}), "c0ffee"],
    ["once for a commit", state({ handled: "c0ffee" }), view({}), null],
    ["not on others' pull requests", state(), view({ own: false }), null],
    ["not while they run", state(), view({ checks: { state: "pending", failing: [] } }), null],
    ["not on a merged one", state(), view({ state: "merged" }), null],
    ["not while somebody works on it", state(), view({}, "running"), null],
    ["not in a session that has ended", state(), view({}, "closed"), null],
    ["not without one", state(), view(null), null],
  ])("%s", (_name, now, seen, expected) => expect(failingCommit(now, seen)).toBe(expected));
});

describe("onFailure", () => {
  const auto = { checks: "auto", ready: true } as const;
  it.each([
    ["asks by default", state(), { checks: "ask", ready: true } as const, "offer"],
    ["is silent where that was chosen", state(), { checks: "off", ready: true } as const, "nothing"],
    ["mends by itself where that was chosen", state(), auto, "auto"],
    ["twice at most", state({ automatic: 2 }), auto, "offer"],
    ["not the same failure again", state({ automatic: 1, lastFailure: "test: boom" }), auto, "offer"],
    ["another one again", state({ automatic: 1, lastFailure: "lint: boom" }), auto, "auto"],
  ])("%s", (_name, now, policy, expected) => expect(onFailure(now, policy, "test: boom")).toBe(expected));
});

it.each([
  ["the same again, at another time", "Failed\n12:01 Error: no such file", "Failed\n12:09 Error: no such file", true],
  ["another complaint behind the same title", "test: failure\nError: first", "test: failure\nError: second", false],
  ["nothing that complains", "exit 1", "exit 1", true],
])("tells failures apart: %s", (_name, one, other, same) => {
  const of = (log: string) => signatureOf([{ name: "test", url: null, log }]);
  expect(of(one) === of(other)).toBe(same);
});
