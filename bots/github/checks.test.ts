import { describe, expect, it } from "vitest";
import { type CheckRun, reduceChecks, type Status } from "./checks.ts";

let id = 0;
const run = (conclusion: string | null, more: Partial<CheckRun> = {}): CheckRun => ({
  id: ++id,
  name: "test (20)",
  status: conclusion === null ? "in_progress" : "completed",
  conclusion,
  details_url: "https://ci.test/1",
  html_url: "https://github.com/acme/sample/runs/1",
  app: { id: 15368, slug: "github-actions" },
  output: { title: null, summary: null, text: null, annotations_count: 0 },
  ...more,
});
const status = (state: string, context = "ci/external"): Status => ({
  context,
  state,
  description: null,
  target_url: "javascript:alert(1)",
});

describe("reduceChecks", () => {
  const own = { name: "errand", app: { id: 123, slug: "errand" } };
  const table: [string, CheckRun[], Status[], string, string[]][] = [
    ["nothing", [], [], "none", []],
    ["only errand's own", [run("neutral", own), run(null, own)], [], "none", []],
    ["errand's own, of an unknown App", [run("failure", { name: "errand", app: null })], [], "none", []],
    ["somebody else's check of that name", [run("failure", { name: "errand" })], [], "failing", ["errand"]],
    ["one under way", [run(null), run("success")], [], "pending", []],
    ["one failed, one under way", [run("failure"), run(null)], [], "pending", ["test (20)"]],
    ["all well", [run("success"), run("skipped"), run("neutral")], [status("success")], "passing", []],
    ["timed out", [run("timed_out"), run("success")], [], "failing", ["test (20)"]],
    ["only skipped and cancelled", [run("skipped"), run("cancelled")], [], "none", []],
    ["waits for a person", [run("action_required")], [], "pending", []],
    ["a failed status", [run("success")], [status("failure"), status("error", "lint")], "failing", ["ci/external", "lint"]],
    ["a status under way", [], [status("pending")], "pending", []],
  ];
  it.each(table)("%s", (_name, runs, statuses, state, failing) => {
    const checks = reduceChecks(runs, statuses, "123");
    expect({ state: checks.state, failing: checks.failing.map(({ name }) => name) }).toEqual({ state, failing });
  });

  it("links only to the web, and names 20 at most", () => {
    expect(reduceChecks([], [status("failure")], "123").failing).toEqual([{ name: "ci/external", url: null }]);
    expect(
      reduceChecks(
        Array.from({ length: 30 }, () => run("failure")),
        [],
        "123",
      ).failing,
    ).toHaveLength(20);
  });
});
