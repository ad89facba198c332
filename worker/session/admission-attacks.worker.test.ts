/** Ways round the admission of what is said in Slack: a yes is for one person in one repository, as it was when it was asked. */
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { sessionIdOf } from "../../protocol/thread.ts";
import type { TurnView } from "../../protocol/view.ts";
import { app } from "../mounted.ts";
import { fresh } from "../testing/deliveries.ts";
import { gitHubWith, type Repositories, type Someone, someone } from "../testing/people.ts";
import { mention, site, slackEvent, slackWith } from "../testing/slack.ts";
import { ORIGIN, type World, world } from "../testing/world.ts";

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
