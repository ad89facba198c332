/**
 * Fetches what a delivery does not tell and its request needs. The pull request is needed; what stands around a request is fetched where it
 * can be had in time, and what is missing is left out.
 */
import type { Octokit } from "@octokit/rest";
import * as z from "zod";
import { splitRepository } from "./client.ts";
import { sortCall } from "./errors.ts";
import { type Account, Comment, PullRequest, Review, ReviewComment } from "./events.ts";
import type { Facts, Needs } from "./verdict.ts";

/** `denied` is final; `unsettled`: the request is to come again. `why` is for the log. */
export type Fetched =
  | { kind: "facts"; facts: Facts; left: string[] }
  | { kind: "denied"; why: string }
  | { kind: "unsettled"; why: string };

export type FactPorts = {
  octokit: Octokit;
  /** `owner/name`. */
  repository: string;
  app: { slug: string; webUrl: string };
  /** Whether somebody may write to the repository: by the same gate as the request. */
  mayWrite: (author: Account) => Promise<boolean>;
  /** Milliseconds before a call is given up. */
  timeoutMs: number;
  now: number;
};

/** Comments of the conversation that are fetched: the newest ones. */
const COMMENTS = 50;
/** The most that GitHub gives on one page. */
const PAGE = 100;

/** The items of a list that have the form of GitHub's; the others are left out. */
function itemsOf<T extends z.ZodType>(schema: T, data: unknown): z.output<T>[] {
  const list = z.array(z.unknown()).safeParse(data).data ?? [];
  return list.flatMap((one) => {
    const parsed = schema.safeParse(one);
    return parsed.success ? [parsed.data] : [];
  });
}

/** Fetches it, all at the same time. `left` names what could not be had. */
export async function fetchFacts(needs: Needs, ports: FactPorts): Promise<Fetched> {
  const { octokit, repository, app, now } = ports;
  const where = splitRepository(repository);
  const request = { signal: AbortSignal.timeout(ports.timeoutMs) };
  const left: string[] = [];

  /** What is wanted and may be missing. */
  async function wanted<T>(name: string, fetching: Promise<T>): Promise<T | undefined> {
    try {
      return await fetching;
    } catch {
      left.push(name);
      return undefined;
    }
  }

  async function conversation(number: number, count: number | null): Promise<Comment[]> {
    const page = async (n: number) => {
      const answer = await octokit.request("GET /repos/{owner}/{repo}/issues/{issue_number}/comments", {
        ...where,
        issue_number: number,
        per_page: COMMENTS,
        page: n,
        request,
      });
      return { comments: itemsOf(Comment, answer.data), last: lastPage(answer.headers.link) };
    };
    // Oldest first is the only order there is; the newest stand on the last two pages.
    const first = count === null ? await page(1) : null;
    const last = first ? (first.last ?? 1) : Math.max(1, Math.ceil((count ?? 0) / COMMENTS));
    const numbers = [last - 1, last].filter((n) => n >= 1);
    const pages = await Promise.all(numbers.map((n) => (n === 1 && first ? first : page(n))));
    return pages.flatMap(({ comments }) => comments).slice(-COMMENTS);
  }

  async function reviews(number: number): Promise<Review[]> {
    const page = (n: number) =>
      octokit.request("GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews", {
        ...where,
        pull_number: number,
        per_page: PAGE,
        page: n,
        request,
      });
    const first = await page(1);
    const last = lastPage(first.headers.link);
    return itemsOf(Review, last === null ? first.data : (await page(last)).data);
  }

  async function pull(number: number): Promise<PullRequest | Exclude<Fetched, { kind: "facts" }>> {
    try {
      const { data } = await octokit.request("GET /repos/{owner}/{repo}/pulls/{pull_number}", { ...where, pull_number: number, request });
      const parsed = PullRequest.safeParse(data);
      return parsed.success ? parsed.data : { kind: "denied", why: "the pull request has another form than GitHub's" };
    } catch (error) {
      const unsettled = sortCall(error, { app, repository, write: false, now });
      return unsettled.kind === "denied" ? unsettled : { kind: "unsettled", why: unsettled.why };
    }
  }

  const around = needs.reviews;
  const [fetchedPull, authorMayWrite, review, allReviews, reviewComments, said] = await Promise.all([
    needs.pull === null ? undefined : pull(needs.pull),
    needs.author ? ports.mayWrite(needs.author) : undefined,
    around?.review
      ? wanted(
          "review",
          octokit
            .request("GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}", {
              ...where,
              pull_number: around.pull,
              review_id: around.review,
              request,
            })
            .then(({ data }) => Review.parse(data)),
        )
      : undefined,
    around ? wanted("reviews", reviews(around.pull)) : undefined,
    around
      ? wanted(
          "review comments",
          octokit
            .request("GET /repos/{owner}/{repo}/pulls/{pull_number}/comments", {
              ...where,
              pull_number: around.pull,
              sort: "created",
              direction: "desc",
              per_page: PAGE,
              request,
            })
            .then(({ data }) => itemsOf(ReviewComment, data)),
        )
      : undefined,
    needs.comments ? wanted("conversation", conversation(needs.comments.number, needs.comments.count)) : undefined,
  ]);
  if (fetchedPull && "kind" in fetchedPull) return fetchedPull;
  return {
    kind: "facts",
    left,
    facts: {
      ...(fetchedPull ? { pull: fetchedPull } : {}),
      ...(authorMayWrite === undefined ? {} : { authorMayWrite }),
      ...(review ? { review } : {}),
      ...(allReviews ? { reviews: allReviews } : {}),
      ...(reviewComments ? { reviewComments } : {}),
      ...(said ? { conversation: said } : {}),
    },
  };
}

/** The number of the last page of a list, by its `Link` header; null on the last page itself. */
function lastPage(link: string | undefined): number | null {
  const url = /<([^>]+)>;\s*rel="last"/.exec(link ?? "")?.[1];
  const page = url && URL.canParse(url) ? Number(new URL(url).searchParams.get("page")) : 0;
  return page > 0 ? page : null;
}
