/** Keys for programs: made, shown once, used, ended. What they open among all routes stands in mounted.worker.test.ts. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { MAX_KEYS, makeApiKey } from "../auth/api-keys.ts";
import { sha256 } from "../auth/token.ts";
import { CHECK_AGAIN_MS, MAY_NOT } from "../session/viewers.ts";
import { askAs, gitHubWith, type Someone, sessionIn, someone } from "../testing/people.ts";
import { ask, world } from "../testing/world.ts";

let ada: Someone;
beforeEach(async () => {
  world();
  ada = await someone();
});
afterEach(() => vi.restoreAllMocks());

const make = (body: unknown, who = ada) =>
  askAs(who, "/api/auth/keys", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
const by = (key: string, path = "/api/auth/me", init: RequestInit = {}) => {
  const headers = new Headers(init.headers);
  headers.set("authorization", `Bearer ${key}`);
  return ask(path, { ...init, headers });
};
type Made = { id: string; key: string; expiresAt: number; createdAt: number; scope: string; usedAt: number | null };
const made = async (body: unknown = { name: "ci", scope: "read" }): Promise<Made> => {
  const answer = await make(body);
  expect(answer.status).toBe(201);
  return (await answer.json()) as Made;
};
const listed = async (who = ada) => ((await (await askAs(who, "/api/auth/keys")).json()) as { keys: Record<string, unknown>[] }).keys;
const audited = async () =>
  (
    await env.DB.prepare("SELECT action, target, detail FROM audit WHERE user_id = ? AND action LIKE 'key.%' ORDER BY id")
      .bind(ada.userId)
      .all()
  ).results;

describe("a key", () => {
  test("is shown once, is its person, and stands nowhere in the clear", async () => {
    const { key, id, ...rest } = await made();
    expect(key).toMatch(/^errand_[0-9a-f]{64}$/);
    expect(rest).toMatchObject({ name: "ci", scope: "read", usedAt: null });
    expect(rest.expiresAt - rest.createdAt).toBe(90 * 24 * 3600_000);
    expect(await (await by(key)).json()).toMatchObject({ user: { id: `user:${ada.userId}`, role: "member" } });
    const [kept] = await listed();
    expect(kept).toMatchObject({ id, name: "ci", usedAt: expect.any(Number) });
    const { results } = await env.DB.prepare("SELECT * FROM api_keys").all();
    expect(JSON.stringify([kept, results, await audited()])).not.toContain(key.slice("errand_".length));
    expect(await audited()).toEqual([
      { action: "key.made", target: `key:${id}`, detail: JSON.stringify({ name: "ci", scope: "read", days: 90 }) },
    ]);
  });

  test("of an admin is no admin's, whatever it says", async () => {
    const admin = await someone({ role: "admin" });
    const key = await admin.key("prompt");
    expect(await (await by(key)).json()).toMatchObject({ user: { role: "member" } });
    const repository = `acme/r${crypto.randomUUID().slice(0, 8)}`;
    gitHubWith(world()).repositories.set(repository, { private: true, people: new Map() });
    const path = `/api/sessions/${await sessionIn(repository)}`;
    expect((await askAs(admin, path, { headers: { "x-errand-as": "admin" } })).status).toBe(200);
    expect((await by(key, path, { headers: { "x-errand-as": "admin" } })).status).toBe(403);
  });

  test("begins a session in its person's name if it may prompt, and none if it may read", async () => {
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ text: "look" }) };
    const refused = await by(await ada.key("read"), "/api/sessions", init);
    expect([refused.status, await refused.json()]).toMatchObject([403, { error: { code: "key_scope" } }]);
    const begun = await by(await ada.key("prompt"), "/api/sessions", init);
    expect(begun.status).toBe(201);
    const { id } = (await begun.json()) as { id: string };
    expect(await (await askAs(ada, `/api/sessions/${id}`)).json()).toMatchObject({ view: { who: { id: `user:${ada.userId}` } } });
  });

  test("that was revoked, has expired, or is a disabled person's opens nothing", async () => {
    const revoked = await made();
    const stranger = await someone();
    expect((await askAs(stranger, `/api/auth/keys/${revoked.id}`, { method: "DELETE" })).status).toBe(404);
    expect((await by(revoked.key)).status).toBe(200);
    expect((await askAs(ada, `/api/auth/keys/${revoked.id}`, { method: "DELETE" })).status).toBe(204);
    expect((await by(revoked.key)).status).toBe(401);
    expect((await audited()).at(-1)).toMatchObject({ action: "key.revoked", target: `key:${revoked.id}` });

    const expired = await makeApiKey(env.DB, { userId: ada.userId, name: "old", scope: "read", days: 1 }, Date.now() - 25 * 3600_000);
    expect((await by(expired?.key ?? "")).status).toBe(401);

    const alive = await ada.key("read");
    expect((await by(alive)).status).toBe(200);
    await env.DB.prepare("UPDATE users SET disabled_at = 1 WHERE id = ?").bind(ada.userId).run();
    expect((await by(alive)).status).toBe(401);
  });

  test.each(["errand_", `errand_${"0".repeat(64)}`, `errand_${"G".repeat(64)}`, `ERRAND_${"0".repeat(64)}`])(
    "that is none: %s",
    async (text) => {
      expect((await by(text)).status).toBe(401);
    },
  );

  test("whose hash is shown is none", async () => {
    const { key } = await made();
    expect((await by(`errand_${await sha256(key)}`)).status).toBe(401);
  });

  test("looks on by WebSocket, until it is revoked", async () => {
    const outside = world();
    const repository = `acme/r${crypto.randomUUID().slice(0, 8)}`;
    const people = new Map([[ada.github?.login ?? "", "read"]]);
    gitHubWith(outside).repositories.set(repository, { private: true, people });
    const session = await sessionIn(repository);
    const { key, id } = await made();
    const socket = (await by(key, `/api/sessions/${session}/events`, { headers: { upgrade: "websocket" } })).webSocket;
    if (!socket) throw new Error("no socket");
    const closed = new Promise<number>((resolve) => socket.addEventListener("close", ({ code }) => resolve(code)));
    socket.accept();
    await askAs(ada, `/api/auth/keys/${id}`, { method: "DELETE" });
    const later = Date.now() + CHECK_AGAIN_MS + 1_000;
    vi.spyOn(Date, "now").mockImplementation(() => later);
    await runDurableObjectAlarm(env.SESSIONS.getByName(session));
    expect(await closed).toBe(MAY_NOT);
  });
});

describe("making one", () => {
  test.each([
    [{ scope: "read" }],
    [{ name: " ", scope: "read" }],
    [{ name: "x".repeat(81), scope: "read" }],
    [{ name: "x", scope: "admin" }],
    [{ name: "x", scope: "read", days: 367 }],
    [{ name: "x", scope: "read", days: 0 }],
    [{ name: "x", scope: "read", userId: "other" }],
    [null],
  ])("refuses %j", async (body) => expect((await make(body)).status).toBe(400));

  test("takes a person: the owner of the machine needs none, and no key makes one", async () => {
    const json = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ name: "x", scope: "read" }) };
    expect((await ask("/api/auth/keys", json)).status).toBe(409);
    const answer = await by(await ada.key("prompt"), "/api/auth/keys", json);
    expect([answer.status, await answer.json()]).toMatchObject([403, { error: { code: "key_not_here" } }]);
  });

  test("ends where there are too many, also of several at once", async () => {
    for (let n = 0; n < MAX_KEYS - 2; n += 1)
      await makeApiKey(env.DB, { userId: ada.userId, name: "x", scope: "read", days: 2 }, Date.now());
    const answers = await Promise.all(Array.from({ length: 5 }, () => make({ name: "x", scope: "read", days: 2 })));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 201, 409, 409, 409]);
  });
});

test("the page makes a key, shows it once, and revokes it", async () => {
  const form = (path: string, fields: Record<string, string>) =>
    askAs(ada, path, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams(fields).toString(),
    });
  const shown = await (await form("/account/keys", { name: "<b>ci</b>", scope: "prompt", days: "7" })).text();
  const [, key = ""] = /<code id="key">(errand_[0-9a-f]{64})<\/code>/.exec(shown) ?? [];
  expect((await by(key)).status).toBe(200);
  const after = await (await askAs(ada, "/account/keys")).text();
  expect(after).not.toContain(key);
  expect(after).toContain("&lt;b&gt;ci&lt;/b&gt;");
  expect(after).toContain("may read sessions and prompt");
  expect(await (await askAs(ada, "/account")).text()).toContain('href="/account/keys"');
  const [{ id } = { id: "" }] = await listed();
  expect((await form(`/account/keys/${id}/revoke`, {})).headers.get("location")).toBe("/account/keys");
  expect((await by(key)).status).toBe(401);
});
