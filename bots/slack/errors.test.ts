import { WebAPIHTTPError, WebAPIPlatformError, WebAPIRateLimitedError, WebAPIRequestError } from "@slack/web-api";
import { describe, expect, it } from "vitest";
import { UnexpectedRedirect } from "./client.ts";
import { sortError } from "./errors.ts";

const says = (error: string, more: object = {}) => new WebAPIPlatformError({ ok: false, error, ...more });
const http = (status: number, body?: unknown) => new WebAPIHTTPError(status, "", {}, body);
const broke = (message: string, code?: string, name = "TypeError") => {
  const cause = code === undefined ? undefined : Object.assign(new Error(code), { code });
  return new WebAPIRequestError(Object.assign(new Error(message, { cause }), { name }));
};

describe("sortError", () => {
  const table: [string, unknown, string, object][] = [
    ["429", new WebAPIRateLimitedError(12), "chat.update", { kind: "wait", ms: 12_000, method: "chat.update" }],
    ["429 for no time", new WebAPIRateLimitedError(0), "chat.update", { kind: "wait", ms: 1_000, method: "chat.update" }],
    ["rate_limited", says("rate_limited"), "chat.postMessage", { kind: "wait", ms: 30_000, method: "chat.postMessage" }],
    ["service_unavailable", says("service_unavailable"), "chat.postMessage", { kind: "wait", method: null }],
    ["fatal_error", says("fatal_error"), "chat.postMessage", { kind: "unknown" }],
    ["internal_error", says("internal_error"), "chat.update", { kind: "unknown" }],
    ["an edit of what is gone", says("message_not_found"), "chat.update", { kind: "gone" }],
    ["an edit that came too late", says("edit_window_closed"), "chat.update", { kind: "gone" }],
    ["a post that says message_not_found", says("message_not_found"), "chat.postMessage", { kind: "refused", code: "message_not_found" }],
    [
      "a missing scope",
      says("missing_scope", { needed: "chat:write" }),
      "chat.update",
      { kind: "refused", why: expect.stringContaining("(needed: chat:write)") },
    ],
    ["a revoked token", says("token_revoked"), "chat.update", { kind: "refused", why: expect.stringContaining("SLACK_BOT_TOKEN") }],
    ["a deleted thread", says("thread_not_found"), "conversations.replies", { kind: "refused", code: "thread_not_found" }],
    ["a page of a proxy with 200", says("<html>Sign in</html>"), "chat.postMessage", { kind: "unknown" }],
    ["500 without a word", http(500), "chat.postMessage", { kind: "unknown" }],
    ["502 with a page", http(502, "<html>"), "chat.postMessage", { kind: "unknown" }],
    [
      "503 with Slack's word that nothing was done",
      http(503, '{"ok":false,"error":"service_unavailable"}'),
      "chat.postMessage",
      { kind: "wait" },
    ],
    [
      "500 with Slack's word that something may be done",
      http(500, '{"ok":false,"error":"fatal_error"}'),
      "chat.postMessage",
      { kind: "unknown" },
    ],
    ["404", http(404, "not found"), "chat.postMessage", { kind: "refused", code: "http_404" }],
    ["nobody there", broke("fetch failed", "ECONNREFUSED"), "chat.postMessage", { kind: "wait", method: null }],
    ["no such host", broke("fetch failed", "ENOTFOUND"), "chat.postMessage", { kind: "wait" }],
    ["a reset", broke("fetch failed", "ECONNRESET"), "chat.postMessage", { kind: "unknown" }],
    ["an answer cut off", broke("terminated", "UND_ERR_SOCKET"), "chat.postMessage", { kind: "unknown" }],
    ["a Worker's lost connection, which may be either", broke("Network connection lost."), "chat.postMessage", { kind: "unknown" }],
    ["a time-out", broke("The operation was aborted due to timeout", undefined, "TimeoutError"), "chat.postMessage", { kind: "unknown" }],
    ["a redirect", new WebAPIRequestError(new UnexpectedRedirect("302 from x")), "chat.postMessage", { kind: "refused", code: "redirect" }],
    ["a broken answer", new SyntaxError("Unexpected token"), "chat.postMessage", { kind: "unknown" }],
  ];
  it.each(table)("%s", (_name, error, method, outcome) => expect(sortError(error, method)).toMatchObject(outcome));

  it("takes several tried addresses for certain only when all refused", () => {
    const refused = Object.assign(new Error("a"), { code: "ECONNREFUSED" });
    const reset = Object.assign(new Error("b"), { code: "ECONNRESET" });
    const all = (...errors: Error[]) => new WebAPIRequestError(new TypeError("fetch failed", { cause: new AggregateError(errors) }));
    expect(sortError(all(refused, refused), "chat.postMessage").kind).toBe("wait");
    expect(sortError(all(refused, reset), "chat.postMessage").kind).toBe("unknown");
  });
});
