/** Who may have work done from Slack where that takes a linked account: what is held, what goes on by itself, what is refused; and the linking itself under attack. */
import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { drizzle } from "drizzle-orm/d1";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { sessionIdOf } from "../../protocol/thread.ts";
import type { TurnView } from "../../protocol/view.ts";
import { sha256 } from "../auth/token.ts";
import { identities } from "../db/schema.ts";
import { app } from "../mounted.ts";
import { coreOf } from "../testing/core.ts";
import { fresh } from "../testing/deliveries.ts";
import { gitHubWith, askAs as knock, type Repositories, type Someone, someone } from "../testing/people.ts";
import { codeFor, mention, newThread, newUser, site, slackEvent, slackWith, TEAM, typeNumber, whispersTo } from "../testing/slack.ts";
import { connectRunner, ORIGIN, type World, world } from "../testing/world.ts";

import { compose } from "./composition.ts";

// Whole stories, on a machine that may be busy.
vi.setConfig({ testTimeout: 30_000 });

const KEY = btoa("1".repeat(32));
const before = { ...env };
beforeAll(() => {
  Object.assign(env, {
    SLACK_PROMPTS: "linked",
    GITHUB_CLIENT_ID: "Iv1.test",
    GITHUB_CLIENT_SECRET: "secret",
    TOKEN_KEYS: JSON.stringify({ current: "k1", keys: { k1: KEY } }),
  });
});
afterAll(
  () => void Object.assign(env, { SLACK_PROMPTS: "", GITHUB_CLIENT_ID: "", GITHUB_CLIENT_SECRET: "", TOKEN_KEYS: before.TOKEN_KEYS ?? "" }),
);

/** The Worker with these settings. */
const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
  const headers = new Headers(init.headers);
  headers.set("host", new URL(ORIGIN).host);
  return app.fetch(new Request(ORIGIN + path, { redirect: "manual", ...init, headers }), { ...env });
};
const askAs = (person: Someone, path: string, init: RequestInit = {}) => knock(person, path, init, ask);

let outside: World;
let repositories: Repositories;
let gitHub: ReturnType<typeof gitHubWith>;
beforeEach(() => {
  site.ask = ask;
  outside = world();
  gitHub = gitHubWith(outside);
  repositories = gitHub.repositories;
  slackWith(outside);
  vi.spyOn(console, "log").mockReturnValue();
  vi.spyOn(console, "warn").mockReturnValue();
});

/** A repository that these may write to. */
function repositoryOf(...writers: Someone[]): string {
  const name = `acme/r${fresh()}`;
  repositories.set(name, { private: true, people: new Map(writers.map(({ github }) => [github?.login ?? "", "write"])) });
  return name;
}
const agent = async (thread: string) => env.SESSIONS.getByName(await sessionIdOf(thread, env.SESSION_KEY));
const turns = async (thread: string): Promise<TurnView[]> => (await (await agent(thread)).snapshot())?.view.turns ?? [];
const begins = (thread: string, turn = 0) =>
  vi.waitFor(async () => expect((await turns(thread))[turn]?.startedAt).not.toBeNull(), { timeout: 5_000 });
const isHeld = (thread: string, turn = 0) =>
  vi.waitFor(async () => expect((await turns(thread))[turn]?.held).not.toBeNull(), { timeout: 5_000 });
const sent = (user: string) => vi.waitFor(() => codeFor(outside, user), { timeout: 5_000 });
const slackUserOf = (person: Someone) => (person.slack ?? "").split(":")[1] ?? "";

/** The page of a link, as somebody who is signed in sees it, with the link's cookie. */
const page = (person: Someone, code: string, init: RequestInit = {}) =>
  askAs(person, "/link/slack", { ...init, headers: { accept: "text/html", ...init.headers, cookie: `errand-link=${code}` } });
/** Says on the page that the Slack account is theirs; the number that the page shows then. */
async function confirm(person: Someone, code: string): Promise<string> {
  const answer = await page(person, code, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ link: await sha256(code) }).toString(),
  });
  expect(answer.status).toBe(303);
  const [, number] = /id="number">\s*(\d{3} \d{3})/.exec(await (await page(person, code)).text()) ?? [];
  if (number === undefined) throw new Error("the page shows no number");
  return number;
}
const linked = async (user: string) =>
  (await env.DB.prepare("select user_id from identities where provider = 'slack' and subject = ?").bind(`${TEAM}:${user}`).all()).results;
const audited = async (action: string, user: string) =>
  (await env.DB.prepare("select * from audit where action = ? and target = ?").bind(action, `slack:${TEAM}:${user}`).all()).results;

describe("somebody whom errand does not know", () => {
  it("is held and told alone how to link; no sandbox starts; with the number the request goes on by itself", async () => {
    const [user, ada] = [newUser(), await someone({ name: "Ada" })];
    const repository = repositoryOf(ada);
    const thread = await mention(user, `fix it repo=${repository}`);
    const session = await sessionIdOf(thread, env.SESSION_KEY);
    await isHeld(thread);
    const code = await sent(user);
    const shownToAll = outside.slackCalls.filter(({ method }) => method !== "chat.postEphemeral");
    expect(JSON.stringify(shownToAll)).not.toContain(code);
    expect(outside.boots.has(session)).toBe(false);
    // A link that is followed by a program, or looked at, does nothing.
    expect((await ask(`/link/slack?code=${code}`, { method: "HEAD" })).headers.get("set-cookie")).toBeNull();
    expect((await ask(`/link/slack?code=${code}`, { headers: { "sec-purpose": "prefetch" } })).status).toBe(403);
    const opened = await ask(`/link/slack?code=${code}`);
    expect([opened.status, opened.headers.get("location")]).toEqual([302, "/link/slack"]);
    expect(opened.headers.get("set-cookie")).toMatch(/^errand-link=[0-9a-f]{64}; .*HttpOnly; SameSite=Lax/);
    const text = await (await page(ada, code)).text();
    expect(text).toContain("Sam in Acme");
    expect(text).toContain("the rights of");
    const number = await confirm(ada, code);
    expect(await linked(user)).toEqual([]);
    expect((await typeNumber(user, number)).status).toBe(200);
    await begins(thread);
    expect(await linked(user)).toEqual([{ user_id: ada.userId }]);
    expect(await audited("account.added", user)).toHaveLength(1);
    expect((await turns(thread))[0]).toMatchObject({ held: null });
    // The commits are those of the account that was linked.
    const runner = await connectRunner(outside, session);
    await vi.waitFor(() =>
      expect(runner.commands[0]).toMatchObject({ do: "prompt", author: { email: expect.stringContaining("@users.noreply") } }),
    );
    expect(await (await page(ada, code)).text()).toContain("Linked");
    // The message with the field says so.
    await vi.waitFor(() =>
      expect(
        outside.slackCalls.some(({ method, body }) => method === "response_url" && /linked with \*Ada\*/.test(JSON.stringify(body))),
      ).toBe(true),
    );
  });

  it("does not keep others out, can take it back, and change it", async () => {
    const [user, bob] = [newUser(), await someone({ slack: true })];
    const repository = repositoryOf(bob);
    const thread = await mention(user, `first repo=${repository}`);
    await isHeld(thread);
    await mention(slackUserOf(bob), "second", thread.split(":").at(-1));
    await begins(thread, 1);
    expect((await turns(thread))[0]).toMatchObject({ state: "queued", prompt: "first" });
    const [first] = await turns(thread);
    const ts = first?.contentKey.split(":").at(-1);
    const channel = { type: "message", channel: "C1", ts: `${fresh()}.000500`, thread_ts: thread.split(":").at(-1) };
    const message = { user, ts, text: "<@UBOT> first, and better", thread_ts: thread.split(":").at(-1), edited: { ts: "1.0" } };
    await slackEvent({ ...channel, subtype: "message_changed", message, previous_message: { user, ts, text: "<@UBOT> first" } });
    await vi.waitFor(async () => expect((await turns(thread))[0]?.prompt).toBe("first, and better"));
    await slackEvent({ ...channel, subtype: "message_deleted", deleted_ts: ts, previous_message: message });
    await vi.waitFor(async () => expect((await turns(thread))[0]?.state).toBe("withdrawn"));
  });

  it("may wait with two requests in a thread, not with more", async () => {
    const user = newUser();
    const thread = await mention(user, `first repo=${repositoryOf()}`);
    await isHeld(thread);
    await mention(user, "second", thread.split(":").at(-1));
    await isHeld(thread, 1);
    await sent(user);
    await mention(user, "third", thread.split(":").at(-1));
    expect(await turns(thread)).toHaveLength(2);
    const notes = (await (await agent(thread)).eventsAfter(0, 100)).flatMap(({ event }) => (event.type === "note" ? [event.code] : []));
    expect(notes).toContain("too_many_held");
    // They came within a minute: one letter is enough.
    expect(whispersTo(outside, user)).toHaveLength(1);
  });

  it("is held still when the object comes back after a restart, is no member, and goes on when the link is made", {
    timeout: 30_000,
  }, async () => {
    const [user, ada] = [newUser(), await someone()];
    const thread = await mention(user, `first repo=${repositoryOf(ada)}`);
    await isHeld(thread);
    await sent(user);
    await abortAllDurableObjects();
    expect(await (await agent(thread)).whose()).toMatchObject({ began: `slack:${TEAM}:${user}`, members: [] });
    expect((await turns(thread))[0]).toMatchObject({ state: "queued", held: { why: "link" } });
    await typeNumber(user, await confirm(ada, codeFor(outside, user)));
    await begins(thread);
    expect(await (await agent(thread)).whose()).toMatchObject({ members: [`slack:${TEAM}:${user}`] });
  });

  it("gets a link by saying so, and another one ends the first", async () => {
    const [user, ada] = [newUser(), await someone()];
    await mention(user, "link");
    const first = await sent(user);
    expect((await page(ada, first)).status).toBe(200);
    // Sent again by Slack, it is the same one.
    await mention(user, "link");
    expect(codeFor(outside, user)).toBe(first);
    await env.DB.prepare("update slack_links set made_at = made_at - 60000 where subject = ?").bind(`${TEAM}:${user}`).run();
    await mention(user, "link");
    await vi.waitFor(() => expect(codeFor(outside, user)).not.toBe(first));
    expect((await page(ada, first)).status).toBe(404);
    const number = await confirm(ada, codeFor(outside, user));
    // By words, where there is no field.
    await mention(user, `link ${number}`);
    expect(await linked(user)).toEqual([{ user_id: ada.userId }]);
    await mention(user, "unlink");
    expect(await linked(user)).toEqual([]);
    expect(await audited("account.removed", user)).toHaveLength(1);
  });
});

describe("somebody who is linked", () => {
  it("and may write: it begins at once, and they are a member", async () => {
    const ada = await someone({ slack: true });
    const thread = await mention(slackUserOf(ada), `fix it repo=${repositoryOf(ada)}`);
    await begins(thread);
    expect(await (await agent(thread)).whose()).toMatchObject({ members: [`slack:${ada.slack}`] });
    const types = (await (await agent(thread)).eventsAfter(0, 100)).map(({ event }) => event.type);
    expect(types).not.toContain("turn.held");
    expect((await askAs(ada, `/api/sessions/${await sessionIdOf(thread, env.SESSION_KEY)}`)).status).toBe(200);
  });

  it("and may not write is told so in words, sees nothing of the session, and nothing started", async () => {
    const eve = await someone({ slack: true });
    const repository = repositoryOf();
    const thread = await mention(slackUserOf(eve), `fix it repo=${repository}`);
    await vi.waitFor(async () => expect((await turns(thread))[0]?.state).toBe("failed"));
    expect((await turns(thread))[0]?.failure).toMatchObject({
      code: "not_allowed",
      message: expect.stringContaining(`may not write to \`${repository}\``),
    });
    expect(JSON.stringify(outside.slackCalls)).not.toContain(eve.github?.login);
    const session = await sessionIdOf(thread, env.SESSION_KEY);
    expect(outside.boots.has(session)).toBe(false);
    expect((await askAs(eve, `/api/sessions/${session}`)).status).toBe(403);
  });

  it("without an account at GitHub is held until they add one", async () => {
    const gil = await someone({ slack: true, github: false });
    const name = repositoryOf();
    const thread = await mention(slackUserOf(gil), `fix it repo=${name}`);
    await isHeld(thread);
    await vi.waitFor(() => expect(whispersTo(outside, slackUserOf(gil)).join()).toContain("Add GitHub"), { timeout: 5_000 });
    const id = fresh();
    await drizzle(env.DB)
      .insert(identities)
      .values({ provider: "github", subject: String(id), userId: gil.userId, login: `person-${id}`, createdAt: Date.now() });
    repositories.get(name)?.people.set(`person-${id}`, "write");
    await (await agent(thread)).linked(`slack:${gil.slack}`);
    await begins(thread);
  });

  it("waits while GitHub says nothing, and begins when it does", async () => {
    const ada = await someone({ slack: true });
    const name = repositoryOf(ada);
    gitHub.away = true;
    const thread = await mention(slackUserOf(ada), `fix it repo=${name}`);
    await vi.waitFor(() => expect(outside.gitHubCalls.length).toBeGreaterThan(0));
    expect((await turns(thread))[0]).toMatchObject({ state: "queued", held: null });
    gitHub.away = false;
    await (await agent(thread)).linked(`slack:${ada.slack}`);
    await begins(thread);
  });

  it("who is disabled in errand begins nothing", async () => {
    const eve = await someone({ slack: true });
    const name = repositoryOf(eve);
    await env.DB.prepare("update users set disabled_at = 1 where id = ?").bind(eve.userId).run();
    const thread = await mention(slackUserOf(eve), `fix it repo=${name}`);
    await vi.waitFor(async () => expect((await turns(thread))[0]?.failure?.code).toBe("disabled"));
  });
});

describe("an offer that is taken in Slack", () => {
  /** A session that is at work for ada, with an open offer, and its parts. */
  const withOffer = async (use: (parts: ReturnType<typeof compose>, where: { thread: string; place: null }) => void) => {
    const ada = await someone({ slack: true });
    const thread = await mention(slackUserOf(ada), `fix it repo=${repositoryOf(ada)}`);
    await begins(thread);
    await runInDurableObject(await agent(thread), (_object, ctx) => {
      const offer = { id: "o1", text: "mend it", context: "what failed" };
      ctx.storage.sql.exec("INSERT OR REPLACE INTO pulls (id, state) VALUES (1, ?)", JSON.stringify({ offer }));
      const whose = () => ({ thread, repository: null, began: null, members: [], closed: false });
      const parts = compose(ctx, env, coreOf(ctx.id.name ?? "", { whose }));
      parts.log.append([{ type: "offer.made", at: Date.now(), id: "o1", title: "Checks failed", auto: false }]);
      ctx.storage.transactionSync(() => use(parts, { thread, place: null }));
    });
  };
  const eve = { id: `slack:${TEAM}:U7` };
  const bob = { id: `slack:${TEAM}:U8` };
  const offerIn = ({ log }: ReturnType<typeof compose>) => log.view().offers[0];

  it("stays open until who took it is let in, and is theirs then", () =>
    withOffer((parts, where) => {
      expect(parts.conversation.takeOffer(eve, where, "o1")).toBe(true);
      expect(offerIn(parts)?.state).toBe("open");
      // Once by one person; somebody else may take it meanwhile.
      expect(parts.conversation.takeOffer(eve, where, "o1")).toBe(false);
      expect(parts.conversation.takeOffer(bob, where, "o1")).toBe(true);
      const [first, second] = parts.turns.queued();
      if (!first || !second) throw new Error("nothing is queued");
      parts.conversation.admitted(second);
      expect(offerIn(parts)).toMatchObject({ state: "taken", by: bob });
      // Asked about again, it is theirs still; the other one comes too late.
      parts.conversation.admitted(second);
      parts.conversation.admitted(first);
      expect(parts.turns.queued().map(({ id }) => id)).toEqual([second.id]);
      expect(parts.log.view().turns.find(({ id }) => id === first.id)?.failure?.code).toBe("offer_gone");
    }));

  it("at once by somebody who need not be let in", () =>
    withOffer((parts, where) => {
      expect(parts.conversation.takeOffer({ id: "github:1" }, where, "o1")).toBe(true);
      expect(offerIn(parts)).toMatchObject({ state: "taken", by: { id: "github:1" } });
    }));
});

describe("a link in other hands", () => {
  it("forwarded to somebody who confirms it gives its sender nothing: the number is on the other’s page alone, and three guesses end it", async () => {
    const [attacker, victim] = [newUser(), await someone()];
    await mention(attacker, "link");
    const code = await sent(attacker);
    const number = await confirm(victim, code);
    const guesses = Array.from({ length: 12 }, (_, n) => String((Number(number.replace(" ", "")) + n + 1) % 1_000_000).padStart(6, "0"));
    // All at once are no more than one after the other.
    await Promise.all(guesses.map((guess) => typeNumber(attacker, guess)));
    await typeNumber(attacker, number);
    expect(await linked(attacker)).toEqual([]);
    expect((await page(victim, code)).status).toBe(404);
  });

  it("confirmed by two users at once is one’s; the other is told", async () => {
    const [user, ada, eve] = [newUser(), await someone(), await someone()];
    await mention(user, "link");
    const code = await sent(user);
    const post = async (person: Someone) =>
      page(person, code, {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ link: await sha256(code) }).toString(),
      });
    const statuses = (await Promise.all([post(ada), post(eve)])).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([303, 409]);
  });

  it("two tabs and a number sent twice make one link and one entry", async () => {
    const [user, ada] = [newUser(), await someone()];
    await mention(user, "link");
    const code = await sent(user);
    const [one, two] = await Promise.all([confirm(ada, code), confirm(ada, code)]);
    expect(one).toBe(two);
    await Promise.all([typeNumber(user, one), typeNumber(user, one)]);
    await typeNumber(user, one);
    expect(await linked(user)).toHaveLength(1);
    expect(await audited("account.added", user)).toHaveLength(1);
  });

  it("the form of another link than the page’s cookie is not taken", async () => {
    const [user, other, ada] = [newUser(), newUser(), await someone()];
    await mention(user, "link");
    await mention(other, "link");
    const [shown, planted] = [await sent(user), await sent(other)];
    const answer = await page(ada, planted, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ link: await sha256(shown) }).toString(),
    });
    expect(answer.status).toBe(303);
    const [row] = (await env.DB.prepare("select user_id from slack_links where subject = ?").bind(`${TEAM}:${other}`).all()).results;
    expect(row).toEqual({ user_id: null });
  });

  it("a Slack account that is another user’s stays theirs; a user has one of each workspace", async () => {
    const [bob, eve, admin] = [await someone({ slack: true }), await someone(), await someone()];
    const user = slackUserOf(bob);
    await mention(user, "link");
    await vi.waitFor(() => expect(whispersTo(outside, user).join()).toContain("linked with *"));
    const second = newUser();
    await mention(second, "link");
    const code = await sent(second);
    expect((await page(bob, code)).status).toBe(409);
    const number = await confirm(eve, code);
    // Meanwhile it becomes somebody else's.
    await drizzle(env.DB)
      .insert(identities)
      .values({ provider: "slack", subject: `${TEAM}:${second}`, userId: admin.userId, createdAt: 1 });
    await typeNumber(second, number);
    expect(await linked(second)).toEqual([{ user_id: admin.userId }]);
    expect((await page(eve, code)).status).toBe(409);
  });

  it("is over after a quarter of an hour, and nothing is shown to who is not signed in", async () => {
    const [user, ada] = [newUser(), await someone()];
    await mention(user, "link");
    const code = await sent(user);
    await env.DB.prepare("update slack_links set expires_at = 1 where subject = ?").bind(`${TEAM}:${user}`).run();
    expect((await page(ada, code)).status).toBe(404);
    const away = await ask("/link/slack", {
      headers: { cookie: `errand-link=${code}`, "x-forwarded-for": "203.0.113.9", accept: "text/html" },
    });
    expect([away.status, away.headers.get("location")]).toEqual([302, "/sign-in?to=%2Flink%2Fslack"]);
  });
});

describe("who is gone from Slack", () => {
  const change = (user: string, deleted: boolean) => slackEvent({ type: "user_change", user: { id: user, deleted } });

  it("by a deactivation: unlinked once, told once; another change does nothing", async () => {
    const ada = await someone({ slack: true });
    const user = slackUserOf(ada);
    expect((await change(user, false)).status).toBe(200);
    expect(await linked(user)).toHaveLength(1);
    for (const _ of [1, 2]) expect((await change(user, true)).status).toBe(200);
    expect(await linked(user)).toEqual([]);
    expect(await audited("account.removed", user)).toHaveLength(1);
  });

  it("with the whole workspace, when errand is removed from it", async () => {
    const [ada, bob] = [await someone({ slack: true }), await someone({ slack: true })];
    expect((await slackEvent({ type: "tokens_revoked", tokens: { oauth: ["U1"], bot: [] } })).status).toBe(200);
    expect(await linked(slackUserOf(ada))).toHaveLength(1);
    expect((await slackEvent({ type: "app_uninstalled" })).status).toBe(200);
    expect([await linked(slackUserOf(ada)), await linked(slackUserOf(bob))]).toEqual([[], []]);
    expect((await slackEvent({ type: "tokens_revoked", tokens: { oauth: [], bot: ["UBOT"] } })).status).toBe(200);
    expect(await audited("account.removed", slackUserOf(bob))).toHaveLength(1);
  });

  it("by the user’s own hand, and an admin’s; nobody else’s", async () => {
    const [ada, eve, admin] = [await someone({ slack: true }), await someone(), await someone({ role: "admin" })];
    const form = { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" }, body: `account=${ada.slack}` };
    await askAs(eve, "/account/slack/unlink", form);
    expect((await askAs(eve, `/admin/people/${ada.userId}/unlink`, form)).status).toBe(403);
    expect(await linked(slackUserOf(ada))).toHaveLength(1);
    expect((await askAs(ada, "/account/slack/unlink", form)).status).toBe(303);
    expect(await linked(slackUserOf(ada))).toEqual([]);
    const bob = await someone({ slack: true });
    await askAs(admin, `/admin/people/${bob.userId}/unlink`, { ...form, body: `account=${bob.slack}` });
    expect(await linked(slackUserOf(bob))).toEqual([]);
  });
});

it("a word in a thread where errand is not at work is not for it", async () => {
  const user = newUser();
  await slackEvent({
    type: "message",
    channel_type: "channel",
    channel: "C1",
    user,
    text: "link",
    ts: `${fresh()}.000100`,
    thread_ts: newThread(),
  });
  expect(whispersTo(outside, user)).toEqual([]);
});
