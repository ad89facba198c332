import { createHmac, generateKeyPairSync } from "node:crypto";
import { Hono } from "hono";
import { beforeEach, describe, expect, it } from "vitest";
import type { Request as Ask } from "../../protocol/request.ts";
import { sessionIdOf } from "../../protocol/thread.ts";
import { type App, withSettings } from "./app.ts";
import { type GitHubRouteOptions, githubRoutes } from "./github.ts";

const SECRET = "webhook-secret";
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ENV = {
  GITHUB_APP_ID: "1",
  GITHUB_APP_SLUG: "errand",
  GITHUB_PRIVATE_KEY: privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
  GITHUB_WEBHOOK_SECRET: SECRET,
  GITHUB_API_URL: "https://github-api.test",
  SESSION_KEY: "key",
};

let accepted: { id: string; request: Ask }[] = [];
let logged: Record<string, string | number | null>[] = [];
let asked: string[] = [];
let answer: (path: string) => Response | Promise<Response> | undefined;
beforeEach(() => {
  accepted = [];
  logged = [];
  asked = [];
  answer = () => undefined;
});

function appWith(options: GitHubRouteOptions = {}) {
  const routes = githubRoutes({
    agent: (_env, id) => ({
      accept: async (request) => {
        accepted.push({ id, request });
        return { status: "accepted", why: null };
      },
    }),
    fetch: async (input, init) => {
      const { pathname } = new URL(new Request(input, init).url);
      asked.push(pathname);
      const said = await answer(pathname);
      if (said) return said;
      if (pathname.endsWith("/access_tokens"))
        return Response.json({ token: "ghs_secret", expires_at: new Date(Date.now() + 3600_000).toISOString() }, { status: 201 });
      if (pathname.endsWith("/permission")) return Response.json({ permission: "write", user: { id: 7 } });
      return Response.json({ message: "Not Found" }, { status: 404 });
    },
    log: (line) => logged.push(line),
    known: new Map(),
    cache: new Map(),
    ...options,
  });
  return new Hono<App>().use(withSettings).route("/", routes);
}

const ada = { id: 7, login: "ada", type: "User" };
const AT = "2026-11-20T12:00:00Z";
const onIssue = {
  action: "created",
  installation: { id: 100 },
  sender: ada,
  repository: { id: 12, full_name: "acme/sample", private: false },
  issue: { number: 7, title: "Prices", body: "", user: ada, created_at: AT, updated_at: AT, comments: 0 },
  comment: { id: 55, body: "@errand fix it", user: ada, created_at: AT, updated_at: AT },
};
const onPull = { ...onIssue, issue: { ...onIssue.issue, pull_request: {} } };
const PULL = {
  number: 7,
  html_url: "https://github.test/acme/sample/pull/7",
  title: "Prices",
  user: ada,
  head: { ref: "prices", sha: "a".repeat(40), repo: { full_name: "acme/sample" } },
  base: { ref: "main", repo: { full_name: "acme/sample" } },
};

function send(app: ReturnType<typeof appWith>, payload: object, env: object = ENV) {
  const body = JSON.stringify(payload);
  const headers = {
    "content-type": "application/json",
    "x-github-event": "issue_comment",
    "x-github-delivery": "guid-1",
    "x-hub-signature-256": `sha256=${createHmac("sha256", SECRET).update(body).digest("hex")}`,
  };
  return app.request("/github/webhook", { method: "POST", headers, body }, env);
}

describe("the GitHub route", () => {
  it("hands a mention to the session of its thread, and answers 202 after that", async () => {
    const said = await send(appWith(), onIssue);
    expect([said.status, await said.text()]).toEqual([202, "accepted"]);
    expect(accepted).toMatchObject([
      {
        id: await sessionIdOf("github:12:7", "key"),
        request: { kind: "prompt", text: "fix it", deliveryId: "guid-1", thread: "github:12:7" },
      },
    ]);
  });

  it("on a pull request it knows its head before it hands over", async () => {
    answer = (path) => (path === "/repos/acme/sample/pulls/7" ? Response.json(PULL) : undefined);
    expect((await send(appWith(), onPull)).status).toBe(202);
    expect(accepted[0]?.request).toMatchObject({
      about: { number: 7, pull: { branch: "prices", base: "main", fork: null, distrusted: false } },
    });
  });

  it("distrusts a fork whose author may not write", async () => {
    const eve = { id: 8, login: "eve", type: "User" };
    const forked = { ...PULL, user: eve, head: { ...PULL.head, repo: { full_name: "eve/sample" } } };
    answer = (path) => {
      if (path === "/repos/acme/sample/pulls/7") return Response.json(forked);
      return path.includes("/collaborators/eve/") ? Response.json({ permission: "read", user: { id: 8 } }) : undefined;
    };
    expect((await send(appWith(), { ...onPull, issue: { ...onPull.issue, user: eve } })).status).toBe(202);
    expect(accepted[0]?.request).toMatchObject({ about: { pull: { fork: "eve/sample", distrusted: true } } });
  });

  it("says in the context what could not be had", async () => {
    answer = (path) => (path === "/repos/acme/sample/pulls/7" ? Response.json(PULL) : undefined);
    const busy = { ...onPull, issue: { ...onPull.issue, comments: 3 } };
    await send(appWith(), busy);
    expect(accepted[0]?.request).toMatchObject({ context: expect.stringContaining("could not fetch from GitHub in time:") });
    expect(logged[0]).toMatchObject({ outcome: "accepted", why: expect.stringContaining("without ") });
  });

  it("leaves alone a pull request that it can't see", async () => {
    const said = await send(appWith(), onPull);
    expect([said.status, accepted.length]).toEqual([202, 0]);
  });

  it.each(["GITHUB_APP_ID", "GITHUB_APP_SLUG", "GITHUB_PRIVATE_KEY", "GITHUB_WEBHOOK_SECRET", "SESSION_KEY"])(
    "refuses with 503 and says what to set without %s",
    async (name) => {
      const said = await send(appWith(), onIssue, { ...ENV, [name]: "" });
      expect([said.status, await said.text()]).toEqual([503, `GitHub is not set up. Set ${name}.`]);
    },
  );

  const never = () => new Promise<never>(() => undefined);
  it.each([
    ["a failing hand-over", { agent: () => ({ accept: () => Promise.reject(new Error("disk full")) }) }],
    ["a hand-over that takes too long", { agent: () => ({ accept: never }), capMs: 60 }],
    ["GitHub out of reach", { fetch: () => Promise.reject(new TypeError("fetch failed")) }],
    ["GitHub not answering", { fetch: never, capMs: 60 }],
    ["GitHub limiting calls", { fetch: async () => new Response("{}", { status: 429, headers: { "retry-after": "30" } }) }],
  ] satisfies [string, GitHubRouteOptions][])("answers 500 after %s, so that it is delivered again", async (_name, options) => {
    expect((await send(appWith(options), onIssue)).status).toBe(500);
    expect(logged[0]).toMatchObject({ status: 500 });
  });

  it("answers 500 where the key of the App is none, and says so in the log", async () => {
    expect((await send(appWith(), onIssue, { ...ENV, GITHUB_PRIVATE_KEY: "nonsense" })).status).toBe(500);
    expect(logged).toMatchObject([{ why: expect.stringContaining("GITHUB_PRIVATE_KEY is not a private key") }]);
  });

  it("is one App for every delivery, with one token", async () => {
    const app = appWith();
    await Promise.all([send(app, onIssue), send(app, onIssue)]);
    await send(app, onIssue);
    expect(asked.filter((path) => path.endsWith("/access_tokens")).length).toBeLessThan(3);
    expect(JSON.stringify(logged)).not.toMatch(/ghs_secret|fix it/);
  });
});
