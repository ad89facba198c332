/** What a person does on the GitHub pages, as calls of the REST API with that person's token. */
import type { Octokit } from "@octokit/rest";
import { z } from "zod";
import { tickTask } from "./markdown.ts";
import type { GitHubOffer } from "./offer.ts";
import type { Pending } from "./pending.ts";
import { addressOf } from "./place.ts";
import { attempt, octokitOf, repo } from "./read.ts";

/** The outcome of an action; `go` is where to go then. */
export type Outcome = { ok: true; go?: string } | { ok: false; error: string };

/** Who acts where, and with what. */
export interface Acting {
  github: GitHubOffer;
  login: string;
  repository: string;
  pending: Pending;
}

const id = z.coerce.number().int().positive();
const body = z.string().default("");
const kind = z.enum(["issue", "comment", "review"]);
const side = z.enum(["LEFT", "RIGHT"]);
const flag = z.enum(["0", "1"]).transform((value) => value === "1");
const refused = (error: string): Outcome => ({ ok: false, error });
const EMPTY = "An empty comment is not sent.";

/** The key of one person's pending review. */
export function pendingKey(login: string, repository: string, number: number): string {
  return JSON.stringify([login, repository, number]);
}

async function tried(work: () => Promise<unknown>): Promise<Outcome> {
  const done = await attempt(work);
  return done.ok ? { ok: true } : refused(done.error);
}

/** A text as it is now, and how to change it. */
async function textOf(octokit: Octokit, repository: string, of: z.infer<typeof kind>, id: number) {
  const at = repo(repository);
  if (of === "issue") {
    const now = await octokit.rest.issues.get({ ...at, issue_number: id });
    return { body: now.data.body ?? "", write: (body: string) => octokit.rest.issues.update({ ...at, issue_number: id, body }) };
  }
  const target = { ...at, comment_id: id };
  if (of === "comment") {
    const now = await octokit.rest.issues.getComment(target);
    return { body: now.data.body ?? "", write: (body: string) => octokit.rest.issues.updateComment({ ...target, body }) };
  }
  const now = await octokit.rest.pulls.getReviewComment(target);
  return { body: now.data.body, write: (body: string) => octokit.rest.pulls.updateReviewComment({ ...target, body }) };
}

type Handler = (form: Record<string, string>, acting: Acting, octokit: Octokit) => Promise<Outcome>;

/** A handler whose form is checked first. */
function act<T extends z.ZodRawShape>(
  shape: T,
  handle: (form: z.infer<z.ZodObject<T>>, acting: Acting, octokit: Octokit) => Promise<Outcome>,
): Handler {
  const schema = z.object(shape);
  return async (form, acting, octokit) => {
    const parsed = schema.safeParse(form);
    return parsed.success ? handle(parsed.data, acting, octokit) : refused(`The form is not complete: ${z.prettifyError(parsed.error)}`);
  };
}

const DRAFT = "mutation($id: ID!) { convertPullRequestToDraft(input: { pullRequestId: $id }) { clientMutationId } }";
const READY = "mutation($id: ID!) { markPullRequestReadyForReview(input: { pullRequestId: $id }) { clientMutationId } }";

/** All actions by the name under which a form posts them. */
const ACTIONS: Record<string, Handler> = {
  open: act({ title: z.string(), body, label: z.string().optional() }, async ({ title, body, label }, { repository }, octokit) => {
    if (title.trim() === "") return refused("An issue needs a title.");
    const labels = label ? { labels: [label] } : {};
    const made = await attempt(() => octokit.rest.issues.create({ ...repo(repository), title: title.trim(), body, ...labels }));
    if (!made.ok) return refused(made.error);
    const { number } = made.value.data;
    return { ok: true, go: addressOf({ page: "thread", repository, number, pull: false, files: false, edit: [], at: [] }) };
  }),
  comment: act(
    { number: id, pull: flag, body, state: z.enum(["open", "closed"]).optional() },
    async ({ number, pull, body, state }, { repository }, octokit) => {
      const at = { ...repo(repository), issue_number: number };
      if (body.trim() === "" && !state) return refused(EMPTY);
      if (body.trim() !== "") {
        const said = await tried(() => octokit.rest.issues.createComment({ ...at, body }));
        if (!said.ok) return said;
      }
      if (!state) return { ok: true };
      return tried(async () => {
        if (pull) await octokit.rest.pulls.update({ ...repo(repository), pull_number: number, state });
        else await octokit.rest.issues.update({ ...at, state, ...(state === "closed" ? { state_reason: "completed" as const } : {}) });
      });
    },
  ),
  edit: act({ kind, id, body }, async ({ kind, id, body }, { repository }, octokit) => {
    if (body.trim() === "" && kind !== "issue") return refused("An empty comment is not kept. Delete it instead.");
    return tried(async () => (await textOf(octokit, repository, kind, id)).write(body));
  }),
  delete: act({ kind, id }, ({ kind, id }, { repository }, octokit) =>
    tried(() => {
      const target = { ...repo(repository), comment_id: id };
      return kind === "review" ? octokit.rest.pulls.deleteReviewComment(target) : octokit.rest.issues.deleteComment(target);
    }),
  ),
  tick: act(
    { kind, id, index: z.coerce.number().int().nonnegative(), label: z.string(), checked: flag },
    async ({ kind, id, ...tick }, { repository }, octokit) => {
      const text = await attempt(() => textOf(octokit, repository, kind, id));
      if (!text.ok) return refused(text.error);
      const body = tickTask(text.value.body, tick);
      if (body === undefined) return refused("That list has changed meanwhile. Look again.");
      return tried(() => text.value.write(body));
    },
  ),
  label: act({ number: id, name: z.string().min(1), on: flag }, ({ number, name, on }, { repository }, octokit) =>
    tried(async () => {
      const at = { ...repo(repository), issue_number: number };
      if (on) await octokit.rest.issues.addLabels({ ...at, labels: [name] });
      else await octokit.rest.issues.removeLabel({ ...at, name });
    }),
  ),
  reply: act({ number: id, id, body }, async ({ number, id, body }, { repository }, octokit) => {
    if (body.trim() === "") return refused(EMPTY);
    return tried(() => octokit.rest.pulls.createReplyForReviewComment({ ...repo(repository), pull_number: number, comment_id: id, body }));
  }),
  "line-comment": act(
    {
      number: id,
      path: z.string().min(1),
      side,
      line: id,
      sha: z.string().min(1),
      body,
      how: z.enum(["single", "review"]).default("single"),
    },
    async ({ number, sha, how, ...comment }, { repository, login, pending }, octokit) => {
      if (comment.body.trim() === "") return refused(EMPTY);
      if (how === "review") {
        const added = pending.add(pendingKey(login, repository, number), comment);
        return added ? { ok: true } : refused("A review takes at most 100 comments. Submit it, and start another one.");
      }
      return tried(() => octokit.rest.pulls.createReviewComment({ ...repo(repository), pull_number: number, commit_id: sha, ...comment }));
    },
  ),
  "pending-remove": act({ number: id, id: z.string() }, async ({ number, id }, { repository, login, pending }) => {
    pending.remove(pendingKey(login, repository, number), id);
    return { ok: true };
  }),
  review: act(
    { number: id, event: z.enum(["COMMENT", "APPROVE", "REQUEST_CHANGES"]).default("COMMENT"), body },
    async ({ number, event, body }, { repository, login, pending }, octokit) => {
      const key = pendingKey(login, repository, number);
      const comments = pending.of(key).map(({ path, line, side, body }) => ({ path, line, side, body }));
      if (body.trim() === "" && event !== "APPROVE" && (event === "REQUEST_CHANGES" || comments.length === 0)) {
        return refused("Write what you think of it first.");
      }
      const done = await tried(() =>
        octokit.rest.pulls.createReview({ ...repo(repository), pull_number: number, event, ...(body.trim() ? { body } : {}), comments }),
      );
      if (!done.ok) return done;
      pending.clear(key);
      return { ok: true, go: addressOf({ page: "thread", repository, number, pull: true, files: false, edit: [], at: [] }) };
    },
  ),
  ready: act({ node: z.string() }, ({ node }, _acting, octokit) => tried(() => octokit.graphql(READY, { id: node }))),
  draft: act({ node: z.string() }, ({ node }, _acting, octokit) => tried(() => octokit.graphql(DRAFT, { id: node }))),
  merge: act(
    { number: id, sha: z.string(), method: z.enum(["merge", "squash", "rebase"]).default("merge") },
    ({ number, sha, method }, { repository }, octokit) =>
      tried(() => octokit.rest.pulls.merge({ ...repo(repository), pull_number: number, sha, merge_method: method })),
  ),
  check: act(
    {
      sha: z.string().min(1),
      name: z.string().trim().min(1).max(100),
      conclusion: z.enum(["failure", "success"]),
      log: z.string().default(""),
    },
    async (report, { github, repository }) =>
      (await github.check?.({ repository, ...report })) ?? refused("This GitHub has no CI to play."),
  ),
  press: act(
    { run: id, identifier: z.string().min(1) },
    async ({ run, identifier }, { github, repository, login }) =>
      (await github.pressAction?.({ repository, checkRun: run, identifier, login })) ?? refused("This GitHub has no such buttons."),
  ),
};

/** Does one action; undefined where there is none of that name. */
export function perform(action: string, form: Record<string, string>, acting: Acting): Promise<Outcome> | undefined {
  const handler = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
  return handler?.(form, acting, octokitOf(acting.github, acting.login));
}
