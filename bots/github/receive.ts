/** What GitHub delivers, made into what the session core takes. Pure and total: one delivery in, one verdict out. */
import * as z from "zod";
import { commentDeleted, commentEdited, commented, lineCommented, lineDeleted, lineEdited, reviewEdited, reviewed } from "./comments.ts";
import { type Handler, ignored, malformed, reads } from "./delivery.ts";
import { Told, ToldChecks, ToldInstallation } from "./events.ts";
import {
  installationGone,
  issueClosed,
  issueGone,
  pullChanged,
  pullClosed,
  pullEdited,
  pullPushed,
  repositoriesRemoved,
  repositoryDeleted,
  runCompleted,
  suiteCompleted,
  workflowCompleted,
} from "./happened.ts";
import { buttonPressed } from "./own.ts";
import { issueAssigned, issueEdited, issueLabeled, issueOpened, pullOpened } from "./subjects.ts";
import type { Self, Verdict } from "./verdict.ts";

const HANDLERS = new Map<string, Handler>([
  ["issue_comment.created", reads(Told.comment, commented)],
  ["issue_comment.edited", reads(Told.comment, commentEdited)],
  ["issue_comment.deleted", reads(Told.comment, commentDeleted)],
  ["pull_request_review_comment.created", reads(Told.line, lineCommented)],
  ["pull_request_review_comment.edited", reads(Told.line, lineEdited)],
  ["pull_request_review_comment.deleted", reads(Told.line, lineDeleted)],
  ["pull_request_review.submitted", reads(Told.review, reviewed)],
  ["pull_request_review.edited", reads(Told.review, reviewEdited)],
  ["issues.opened", reads(Told.issue, issueOpened)],
  ["issues.edited", reads(Told.issue, issueEdited)],
  ["issues.labeled", reads(Told.labeled, issueLabeled)],
  ["issues.assigned", reads(Told.assigned, issueAssigned)],
  ["issues.closed", reads(Told.issue, issueClosed)],
  ["issues.deleted", reads(Told.issue, issueGone)],
  ["issues.transferred", reads(Told.issue, issueGone)],
  ["pull_request.opened", reads(Told.pull, pullOpened)],
  ["pull_request.edited", reads(Told.pull, pullEdited)],
  ["pull_request.synchronize", reads(Told.pull, pullPushed)],
  ["pull_request.reopened", reads(Told.pull, pullChanged)],
  ["pull_request.ready_for_review", reads(Told.pull, pullChanged)],
  ["pull_request.converted_to_draft", reads(Told.pull, pullChanged)],
  ["pull_request.closed", reads(Told.pull, pullClosed)],
  ["check_suite.completed", reads(ToldChecks.check_suite, suiteCompleted)],
  ["check_run.completed", reads(ToldChecks.check_run, runCompleted)],
  ["check_run.requested_action", reads(ToldChecks.check_run, buttonPressed)],
  ["check_run.rerequested", reads(ToldChecks.check_run, buttonPressed)],
  ["workflow_run.completed", reads(ToldChecks.workflow_run, workflowCompleted)],
  ["installation.deleted", reads(ToldInstallation, installationGone)],
  ["installation.suspend", reads(ToldInstallation, installationGone)],
  ["installation_repositories.removed", reads(ToldInstallation, repositoriesRemoved)],
  ["repository.deleted", reads(Told.repository, repositoryDeleted)],
]);

const Envelope = z.object({ action: z.string().max(100).nullish() });

/** A delivery: the event's name and the GUID from its headers, and its body. Signed by GitHub, whatever is in it. */
export function receiveGitHub(event: string, deliveryId: string, payload: unknown, self: Self): Verdict {
  const envelope = Envelope.safeParse(payload);
  if (!envelope.success) return malformed(envelope.error);
  const action = envelope.data.action ?? "";
  const handler = HANDLERS.get(`${event}.${action}`);
  if (!handler) return ignored(`${event.slice(0, 60)}${action ? `.${action}` : ""} is not for errand`);
  return handler({ event, action, id: deliveryId, payload, self });
}
