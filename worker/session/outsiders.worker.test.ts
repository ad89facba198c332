/** What people who may not write to a repository can do to a session by what GitHub lets everybody do: nothing. And what comes late stops nothing newer. */
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { sessionIdOf } from "../../protocol/thread.ts";
import { comment, deliver, fresh } from "../testing/deliveries.ts";
import { connectRunner, type Runner, type World, world } from "../testing/world.ts";

let outside: World;
/** Those who may write, by their ids. */
let writers: Set<number>;
/** The pull request that the API tells of. */
let pull: object;
beforeEach(() => {
  outside = world();
  writers = new Set();
  vi.spyOn(console, "log").mockReturnValue();
  outside.gitHub = (request) => {
    const { pathname } = new URL(request.url);
    const who = Number(/\/collaborators\/\w+-(\d+)\/permission$/.exec(pathname)?.[1]);
    if (who) return Response.json({ permission: writers.has(who) ? "write" : "read", user: { id: who } });
    if (/\/pulls\/\d+$/.test(pathname)) return Response.json(pull);
    if (pathname.endsWith("/comments")) return request.method === "GET" ? Response.json([]) : Response.json({ id: 5 }, { status: 201 });
    return Response.json({ message: "Not Found" }, { status: 404 });
  };
});

type Payload = ReturnType<typeof comment>;
const idOf = ({ repository, issue }: Payload) => sessionIdOf(`github:${repository.id}:${issue.number}`, env.SESSION_KEY);
const viewOf = async (payload: Payload) => (await env.SESSIONS.getByName(await idOf(payload)).snapshot())?.view;
const codes = async (payload: Payload) =>
  (await env.SESSIONS.getByName(await idOf(payload)).eventsAfter(0, 100)).map(({ event }) => ("code" in event ? event.code : event.type));
const iso = (ms: number) => new Date(ms).toISOString();

/** Somebody who may write asks for something, and it is being worked on. */
async function atWork(payload: Payload): Promise<Runner> {
  writers.add(payload.sender.id);
  expect(await (await deliver("issue_comment", JSON.stringify(payload))).text()).toContain("accepted");
  const runner = await connectRunner(outside, await idOf(payload));
  runner.say({ type: "turn.accepted", turn: 1 });
  await vi.waitFor(async () => expect((await viewOf(payload))?.turns[0]?.state).toBe("working"));
  return runner;
}

const person = () => {
  const id = fresh();
  return { id, login: `mallory-${id}`, type: "User" };
};
/** The issue is closed, at that time. */
const closed = (payload: Payload, sender: object, author: object, at = Date.now() + 1_000) =>
  deliver(
    "issues",
    JSON.stringify({
      ...{ action: "closed", installation: payload.installation, repository: payload.repository, sender },
      issue: { ...payload.issue, user: author, created_at: iso(1), updated_at: iso(at), closed_at: iso(at) },
    }),
  );

describe("an issue that an outsider wrote", () => {
  it("goes on being worked on when its author closes it, and ends when somebody else does, who was given that right", async () => {
    const payload = comment();
    await atWork(payload);
    const mallory = person();
    expect(await (await closed(payload, mallory, mallory)).text()).toMatch(/^refused: /);
    expect(await viewOf(payload)).toMatchObject({ closed: null, turns: [{ state: "working" }] });
    expect(await (await closed(payload, person(), mallory)).text()).toBe("accepted");
    expect(await viewOf(payload)).toMatchObject({ closed: { how: "closed" }, turns: [{ state: "stopped" }] });
  });
});

describe("a pull request from an outsider's fork", () => {
  it("steers nothing by what is pushed to the fork", async () => {
    const mallory = person();
    const payload = comment({ number: 9 });
    const base = { ref: "main", repo: { id: payload.repository.id, full_name: payload.repository.full_name } };
    const head = { ref: "patch-1", sha: "a".repeat(40), repo: { full_name: "mallory/fork" }, user: mallory };
    pull = { number: 9, title: "A change", body: "", draft: false, user: mallory, head, base, html_url: "https://github.com/a/b/pull/9" };
    const runner = await atWork({ ...payload, issue: { ...payload.issue, pull_request: {}, user: mallory } } as Payload);
    const body = {
      ...{ action: "synchronize", installation: payload.installation, repository: payload.repository, sender: mallory },
      ...{ after: "b".repeat(40), pull_request: { ...pull, updated_at: iso(Date.now()) } },
    };
    for (let i = 0; i < 5; i += 1) await deliver("pull_request", JSON.stringify(body));
    expect(await codes(payload)).not.toContain("pushed_by_other");
    expect(runner.commands.map((command) => command.do)).toEqual(["prompt"]);
  });
});

describe("a delivery that was missed and comes hours later", () => {
  it("closes nothing that was asked for since then", async () => {
    const payload = comment();
    await atWork(payload);
    expect(await (await closed(payload, person(), person(), Date.now() - 3600_000)).text()).toBe("accepted");
    expect(await viewOf(payload)).toMatchObject({ closed: null, turns: [{ state: "working" }] });
  });

  it("stops nothing that was asked for since then, and stops what was asked before", async () => {
    const payload = comment();
    const runner = await atWork(payload);
    const stop = (at: number) => {
      const said = { ...payload.comment, id: fresh(), body: "@errand stop", created_at: iso(at), updated_at: iso(at) };
      return deliver("issue_comment", JSON.stringify({ ...payload, comment: said }));
    };
    await stop(Date.now() - 3600_000);
    expect((await viewOf(payload))?.turns[0]?.state).toBe("working");
    await stop(Date.now() + 1_000);
    await vi.waitFor(() => expect(runner.commands.map((command) => command.do)).toEqual(["prompt", "stop"]));
  });
});
