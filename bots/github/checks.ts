/** What the checks of a commit say, from GitHub's two ways of telling: check runs and commit statuses. Pure. */
import type { Checks } from "../../protocol/events.ts";

/** A check run, as far as it is read here. */
export type CheckRun = {
  id: number;
  name: string;
  status: string;
  conclusion: string | null;
  details_url: string | null;
  html_url: string | null;
  app: { id: number; slug?: string | undefined } | null;
  output: { title: string | null; summary: string | null; text: string | null; annotations_count: number };
};

/** A commit status: the newest of its context. */
export type Status = { context: string; state: string; description: string | null; target_url: string | null };

/** The name of errand's own check run. */
export const OWN_CHECK = "errand";

/** Failing checks told of, as the event's schema has it. */
const TOLD = 20;

/**
 * Conclusions that say the commit is bad. A cancelled or skipped run says nothing about it; `action_required` waits for a person, as a
 * workflow of a new contributor does.
 */
const FAILED = new Set(["failure", "timed_out", "startup_failure"]);
const PASSED = new Set(["success", "neutral"]);

/** Whether a check run is the one that errand itself keeps on its commits. */
const isOwn = (run: CheckRun, appId: string): boolean => (run.app ? String(run.app.id) === appId : run.name === OWN_CHECK);

/** The check runs that failed, errand's own left out. */
export const failedRuns = (runs: readonly CheckRun[], appId: string): CheckRun[] =>
  runs.filter((run) => !isOwn(run, appId) && run.status === "completed" && FAILED.has(run.conclusion ?? ""));

/** The statuses that say so. */
export const failedStatuses = (statuses: readonly Status[]): Status[] =>
  statuses.filter((status) => status.state === "failure" || status.state === "error");

/** An address that a message may link to: only the web's. */
export const webAddress = (url: string | null | undefined): string | null =>
  url && /^https?:\/\//i.test(url) && URL.canParse(url) ? url.slice(0, 2_000) : null;

/**
 * The state of all checks together. `pending` as long as one is under way, also when another has failed already: what fails is read, and
 * mended, once. The failing ones are named in either case.
 */
export function reduceChecks(runs: readonly CheckRun[], statuses: readonly Status[], appId: string): Checks {
  const others = runs.filter((run) => !isOwn(run, appId));
  const failing = [
    ...failedRuns(runs, appId).map((run) => ({ name: run.name, url: webAddress(run.html_url ?? run.details_url) })),
    ...failedStatuses(statuses).map((status) => ({ name: status.context, url: webAddress(status.target_url) })),
  ].map(({ name, url }) => ({ name: name.slice(0, 300), url }));
  const pending =
    others.some((run) => run.status !== "completed" || run.conclusion === "action_required") ||
    statuses.some((status) => status.state === "pending");
  const passed = others.some((run) => PASSED.has(run.conclusion ?? "")) || statuses.some((status) => status.state === "success");
  const state = pending ? "pending" : failing.length > 0 ? "failing" : passed ? "passing" : "none";
  return { state, failing: failing.slice(0, TOLD) };
}
