import { env } from "cloudflare:workers";
import examples from "@octokit/webhooks-examples";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { hmacKey } from "../../protocol/hmac.ts";
import { sessionIdOf } from "../../protocol/thread.ts";
import { ask, type World, world } from "../testing/world.ts";

let outside: World;
let next = Date.now() % 1_000_000_000;
/** An id that no other test has: what is known of rights is kept for a minute. */
const fresh = (): number => {
  next += 1;
  return next;
};

let permission: string | Response;
/** The lines of the Worker's log. */
let lines: string[];
beforeEach(() => {
  outside = world();
  lines = [];
  vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
  permission = "write";
  outside.gitHub = async (request) => {
    const { pathname } = new URL(request.url);
    const who = /\/collaborators\/\w+-(\d+)\/permission$/.exec(pathname)?.[1];
    if (who) return permission instanceof Response ? permission.clone() : Response.json({ permission, user: { id: Number(who) } });
    if (pathname.endsWith("/reactions")) return Response.json({ id: 1 }, { status: 201 });
    if (pathname.endsWith("/comments"))
      return Response.json(request.method === "GET" ? [] : { id: 5 }, { status: request.method === "GET" ? 200 : 201 });
    return Response.json({ message: "Not Found" }, { status: 404 });
  };
});

async function sign(body: BodyInit, secret = env.GITHUB_WEBHOOK_SECRET): Promise<string> {
  const mac = await crypto.subtle.sign("HMAC", await hmacKey(secret), await new Response(body).arrayBuffer());
  return `sha256=${[...new Uint8Array(mac)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

type Change = { guid?: string; secret?: string; headers?: Record<string, string> };

/** Posts a delivery as GitHub does. */
async function deliver(event: string, body: string | Uint8Array<ArrayBuffer>, change: Change = {}): Promise<Response> {
  return ask("/github/webhook", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "user-agent": "GitHub-Hookshot/test",
      "x-github-event": event,
      "x-github-delivery": change.guid ?? crypto.randomUUID(),
      "x-hub-signature-256": await sign(body, change.secret),
      ...change.headers,
    },
    body,
  });
}

type Comment = { repository?: number; number?: number; comment?: number; user?: number; type?: string; body?: string; private?: boolean };

/** A comment on an issue. */
function comment(change: Comment = {}) {
  const user = change.user ?? fresh();
  const repository = change.repository ?? fresh();
  const sender = { id: user, login: `ada-${user}`, type: change.type ?? "User" };
  const at = new Date().toISOString();
  return {
    action: "created",
    installation: { id: 100 },
    repository: {
      id: repository,
      name: `r${repository}`,
      full_name: `acme/r${repository}`,
      private: change.private ?? false,
      default_branch: "main",
      html_url: "https://github.com/acme/sample",
      owner: { login: "acme", id: 5, type: "Organization" },
    },
    issue: {
      id: 1,
      number: change.number ?? 7,
      title: "The price is wrong",
      body: "It is off by one.",
      state: "open",
      comments: 1,
      html_url: "https://github.com/acme/sample/issues/7",
      user: sender,
      labels: [],
      created_at: at,
      updated_at: at,
    },
    comment: {
      id: change.comment ?? fresh(),
      body: change.body ?? "@errand fix it please",
      user: sender,
      created_at: at,
      updated_at: at,
      html_url: "https://github.com/acme/sample/issues/7#issuecomment-1",
      performed_via_github_app: null,
    },
    sender,
  };
}
type CommentEvent = ReturnType<typeof comment>;

const post = (payload: CommentEvent, change: Change = {}) => deliver("issue_comment", JSON.stringify(payload), change);
const sessionOf = async ({ repository, issue }: CommentEvent) =>
  env.SESSIONS.getByName(await sessionIdOf(`github:${repository.id}:${issue.number}`, env.SESSION_KEY));
const promptsOf = async (payload: CommentEvent) =>
  ((await (await sessionOf(payload)).snapshot())?.view.turns ?? []).map(({ prompt }) => prompt);
/** Calls about a repository. Sessions of earlier tests go on writing in theirs. */
const called = ({ repository }: Pick<CommentEvent, "repository">, part: string) =>
  outside.gitHubCalls.filter((call) => call.includes(` /repos/${repository.full_name}/`) && call.includes(part));

describe("a comment that asks", () => {
  test("is in its session before GitHub hears 202, and gets a reaction", async () => {
    const payload = comment();
    const answer = await post(payload);
    expect([answer.status, await answer.text()]).toEqual([202, "accepted"]);
    expect(await promptsOf(payload)).toEqual([expect.stringContaining("fix it please")]);
    await vi.waitFor(() =>
      expect(called(payload, "/reactions")).toEqual([
        `POST /repos/${payload.repository.full_name}/issues/comments/${payload.comment.id}/reactions`,
      ]),
    );
  });

  test("is one line in the log, which holds nothing that people wrote", async () => {
    const payload = comment({ body: "@errand reveal nothing" });
    await post(payload, { guid: "0b989ba4-242f-11e5-81e1-c7b6966d2516" });
    const said = lines.filter((line) => line.includes('"at":"github"')).map((line) => JSON.parse(line) as object);
    expect(said).toEqual([
      {
        at: "github",
        id: "0b989ba4-242f-11e5-81e1-c7b6966d2516",
        event: "issue_comment",
        action: "created",
        repository: payload.repository.id,
        status: 202,
        outcome: "accepted",
        why: null,
        ms: expect.any(Number),
      },
    ]);
    expect(lines.join()).not.toMatch(/reveal|price is wrong|ghs_test/);
  });

  test("the same delivery again is a duplicate, whenever it comes", async () => {
    const payload = comment();
    const guid = crypto.randomUUID();
    const both = await Promise.all([post(payload, { guid }), post(payload, { guid })]);
    expect(both.map(({ status }) => status)).toEqual([202, 202]);
    const said = await Promise.all(both.map((answer) => answer.text()));
    expect(said.toSorted()).toEqual(["accepted", "duplicate"]);
    expect(await (await post(payload, { guid })).text()).toBe("duplicate");
    expect(await promptsOf(payload)).toHaveLength(1);
  });

  test("is heard when a hand-over failed and it is delivered again", async () => {
    const payload = comment();
    const guid = crypto.randomUUID();
    const session = vi.spyOn(env.SESSIONS, "getByName").mockImplementationOnce(() => {
      throw new Error("the object is being moved");
    });
    const failed = await post(payload, { guid });
    session.mockRestore();
    expect(failed.status).toBe(500);
    expect((await post(payload, { guid })).status).toBe(202);
    expect(await promptsOf(payload)).toHaveLength(1);
  });

  test("is heard when nobody knew who may, and it is delivered again", async () => {
    const payload = comment();
    const guid = crypto.randomUUID();
    permission = Response.json({ message: "Bad Gateway" }, { status: 502 });
    expect((await post(payload, { guid })).status).toBe(500);
    expect(await promptsOf(payload)).toEqual([]);
    permission = "admin";
    expect((await post(payload, { guid })).status).toBe(202);
    expect(await promptsOf(payload)).toHaveLength(1);
  });

  test("twenty at once, on as many issues, all arrive; the isolate goes on", async () => {
    const repository = fresh();
    const payloads = Array.from({ length: 20 }, (_, i) => comment({ repository, number: i + 1 }));
    const answers = await Promise.all(payloads.map((payload) => post(payload)));
    expect(answers.map(({ status }) => status)).toEqual(payloads.map(() => 202));
    expect(await Promise.all(payloads.map(async (payload) => (await promptsOf(payload)).length))).toEqual(payloads.map(() => 1));
    expect((await post(comment())).status).toBe(202);
  });

  test("a comment that asks for nothing costs no call", async () => {
    const payload = comment({ body: "nice weather" });
    expect((await post(payload)).status).toBe(202);
    expect(called(payload, "")).toEqual([]);
  });
});

describe("somebody who may not", () => {
  beforeEach(() => {
    permission = "read";
  });

  test("gets a reaction and no words on a public repository, and no session", async () => {
    const payload = comment();
    const answer = await post(payload);
    expect([answer.status, await answer.text()]).toEqual([202, "refused: the sender's permission is read"]);
    await vi.waitFor(() => expect(called(payload, "/reactions")).toHaveLength(1));
    expect(called(payload, "/issues/7/comments")).toEqual([]);
    expect(await (await sessionOf(payload)).snapshot()).toBeNull();
  });

  test("gets words on a private repository, once a thread", async () => {
    const repository = fresh();
    let said: string[] = [];
    const answers = outside.gitHub;
    outside.gitHub = async (request) => {
      if (request.method === "POST" && request.url.endsWith(`/r${repository}/issues/7/comments`))
        said = [...said, await request.clone().text()];
      return answers(request);
    };
    const payloads = [1, 2, 3].map(() => comment({ repository, private: true }));
    for (const payload of payloads) await post(payload);
    await vi.waitFor(() => expect(payloads.flatMap((payload) => called(payload, `/${payload.comment.id}/reactions`))).toHaveLength(3));
    expect(said).toHaveLength(1);
    expect(said[0]).toContain(`<!-- errand:key=refused:${repository}:7 -->`);
    expect(said[0]).not.toContain("@");
  });

  test("gets no second comment where an earlier one of ours stands", async () => {
    const repository = fresh();
    const answers = outside.gitHub;
    outside.gitHub = (request) =>
      request.method === "GET" && request.url.includes("/issues/7/comments")
        ? Response.json([{ id: 3, user: { login: "errand[bot]" }, body: `No. <!-- errand:key=refused:${repository}:7 -->` }])
        : answers(request);
    const payload = comment({ repository, private: true });
    await post(payload);
    await vi.waitFor(() => expect(called(payload, "/reactions")).toHaveLength(1));
    await vi.waitFor(() => expect(called(payload, "/issues/7/comments")).toEqual([`GET /repos/acme/r${repository}/issues/7/comments`]));
  });

  test("is taken, when what answers is out of reach", async () => {
    const answers = outside.gitHub;
    outside.gitHub = (request) => (request.url.endsWith("/reactions") ? Promise.reject(new TypeError("fetch failed")) : answers(request));
    expect((await post(comment())).status).toBe(202);
  });

  test("a bot asks GitHub for nothing, gets no words, and does not begin", async () => {
    const payload = comment({ type: "Bot", private: true });
    expect((await post(payload)).status).toBe(202);
    expect(called(payload, "/permission")).toEqual([]);
    expect(called(payload, "/issues/7/comments")).toEqual([]);
    expect(await (await sessionOf(payload)).snapshot()).toBeNull();
  });
});

describe("what tells many sessions", () => {
  const about = ({ repository, installation, sender }: CommentEvent) => ({ repository, installation, sender });
  const statesOf = async (payload: CommentEvent) => (await (await sessionOf(payload)).eventsAfter(0, 100)).length;

  test("checks without a pull request in them: those with the commit at their head are looked for", async () => {
    const payload = comment({ number: 3 });
    await post(payload);
    const head_sha = "c".repeat(40);
    const answers = outside.gitHub;
    let found: unknown = [
      { number: 3, state: "open", head: { sha: head_sha } },
      { number: 4, state: "open", head: { sha: "d".repeat(40) } },
      { number: 5, state: "closed", head: { sha: head_sha } },
    ];
    outside.gitHub = (request) => (request.url.includes(`/commits/${head_sha}/pulls`) ? Response.json(found) : answers(request));
    const suite = { id: 1, head_sha, pull_requests: [], app: { id: 9 }, updated_at: new Date().toISOString(), conclusion: "failure" };
    const body = JSON.stringify({ ...about(payload), action: "completed", check_suite: suite });
    const guid = crypto.randomUUID();
    const [first, second] = [await deliver("check_suite", body, { guid }), await deliver("check_suite", body, { guid })];
    expect([first.status, await first.text(), await second.text()]).toEqual([202, "accepted", "duplicate"]);
    found = [];
    const none = await deliver("check_suite", body);
    expect([none.status, await none.text()]).toEqual([202, "ignored: no open pull request has this commit at its head"]);
  });

  test("an installation that ends closes the sessions of its repositories, and of no others", async () => {
    const [mine, other] = [comment(), comment()];
    const installation = { id: fresh() };
    await post({ ...mine, installation });
    await post({ ...other, installation: { id: fresh() } });
    const known = () =>
      env.DB.prepare("SELECT count(*) AS n FROM sessions WHERE thread = ?").bind(`github:${mine.repository.id}:7`).first("n");
    const noted = () =>
      env.DB.prepare("SELECT count(*) AS n FROM github_repositories WHERE installation = ?").bind(installation.id).first("n");
    await vi.waitFor(async () => expect([await known(), await noted()]).toEqual([1, 1]));
    const before = [await statesOf(mine), await statesOf(other)];
    const gone = JSON.stringify({ action: "deleted", installation, sender: mine.sender });
    const answer = await deliver("installation", gone);
    expect([answer.status, await answer.text()]).toEqual([202, "accepted: told 1 sessions"]);
    expect(await statesOf(other)).toBe(before[1]);
    expect(await statesOf(mine)).toBeGreaterThan(before[0] ?? 0);
  });

  test("repositories that are taken out are told by name", async () => {
    const payload = comment();
    await post(payload);
    await vi.waitFor(async () =>
      expect(
        await env.DB.prepare("SELECT thread FROM sessions WHERE thread = ?").bind(`github:${payload.repository.id}:7`).first(),
      ).not.toBeNull(),
    );
    const { id, full_name } = payload.repository;
    const { installation, sender } = payload;
    const answer = await deliver(
      "installation_repositories",
      JSON.stringify({
        action: "removed",
        installation,
        sender,
        repositories_removed: [{ id, full_name, name: "sample", private: false }],
      }),
    );
    expect(await answer.text()).toBe("accepted: told 1 sessions");
  });
});

describe("what is no delivery", () => {
  test.each(["x-github-event", "x-github-delivery", "x-hub-signature-256"])("without %s: 400", async (name) => {
    const answer = await deliver("issue_comment", JSON.stringify(comment()), { headers: { [name]: "" } });
    expect([answer.status, (await answer.text()).toLowerCase()]).toEqual([400, expect.stringContaining(name)]);
  });

  test.each([
    ["another secret", { secret: "other" }],
    ["no form of a signature", { headers: { "x-hub-signature-256": "sha256=zz" } }],
    ["SHA-1", { headers: { "x-hub-signature-256": `sha1=${"a".repeat(40)}` } }],
    ["another body's", { headers: { "x-hub-signature-256": `sha256=${"a".repeat(64)}` } }],
  ])("signed with %s: 401", async (_name, change) => {
    expect((await post(comment(), change)).status).toBe(401);
  });

  test("one byte of the body changed: 401", async () => {
    const body = JSON.stringify(comment());
    const signature = await sign(body);
    const answer = await deliver("issue_comment", body.replace("fix it", "fix at"), { headers: { "x-hub-signature-256": signature } });
    expect(answer.status).toBe(401);
  });

  test.each(["{", "", "[1]", "1", "null", "payload=%7B%7D"])("signed, but %s: 400", async (body) => {
    expect((await deliver("issues", body)).status).toBe(400);
  });

  test("signed, but not UTF-8: 400", async () => {
    expect((await deliver("issues", new Uint8Array([0x7b, 0xff, 0x7d]))).status).toBe(400);
  });

  test("more than 25 MB: 413", async () => {
    const answer = await ask("/github/webhook", {
      method: "POST",
      headers: { "content-length": String(25 * 1024 * 1024 + 1), "x-github-event": "issues" },
      body: "x".repeat(25 * 1024 * 1024 + 1),
    });
    expect(answer.status).toBe(413);
  });
});

/** What a payload may lack or have in another form, and be signed all the same. */
const MUTATIONS: [string, (payload: Record<string, unknown>) => Record<string, unknown>][] = [
  ["no installation", ({ installation: _, ...rest }) => rest],
  ["another action", (payload) => ({ ...payload, action: "defenestrated" })],
  ["an action that is no text", (payload) => ({ ...payload, action: { a: 1 } })],
  ["no sender", ({ sender: _, ...rest }) => rest],
  ["no repository", ({ repository: _, ...rest }) => rest],
  ["a repository that is null", (payload) => ({ ...payload, repository: null })],
  ["a bot for a sender", (payload) => ({ ...payload, sender: { ...(payload.sender as object), type: "Bot" } })],
  ["nothing", () => ({})],
];

describe("the examples of every event", () => {
  const all = examples.flatMap(({ name, examples: payloads }) =>
    payloads.map((payload) => ({ name, payload: payload as Record<string, unknown> })),
  );

  test(`${all.length} of them are taken, and what is ignored asks GitHub for nothing`, async () => {
    const asking = new Set<string>();
    const wrong: string[] = [];
    let slowest = 0;
    for (const { name, payload } of all) {
      const body = JSON.stringify({ ...payload, installation: payload.installation ?? { id: 100 } });
      outside.gitHubCalls.length = 0;
      const began = performance.now();
      const answer = await deliver(name, body);
      slowest = Math.max(slowest, performance.now() - began);
      const text = await answer.text();
      if (answer.status !== 202) wrong.push(`${name}.${payload.action}: ${answer.status} ${text}`);
      const calls = outside.gitHubCalls.filter((call) => !call.includes(" /repos/acme/r"));
      if (calls.length > 0) {
        if (text.startsWith("ignored") && !calls.every((call) => call.endsWith("/pulls")))
          wrong.push(`${name}.${payload.action} asked ${calls}`);
        asking.add(name);
      }
    }
    expect(wrong).toEqual([]);
    // Only checks without a pull request in them have to be looked for.
    expect([...asking].toSorted()).toEqual(["check_run", "check_suite", "workflow_run"].filter((name) => asking.has(name)));
    expect(slowest).toBeLessThan(2_000);
  }, 120_000);

  test.each(MUTATIONS)(
    "with %s they are taken or refused, and nothing breaks",
    async (_name, mutate) => {
      const wrong: string[] = [];
      for (const { name, payload } of all) {
        const answer = await deliver(name, JSON.stringify(mutate({ ...payload, installation: payload.installation ?? { id: 100 } })));
        if (answer.status !== 202 && answer.status !== 400)
          wrong.push(`${name}.${payload.action}: ${answer.status} ${await answer.text()}`);
      }
      expect(wrong).toEqual([]);
    },
    120_000,
  );

  test("64 KiB of backticks, and of everything else that might be slow, are read in no time", async () => {
    for (const piece of ["`", "<!--", "~~~\n", "> ", "@errand-", "@errand/", "<code>", "](", "\\", "*_"]) {
      const body = `${piece.repeat(Math.ceil(65_536 / piece.length))} @errand`;
      const began = performance.now();
      const answer = await post(comment({ body }));
      expect([piece, answer.status]).toEqual([piece, 202]);
      expect(performance.now() - began).toBeLessThan(1_000);
    }
  });
});
