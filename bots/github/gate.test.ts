import { Octokit } from "@octokit/rest";
import { beforeEach, describe, expect, it } from "vitest";
import { type KnownRights, RIGHT_HOLDS_MS, rightOf } from "./gate.ts";

const ada = { id: 7, login: "ada", type: "User" };
const renovate = { id: 99, login: "renovate[bot]", type: "Bot" };

let known: KnownRights;
let calls: string[];
beforeEach(() => {
  known = new Map();
  calls = [];
});

type Answer = () => Response | Promise<Response>;

function ask(
  answer: Answer,
  change: { now?: number; actor?: typeof ada; repository?: number; timeoutMs?: number; allowed?: (typeof renovate)[] } = {},
) {
  const octokit = new Octokit({
    baseUrl: "https://github-api.test",
    log: { debug() {}, info() {}, warn() {}, error() {} },
    request: {
      fetch: async (input: RequestInfo, init?: RequestInit) => {
        const request = new Request(input, init);
        calls.push(new URL(request.url).pathname);
        const aborted = new Promise<never>((_, reject) => init?.signal?.addEventListener("abort", () => reject(init.signal?.reason)));
        return Promise.race([answer(), aborted]);
      },
    },
  });
  return rightOf(change.actor ?? ada, {
    octokit,
    repository: { id: change.repository ?? 1, name: "acme/sample" },
    allowedBots: change.allowed ?? [],
    app: { slug: "errand", webUrl: "https://github.test" },
    timeoutMs: change.timeoutMs ?? 1_000,
    now: change.now ?? 0,
    known,
  });
}

const has =
  (permission: string, more: object = {}): Answer =>
  () =>
    Response.json({ permission, role_name: permission, user: { id: 7, login: "ada" }, ...more });
const says =
  (status: number, message: string, headers: Record<string, string> = {}): Answer =>
  () =>
    Response.json({ message }, { status, headers });

describe("who may", () => {
  it.each([
    ["an administrator", has("admin")],
    ["a writer", has("write")],
    ["a maintainer, by the role of an older server", has("maintain")],
    ["a custom role that GitHub counts as writing", has("write", { role_name: "Release manager" })],
  ])("%s", async (_name, answer) => {
    expect(await ask(answer)).toEqual({ kind: "granted" });
    expect(calls).toEqual(["/repos/acme/sample/collaborators/ada/permission"]);
  });

  it.each([
    ["a reader", has("read")],
    ["somebody who triages", has("read", { role_name: "triage" })],
    ["nobody", has("none")],
    ["a custom role that reads, whatever it is called", has("read", { role_name: "admin" })],
    ["a login that is somebody else's by now", has("admin", { user: { id: 8, login: "ada" } })],
    ["an answer that names nobody: whose right it is is not told", has("write", { user: null })],
    ["an answer of another form", () => Response.json({ role: "admin" })],
    ["a permission that is no text", () => Response.json({ permission: ["admin"] })],
    ["who is no user", says(404, "ada is not a user")],
    ["what the App may not see", says(403, "Resource not accessible by integration")],
  ])("not %s", async (_name, answer) => {
    expect(await ask(answer)).toMatchObject({ kind: "refused" });
  });

  it.each([
    ["a server's error", says(502, "Bad Gateway")],
    ["a limit of calls", says(403, "You have exceeded a secondary rate limit", { "retry-after": "60" })],
    ["429", says(429, "slow down")],
    ["credentials that are not taken", says(401, "Bad credentials")],
    ["no connection", () => Promise.reject(new TypeError("fetch failed"))],
    ["no answer in time", () => new Promise<never>(() => undefined)],
    ["an answer that is no JSON", () => new Response("<html>", { status: 503 })],
  ])("nobody knows after %s, and it is asked again", async (_name, answer) => {
    expect(await ask(answer, { timeoutMs: 30 })).toMatchObject({ kind: "unsettled" });
    expect(await ask(has("write"))).toEqual({ kind: "granted" });
  });
});

describe("bots", () => {
  it.each([
    ["on the list", renovate, [renovate], "granted"],
    ["on the list, in other letters", renovate, [{ ...renovate, login: "Renovate[bot]" }], "granted"],
    ["not on the list", renovate, [], "refused"],
    ["of a listed name, but another id", renovate, [{ ...renovate, id: 98 }], "refused"],
    ["of a listed id, but another name", renovate, [{ ...renovate, login: "other[bot]" }], "refused"],
    ["that are organisations", { ...ada, type: "Organization" }, [], "refused"],
    ["of a kind that is not told", { ...ada, type: "" }, [], "refused"],
  ])("%s", async (_name, actor, allowed, kind) => {
    expect(await ask(has("admin"), { actor, allowed })).toMatchObject({ kind });
    expect(calls).toEqual([]);
  });
});

describe("what is known", () => {
  it("is asked for once a minute, a person and repository", async () => {
    await ask(has("write"));
    await ask(has("none"), { now: RIGHT_HOLDS_MS - 1 });
    expect(calls).toHaveLength(1);
    expect(await ask(has("none"), { now: RIGHT_HOLDS_MS })).toMatchObject({ kind: "refused" });
    expect(await ask(has("write"), { now: RIGHT_HOLDS_MS + 1 })).toMatchObject({ kind: "refused" });
    expect(calls).toHaveLength(2);
    await ask(has("none"), { repository: 2 });
    await ask(() => Response.json({ permission: "read", user: { id: 8 } }), { actor: { ...ada, id: 8 } });
    expect(calls).toHaveLength(4);
  });

  it("is not more than it can hold", async () => {
    for (let id = 1; id <= 2_100; id += 1) known.set(`https://github.test 2 ${id}`, { right: { kind: "granted" }, until: 1 });
    await ask(has("write"));
    expect(known.size).toBe(2_000);
  });
});
