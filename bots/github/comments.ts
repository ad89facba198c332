/** Comments in a conversation, comments on lines, and reviews: new, changed and deleted ones. Pure. */
import { accountOf, base, type Delivery, heard, ignored, isUs, notHeard } from "./delivery.ts";
import type { Told } from "./events.ts";
import { saidTo, speaksTo } from "./heard.ts";
import { ownEdited } from "./own.ts";
import type { Verdict } from "./verdict.ts";
import { changedByAuthor, created, edited, keyOf, millis, pullWords, subjectOf, type Words } from "./words.ts";

function commentWords(told: Told["comment"], at: number, slug: string): Words {
  const { issue, comment, repository } = told;
  const pull = issue.pull_request ? issue.number : null;
  return {
    about: told,
    number: issue.number,
    at,
    contentKey: keyOf(told, `comment:${comment.id}`),
    ack: { type: "issue_comment", id: comment.id },
    needs: {
      pull,
      author: pull === null ? null : accountOf(issue.user),
      reviews: pull === null ? null : { pull, review: null },
      comments: issue.comments === 0 ? null : { number: issue.number, count: issue.comments ?? null },
      at,
    },
    seen: {
      slug,
      repository: repository.full_name,
      subject: subjectOf(pull === null ? "issue" : "pull", issue),
      pull: null,
      from: { kind: "comment", id: comment.id },
    },
    partly: false,
  };
}

/** `issue_comment.created` */
export function commented(told: Told["comment"], delivery: Delivery): Verdict {
  const why = notHeard(told.sender, told.comment, delivery.self);
  return why ? ignored(why) : created(told.comment.body, commentWords(told, millis(told.comment.created_at), delivery.self.slug), delivery);
}

/** `issue_comment.edited` */
export function commentEdited(told: Told["comment"], delivery: Delivery): Verdict {
  const { comment, changes, issue } = told;
  if (isUs(comment.user, delivery.self)) return ownEdited(told, issue.number, `issue:${comment.id}`, delivery);
  const why = notHeard(told.sender, comment, delivery.self) ?? changedByAuthor(told, comment.user);
  if (why) return ignored(why);
  const { slug } = delivery.self;
  const words = commentWords(told, millis(comment.updated_at ?? comment.created_at), slug);
  return edited(saidTo(changes?.body?.from ?? "", slug), saidTo(comment.body ?? "", slug), words, delivery);
}

/** `issue_comment.deleted` */
export function commentDeleted(told: Told["comment"], delivery: Delivery): Verdict {
  return deleted(told, told.issue.number, keyOf(told, `comment:${told.comment.id}`), delivery);
}

function deleted(told: Told["comment"] | Told["line"], number: number, contentKey: string, delivery: Delivery): Verdict {
  const { comment } = told;
  if (isUs(comment.user, delivery.self)) return ignored("a comment of ours was deleted");
  if (!speaksTo(comment.body ?? "", delivery.self.slug)) return ignored("does not speak to errand");
  const at = millis(comment.updated_at ?? comment.created_at);
  return heard({ kind: "withdraw", ...base(told, number, at, delivery), contentKey });
}

/** The review that comments belong to makes one request of them all, whichever of its deliveries comes first. */
const reviewKey = (about: Told["repository"], review: number) => keyOf(about, `review:${review}`);

function lineWords(told: Told["line"], at: number, slug: string): Words {
  const { comment, pull_request: pull } = told;
  const words = pullWords(told, pull, at, slug);
  const review = comment.pull_request_review_id ?? null;
  return {
    ...words,
    contentKey: review === null ? keyOf(told, `line:${comment.id}`) : reviewKey(told, review),
    ack: { type: "review_comment", id: comment.id },
    needs: { ...words.needs, reviews: { pull: pull.number, review } },
    seen: { ...words.seen, from: { kind: "line", comment } },
    place: `review:${comment.in_reply_to_id ?? comment.id}`,
  };
}

/** `pull_request_review_comment.created` */
export function lineCommented(told: Told["line"], delivery: Delivery): Verdict {
  const { comment } = told;
  const why = notHeard(told.sender, comment, delivery.self);
  // It may have been written long before its review was submitted, which touches it.
  const at = Math.max(millis(comment.created_at), millis(comment.updated_at));
  return why ? ignored(why) : created(comment.body, lineWords(told, at, delivery.self.slug), delivery);
}

/** `pull_request_review_comment.edited` */
export function lineEdited(told: Told["line"], delivery: Delivery): Verdict {
  const { comment, changes, pull_request: pull } = told;
  if (isUs(comment.user, delivery.self)) return ownEdited(told, pull.number, `review:${comment.id}`, delivery);
  const why = notHeard(told.sender, comment, delivery.self) ?? changedByAuthor(told, comment.user);
  if (why) return ignored(why);
  const { slug } = delivery.self;
  const words = lineWords(told, millis(comment.updated_at ?? comment.created_at), slug);
  return edited(saidTo(changes?.body?.from ?? "", slug), saidTo(comment.body ?? "", slug), words, delivery);
}

/** `pull_request_review_comment.deleted` */
export function lineDeleted(told: Told["line"], delivery: Delivery): Verdict {
  const { comment, pull_request: pull } = told;
  const review = comment.pull_request_review_id;
  return deleted(told, pull.number, review ? reviewKey(told, review) : keyOf(told, `line:${comment.id}`), delivery);
}

function reviewWords(told: Told["review"], at: number, slug: string): Words {
  const { review, pull_request: pull } = told;
  const words = pullWords(told, pull, at, slug);
  return {
    ...words,
    contentKey: reviewKey(told, review.id),
    // GitHub has no reactions on reviews.
    ack: null,
    needs: { ...words.needs, reviews: { pull: pull.number, review: review.id } },
    seen: { ...words.seen, from: { kind: "review", review } },
  };
}

/** `pull_request_review.submitted` */
export function reviewed(told: Told["review"], delivery: Delivery): Verdict {
  const { review, pull_request: pull } = told;
  const why = notHeard(told.sender, {}, delivery.self);
  const at = millis(review.submitted_at) || pull.updated_at;
  return why ? ignored(why) : created(review.body, reviewWords(told, at, delivery.self.slug), delivery);
}

/** `pull_request_review.edited` */
export function reviewEdited(told: Told["review"], delivery: Delivery): Verdict {
  const { review, changes, pull_request: pull } = told;
  const why = notHeard(told.sender, {}, delivery.self) ?? changedByAuthor(told, review.user);
  if (why) return ignored(why);
  const { slug } = delivery.self;
  const words = reviewWords(told, millis(review.updated_at) || pull.updated_at, slug);
  return edited(saidTo(changes?.body?.from ?? "", slug), saidTo(review.body ?? "", slug), words, delivery);
}
