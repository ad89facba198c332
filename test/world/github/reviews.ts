/** Reviews of pull requests, and comments on their lines. */
import { checkLength, invalid, refusal } from "./access.ts";
import {
  type Api,
  acting,
  type C,
  folderOf,
  type Hub,
  measure,
  nodeId,
  paged,
  personOf,
  pullOf,
  type Row,
  reading,
  sizeOf,
  stamp,
} from "./hub.ts";
import { hunkAt } from "./patch.ts";
import type { Comment, Json, Pull, Repo, Review, User } from "./records.ts";

const STATES = { APPROVE: "APPROVED", REQUEST_CHANGES: "CHANGES_REQUESTED", COMMENT: "COMMENTED" } as const;
type Place = Pick<Comment, "path" | "line" | "side" | "start_line" | "start_side" | "subject_type" | "diff_hunk">;

/** Where a line comment is, with the hunk before it. Refuses, as GitHub, what is not in the diff. */
async function placeOf(hub: Hub, repo: Row<Repo>, pull: Row<Pull>, given: Json): Promise<Place> {
  const path = String(given.path ?? "");
  const { files } = await sizeOf(folderOf(hub, repo), pull.base_sha, pull.head_sha);
  const change = files.find((one) => one.filename === path);
  if (!change) throw invalid("PullRequestReviewComment", "path", "invalid", "path could not be resolved");
  const lines = change.patch?.split("\n") ?? [];
  if (given.subject_type === "file") {
    const diff_hunk = lines.slice(0, 4).join("\n");
    return { path, line: null, side: "RIGHT", start_line: null, start_side: null, subject_type: "file", diff_hunk };
  }
  const side = given.side === "LEFT" ? "LEFT" : "RIGHT";
  const line = typeof given.line === "number" ? given.line : lineAt(lines, Number(given.position));
  const diff_hunk = change.patch !== null && line !== null ? hunkAt(change.patch, line, side) : null;
  if (diff_hunk === null) throw invalid("PullRequestReviewComment", "line", "custom", "line must be part of the diff");
  const start_line = typeof given.start_line === "number" ? given.start_line : null;
  if (start_line !== null && start_line >= (line ?? 0)) {
    throw invalid("PullRequestReviewComment", "start_line", "custom", "start_line must precede the end line.");
  }
  const start_side = start_line === null ? null : given.start_side === "LEFT" ? "LEFT" : "RIGHT";
  return { path, line, side, start_line, start_side, subject_type: "line", diff_hunk };
}

/** The new file's line at a position, which counts a patch's lines from its first head on; null where there is none. */
function lineAt(lines: string[], position: number): number | null {
  let now = 0;
  for (const [index, text] of lines.entries()) {
    const head = /^@@ -\d+(?:,\d+)? \+(\d+)/.exec(text);
    if (head) now = Number(head[1]) - 1;
    else if (!text.startsWith("-")) now += 1;
    if (index === position) return head ? null : now;
  }
  return null;
}

/** One review comment, put in the table. */
function addComment(
  hub: Hub,
  pull: Row<Pull>,
  review: Row<Review>,
  by: Row<User>,
  body: string,
  place: Place,
  replyTo: number | null,
): Row<Comment> {
  const row = hub.tables.comments.insert({
    node_id: "",
    repo_id: pull.repo_id,
    issue_number: null,
    pull_number: pull.number,
    commit_sha: review.commit_id,
    original_commit_id: review.commit_id,
    body,
    user_id: by.id,
    in_reply_to_id: replyTo,
    position: place.line,
    comment_type: "review",
    review_id: review.id,
    original_line: place.line,
    ...place,
  });
  hub.tables.pullRequests.update(pull.id, { review_comments: (hub.tables.pullRequests.get(pull.id)?.review_comments ?? 0) + 1 });
  return hub.tables.comments.update(row.id, { node_id: nodeId("PullRequestReviewComment", row.id) }) ?? row;
}

function addReview(hub: Hub, pull: Row<Pull>, by: Row<User>, state: Review["state"], body: string | null, commit: string): Row<Review> {
  const submitted_at = state === "PENDING" ? null : new Date(hub.now()).toISOString();
  const blank = { node_id: "", repo_id: pull.repo_id, pull_number: pull.number, user_id: by.id };
  const row = hub.tables.reviews.insert({ ...blank, body, state, commit_id: commit, submitted_at });
  return hub.tables.reviews.update(row.id, { node_id: nodeId("PullRequestReview", row.id) }) ?? row;
}

/** Tells of a submitted review: of each comment, and of the whole. */
async function tellReview(hub: Hub, repo: Row<Repo>, pull: Row<Pull>, review: Row<Review>, by: Row<User>): Promise<void> {
  const view = await hub.view(repo, `/pulls/${pull.number}`);
  const sender = personOf(hub, by);
  for (const row of hub.tables.comments.findBy("repo_id", repo.id).filter((one) => one.review_id === review.id)) {
    const comment = await hub.view(repo, `/pulls/comments/${row.id}`);
    await hub.tell("pull_request_review_comment", repo, { action: "created", comment, pull_request: view, sender });
  }
  await hub.tell("pull_request_review", repo, {
    action: "submitted",
    review: await reviewOfEvent(hub, repo, review),
    pull_request: view,
    sender,
  });
}

/** A review as webhooks show it: its state in lower case, and no text as null. */
async function reviewOfEvent(hub: Hub, repo: Row<Repo>, review: Row<Review>): Promise<Json> {
  const view = await hub.view(repo, `/pulls/${review.pull_number}/reviews/${review.id}`);
  return { ...view, state: String(view.state).toLowerCase(), body: view.body || null };
}

/** A comment that is a review of its own, as GitHub makes of one that stands alone, and of a reply. */
async function single(hub: Hub, c: C, replyTo: number | null): Promise<Response> {
  const by = acting(c, ["pull_requests"]);
  const repo = c.get("repo");
  const body = c.get("body");
  const pull = await measure(hub, pullOf(hub, c));
  if (typeof body.body !== "string" || !body.body.trim()) throw invalid("PullRequestReviewComment", "body", "missing_field");
  checkLength("PullRequestReviewComment", body.body);
  let parent = replyTo === null ? undefined : hub.tables.comments.get(replyTo);
  if (replyTo !== null && (parent?.comment_type !== "review" || parent.pull_number !== pull.number)) throw refusal(404, "Not Found");
  if (parent?.in_reply_to_id) parent = hub.tables.comments.get(parent.in_reply_to_id);
  const place: Place = parent
    ? {
        path: parent.path,
        line: parent.line,
        side: parent.side,
        start_line: parent.start_line ?? null,
        start_side: parent.start_side ?? null,
        subject_type: parent.subject_type,
        ...(parent.diff_hunk === undefined ? {} : { diff_hunk: parent.diff_hunk }),
      }
    : await placeOf(hub, repo, pull, body);
  const commit = parent?.commit_sha ?? (typeof body.commit_id === "string" ? body.commit_id : pull.head_sha);
  const review = addReview(hub, pull, by, "COMMENTED", null, commit);
  const row = addComment(hub, pull, review, by, body.body, place, parent?.id ?? null);
  await tellReview(hub, repo, pull, review, by);
  return c.json(await hub.view(repo, `/pulls/comments/${row.id}`), 201);
}

async function create(hub: Hub, c: C): Promise<Response> {
  const by = acting(c, ["pull_requests"]);
  const repo = c.get("repo");
  const body = c.get("body");
  const pull = await measure(hub, pullOf(hub, c));
  checkLength("PullRequestReview", body.body);
  const event = body.event === undefined || body.event === null ? null : String(body.event);
  const state = event === null ? "PENDING" : STATES[event as keyof typeof STATES];
  if (!state) throw invalid("PullRequestReview", "event", "invalid");
  const own = pull.user_id === by.id && (state === "APPROVED" || state === "CHANGES_REQUESTED");
  if (own) throw refusal(422, `Can not ${state === "APPROVED" ? "approve" : "request changes on"} your own pull request`);
  const text = typeof body.body === "string" ? body.body : "";
  const comments = (Array.isArray(body.comments) ? body.comments : []).filter(
    (one): one is Json => typeof one === "object" && one !== null,
  );
  if (!text.trim() && (state === "CHANGES_REQUESTED" || (state === "COMMENTED" && comments.length === 0))) {
    throw invalid("PullRequestReview", "body", "missing_field", "Body can't be blank");
  }
  for (const one of comments) checkLength("PullRequestReviewComment", one.body);
  const places = await Promise.all(comments.map((one) => placeOf(hub, repo, pull, one)));
  const review = addReview(hub, pull, by, state, text, typeof body.commit_id === "string" ? body.commit_id : pull.head_sha);
  for (const [index, place] of places.entries()) addComment(hub, pull, review, by, String(comments[index]?.body ?? ""), place, null);
  if (state !== "PENDING") await tellReview(hub, repo, pull, review, by);
  return c.json(await hub.view(repo, `/pulls/${pull.number}/reviews/${review.id}`));
}

/** Adds the routes of reviews and line comments. */
export function reviewRoutes(api: Api, hub: Hub): void {
  const at = "/repos/:owner/:repo/pulls";
  const shown = (hub: Hub, repo: Row<Repo>, rows: Row<Comment>[]) =>
    Promise.all(rows.map((row) => hub.view(repo, `/pulls/comments/${row.id}`)));
  const reviewOf = (c: C) => {
    const row = hub.tables.reviews.get(Number(c.req.param("review")));
    if (!row || row.repo_id !== c.get("repo").id || row.pull_number !== Number(c.req.param("number"))) throw refusal(404, "Not Found");
    return row;
  };

  api.patch(`${at}/comments/:id{[0-9]+}`, (c) => {
    checkLength("PullRequestReviewComment", c.get("body").body);
    return hub.forward(c);
  });
  api.get(`${at}/:number{[0-9]+}/comments`, async (c) => {
    reading(c, ["pull_requests"]);
    const pull = pullOf(hub, c);
    const since = Date.parse(c.req.query("since") ?? "") || 0;
    const rows = hub.tables.comments
      .findBy("repo_id", pull.repo_id)
      .filter((row) => row.comment_type === "review" && row.pull_number === pull.number)
      .filter((row) => Math.floor(Date.parse(row.updated_at ?? "") / 1000) * 1000 >= since)
      .filter((row) => row.review_id === null || hub.tables.reviews.get(row.review_id)?.state !== "PENDING");
    return c.json(await shown(hub, c.get("repo"), paged(c, rows)));
  });
  api.post(`${at}/:number{[0-9]+}/comments`, (c) => {
    const to = c.get("body").in_reply_to;
    return single(hub, c, typeof to === "number" ? to : null);
  });
  api.post(`${at}/:number{[0-9]+}/comments/:id{[0-9]+}/replies`, (c) => single(hub, c, Number(c.req.param("id"))));
  api.post(`${at}/:number{[0-9]+}/reviews`, (c) => create(hub, c));
  api.get(`${at}/:number{[0-9]+}/reviews/:review{[0-9]+}/comments`, async (c) => {
    reading(c, ["pull_requests"]);
    const review = reviewOf(c);
    const rows = hub.tables.comments.findBy("repo_id", review.repo_id).filter((row) => row.review_id === review.id);
    return c.json(await shown(hub, c.get("repo"), paged(c, rows)));
  });
  api.post(`${at}/:number{[0-9]+}/reviews/:review{[0-9]+}/events`, async (c) => {
    const by = acting(c, ["pull_requests"]);
    const review = reviewOf(c);
    const state = STATES[String(c.get("body").event) as keyof typeof STATES];
    if (!state) throw invalid("PullRequestReview", "event", "invalid");
    if (review.state !== "PENDING" || review.user_id !== by.id) throw refusal(422, "Can not submit this review.");
    const body = typeof c.get("body").body === "string" ? String(c.get("body").body) : review.body;
    const fresh = hub.tables.reviews.update(review.id, { state, body, submitted_at: stamp(hub) }) ?? review;
    await tellReview(hub, c.get("repo"), pullOf(hub, c), fresh, by);
    return c.json(await hub.view(c.get("repo"), `/pulls/${review.pull_number}/reviews/${review.id}`));
  });
  api.put(`${at}/:number{[0-9]+}/reviews/:review{[0-9]+}/dismissals`, async (c) => {
    const by = acting(c, ["pull_requests"]);
    const fresh = hub.tables.reviews.update(reviewOf(c).id, { state: "DISMISSED" });
    if (!fresh) throw refusal(404, "Not Found");
    const pull = await hub.view(c.get("repo"), `/pulls/${fresh.pull_number}`);
    const review = await reviewOfEvent(hub, c.get("repo"), fresh);
    await hub.tell("pull_request_review", c.get("repo"), { action: "dismissed", review, pull_request: pull, sender: personOf(hub, by) });
    return c.json(await hub.view(c.get("repo"), `/pulls/${fresh.pull_number}/reviews/${fresh.id}`));
  });
}
