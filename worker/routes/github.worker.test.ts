import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { sessionIdOf } from "../../protocol/thread.ts";
import { type Change, type CommentEvent, comment, deliver, fresh } from "../testing/deliveries.ts";
import { type World, world } from "../testing/world.ts";

let outside: World;
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

  test("is worked on in its own repository, also where help was asked for first", async () => {
    const payload = comment({ body: "@errand help" });
    await post(payload);
    const asked = { ...payload, comment: { ...payload.comment, id: fresh(), body: "@errand fix it" } };
    await post(asked);
    expect(await promptsOf(payload)).toEqual([expect.stringContaining("fix it")]);
    expect((await (await sessionOf(payload)).snapshot())?.view.repository).toBe(payload.repository.full_name);
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
