/** Views as a session has them at some moments of a turn, for tests of what Slack shows. Made by the real reducer from events. */
import type { Links } from "../../bots/surface.ts";
import type { SessionEvent } from "../../protocol/events.ts";
import { apply, emptyView, type View } from "../../protocol/view.ts";
import { WORKSPACE } from "../world/slack/workspace.ts";

/** When the views' story begins, in ms since 1970. */
export const START = 1_770_000_000_000;

/** Where the buttons lead. */
export const LINKS: Links = {
  session: "https://errand.example/s/abc",
  vscode: "https://errand.example/s/abc/open/vscode",
  desktop: "https://errand.example/s/abc/open/desktop",
  terminal: "https://errand.example/s/abc/open/terminal",
  preview: "https://errand.example/s/abc/open/preview/",
};

/** Who asks, in the emulated workspace. */
export const WHO = { id: `slack:${WORKSPACE.team}:${WORKSPACE.you}`, name: "you" };
const COLLEAGUE = { id: `slack:${WORKSPACE.team}:${WORKSPACE.colleague}`, name: "colleague" };

type Bare = { [Type in SessionEvent["type"]]: Omit<Extract<SessionEvent, { type: Type }>, "at"> }[SessionEvent["type"]];

/** Applies events; each `number` in the list moves the clock to that many seconds after the start. */
export function viewOf(...story: (Bare | number)[]): View {
  const view = emptyView();
  let at = START;
  story.forEach((entry, n) => {
    if (typeof entry === "number") at = START + entry * 1000;
    else apply(view, { n: n + 1, event: { ...entry, at } as SessionEvent });
  });
  return view;
}

const queued = (turn: number, text: string): Bare => ({
  type: "turn.queued",
  turn,
  who: WHO,
  text,
  options: {},
  contentKey: `slack:C1:${turn}`,
});

/** A session with its first turn queued. */
export const opened = (repository: string | null = "acme/api"): Bare[] => [
  {
    type: "session.created",
    version: 1,
    id: "abc",
    thread: "slack:T1:C1:1.1",
    who: WHO,
    repository,
    branch: "errand/fix-retry",
    model: "gpt-5",
  },
  queued(1, "Fix the flaky retry test"),
];

/** The sandbox is starting. */
export const booting: (Bare | number)[] = [
  1,
  { type: "turn.started", turn: 1 },
  { type: "sandbox.wanted", generation: 1, why: "a turn" },
  { type: "boot.phase", phase: "sandbox", ms: 820, ok: true },
  { type: "boot.phase", phase: "clone", ms: 1_240, ok: true },
  { type: "boot.phase", phase: "opencode" },
];

/** The sandbox is ready and the agent has the prompt. */
export const accepted: (Bare | number)[] = [
  4,
  { type: "boot.phase", phase: "opencode", ms: 2_100, ok: true },
  { type: "sandbox.ready", ms: 3_400 },
  { type: "git.ready", branch: "errand/fix-retry", base: "main", commit: "abc" },
  { type: "turn.accepted", turn: 1 },
];

/** The agent has a plan and runs a step of it. */
export const planned: (Bare | number)[] = [
  10,
  {
    type: "plan.updated",
    turn: 1,
    items: [
      { text: "Find the flaky test", status: "completed" },
      { text: "Make the retry wait for the clock", status: "in_progress" },
      { text: "Run the test suite 50 times", status: "pending" },
    ],
  },
  { type: "tool.started", turn: 1, id: "t1", tool: "bash", title: "rg retry src" },
  { type: "tool.finished", turn: 1, id: "t1", tool: "bash", title: "rg retry src", ok: true, ms: 20 },
  { type: "text.delta", turn: 1, part: "p1", text: "The test sleeps **50 ms** and hopes:\n\n```ts\nawait sleep(50);\nexpect(calls < 3)" },
  { type: "tool.started", turn: 1, id: "t2", tool: "edit", title: "Edit src/retry.ts" },
];

/** A permission ask is open. */
export const asking: (Bare | number)[] = [
  60,
  {
    type: "ask.opened",
    turn: 1,
    ask: {
      id: "per_1",
      kind: "permission",
      title: "Run a command outside the workspace",
      detail: "rm -rf /tmp/cache && echo `done` <!channel>",
      choices: [
        { id: "once", label: "Allow once" },
        { id: "always", label: "Always in this run" },
        { id: "reject", label: "Reject" },
      ],
      freeText: true,
    },
  },
];

/** The ask was answered by someone else. */
export const answered: (Bare | number)[] = [
  70,
  { type: "ask.settled", turn: 1, id: "per_1", by: COLLEAGUE, label: "Allow once", expired: false },
];

/** The end of the turn, with an answer. */
export const finished: (Bare | number)[] = [
  130,
  { type: "tool.finished", turn: 1, id: "t2", tool: "edit", title: "Edit src/retry.ts", ok: true, ms: 20 },
  {
    type: "text.done",
    turn: 1,
    part: "p9",
    text: "The retry test no longer depends on real time.\n\n- `retry()` takes a **clock**\n- the test moves it by hand\n\n```ts\nclock.tick(50);\n```\n\nAll 128 tests pass, 50 times in a row.",
  },
  {
    type: "files.changed",
    turn: 1,
    files: [
      { path: "src/retry.ts", status: "modified", additions: 12, deletions: 4 },
      { path: "src/clock.ts", status: "added", additions: 20, deletions: 0 },
    ],
    total: 2,
  },
  { type: "turn.usage", turn: 1, tokens: { input: 12_300, output: 1_200, reasoning: 300, cacheRead: 8_000, cacheWrite: 0 }, cost: 0.0123 },
  { type: "turn.finished", turn: 1, outcome: "done" },
];

/** A second prompt waits. */
export const second = (turn = 2): Bare => queued(turn, "And update the docs");
