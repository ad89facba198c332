/** What happened in an issue or pull request, in the order of time. Pure. */
import type { Thread } from "./read.ts";
import type { Comment, Commit, IssueEvent, Review, ReviewComment } from "./records.ts";

/** Comments on one line of a diff: the first, and the answers to it. */
export interface ReviewThread {
  top: ReviewComment;
  replies: ReviewComment[];
}

/** One entry of a conversation; `at` is in ms since 1970. */
export type Entry = { at: number } & (
  | { kind: "comment"; comment: Comment }
  | { kind: "event"; event: IssueEvent }
  | { kind: "commits"; commits: Commit[] }
  | { kind: "review"; review: Review; threads: ReviewThread[] }
  | { kind: "thread"; thread: ReviewThread }
);

/** Events that say something a reader does not see elsewhere. */
const TOLD = new Set([
  "closed",
  "reopened",
  "merged",
  "labeled",
  "unlabeled",
  "ready_for_review",
  "convert_to_draft",
  "head_ref_deleted",
  "renamed",
]);

/** Review comments as threads, in the order of their first comments. An answer whose first comment is gone stands for itself. */
export function threadsOf(comments: readonly ReviewComment[]): ReviewThread[] {
  const byId = new Map(comments.map((comment) => [comment.id, comment]));
  const topOf = (comment: ReviewComment): ReviewComment => {
    let top = comment;
    const seen = new Set<number>();
    for (let up = byId.get(top.in_reply_to_id ?? -1); up && !seen.has(up.id); up = byId.get(top.in_reply_to_id ?? -1)) {
      seen.add(up.id);
      top = up;
    }
    return top;
  };
  const threads = new Map<number, ReviewThread>();
  const inOrder = comments.toSorted((a, b) => Date.parse(a.created_at) - Date.parse(b.created_at) || a.id - b.id);
  for (const comment of inOrder) if (topOf(comment) === comment) threads.set(comment.id, { top: comment, replies: [] });
  for (const comment of inOrder) {
    const top = topOf(comment);
    if (top !== comment) threads.get(top.id)?.replies.push(comment);
  }
  return [...threads.values()];
}

/** The entries of a conversation. Reviews that only carried an answer in a thread are left out, as GitHub does. */
export function timelineOf(thread: Pick<Thread, "comments" | "events" | "parts">): Entry[] {
  // GitHub's dates are whole seconds: of what happened in the same one, commits come first.
  const commits = thread.parts?.commits ?? [];
  const entries: Entry[] = commits.map((commit) => ({ kind: "commits", at: Date.parse(commit.commit.author.date), commits: [commit] }));
  for (const comment of thread.comments) entries.push({ kind: "comment", at: Date.parse(comment.created_at), comment });
  const merged = thread.events.filter((event) => event.event === "merged").map((event) => Date.parse(event.created_at));
  for (const event of thread.events) {
    const at = Date.parse(event.created_at);
    // Merging closes, too: that is said once.
    const said = event.event === "closed" && merged.some((time) => Math.abs(time - at) < 2_000);
    if (TOLD.has(event.event) && !said) entries.push({ kind: "event", at, event });
  }
  const { parts } = thread;
  if (parts) {
    const threads = threadsOf(parts.comments);
    const reviews = new Map(parts.reviews.map((review) => [review.id, review]));
    for (const review of parts.reviews) {
      const own = threads.filter(({ top }) => top.pull_request_review_id === review.id);
      const silent = review.body === "" && own.length === 0 && review.state.toUpperCase() === "COMMENTED";
      const at = review.submitted_at ?? own[0]?.top.created_at;
      if (!silent && at && review.state.toUpperCase() !== "PENDING")
        entries.push({ kind: "review", at: Date.parse(at), review, threads: own });
    }
    for (const one of threads) {
      if (reviews.has(one.top.pull_request_review_id ?? -1)) continue;
      entries.push({ kind: "thread", at: Date.parse(one.top.created_at), thread: one });
    }
  }
  return entries
    .toSorted((a, b) => a.at - b.at)
    .reduce<Entry[]>((out, entry) => {
      const last = out.at(-1);
      if (entry.kind === "commits" && last?.kind === "commits") last.commits.push(...entry.commits);
      else out.push(entry);
      return out;
    }, []);
}
