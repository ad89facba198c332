/** What receive.ts makes of one delivery, and what is still to be found out before its request can be handed over. */
import type { Person, Request } from "../../protocol/request.ts";
import type { Account, Comment, PullRequest, Review, ReviewComment } from "./events.ts";

/** The App that we are: its id, and its short name, whose bot account is `<slug>[bot]`; and the bots that may ask for work. */
export type Self = { appId: string; slug: string; allowedBots?: readonly { login: string; id: number }[] };

/** Whom to ask GitHub about: the request is handed over only when `user` has write access to the repository. */
export type Gate = { installation: number; repositoryId: number; repository: string; private: boolean; user: Account };

/** What a webhook does not tell and `complete` needs, to be fetched after the gate. */
export type Needs = {
  /** The pull request to fetch for `Facts.pull`; null where there is none or the delivery told it. */
  pull: number | null;
  /** The author of the pull request, whose write access is `Facts.authorMayWrite`; null where that does not matter. */
  author: Account | null;
  /**
   * The pull request whose review comments (newest first) and reviews are wanted for `Facts.reviewComments` and `Facts.reviews`; `review` is
   * the one that made the request, for `Facts.review`.
   */
  reviews: { pull: number; review: number | null } | null;
  /** The conversation so far, newest 50, for `Facts.conversation`; `count` is how many comments there are, where that was told. */
  comments: { number: number; count: number | null } | null;
  /** When the request was made, in ms since 1970: what is younger does not get into it. */
  at: number;
};

/** What was fetched, as GitHub's REST API has it. What is not there is left out of the request, except `pull` where it is needed. */
export type Facts = {
  pull?: PullRequest;
  authorMayWrite?: boolean;
  review?: Review;
  reviews?: readonly Review[];
  reviewComments?: readonly ReviewComment[];
  conversation?: readonly Comment[];
};

/** What to put a reaction on: `eyes` when the request was taken, `-1` when its author may not ask. For `issue`, `id` is the number. */
export type Ack = { type: "issue_comment" | "review_comment" | "issue"; id: number };

/** What the delivery told that belongs into a prompt's context, for `complete`. Raw text of people: not for a model. */
export type Seen = {
  slug: string;
  repository: string;
  subject: { kind: "issue" | "pull"; number: number; title: string; body: string; by: string };
  /** The pull request, where the delivery told it whole. */
  pull: PullRequest | null;
  /** Where the words that made the request stand; what is here is not context. */
  from:
    | { kind: "subject" }
    | { kind: "comment"; id: number }
    | { kind: "review"; review: Review }
    | { kind: "line"; comment: ReviewComment };
};

/** A request as the delivery alone tells it. */
export type Heard = { kind: "request"; request: Request; gate: Gate | null; needs: Needs; ack: Ack | null; seen: Seen | null };

export type RepositoryName = { id: number; fullName: string };

/**
 * `ignored`: answer 202 and do nothing, for this reason. `malformed`: not GitHub's form, 400. `request`: pass its gate, fetch what it needs,
 * `complete` it, hand it to its session. `fan-out`: each session of these repositories gets a `closed` request with `how`.
 * `checks`: the pull requests with this head commit get a `changed` request; where `numbers` is empty, they have to be looked for.
 */
export type Verdict =
  | { kind: "ignored"; why: string }
  | { kind: "malformed"; why: string }
  | Heard
  | {
      kind: "fan-out";
      installation: number;
      repositories: RepositoryName[] | "all";
      how: "gone";
      deliveryId: string;
      who: Person;
      at: number;
    }
  | {
      kind: "checks";
      repository: RepositoryName & { private: boolean };
      installation: number;
      commit: string;
      numbers: number[];
      deliveryId: string;
      who: Person;
      at: number;
    };
