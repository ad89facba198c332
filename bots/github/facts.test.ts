import { Octokit } from "@octokit/rest";
import { expect, it } from "vitest";
import { fetchFacts } from "./facts.ts";
import type { Needs } from "./verdict.ts";

const nothing: Needs = { pull: null, author: null, reviews: null, comments: null, at: 0 };
const author = { id: 3, login: "eve", type: "User" };
const PULL = {
  number: 8,
  html_url: "https://github.test/acme/sample/pull/8",
  title: "Round prices",
  draft: false,
  head: { ref: "round", sha: "a".repeat(40), repo: { full_name: "eve/sample" } },
  base: { ref: "main" },
};

/** Answers by path and query; what is not there is a 404. A number is a status. */
function fetching(answers: Record<string, unknown>, needs: Partial<Needs>, mayWrite = true) {
  const calls: string[] = [];
  const octokit = new Octokit({
    baseUrl: "https://github-api.test",
    log: { debug() {}, info() {}, warn() {}, error() {} },
    request: {
      fetch: async (input: RequestInfo, init?: RequestInit) => {
        const url = new URL(new Request(input, init).url);
        const path = url.pathname.replace("/repos/acme/sample", "") + url.search;
        calls.push(path);
        const answer = answers[path] ?? 404;
        if (answer === "never")
          return new Promise<never>((_, reject) => init?.signal?.addEventListener("abort", () => reject(init.signal?.reason)));
        if (typeof answer === "number") return Response.json({ message: "no" }, { status: answer });
        const last = path.endsWith("&page=1") && answers[path.replace(/&page=1$/, "&page=3")] !== undefined;
        const link = `<${url.href.replace(/&page=1$/, "&page=3")}>; rel="last"`;
        return Response.json(answer, last ? { headers: { link } } : undefined);
      },
    },
  });
  const fetched = fetchFacts(
    { ...nothing, ...needs },
    {
      octokit,
      repository: "acme/sample",
      app: { slug: "errand", webUrl: "https://github.test" },
      mayWrite: async () => mayWrite,
      timeoutMs: 60,
      now: 0,
    },
  );
  return fetched.then((result) => ({ result, calls }));
}

const comments = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({ id: from + i, body: `c${from + i}`, user: author, created_at: "2026-11-20T12:00:00Z" }));
const page = (n: number) => `/issues/7/comments?per_page=50&page=${n}`;

it("asks for nothing where nothing is needed", async () => {
  const { result, calls } = await fetching({}, {});
  expect([result, calls]).toEqual([{ kind: "facts", facts: {}, left: [] }, []]);
});

it("has the pull request, and whether its author may write", async () => {
  const { result } = await fetching({ "/pulls/8": PULL }, { pull: 8, author }, false);
  expect(result).toMatchObject({ kind: "facts", facts: { pull: { number: 8, head: { ref: "round" } }, authorMayWrite: false } });
});

it.each([
  ["is not there", 404, "denied"],
  ["may not be seen", 403, "denied"],
  ["cannot be had now", 502, "unsettled"],
  ["does not come in time", "never", "unsettled"],
  ["has another form", { number: 8 }, "denied"],
])("says so when the pull request %s", async (_name, answer, kind) => {
  expect((await fetching({ "/pulls/8": answer }, { pull: 8 })).result.kind).toBe(kind);
});

it.each([
  [30, [1], 30],
  [50, [1], 50],
  [51, [1, 2], 50],
  [230, [4, 5], 50],
])("of %i comments it has the newest", async (count, pages, got) => {
  const answers = Object.fromEntries(pages.map((n) => [page(n), comments((n - 1) * 50 + 1, Math.min(50, count - (n - 1) * 50))]));
  const { result, calls } = await fetching(answers, { comments: { number: 7, count } });
  expect(calls).toEqual(pages.map(page));
  const said = result.kind === "facts" ? (result.facts.conversation ?? []) : [];
  expect([said.length, said.at(-1)?.id]).toEqual([got, count]);
});

it("finds the newest where nobody told how many there are", async () => {
  const answers = { [page(1)]: comments(1, 50), [page(2)]: comments(51, 50), [page(3)]: comments(101, 5) };
  const { result } = await fetching(answers, { comments: { number: 7, count: null } });
  expect(result.kind === "facts" && result.facts.conversation?.map(({ id }) => id)).toEqual(Array.from({ length: 50 }, (_, i) => 56 + i));
});

it("has a review, its comments and the others", async () => {
  const review = { id: 4, body: "see below", state: "COMMENTED", user: author };
  const line = { id: 9, body: "here", path: "a.ts", user: author, created_at: "2026-11-20T12:00:00Z", pull_request_review_id: 4 };
  const answers = {
    "/pulls/8/reviews/4": review,
    "/pulls/8/reviews?per_page=100&page=1": [],
    "/pulls/8/reviews?per_page=100&page=3": [review],
    "/pulls/8/comments?sort=created&direction=desc&per_page=100": [line, { nonsense: true }],
  };
  const { result } = await fetching(answers, { reviews: { pull: 8, review: 4 } });
  expect(result).toMatchObject({
    kind: "facts",
    left: [],
    facts: { review: { id: 4 }, reviews: [{ id: 4 }], reviewComments: [{ id: 9 }] },
  });
  expect(result.kind === "facts" && result.facts.reviewComments).toHaveLength(1);
});

it("goes on without what stands around a request, and says what is left out", async () => {
  const answers = { "/pulls/8": PULL, [page(1)]: 502, "/pulls/8/reviews?per_page=100&page=1": "never" };
  const { result } = await fetching(answers, { pull: 8, comments: { number: 7, count: 3 }, reviews: { pull: 8, review: null } });
  expect(result).toMatchObject({ kind: "facts", facts: { pull: { number: 8 } } });
  expect(result.kind === "facts" && [result.left.toSorted(), Object.keys(result.facts)]).toEqual([
    ["conversation", "review comments", "reviews"],
    ["pull"],
  ]);
});
