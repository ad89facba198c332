/** Every example payload of octokit's, as it is and spoiled: one verdict each, never an exception, in bounded time. */
import examples from "@octokit/webhooks-examples";
import { expect, it } from "vitest";
import { receiveGitHub } from "./receive.ts";
import { errandBot } from "./testing/payloads.ts";

type Json = { [key: string]: unknown };
const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);

const self = { appId: "77", slug: "errand" };
const deliveries = examples.flatMap(({ name, examples: payloads }) =>
  payloads.map((payload): { event: string; payload: Json } => ({
    event: name,
    payload: { installation: { id: 100 }, ...(payload as unknown as Json) },
  })),
);
const receive = (event: string, payload: unknown) => receiveGitHub(event, "guid", payload, self);
/** What the verdicts are, by event and action. */
function told(payloads = deliveries): Record<string, string[]> {
  const kinds: Record<string, Set<string>> = {};
  for (const { event, payload } of payloads) {
    const verdict = receive(event, payload);
    const name = `${event}.${String(payload.action ?? "")}`;
    kinds[name] ??= new Set();
    kinds[name].add(verdict.kind === "request" ? verdict.request.kind : verdict.kind);
  }
  return Object.fromEntries(Object.entries(kinds).map(([name, set]) => [name, [...set]]));
}
/** The payload with one of its objects changed. */
const changed = (payload: Json, part: string, more: Json): Json =>
  isObject(payload[part]) ? { ...payload, [part]: { ...payload[part], ...more } } : payload;

it("is the whole corpus", () => {
  expect(examples.length).toBe(58);
  expect(deliveries.length).toBe(329);
});

it("is told apart as it should", () => {
  const others = Object.entries(told()).filter(([, kinds]) => kinds.join() !== "ignored");
  expect(Object.fromEntries(others)).toEqual({
    "check_run.completed": ["checks"],
    "check_suite.completed": ["checks"],
    "installation.deleted": ["fan-out"],
    "installation.suspend": ["fan-out"],
    "installation_repositories.removed": ["fan-out"],
    "issues.deleted": ["closed"],
    "issues.transferred": ["closed"],
    "pull_request.closed": ["closed"],
    "pull_request.converted_to_draft": ["changed"],
    "pull_request.ready_for_review": ["changed"],
    "pull_request.reopened": ["changed"],
    "pull_request.synchronize": ["changed"],
    "workflow_run.completed": ["checks"],
  });
});

/** The payload with a mention wherever people write, by its author. */
function spoken({ event, payload }: { event: string; payload: Json }, body = "@errand fix it", sender = payload.sender) {
  let now: Json = { ...payload, sender };
  for (const part of ["comment", "review", "issue", "pull_request"])
    now = changed(now, part, { body, ...(isObject(payload[part]) && payload[part].user ? { user: sender } : {}) });
  return { event, payload: now };
}

it("is heard where it speaks to us", () => {
  const heard = Object.entries(told(deliveries.map((delivery) => spoken(delivery)))).filter(([, kinds]) =>
    kinds.some((kind) => ["prompt", "edit", "withdraw"].includes(kind)),
  );
  expect(Object.fromEntries(heard)).toEqual({
    "issue_comment.created": ["prompt"],
    "issue_comment.deleted": ["withdraw"],
    "issue_comment.edited": ["prompt"],
    "issues.opened": ["prompt"],
    "pull_request.opened": ["prompt"],
    "pull_request_review.submitted": ["prompt"],
    "pull_request_review_comment.created": ["prompt"],
    "pull_request_review_comment.deleted": ["withdraw"],
    "pull_request_review_comment.edited": ["prompt"],
  });
});

it.each<[string, (payload: Json) => Json]>([
  ["by a bot", (payload) => changed(payload, "sender", { type: "Bot" })],
  ["by ourselves", (payload) => ({ ...payload, sender: errandBot })],
])("starts nothing when spoken %s", (_, by) => {
  for (const { event, payload } of deliveries) {
    const verdict = receive(event, spoken({ event, payload: by(payload) }).payload);
    expect(verdict.kind === "request" ? verdict.request.kind : "").not.toMatch(/prompt|edit|stop|retry|take|answer/);
  }
});

it("on a pull request asks for its head", () => {
  const comments = deliveries.filter(({ event, payload }) => event === "issue_comment" && payload.action === "created");
  expect(comments.length).toBe(5);
  for (const delivery of comments) {
    const { event, payload } = spoken(delivery);
    const verdict = receive(event, changed(payload, "issue", { pull_request: { url: "" } }));
    expect(verdict).toMatchObject({ kind: "request", needs: { pull: isObject(payload.issue) ? payload.issue.number : 0 } });
  }
});

it("is never heard without an installation, whose repository it is", () => {
  for (const delivery of deliveries) {
    const { installation: _, ...payload } = spoken(delivery).payload;
    expect(receive(delivery.event, payload).kind).toMatch(/ignored|malformed/);
  }
});

/** The payload with something missing or of another kind, for each of its fields down to the third level. */
function* spoiled(value: Json, depth = 3): Generator<Json> {
  for (const key of Object.keys(value)) {
    const { [key]: inner, ...rest } = value;
    yield rest;
    for (const odd of [null, {}]) yield { ...rest, [key]: odd };
    if (depth > 1 && isObject(inner)) for (const part of spoiled(inner, depth - 1)) yield { ...rest, [key]: part };
  }
}

it("gets one verdict whatever is missing or odd in it", () => {
  const seen = new Set<string>();
  let count = 0;
  for (const delivery of deliveries) {
    const { event, payload } = spoken(delivery);
    const name = `${event}.${String(payload.action)}`;
    const whole = receive(event, payload);
    if (whole.kind === "ignored" || seen.has(name)) continue;
    seen.add(name);
    for (const odd of spoiled(payload)) {
      const verdict = receive(event, odd);
      if (verdict.kind === "malformed") expect(verdict.why.length).toBeGreaterThan(5);
      count += 1;
    }
  }
  expect(count).toBeGreaterThan(2_000);
});

it("is read in bounded time with 64 KiB of backticks everywhere", () => {
  for (const delivery of deliveries) {
    const { event, payload } = spoken(delivery, `@errand ${"`".repeat(65_000)} ${"` ".repeat(250)}`);
    const start = performance.now();
    receive(event, { ...payload, changes: { body: { from: "`` ` ".repeat(13_000) } } });
    // An edit reads two such texts, each in some 30 ms; the rest is for a machine that is busy with other tests.
    expect(performance.now() - start).toBeLessThan(400);
  }
});
