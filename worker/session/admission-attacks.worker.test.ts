/** Ways round the admission of what is said in Slack: a yes is for one person in one repository, as it was when it was asked. */
import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { sessionIdOf } from "../../protocol/thread.ts";
import type { TurnView } from "../../protocol/view.ts";
import { app } from "../mounted.ts";
import { fresh } from "../testing/deliveries.ts";
import { gitHubWith, askAs as knock, type Repositories, type Someone, someone } from "../testing/people.ts";
import { mention, newThread, newUser, site, slackEvent, slackWith, TEAM } from "../testing/slack.ts";
import { connectRunner, ORIGIN, type World, world } from "../testing/world.ts";
import { Log } from "./log.ts";

vi.setConfig({ testTimeout: 30_000 });

const before = { ...env };
beforeAll(() => {
  Object.assign(env, {
    SLACK_PROMPTS: "linked",
    GITHUB_CLIENT_ID: "Iv1.test",
    GITHUB_CLIENT_SECRET: "secret",
    TOKEN_KEYS: JSON.stringify({ current: "k1", keys: { k1: btoa("1".repeat(32)) } }),
  });
});
afterAll(
  () => void Object.assign(env, { SLACK_PROMPTS: "", GITHUB_CLIENT_ID: "", GITHUB_CLIENT_SECRET: "", TOKEN_KEYS: before.TOKEN_KEYS ?? "" }),
);

let outside: World;
let repositories: Repositories;
beforeEach(() => {
  site.ask = async (path, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set("host", new URL(ORIGIN).host);
    return app.fetch(new Request(ORIGIN + path, { redirect: "manual", ...init, headers }), { ...env });
  };
  outside = world();
  repositories = gitHubWith(outside).repositories;
  slackWith(outside);
  vi.spyOn(console, "log").mockReturnValue();
  vi.spyOn(console, "warn").mockReturnValue();
});

function repositoryOf(...writers: Someone[]): string {
  const name = `acme/r${fresh()}`;
  repositories.set(name, { private: true, people: new Map(writers.map(({ github }) => [github?.login ?? "", "write"])) });
  return name;
}
const userOf = (person: Someone) => (person.slack ?? "").split(":")[1] ?? "";
const turns = async (thread: string): Promise<TurnView[]> =>
  (await env.SESSIONS.getByName(await sessionIdOf(thread, env.SESSION_KEY)).snapshot())?.view.turns ?? [];

/** GitHub answers about this repository only once it is let. */
function slowAbout(repository: string): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { gitHub } = outside;
  outside.gitHub = async (request) => {
    if (new URL(request.url).pathname.startsWith(`/repos/${repository}`)) await promise;
    return gitHub(request);
  };
  return resolve;
}

/** Takes a message of somebody back, as deleting it in Slack does. */
async function takeBack(thread: string, user: string, turn: number): Promise<void> {
  const ts = (await turns(thread))[turn]?.contentKey.split(":").at(-1);
  const thread_ts = thread.split(":").at(-1);
  const message = { user, ts, text: "<@UBOT> one", thread_ts };
  await slackEvent({
    type: "message",
    channel: "C1",
    subtype: "message_deleted",
    ts: `${fresh()}.1`,
    deleted_ts: ts,
    previous_message: message,
  });
  await vi.waitFor(async () => expect((await turns(thread))[turn]?.state).toBe("withdrawn"));
}

describe("a yes about one repository", () => {
  it("that comes after the thread was moved to another one counts for nothing there", async () => {
    const [eve, ada] = [await someone({ slack: true }), await someone()];
    const [own, other] = [repositoryOf(eve), repositoryOf(ada)];
    const answer = slowAbout(own);
    const thread = await mention(userOf(eve), `one repo=${own}`);
    await vi.waitFor(() => expect(outside.gitHubCalls.some((call) => call.includes(own))).toBe(true));
    await takeBack(thread, userOf(eve), 0);
    await mention(userOf(eve), `two repo=${other}`, thread.split(":").at(-1));
    expect((await turns(thread))[1]?.state).toBe("queued");
    answer();
    await vi.waitFor(async () => expect((await turns(thread))[1]?.state).toBe("failed"), { timeout: 10_000 });
    expect((await turns(thread))[1]).toMatchObject({ startedAt: null, failure: { code: "not_allowed" } });
  });
});

it("who asked and may not write any more sees no more than anybody", async () => {
  const ada = await someone({ slack: true });
  const repository = repositoryOf(ada);
  const session = await sessionIdOf(await mention(userOf(ada), `fix it repo=${repository}`), env.SESSION_KEY);
  await vi.waitFor(async () => expect((await knock(ada, `/api/sessions/${session}`, {}, site.ask)).status).toBe(200), { timeout: 5_000 });
  // Permissions are kept for a minute.
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 61_000 });
  try {
    repositories.get(repository)?.people.clear();
    expect((await knock(ada, `/api/sessions/${session}`, {}, site.ask)).status).toBe(403);
  } finally {
    vi.useRealTimers();
  }
});

describe("a thread in which work was done", () => {
  /** Ada's work in the thread is done, and its pull request merged. */
  async function merged(repository: string, ada: Someone): Promise<string> {
    const thread = await mention(userOf(ada), `fix it repo=${repository}`);
    const session = await sessionIdOf(thread, env.SESSION_KEY);
    const runner = await connectRunner(outside, session);
    runner.say({ type: "git.ready", branch: "errand/x", base: "main", commit: "0" }, { type: "turn.accepted", turn: 1 });
    runner.say({ type: "turn.finished", turn: 1, outcome: "done" });
    await vi.waitFor(async () => expect((await turns(thread))[0]?.state).toBe("done"), { timeout: 5_000 });
    await runInDurableObject(env.SESSIONS.getByName(session), (_object, { storage }) => {
      const pull = {
        ...{ repository, number: 7, thread: "github:1:7", url: "https://github.test/7", title: "It", state: "merged" as const, own: true },
        ...{ branch: "errand/x", base: "main", commit: "0", additions: 0, deletions: 0, files: 0 },
        checks: { state: "none" as const, failing: [] },
      };
      storage.transactionSync(() => {
        const log = new Log(storage.sql);
        log.append([{ type: "pull.changed", at: Date.now(), pull }]);
        log.save();
      });
    });
    await abortAllDurableObjects();
    return thread;
  }

  it("is not moved to another repository, whose writers would see all of it", async () => {
    const [ada, eve] = [await someone({ slack: true }), await someone({ slack: true })];
    const [secret, own] = [repositoryOf(ada), repositoryOf(eve)];
    const thread = await merged(secret, ada);
    const session = await sessionIdOf(thread, env.SESSION_KEY);
    const sees = async () => (await knock(eve, `/api/sessions/${session}`, {}, site.ask)).status;
    expect(await sees()).toBe(403);
    await mention(userOf(eve), "go on", thread.split(":").at(-1));
    await vi.waitFor(async () => expect((await turns(thread)).at(-1)).toMatchObject({ prompt: "go on", state: "failed" }), {
      timeout: 5_000,
    });
    // The branch is over, and so is the sandbox once somebody goes on who may: not for eve.
    const open = await env.SESSIONS.getByName(session).snapshot();
    expect([open?.view.branch, open?.view.base]).toEqual(["errand/x", "main"]);
    await mention(userOf(eve), `and here repo=${own}`, thread.split(":").at(-1));
    expect(await env.SESSIONS.getByName(session).whose()).toMatchObject({ repository: secret });
    expect(await sees()).toBe(403);
    await mention(userOf(ada), "go on", thread.split(":").at(-1));
    await vi.waitFor(async () => expect((await turns(thread)).at(-1)?.startedAt).not.toBeNull(), { timeout: 5_000 });
    const next = await env.SESSIONS.getByName(session).snapshot();
    expect([next?.view.branch, next?.view.base]).toEqual([expect.not.stringMatching(/^errand\/x$/), null]);
    // Now there is no workspace, and what was done is in the log all the same.
    await slackEvent({
      type: "app_mention",
      channel: "C1",
      user: userOf(ada),
      text: "<@UBOT> stop",
      ts: `${fresh()}.1`,
      thread_ts: thread.split(":").at(-1),
    });
    await vi.waitFor(async () => expect((await turns(thread)).at(-1)?.state).toBe("stopped"), { timeout: 10_000 });
    await mention(userOf(eve), `again repo=${own}`, thread.split(":").at(-1));
    expect(await env.SESSIONS.getByName(session).whose()).toMatchObject({ repository: secret });
    expect(await sees()).toBe(403);
  });
});

describe("what was refused", () => {
  it("is not done for its author by somebody who may, and wants the last work once more", async () => {
    const [ada, eve] = [await someone({ slack: true }), await someone({ slack: true })];
    const thread = `slack:T1:C1:${newThread()}`;
    const session = await sessionIdOf(thread, env.SESSION_KEY);
    const who = { id: `github:${ada.github?.id}` };
    const said = { thread, who, at: Date.now() };
    const first = { text: "fix it", context: "what stood around", contentKey: `c${fresh()}`, options: { repository: repositoryOf(ada) } };
    await env.SESSIONS.getByName(session).accept({ kind: "prompt", ...said, ...first, deliveryId: `d${fresh()}`, joins: false });
    const runner = await connectRunner(outside, session);
    runner.say({ type: "turn.accepted", turn: 1 }, { type: "turn.finished", turn: 1, outcome: "done" });
    await vi.waitFor(async () => expect((await turns(thread))[0]?.state).toBe("done"), { timeout: 5_000 });
    await mention(userOf(eve), "delete everything", thread.split(":").at(-1));
    await vi.waitFor(async () => expect((await turns(thread))[1]?.failure?.code).toBe("not_allowed"), { timeout: 5_000 });
    await env.SESSIONS.getByName(session).accept({ kind: "retry", ...said, deliveryId: `again${fresh()}` });
    await vi.waitFor(async () => expect(await turns(thread)).toHaveLength(3), { timeout: 5_000 });
    await vi.waitFor(() =>
      expect(runner.commands.at(-1)).toMatchObject({ do: "prompt", turn: 3, text: "fix it", context: "what stood around" }),
    );
  });
});

it("a link that is on its way to somebody is not ended by another user who knows their name in Slack", async () => {
  const [user, eve] = [newUser(), await someone()];
  await mention(user, "link");
  const onItsWay = async () =>
    (await env.DB.prepare("select hash from slack_links where subject = ?").bind(`${TEAM}:${user}`).all()).results;
  await vi.waitFor(async () => expect(await onItsWay()).toHaveLength(1), { timeout: 5_000 });
  const unlink = { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" }, body: `account=${TEAM}:${user}` };
  expect((await knock(eve, "/account/slack/unlink", unlink, site.ask)).status).toBe(303);
  expect(await onItsWay()).toHaveLength(1);
  // Their own word ends it.
  await mention(user, "unlink");
  expect(await onItsWay()).toHaveLength(0);
});
