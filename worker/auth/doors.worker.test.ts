/** What doors do beyond letting in or not: lists, admins who say so, viewers whose right ends, who prompts, and what is told of it. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Agent } from "../routes/app.ts";
import { CHECK_AGAIN_MS, MAY_NOT, NOT_KNOWN } from "../session/viewers.ts";
import { Browser } from "../testing/browser.ts";
import { fresh } from "../testing/deliveries.ts";
import { askAs, gitHubWith, type Someone, sessionIn, someone } from "../testing/people.ts";
import { ask, connectRunner, ORIGIN, type World, world } from "../testing/world.ts";

let outside: World;
let github: ReturnType<typeof gitHubWith>;
/** A private repository that no other test has. */
let repository: string;

beforeEach(() => {
  outside = world();
  github = gitHubWith(outside);
  repository = `acme/r${fresh()}`;
  github.repositories.set(repository, { private: true, people: new Map() });
});
afterEach(() => {
  vi.useRealTimers();
});

const stub = (id: string) => env.SESSIONS.getByName(id);
const agent = (id: string): Agent => stub(id) as unknown as Agent;

/** Somebody whom GitHub gives a permission in the repository. */
async function withPermission(permission: string, change: Parameters<typeof someone>[0] = {}): Promise<Someone> {
  const person = await someone(change);
  github.repositories.get(repository)?.people.set(person.github?.login ?? "", permission);
  return person;
}

/** A session in a thread of the repository. */
const session = (thread?: string, who?: string): Promise<string> => sessionIn(repository, thread, who);

const post = (person: Someone, path: string, body: unknown): Promise<Response> =>
  askAs(person, path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
const codeOf = async (answer: Response) => ((await answer.json()) as { error: { code: string } }).error.code;

type Entry = { user_id: string | null; name: string; action: string; target: string; detail: string };
const told = async (action: string, target: string): Promise<Entry[]> =>
  (await env.DB.prepare("select * from audit where action = ? and target = ? order by id").bind(action, target).all<Entry>()).results;

/** Somebody's browser, signed in. */
async function browserOf(person: Someone): Promise<Browser> {
  const browser = new Browser(ORIGIN, async (request) => {
    const { pathname, search } = new URL(request.url);
    const { method, headers } = request;
    return ask(pathname + search, { method, headers, ...(method === "POST" ? { body: await request.text() } : {}) });
  });
  browser.cookies.set("errand", await person.token());
  return browser;
}

describe("lists", () => {
  const listed = async (person: Someone, headers: Record<string, string> = {}) => {
    const answer = (await (await askAs(person, "/api/sessions", { headers })).json()) as { sessions: { id: string }[]; gap?: string };
    return { ids: answer.sessions.map(({ id }) => id), gap: answer.gap };
  };
  const registered = (id: string) =>
    vi.waitFor(async () => expect(await env.DB.prepare("select 1 from session_members where session = ?").bind(id).first()).not.toBeNull());

  test("show each person what they may see", async () => {
    const member = await withPermission("none", { slack: true });
    const [reader, stranger, admin] = [await withPermission("read"), await someone(), await someone({ role: "admin" })];
    const onGitHub = await session();
    const inSlack = await session(`slack:T1:C1:${fresh()}.000100`, `slack:${member.slack}`);
    await registered(onGitHub);
    await registered(inSlack);
    const ours = (ids: string[]) => ids.filter((id) => id === onGitHub || id === inSlack);
    expect(ours((await listed(reader)).ids)).toEqual([onGitHub]);
    expect(ours((await listed(member)).ids)).toEqual([inSlack]);
    expect(ours((await listed(stranger)).ids)).toEqual([]);
    expect(ours((await listed(admin)).ids)).toEqual([]);
    expect(ours((await listed(admin, { "x-errand-as": "admin" })).ids).toSorted()).toEqual([onGitHub, inSlack].toSorted());
    expect(ours((await listed(reader, { "x-errand-as": "admin" })).ids)).toEqual([onGitHub]);
    expect((await told("admin.used", "sessions")).map((entry) => entry.user_id)).toContain(admin.userId);
    const page = await (await askAs(reader, "/")).text();
    expect(page).toContain(`/s/${onGitHub}`);
    expect(page).not.toContain(`/s/${inSlack}`);
    expect(page).not.toContain("/admin/audit");
  });

  test("leave out what GitHub said nothing about, and say so", async () => {
    const reader = await withPermission("read");
    const id = await session();
    await registered(id);
    github.away = true;
    const { ids, gap } = await listed(reader);
    expect(ids).not.toContain(id);
    expect(gap).toContain("left out");
  });
});

describe("who sees and may not prompt", () => {
  test("has the page without its forms, and is told why", async () => {
    const reader = await withPermission("read");
    const id = await session();
    const html = await (await askAs(reader, `/s/${id}`)).text();
    expect(html).not.toContain('id="composer"');
    expect(html).toContain('class="looking"');
    expect(html).toContain(`takes write access to ${repository}`);
    const refused = await post(reader, `/api/sessions/${id}/messages`, { t: "prompt", id: "m1", text: "x" });
    expect([refused.status, await codeOf(refused)]).toEqual([403, "read_only"]);
    expect(html).toContain(`/s/${id}/open/terminal`);
    expect(html).not.toContain(`/s/${id}/open/vscode`);
    const link = await askAs(reader, `/s/${id}/open/vscode`);
    expect(link.status).toBe(403);
    const said = await link.text();
    expect(said).toContain("You may look on, without input: at its desktop and its terminal.");
    expect(said).toContain(`href="/s/${id}/open/terminal"`);
    // Nothing was woken for the click.
    expect(await told("link.opened", `session:${id}`)).toEqual([]);
  });

  test("a refusal is told once", async () => {
    const stranger = await someone();
    const id = await session();
    for (let i = 0; i < 3; i++) expect((await askAs(stranger, `/s/${id}`)).status).toBe(403);
    const entries = await told("right.refused", `session:${id}`);
    expect(entries).toMatchObject([{ user_id: stranger.userId, name: stranger.name }]);
    expect(JSON.parse(entries[0]?.detail ?? "")).toEqual({ right: "see", code: "no_access" });
  });

  test("without a GitHub account it is said how to link one; with GitHub away nothing opens", async () => {
    const id = await session();
    const unlinked = await someone({ github: false });
    const page = await (await askAs(unlinked, `/s/${id}`)).text();
    expect(page).toContain("Link your GitHub account");
    expect(page).toContain('href="/account"');
    const writer = await withPermission("write");
    github.away = true;
    const refused = await askAs(writer, `/api/sessions/${id}`);
    expect([refused.status, await codeOf(refused)]).toEqual([403, "not_known"]);
  });
});

describe("prompts", () => {
  test("carry the person's id and the address of their commits", async () => {
    const writer = await withPermission("write");
    const id = await session();
    expect((await post(writer, `/api/sessions/${id}/messages`, { t: "prompt", id: "m1", text: "more" })).status).toBe(202);
    const view = (await agent(id).snapshot())?.view;
    expect(view?.turns.at(-1)?.who).toEqual({
      id: `user:${writer.userId}`,
      name: writer.name,
      email: `${writer.github?.id}+${writer.github?.login}@users.noreply.github.com`,
    });
    expect((await agent(id).whose())?.members).toEqual(["github:1", `user:${writer.userId}`]);
  });

  test("an answer counts as that of whoever was asked, by another account of theirs", async () => {
    const writer = await withPermission("write");
    const id = await session(`github:${fresh()}:8`, `github:${writer.github?.id}`);
    const runner = await connectRunner(outside, id);
    await vi.waitFor(() => expect(runner.commands.map((command) => command.do)).toContain("prompt"));
    const question = { id: "q1", kind: "question" as const, title: "Which?", choices: [{ id: "a", label: "A" }], freeText: true };
    runner.say({ type: "turn.accepted", turn: 1 }, { type: "ask.opened", turn: 1, ask: question });
    await vi.waitFor(async () => expect((await agent(id).snapshot())?.view.turns[0]?.asks).toHaveLength(1));
    const other = await withPermission("write");
    await post(other, `/api/sessions/${id}/messages`, { t: "answer", id: "a1", ask: "q1", choice: "a" });
    expect((await agent(id).snapshot())?.view.turns[0]?.asks[0]?.state).toBe("open");
    await post(writer, `/api/sessions/${id}/messages`, { t: "answer", id: "a1", ask: "q1", choice: "a" });
    expect((await agent(id).snapshot())?.view.turns[0]?.asks[0]?.state).toBe("settled");
    runner.close();
  });

  test("begin a session only where the person may write", async () => {
    const [reader, writer] = [await withPermission("read"), await withPermission("write")];
    const refused = await post(reader, "/api/sessions", { text: "x", options: { repository } });
    expect([refused.status, await codeOf(refused)]).toEqual([403, "read_only"]);
    const asPage = await askAs(reader, "/", {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ text: "x", repository }).toString(),
    });
    expect(asPage.status).toBe(403);
    expect((await post(writer, "/api/sessions", { text: "x", options: { repository } })).status).toBe(201);
    const full = { text: "x", options: { repository: `https://github.com/${repository}.git` } };
    expect((await post(reader, "/api/sessions", full)).status).toBe(403);
  });

  test("a session without a repository is its beginner's, also by its name", async () => {
    const [mine, other] = [await someone(), await someone()];
    const id = `mine${Date.now()}`;
    const { id: begun } = (await (await post(mine, "/api/sessions", { id, text: "x" })).json()) as { id: string };
    expect((await askAs(mine, `/api/sessions/${begun}`)).status).toBe(200);
    expect((await askAs(other, `/api/sessions/${begun}`)).status).toBe(403);
    expect((await post(other, "/api/sessions", { id, text: "y" })).status).toBe(403);
    expect((await post(mine, "/api/sessions", { id, text: "x" })).status).toBe(201);
  });
});

describe("an admin", () => {
  test("is refused as anybody, and opens it by saying so and why", async () => {
    const admin = await someone({ role: "admin" });
    const [id, other] = [await session(), await session()];
    const browser = await browserOf(admin);
    const refused = await browser.open(`/s/${id}`);
    expect(refused.status).toBe(403);
    expect(await refused.text()).toContain(`action="/s/${id}/as-admin"`);
    const form = { "content-type": "application/x-www-form-urlencoded" };
    const confirm = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
      browser.ask(`/s/${id}/as-admin`, {
        method: "POST",
        headers: { origin: ORIGIN, "sec-fetch-site": "same-origin", ...form, ...headers },
        body: new URLSearchParams(fields).toString(),
      });
    expect((await confirm({ why: " " })).status).toBe(400);
    expect((await confirm({ why: "x" }, { origin: "https://evil.example", "sec-fetch-site": "cross-site" })).status).toBe(401);
    expect((await browser.open(`/s/${id}`)).status).toBe(403);
    const confirmed = await confirm({ why: "a runaway turn" });
    expect([confirmed.status, confirmed.headers.get("location")]).toEqual([303, `/s/${id}`]);
    expect((await browser.open(`/s/${id}`)).status).toBe(200);
    expect((await browser.open(`/s/${id}/fragment`)).status).toBe(200);
    // Not another session, not another person, not for ever.
    expect((await browser.open(`/s/${other}`)).status).toBe(403);
    const second = await browserOf(await someone({ role: "admin" }));
    second.cookies.set("errand-as-admin", browser.cookies.get("errand-as-admin") ?? "");
    expect((await second.open(`/s/${id}`)).status).toBe(403);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 15 * 60_000 + 1 });
    expect((await browser.open(`/s/${id}`)).status).toBe(403);
    const [entry] = await told("admin.confirmed", `session:${id}`);
    expect(entry).toMatchObject({ user_id: admin.userId, name: admin.name });
    expect(JSON.parse(entry?.detail ?? "")).toMatchObject({ why: "a runaway turn" });
    expect(await told("admin.used", `session:${id}`)).toHaveLength(1);
  });

  test("by a program: with a header, and it is told", async () => {
    const [admin, member] = [await someone({ role: "admin" }), await someone()];
    const id = await session();
    const headers = { "x-errand-as": "admin" };
    expect((await askAs(admin, `/api/sessions/${id}`)).status).toBe(403);
    expect((await askAs(member, `/api/sessions/${id}`, { headers })).status).toBe(403);
    expect((await askAs(admin, `/api/sessions/${id}`, { headers })).status).toBe(200);
    expect((await told("admin.used", `session:${id}`)).map((entry) => entry.user_id)).toEqual([admin.userId]);
  });

  test("what cannot be told is not done", async () => {
    const admin = await someone({ role: "admin" });
    const id = await session();
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    await env.DB.prepare("alter table audit rename to audit_away").run();
    try {
      expect((await askAs(admin, `/api/sessions/${id}`, { headers: { "x-errand-as": "admin" } })).status).toBe(500);
      // The owner of the machine works on as before.
      expect((await ask(`/api/sessions/${id}`)).status).toBe(200);
    } finally {
      await env.DB.prepare("alter table audit_away rename to audit").run();
    }
  });
});

describe("viewers", () => {
  /** Looks on, and says when it ended. */
  async function lookOn(person: Someone | null, id: string): Promise<{ closed: () => number | null; socket: WebSocket }> {
    const path = `/api/sessions/${id}/events`;
    const headers = { upgrade: "websocket" };
    const answer = person ? await askAs(person, path, { headers }) : await ask(path, { headers });
    expect(answer.status).toBe(101);
    const socket = answer.webSocket as WebSocket;
    let code: number | null = null;
    socket.addEventListener("close", (event) => {
      code = event.code;
    });
    socket.accept();
    return { closed: () => code, socket };
  }
  /** So much later the object is woken by its alarm. */
  async function later(id: string, ms: number): Promise<void> {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ms });
    await runDurableObjectAlarm(stub(id));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }

  test("whose right is gone are cut off within a minute; the others go on", async () => {
    const [reader, writer] = [await withPermission("read"), await withPermission("write")];
    const id = await session();
    const [gone, stays, owner] = [await lookOn(reader, id), await lookOn(writer, id), await lookOn(null, id)];
    await later(id, CHECK_AGAIN_MS + 1);
    expect([gone.closed(), stays.closed(), owner.closed()]).toEqual([null, null, null]);
    github.repositories.get(repository)?.people.delete(reader.github?.login ?? "");
    await later(id, CHECK_AGAIN_MS + 1);
    await vi.waitFor(() => expect(gone.closed()).toBe(MAY_NOT));
    expect([stays.closed(), owner.closed()]).toEqual([null, null]);
    expect(CHECK_AGAIN_MS).toBeLessThanOrEqual(60_000 - 5_000);
    stays.socket.close();
    owner.socket.close();
  });

  test.each([
    [
      "signed out",
      (person: Someone) => env.DB.prepare("update auth_sessions set revoked_at = 1 where user_id = ?").bind(person.userId).run(),
    ],
    ["disabled", (person: Someone) => env.DB.prepare("update users set disabled_at = 1 where id = ?").bind(person.userId).run()],
    ["unlinked", (person: Someone) => env.DB.prepare("delete from identities where user_id = ?").bind(person.userId).run()],
  ])("who is %s is cut off", async (_name, end) => {
    const reader = await withPermission("read");
    const id = await session();
    const looking = await lookOn(reader, id);
    await end(reader);
    await later(id, CHECK_AGAIN_MS + 1);
    await vi.waitFor(() => expect(looking.closed()).toBe(MAY_NOT));
  });

  test("while GitHub says nothing nobody looks on, and may come back", async () => {
    const reader = await withPermission("read");
    const id = await session();
    const looking = await lookOn(reader, id);
    github.away = true;
    await later(id, CHECK_AGAIN_MS + 1);
    await vi.waitFor(() => expect(looking.closed()).toBe(NOT_KNOWN));
  });

  test("a stream ends with the right too", async () => {
    const reader = await withPermission("read");
    const id = await session();
    const answer = await askAs(reader, `/api/sessions/${id}/events`, { headers: { accept: "text/event-stream" } });
    const ended = (async () => {
      const read = answer.body?.getReader();
      while (read && !(await read.read()).done);
      return true;
    })();
    github.repositories.get(repository)?.people.clear();
    await later(id, CHECK_AGAIN_MS + 1);
    expect(await ended).toBe(true);
  });
});

describe("the audit log", () => {
  test("has opened links, and is paged, newest first, as page, JSON and CSV", async () => {
    const [writer, admin] = [await withPermission("write", { name: '=cmd|"x"' }), await someone({ role: "admin" })];
    const id = await session();
    const runner = await connectRunner(outside, id);
    runner.say({ type: "service.state", service: "vscode", state: "available" });
    const headers = { "cf-connecting-ip": "203.0.113.9", "user-agent": "Firefox/1" };
    await vi.waitFor(async () => expect(await (await askAs(writer, `/s/${id}/open/vscode`, { headers })).text()).toContain("_errand/auth"));
    runner.close();
    type Page = {
      entries: { id: number; action: string; target: string; name: string; detail: unknown; ip: string }[];
      next: number | null;
    };
    const read = async (query: string) => (await (await askAs(admin, `/api/admin/audit?${query}`)).json()) as Page;
    const { entries } = await read("limit=20");
    const opened = entries.find((entry) => entry.action === "link.opened" && entry.target === `session:${id}`);
    expect(opened).toMatchObject({ name: writer.name, ip: "203.0.113.9", detail: { service: "vscode", mode: "drive", by: "repository" } });
    const numbers = entries.map((entry) => entry.id);
    expect(numbers).toEqual(numbers.toSorted((a, b) => b - a));
    await askAs(writer, "/admin/audit");
    await askAs(await someone(), "/admin/audit");
    const first = await read("limit=1");
    const second = await read(`limit=1&before=${first.next}`);
    expect(second.entries[0]?.id).toBeLessThan(first.entries[0]?.id ?? 0);
    expect((await askAs(admin, "/api/admin/audit?limit=0")).status).toBe(400);
    const csv = await askAs(admin, "/admin/audit.csv");
    expect(csv.headers.get("content-disposition")).toContain("errand-audit.csv");
    const text = await csv.text();
    expect(text.split("\r\n")[0]).toBe("id,at,user,name,action,target,detail,ip,agent");
    expect(text).toContain(`"'=cmd|""x""",link.opened,session:${id}`);
    const page = await (await askAs(admin, "/admin/audit")).text();
    expect(page).toContain("link.opened");
    expect(page).toContain("400 days");
    expect(page).not.toContain("<script>");
  });
});
