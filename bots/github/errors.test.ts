import { describe, expect, it } from "vitest";
import { saidBy, sortCall, sortWrite, statusOf } from "./errors.ts";
import { WrongKey } from "./key.ts";

const NOW = 1_790_000_000_000;
const app = { slug: "errand", webUrl: "https://github.com" };
const http = (status: number, message: string, headers: Record<string, string> = {}, errors?: unknown[]) =>
  Object.assign(new Error(message), {
    name: "HttpError",
    status,
    response: { status, headers, data: { message, ...(errors ? { errors } : {}) } },
  });
/** As Octokit throws what `fetch` threw. */
const broke = (cause: Error) => Object.assign(new Error(cause.message, { cause }), { name: "HttpError", status: 500 });
const coded = (code: string) => broke(Object.assign(new TypeError("fetch failed"), { cause: Object.assign(new Error(code), { code }) }));

const call = (write: boolean) => ({ app, repository: "acme/sample", write, now: NOW });
const seconds = (from: number) => String(Math.floor(NOW / 1000) + from);

describe("sortCall", () => {
  const table: [string, unknown, boolean, object][] = [
    ["429 with retry-after", http(429, "", { "retry-after": "7" }), true, { kind: "wait", ms: 7_000 }],
    [
      "a secondary limit",
      http(403, "You have exceeded a secondary rate limit", { "retry-after": "60" }),
      true,
      { kind: "wait", ms: 60_000 },
    ],
    ["a secondary limit without a time", http(403, "You have exceeded a secondary rate limit"), true, { kind: "wait", ms: 60_000 }],
    [
      "the hourly limit",
      http(403, "API rate limit exceeded for installation ID 7.", { "x-ratelimit-remaining": "0", "x-ratelimit-reset": seconds(90) }),
      true,
      { kind: "wait", ms: 90_000 },
    ],
    [
      "a limit that ended already",
      http(429, "", { "x-ratelimit-remaining": "0", "x-ratelimit-reset": seconds(-9) }),
      true,
      { kind: "wait", ms: 1_000 },
    ],
    ["a date to come back at", http(429, "", { "retry-after": new Date(NOW + 30_000).toUTCString() }), true, { kind: "wait", ms: 30_000 }],
    ["a clock that differs by a day", http(429, "", { "retry-after": "86400" }), true, { kind: "wait", ms: 3_900_000 }],
    ["comments made too quickly", http(422, "was submitted too quickly"), true, { kind: "wait", ms: 60_000 }],
    [
      "no right, though calls are left",
      http(403, "Resource not accessible by integration", {
        "x-ratelimit-remaining": "4999",
        "x-ratelimit-reset": seconds(90),
        "x-accepted-github-permissions": "pull_requests=write",
      }),
      true,
      { kind: "denied", why: expect.stringMatching(/acme\/sample.*pull_requests=write.*installations\/new/) },
    ],
    [
      "a suspended installation",
      http(403, "This installation has been suspended"),
      true,
      { kind: "denied", why: expect.stringContaining("suspended") },
    ],
    [
      "an archived repository",
      http(403, "Repository was archived so is read-only."),
      true,
      { kind: "denied", why: expect.stringContaining("archive") },
    ],
    ["wrong credentials", http(401, "Bad credentials"), false, { kind: "denied", why: expect.stringContaining("GITHUB_PRIVATE_KEY") }],
    ["nothing there", http(404, "Not Found"), false, { kind: "denied", why: expect.stringContaining("not installed") }],
    [
      "a field that is wrong",
      http(422, "Validation Failed", {}, [{ resource: "PullRequest", field: "head", code: "invalid" }]),
      true,
      { kind: "denied", why: "GitHub refused (422): Validation Failed: head invalid." },
    ],
    [
      "more than the installation has",
      http(422, "The permissions requested are not granted to this installation."),
      true,
      { kind: "denied" },
    ],
    ["500 to a write", http(500, ""), true, { kind: "failed" }],
    ["502 to a read", http(502, ""), false, { kind: "wait" }],
    ["503 with a time", http(503, "", { "retry-after": "5" }), true, { kind: "wait", ms: 5_000 }],
    ["nobody there", coded("ECONNREFUSED"), true, { kind: "wait" }],
    ["a reset", coded("ECONNRESET"), true, { kind: "failed" }],
    ["a Worker's lost connection", broke(new Error("Network connection lost.")), true, { kind: "failed" }],
    [
      "a time-out of a write",
      broke(new DOMException("The operation was aborted due to timeout", "TimeoutError")),
      true,
      { kind: "failed", why: expect.stringContaining("timed out") },
    ],
    ["a time-out of a read", broke(new DOMException("aborted", "TimeoutError")), false, { kind: "wait" }],
    ["a key that is none", new WrongKey("GITHUB_PRIVATE_KEY is wrong"), false, { kind: "denied", why: "GITHUB_PRIVATE_KEY is wrong" }],
    [
      "GraphQL's limit",
      Object.assign(new Error("x"), { name: "GraphqlResponseError", headers: {}, errors: [{ type: "RATE_LIMITED", message: "limit" }] }),
      true,
      { kind: "wait", ms: 60_000 },
    ],
    [
      "GraphQL's no",
      Object.assign(new Error("x"), { name: "GraphqlResponseError", headers: {}, errors: [{ type: "FORBIDDEN", message: "no right" }] }),
      true,
      { kind: "denied" },
    ],
    [
      "an answer of another form",
      new TypeError("expected string"),
      false,
      { kind: "failed", why: expect.stringContaining("expected string") },
    ],
    ["something else", "text", true, { kind: "failed" }],
  ];
  it.each(table)("%s", (_name, error, write, outcome) => expect(sortCall(error, call(write))).toMatchObject(outcome));
});

describe("sortWrite", () => {
  const table: [string, unknown, boolean, object][] = [
    ["429", http(429, "", { "retry-after": "7" }), true, { kind: "wait", ms: 7_000, method: "comment" }],
    ["nobody there", coded("ECONNREFUSED"), false, { kind: "wait", method: null }],
    ["502", http(502, "<html>"), false, { kind: "unknown" }],
    ["an edit of what is gone", http(404, "Not Found"), true, { kind: "gone" }],
    ["a post where nothing is", http(404, "Not Found"), false, { kind: "refused", code: "http_404" }],
    [
      "a locked conversation",
      http(403, "Unable to create comment because issue is locked."),
      false,
      { kind: "refused", why: expect.stringContaining("locked") },
    ],
    ["a key that is none", new WrongKey("no key"), true, { kind: "refused", code: "settings", why: "no key" }],
  ];
  it.each(table)("%s", (_name, error, edits, outcome) =>
    expect(sortWrite(error, { app, repository: "acme/sample", now: NOW }, "comment", edits)).toMatchObject(outcome),
  );
});

describe("what GitHub said", () => {
  it("has a status and words only where GitHub answered", () => {
    const refusal = http(422, "Validation Failed", {}, [{ message: "No commits between main and errand/1" }]);
    expect([statusOf(refusal), saidBy(refusal)]).toEqual([422, "Validation Failed: No commits between main and errand/1"]);
    expect([statusOf(coded("ECONNRESET")), saidBy(coded("ECONNRESET"))]).toEqual([null, ""]);
  });
});
