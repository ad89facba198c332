/** Writes comments and check runs on GitHub, once per call, and says truthfully how it ended. */
import type { Octokit } from "@octokit/rest";
import * as z from "zod";
import { parseThreadKey } from "../../protocol/thread.ts";
import { redact } from "../redact.ts";
import type { Address, Content, Found, Outcome, Pace, Surface } from "../surface.ts";
import { OWN_CHECK } from "./checks.ts";
import { type GitHubAccess, gitHubApp, splitRepository } from "./client.ts";
import { type CheckContent, type CommentContent, WAYS } from "./content.ts";
import { sortWrite, statusOf } from "./errors.ts";
import { keyIn, keyMark } from "./marker.ts";
import { renderGitHub } from "./render.ts";

/** How far GitHub's clock may be behind ours, in ms. */
const SKEW = 60_000;
/** Comments asked for at once, GitHub's most, and how many times: 3,000 comments since a post was begun are looked at. */
const PAGE = 100;
const PAGES = 30;

/** The limits that writes and looks count against. */
const METHOD = { post: "github.content", edit: "github.content", find: "github.read" } as const;

/** What GitHub's requests leave with a thread: which installation may write there. */
const Native = z.object({
  installation: z.number().int().positive(),
  repository: z.string().regex(/^[^/\s]+\/[^/\s]+$/),
  private: z.boolean(),
});
type Native = z.infer<typeof Native>;

const IsContent = z.custom<CommentContent | CheckContent>(
  (value) => typeof value === "object" && value !== null && "kind" in value && (value.kind === "comment" || value.kind === "check"),
);

const Listed = z.object({
  id: z.number(),
  body: z.string().nullish(),
  user: z.object({ login: z.string(), type: z.string().nullish() }).nullish(),
  performed_via_github_app: z.object({ id: z.number() }).nullish(),
  in_reply_to_id: z.number().nullish(),
});
type Listed = z.infer<typeof Listed>;

/** The ids of our messages, and of the places in a thread, are a word and a number. */
function parseId(text: string): { kind: "issue" | "review" | "check"; number: number } | null {
  const [, kind, number] = /^(issue|review|check):(\d{1,15})$/.exec(text) ?? [];
  return kind === "issue" || kind === "review" || kind === "check" ? { kind, number: Number(number) } : null;
}

type Refused = Extract<Outcome, { kind: "refused" }>;
/** Where a message goes, taken apart. `top`: the first comment of the thread of a review, null in the conversation. */
type Target = { native: Native; owner: string; repo: string; number: number; top: number | null; client: Octokit };

/** 500 comments and edits an hour are all that an installation has: the first edit comes soon, later ones the slower the longer it takes. */
function pace(elapsed: number): Pace {
  const gap = elapsed < 5_000 ? 3_000 : elapsed < 120_000 ? 15_000 : elapsed < 600_000 ? 30_000 : 60_000;
  return { gap, trailing: gap };
}

/** Errand's GitHub, speaking as the App's installation on each repository. Makes each call once; waiting and trying again are the caller's. */
export function gitHubSurface(access: GitHubAccess): Surface {
  const app = gitHubApp(access);
  const now = access.now ?? Date.now;

  function nativeOf(to: Address): Native | null {
    try {
      return Native.safeParse(JSON.parse(to.native ?? "null")).data ?? null;
    } catch {
      return null;
    }
  }

  /** Throws for a thread of another surface, which is a fault in the caller. */
  function targetOf(to: Address): Target | Refused {
    const thread = parseThreadKey(to.thread);
    if (thread?.surface !== "github") throw new Error(`${to.thread} is not a thread on GitHub`);
    const native = nativeOf(to);
    if (native === null) {
      return {
        kind: "refused",
        code: "no_installation",
        why: `Which installation of the App covers ${to.thread} is not known: no request from there has come yet. Mention ${app.slug} there once.`,
      };
    }
    const place = to.place === null ? null : parseId(to.place);
    const top = place?.kind === "review" ? place.number : null;
    return { native, ...splitRepository(native.repository), number: thread.number, top, client: app.installation(native.installation) };
  }

  const failed = (error: unknown, target: Target, write: keyof typeof METHOD) =>
    sortWrite(error, { app, repository: target.native.repository, now: now() }, METHOD[write], write === "edit");

  /** The text of a comment as it is sent: with the ways into the sandbox where only members see it, without secrets, marked. */
  function bodyOf(content: CommentContent, native: Native, key: string): string {
    const body = content.body.replace(WAYS, () => (native.private ? content.ways : ""));
    return `${redact(body)}\n\n${keyMark(key)}`;
  }

  async function postComment(target: Target, body: string): Promise<Outcome> {
    const { owner, repo, number, top, client } = target;
    if (top !== null) {
      try {
        const { data } = await client.rest.pulls.createReplyForReviewComment({ owner, repo, pull_number: number, comment_id: top, body });
        return { kind: "sent", id: `review:${data.id}` };
      } catch (error) {
        // The comment that began the thread was deleted: what is to be said is said in the conversation.
        if (statusOf(error) !== 404 && statusOf(error) !== 422) return failed(error, target, "post");
      }
    }
    try {
      const { data } = await client.rest.issues.createComment({ owner, repo, issue_number: number, body });
      return { kind: "sent", id: `issue:${data.id}` };
    } catch (error) {
      return failed(error, target, "post");
    }
  }

  /** What a check run says; an absent conclusion leaves it running. */
  const checkOf = (content: CheckContent, key: string) => ({
    status: content.status,
    ...(content.conclusion === null ? {} : { conclusion: content.conclusion }),
    ...(content.startedAt === null ? {} : { started_at: content.startedAt }),
    ...(content.completedAt === null ? {} : { completed_at: content.completedAt }),
    details_url: content.detailsUrl,
    external_id: key,
    output: { title: redact(content.title), summary: redact(content.summary) },
    actions: content.actions,
  });

  async function postCheck(target: Target, content: CheckContent, key: string): Promise<Outcome> {
    const { owner, repo, client } = target;
    try {
      const { data } = await client.rest.checks.create({
        owner,
        repo,
        name: OWN_CHECK,
        head_sha: content.commit,
        ...checkOf(content, key),
      });
      return { kind: "sent", id: `check:${data.id}` };
    } catch (error) {
      return failed(error, target, "post");
    }
  }

  async function edit(target: Target, id: string, content: CommentContent | CheckContent, key: string): Promise<Outcome> {
    const message = parseId(id);
    if (message === null || (message.kind === "check") !== (content.kind === "check"))
      throw new Error(`${id} is no ${content.kind} on GitHub`);
    const { owner, repo, client } = target;
    try {
      if (content.kind === "check") {
        await client.rest.checks.update({ owner, repo, check_run_id: message.number, ...checkOf(content, key) });
      } else {
        const what = { owner, repo, comment_id: message.number, body: bodyOf(content, target.native, key) };
        await (message.kind === "review" ? client.rest.pulls.updateReviewComment(what) : client.rest.issues.updateComment(what));
      }
      return { kind: "sent", id };
    } catch (error) {
      return failed(error, target, "edit");
    }
  }

  /** Whether a comment is one of ours; a mark in somebody else's says nothing. */
  const isOurs = ({ performed_via_github_app: via, user }: Listed): boolean =>
    via ? String(via.id) === app.appId : user?.type === "Bot" && user.login.toLowerCase() === `${app.slug}[bot]`.toLowerCase();

  /** Looks through pages of comments, given as a call for each page. */
  async function search(
    page: (number: number) => Promise<readonly unknown[]>,
    wanted: (one: Listed) => boolean,
  ): Promise<number | "absent" | "more"> {
    for (let number = 1; number <= PAGES; number += 1) {
      const listed = await page(number);
      for (const one of listed) {
        const comment = Listed.safeParse(one);
        if (comment.success && isOurs(comment.data) && wanted(comment.data)) return comment.data.id;
      }
      if (listed.length < PAGE) return "absent";
    }
    return "more";
  }

  async function findComment(target: Target, key: string, since: number): Promise<Found> {
    const { owner, repo, number, top, client } = target;
    const from = new Date(Math.max(0, since - SKEW)).toISOString();
    const marked = (one: Listed) => keyIn(one.body ?? "") === key;
    const inConversation = (page: number) =>
      client.rest.issues.listComments({ owner, repo, issue_number: number, since: from, per_page: PAGE, page }).then(({ data }) => data);
    const inReviews = (page: number) =>
      client.rest.pulls
        .listReviewComments({ owner, repo, pull_number: number, since: from, sort: "created", direction: "desc", per_page: PAGE, page })
        .then(({ data }) => data);
    // A reply whose thread is gone was posted in the conversation.
    const places = [...(top === null ? [] : ([["review", inReviews]] as const)), ["issue", inConversation] as const];
    for (const [kind, page] of places) {
      const found = await search(page, marked);
      if (typeof found === "number") return { kind: "found", id: `${kind}:${found}` };
      if (found === "more") return { kind: "unknown", why: `more than ${PAGE * PAGES} comments since then; the rest was not looked at` };
    }
    return { kind: "absent" };
  }

  async function findCheck({ owner, repo, client }: Target, key: string, content: CheckContent): Promise<Found> {
    for (let page = 1; page <= PAGES; page += 1) {
      const { data } = await client.rest.checks.listForRef({
        owner,
        repo,
        ref: content.commit,
        check_name: OWN_CHECK,
        filter: "all",
        per_page: PAGE,
        page,
      });
      const run = data.check_runs.find((one) => one.external_id === key && (one.app === null || String(one.app.id) === app.appId));
      if (run) return { kind: "found", id: `check:${run.id}` };
      if (data.check_runs.length < PAGE) return { kind: "absent" };
    }
    return { kind: "unknown", why: `more than ${PAGE * PAGES} check runs of this name; the rest was not looked at` };
  }

  return {
    name: "github",
    shows: () => true,
    pace,
    render: (message) => renderGitHub(message, app.slug),
    budget(to, write) {
      return { workspace: `github:${nativeOf(to)?.installation ?? "unknown"}`, method: METHOD[write], channel: to.thread };
    },
    async post(to, key, content) {
      const target = targetOf(to);
      if ("kind" in target) return target;
      const what = IsContent.parse(content);
      return what.kind === "check" ? postCheck(target, what, key) : postComment(target, bodyOf(what, target.native, key));
    },
    async edit(to, id, key, content) {
      const target = targetOf(to);
      return "kind" in target ? target : edit(target, id, IsContent.parse(content), key);
    },
    async find(to: Address, key: string, since: number, content: Content): Promise<Found> {
      const target = targetOf(to);
      if ("kind" in target) return target;
      const what = IsContent.parse(content);
      try {
        return await (what.kind === "check" ? findCheck(target, key, what) : findComment(target, key, since));
      } catch (error) {
        const outcome = failed(error, target, "find");
        // Where there is nothing to look in, nothing of ours is: posting there says what is wrong.
        return outcome.kind === "gone" ? { kind: "absent" } : outcome;
      }
    },
  };
}
