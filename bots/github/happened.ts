/** What happened to issues, pull requests, their checks and our installations, without a word to errand. Pure. */
import type * as z from "zod";
import { base, type Delivery, gateOf, heard, ignored, isUs, personOf, pullsHere } from "./delivery.ts";
import type { Told, ToldChecks, ToldInstallation } from "./events.ts";
import { descriptionEdited } from "./subjects.ts";
import type { Verdict } from "./verdict.ts";

/**
 * GitHub lets the author of an issue or pull request close it, whoever that is: what others work on there is stopped only by who may write. All
 * other people who can close it have been given that right by the repository's owners, and so have bots.
 */
const closer = (told: Told["repository"], author: { id: number } | null | undefined) =>
  told.sender.type === "User" && told.sender.id === author?.id ? { gate: gateOf(told) } : {};

/** `issues.closed` */
export function issueClosed(told: Told["issue"], delivery: Delivery): Verdict {
  const { issue } = told;
  const common = base(told, issue.number, issue.closed_at ?? issue.updated_at, delivery);
  return heard({ kind: "closed", ...common, how: "closed" }, closer(told, issue.user));
}

/** `issues.deleted` and `issues.transferred`: there is nowhere to write any more. */
export function issueGone(told: Told["issue"], delivery: Delivery): Verdict {
  const { issue } = told;
  return heard({ kind: "closed", ...base(told, issue.number, issue.updated_at, delivery), how: "gone" });
}

/** `pull_request.closed`. Who merges may write. */
export function pullClosed(told: Told["pull"], delivery: Delivery): Verdict {
  const { pull_request: pull } = told;
  const common = base(told, pull.number, pull.closed_at ?? pull.updated_at, delivery);
  if (pull.merged) return heard({ kind: "closed", ...common, how: "merged" });
  return heard({ kind: "closed", ...common, how: "closed" }, closer(told, pull.user));
}

/** `pull_request.reopened`, `ready_for_review`, `converted_to_draft`, by whomever. */
export function pullChanged(told: Told["pull"], delivery: Delivery): Verdict {
  const { pull_request: pull } = told;
  return heard({ kind: "changed", ...base(told, pull.number, pull.updated_at, delivery) });
}

/** `pull_request.edited`: a description that speaks to errand, or a change to look at. */
export function pullEdited(told: Told["pull"], delivery: Delivery): Verdict {
  if (isUs(told.sender, delivery.self)) return ignored("our own doing");
  return descriptionEdited(told, delivery) ?? pullChanged(told, delivery);
}

/** `pull_request.synchronize`: commits were added to its branch; by us, they are known. */
export function pullPushed(told: Told["pull"], delivery: Delivery): Verdict {
  const { pull_request: pull, sender } = told;
  const common = base(told, pull.number, pull.updated_at, delivery);
  if (isUs(sender, delivery.self)) return heard({ kind: "changed", ...common });
  return heard({ kind: "changed", ...common, pushed: { commit: told.after ?? pull.head.sha, by: sender.login } });
}

type Ran = { head_sha: string; pull_requests?: Parameters<typeof pullsHere>[0] };

function checks(
  about: Told["repository"],
  ran: Ran & { app?: { id: number } | null | undefined },
  at: number,
  delivery: Delivery,
): Verdict {
  if (String(ran.app?.id) === delivery.self.appId) return ignored("our own check run");
  const { repository, installation, sender } = about;
  return {
    kind: "checks",
    repository: { id: repository.id, fullName: repository.full_name, private: repository.private },
    installation: installation.id,
    commit: ran.head_sha,
    numbers: pullsHere(ran.pull_requests, repository),
    deliveryId: delivery.id,
    who: personOf(sender),
    at,
  };
}

type Checks = { [kind in keyof typeof ToldChecks]: z.output<(typeof ToldChecks)[kind]> };

/** `check_suite.completed` */
export const suiteCompleted = (told: Checks["check_suite"], delivery: Delivery): Verdict =>
  checks(told, told.check_suite, told.check_suite.updated_at, delivery);
/** `check_run.completed` */
export const runCompleted = (told: Checks["check_run"], delivery: Delivery): Verdict =>
  checks(told, told.check_run, told.check_run.completed_at ?? told.check_run.started_at ?? 0, delivery);
/** `workflow_run.completed` */
export const workflowCompleted = (told: Checks["workflow_run"], delivery: Delivery): Verdict =>
  checks(told, told.workflow_run, told.workflow_run.updated_at, delivery);

type Installed = z.output<typeof ToldInstallation>;

function uncovered(told: Installed, repositories: Extract<Verdict, { kind: "fan-out" }>["repositories"], delivery: Delivery): Verdict {
  const { installation, sender } = told;
  const at = installation.updated_at ?? 0;
  return { kind: "fan-out", installation: installation.id, repositories, how: "gone", deliveryId: delivery.id, who: personOf(sender), at };
}

/** `installation.deleted` and `installation.suspend`: errand can't write in any of its repositories. */
export const installationGone = (told: Installed, delivery: Delivery): Verdict => uncovered(told, "all", delivery);

/** `installation_repositories.removed` */
export function repositoriesRemoved(told: Installed, delivery: Delivery): Verdict {
  const removed = (told.repositories_removed ?? []).map(({ id, full_name }) => ({ id, fullName: full_name }));
  return removed.length > 0 ? uncovered(told, removed, delivery) : ignored("no repository was removed");
}

/** `repository.deleted` */
export function repositoryDeleted(told: Told["repository"], delivery: Delivery): Verdict {
  const { repository, installation, sender } = told;
  return uncovered({ installation, sender }, [{ id: repository.id, fullName: repository.full_name }], delivery);
}
