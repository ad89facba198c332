/** Views of a session on GitHub at some moments of a turn, for tests of what GitHub shows. The story is the one told on Slack, with what only a forge adds. */
import type { Pull } from "../../protocol/events.ts";
import { apply, emptyView, type View } from "../../protocol/view.ts";
import { accepted, booting, opened, planned, START, viewOf } from "../slack/views.ts";

export { accepted, answered, asking, booting, finished, LINKS, opened, planned, START, second } from "../slack/views.ts";

/** Who asks, and where. */
export const ALICE = { id: "github:583231", name: "alice" };
const BOB = { id: "github:583232", name: "bob" };
export const THREAD = "github:1296269:87";

type Story = Parameters<typeof viewOf>;

/** The view of a story, told on an issue of GitHub by its people. */
export function gitHubView(...story: Story): View {
  const view = viewOf(...story);
  Object.assign(view, { thread: THREAD, who: ALICE, repository: view.repository && "https://github.com/acme/sample.git" });
  for (const turn of view.turns) {
    Object.assign(turn, { who: ALICE, thread: THREAD });
    for (const ask of turn.asks) if (ask.by) ask.by = BOB;
  }
  return view;
}

/** A session whose agent has the prompt, works by a plan, or has none yet. */
export const begun: Story = [...opened(), ...booting, ...accepted];
export const working: Story = [...begun, ...planned];

const PULL: Pull = {
  repository: "acme/sample",
  number: 124,
  thread: "github:1296269:124",
  url: "https://github.com/acme/sample/pull/124",
  title: "Let the retry test move its clock",
  state: "draft",
  branch: "errand/87-fix-the-flaky-retry-3fa9",
  base: "main",
  commit: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
  additions: 32,
  deletions: 4,
  files: 2,
  checks: { state: "pending", failing: [] },
  own: true,
};

/** The branch was pushed and has a pull request. */
export const pulled = (change: Partial<Pull> = {}): Story => [
  { type: "branch.pushed", turn: 1, branch: PULL.branch, commit: PULL.commit, commits: 2 },
  { type: "session.branch", branch: PULL.branch, base: "main" },
  { type: "pull.changed", pull: { ...PULL, ...change } },
];

/** Its checks fail. */
export const FAILING: Pull["checks"] = {
  state: "failing",
  failing: [
    { name: "test (node 20)", url: "https://github.com/acme/sample/actions/runs/1/job/2" },
    { name: "lint", url: null },
  ],
};

/** What was committed could not be pushed. */
export const unpushed: Story = [
  {
    type: "push.failed",
    turn: 1,
    failure: {
      code: "workflows",
      message: "GitHub does not let the errand App change files under .github/workflows/.",
      action: 'Apply that part by hand, or give the App the permission "Workflows: write".',
    },
  },
];

/** Errand offers to mend what fails. */
export const offered: Story = [
  {
    type: "offer.made",
    id: "fix:9f86d08",
    title: "Checks fail on #124: test (node 20), lint",
    detail: "They failed on 9f86d08, which errand pushed. Tries so far: 0 of 2.",
    auto: false,
  },
];
export const taken: Story = [{ type: "offer.settled", id: "fix:9f86d08", by: BOB }];

/** A view with what `apply` makes of nothing: for messages about what is long past. */
export const pastView = (): View => apply(emptyView(), { n: 1, event: { type: "session.closed", at: START, how: "gone", who: null } });
