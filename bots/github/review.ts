/** The task of a request, with what else its author said in the same review: all comments of a review are one request. Pure. */
import type { Options, Request } from "../../protocol/request.ts";
import { withinLimit } from "../options.ts";
import type { ReviewComment } from "./events.ts";
import { saidTo, speaksTo } from "./heard.ts";
import { sanitise, visible } from "./sanitise.ts";
import type { Facts, Seen } from "./verdict.ts";

/** `lines` are the comments on lines that ask for it, `review` is the review they belong to, `place` the thread where the answer belongs. */
export type Task = { text: string; options: Options; place: string | null; lines: ReviewComment[]; review: number | null };

/** GitHub touches the comments of a review while it submits it; what is changed later than this after that, in ms, was edited. */
const SUBMITTING = 5_000;

/** What is asked for. For a review, facts are its comments and itself; without them, what the delivery told alone. */
export function reviewTask(request: Extract<Request, { kind: "prompt" | "edit" }>, seen: Seen, facts: Facts): Task {
  const { text, options } = request;
  const { from, slug } = seen;
  if (from.kind !== "line" && from.kind !== "review") return { text, options, place: null, lines: [], review: null };
  const told = from.kind === "line" ? from.comment : null;
  const review = told ? (told.pull_request_review_id ?? null) : from.kind === "review" ? from.review.id : null;
  const author = told ? told.user?.id : from.kind === "review" ? from.review.user?.id : undefined;
  const fetched = facts.review?.id === review ? facts.review : null;
  const submitted = from.kind === "review" ? from.review.submitted_at : fetched?.submitted_at;
  const until = Math.max(request.at, Date.parse(submitted ?? "") || 0) + SUBMITTING;
  const siblings = (facts.reviewComments ?? []).filter(
    (comment) =>
      review !== null &&
      comment.pull_request_review_id === review &&
      comment.user?.id === author &&
      comment.id !== told?.id &&
      Date.parse(comment.updated_at ?? comment.created_at) <= until,
  );
  const lines = [...(told ? [told] : []), ...siblings].sort((a, b) => a.id - b.id);

  // The review's own text is the delivery's, where that told it; else the author's as it is now.
  const body = from.kind === "review" ? (from.review.body ?? "") : fetched?.user?.id === author ? (fetched?.body ?? "") : "";
  const isWhole = speaksTo(body, slug);
  const spoken = isWhole ? saidTo(body, slug) : null;
  const asked = { ...(spoken?.kind === "prompt" ? spoken.options : {}) };
  const words = lines.flatMap((comment) => {
    const said = saidTo(comment.body ?? "", slug);
    if (said.kind === "command") return [];
    if (said.kind === "prompt") Object.assign(asked, said.options);
    // A mention in the review's own text is for all its comments; otherwise those are meant that mention us.
    if (said.kind === "nothing") return isWhole ? [{ comment, text: sanitise(comment.body ?? "") }] : [];
    return [{ comment, text: said.text }];
  });
  const threads = new Set(words.map(({ comment }) => topOf(comment)));
  const [only] = threads;
  const place = !isWhole && threads.size === 1 ? `review:${only}` : null;
  const common = { options: asked, place, lines: words.map(({ comment }) => comment), review };
  const bodyText = spoken?.kind === "prompt" ? spoken.text : "";
  if (!isWhole && words.length === 1) return { ...common, text: words[0]?.text ?? "" };
  const listed = words.map(({ comment, text: said }, index) => `${index + 1}. On ${where(comment)}:\n\n${said}`);
  return { ...common, text: withinLimit([bodyText, ...listed].filter((part) => part !== "").join("\n\n")) };
}

/** The comment that a thread on a line begins with. */
export const topOf = ({ id, in_reply_to_id }: ReviewComment): number => in_reply_to_id ?? id;

/** Where a comment on a line stands, in words. */
export function where({ path, line, start_line, original_line }: ReviewComment): string {
  const file = visible(path).replace(/\s+/g, " ").slice(0, 500);
  if (line == null) return original_line == null ? file : `${file}, line ${original_line} as it was then`;
  return start_line == null || start_line === line ? `${file}, line ${line}` : `${file}, lines ${start_line} to ${line}`;
}
