import { describe, expect, it } from "vitest";
import { Ask } from "../protocol/events.ts";
import type { OpenAsk } from "./asks.ts";
import { answerAsk, askId, requestOf, showAsk } from "./asks.ts";
import { failureOf, isDiskFull } from "./failures.ts";
import { cloneFailure } from "./git-failures.ts";
import { exitOf, outputOf, titleOf } from "./tool-title.ts";

describe("a tool's title", () => {
  it.each([
    ["bash", { command: "npm test" }, "Run `npm test`"],
    ["bash", { command: "cat <<E\nx\nE" }, "Run `cat <<E …`"],
    ["edit", { filePath: "/w/src/a.ts" }, "Edit src/a.ts"],
    ["read", { filePath: "/etc/hosts" }, "Read /etc/hosts"],
    ["write", { filePath: "b.md" }, "Write b.md"],
    ["apply_patch", { patchText: "*** Begin Patch\n*** Update File: /w/a.ts\n*** Add File: b.ts\n" }, "Edit a.ts, b.ts"],
    ["grep", { pattern: "main(" }, "Search for `main(`"],
    ["task", { description: "Look around" }, "Subagent: Look around"],
    ["webfetch", { url: "https://example.com" }, "Fetch https://example.com"],
    ["my_tool", {}, "my_tool: Its title"],
    ["bash", { command: 5 }, "Run a command"],
    ["bash", { command: "x".repeat(500) }, expect.stringMatching(/^Run `x{113}…`$/)],
  ])("%s %j", (tool, input, title) => {
    expect(titleOf(tool, { input, title: "Its title" }, "/w")).toEqual(title);
  });

  it("keeps the end of an output, and says how a command ended", () => {
    expect(outputOf({ status: "completed", input: {}, output: `${"x".repeat(3_000)}end\n` })).toMatch(/^…x{1996}end$/);
    expect(outputOf({ status: "running", input: {}, metadata: { output: "live" } })).toBe("live");
    expect(outputOf({ status: "completed", input: {} })).toBeUndefined();
    expect([{ exit: 3 }, { exit: null }, {}].map((metadata) => exitOf({ status: "completed", input: {}, metadata }))).toEqual([
      3,
      null,
      undefined,
    ]);
  });
});

describe("a failure", () => {
  it("by a cap of errand's own says what the Worker said", () => {
    const error = {
      message: "The model was called 5\u200b0\u200b0 times.",
      code: "budget_reached",
      action: "Ask again.",
      cap: "MODEL_CALLS_PER_TURN",
    };
    const data = { message: "Payment Required", statusCode: 402, responseBody: JSON.stringify({ error }) };
    expect(failureOf({ name: "APIError", data })).toEqual({
      code: "budget_reached",
      message: "The model was called 500 times.",
      action: "Ask again.",
    });
  });

  const api = (statusCode: number | undefined, message = "no") => ({
    name: "APIError",
    data: { message, ...(statusCode === undefined ? {} : { statusCode }) },
  });
  it.each([
    [api(401), "model_auth"],
    [api(402), "model_budget"],
    [api(429), "model_rate_limited"],
    [api(400), "model_rejected"],
    [api(503), "model_unavailable"],
    [api(undefined), "model_unavailable"],
    [{ name: "ProviderAuthError", data: {} }, "model_auth"],
    [{ name: "ContextOverflowError", data: {} }, "context_overflow"],
    [{ name: "UnknownError", data: { message: "Model not found: a/b.\n at x" } }, "model_not_found"],
    [{ name: "UnknownError", data: { message: "ENOSPC: no space left on device, write" } }, "disk_full"],
    [{ name: "SomethingNew", data: {} }, "agent_error"],
  ])("of %j is %s", (error, code) => {
    const failure = failureOf(error);
    expect(failure).toMatchObject({ code, action: expect.any(String) });
    expect(failure.message).not.toContain("\n");
  });

  it.each([
    ["fatal: repository '/x' does not exist", "repository_not_found"],
    ["remote: Repository not found.\nfatal: repository 'https://h/x/' not found", "repository_not_found"],
    ["fatal: could not read Username for 'https://github.com': terminal prompts disabled", "repository_not_found"],
    ["fatal: unable to access 'http://h/': Could not resolve host: h", "repository_unreachable"],
    ["fatal: unable to access 'http://h/': The requested URL returned error: 503", "repository_unreachable"],
    ["fatal: write error: No space left on device", "disk_full"],
    ["fatal: something else", "clone_failed"],
  ])("of a clone: %s", (text, code) => {
    const failure = cloneFailure(text, "https://user:secret@h/x");
    expect(failure.code).toBe(code);
    expect(JSON.stringify(failure)).not.toContain("secret");
  });

  it.each(["database or disk is full", "No space left on device"])("knows a full disk: %s", (text) => expect(isDiskFull(text)).toBe(true));
});

describe("an ask", () => {
  const permission: OpenAsk = {
    kind: "permission",
    request: "per_1",
    session: "s",
    openedAt: 0,
    shown: {
      id: "per_1",
      sessionID: "s",
      permission: "bash",
      patterns: ["git push *"],
      always: ["git push *"],
      metadata: { command: "git push origin x" },
    },
  };
  const question: OpenAsk = {
    kind: "question",
    request: "que_1",
    session: "s",
    openedAt: 0,
    answers: [],
    shown: {
      id: "que_1",
      sessionID: "s",
      questions: [{ question: "Which?", options: [{ label: "A", description: "first" }, { label: "B" }], multiple: true, custom: false }],
    },
  };

  it("is shown within the contract, under an id that finds its kind", () => {
    for (const ask of [permission, question]) {
      expect(Ask.parse(showAsk(ask, true))).toMatchObject({ id: askId(ask), kind: ask.kind });
      expect(requestOf(askId(ask))).toBe(ask.request);
    }
    expect(requestOf("something else")).toBeNull();
    expect(showAsk(question, false).freeText).toBe(false);
    expect(
      Ask.safeParse(showAsk({ ...permission, shown: { ...permission.shown, metadata: { command: "x".repeat(9_000) } } }, false)).success,
    ).toBe(true);
  });

  it.each([
    [permission, { choice: "once", reject: false }, { does: "permission", reply: { reply: "once" } }],
    [permission, { choice: "always", reject: false }, { does: "permission", reply: { reply: "always" } }],
    [
      permission,
      { choice: "reject", reject: false },
      { does: "permission", reply: { reply: "reject", message: expect.stringContaining("did not allow") } },
    ],
    [permission, { choice: "once", reject: true }, { does: "permission", reply: { reply: "reject" } }],
    [permission, { text: "use npm ci", reject: false }, { does: "permission", reply: { reply: "reject", message: "use npm ci" } }],
    [question, { choice: "1", reject: false }, { does: "question", answers: [["B"]] }],
    [question, { choice: "0", text: "C, D", reject: false }, { does: "question", answers: [["A", "C", "D"]] }],
    [question, { text: "", reject: false }, { does: "question", answers: [[]] }],
    [question, { reject: true }, { does: "rejectQuestion" }],
  ])("%o answered with %j", (ask, answer, expected) => {
    expect(answerAsk(ask, { ask: askId(ask), ...answer })).toMatchObject({ request: ask.request, ...expected });
  });
});
