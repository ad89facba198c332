import { describe, expect, it } from "vitest";
import { BackendError, type EnsureBody, SandboxView } from "../protocol/backend.ts";
import { signRequest } from "../protocol/signing.ts";
import { backend } from "./backend.ts";
import type { SandboxProvider } from "./providers/provider.ts";
import { bootConfig, SESSION as S } from "./testing.ts";

const T = 1_790_000_000_000;
const KEYS = { old: "o".repeat(40), new: "n".repeat(40) };
const BODY: EnsureBody = { deployment: "d", config: bootConfig() };
const view = (state: SandboxView["state"]): SandboxView => ({
  ...{ sandboxId: `s-${S}-g1`, provider: "test", session: S, generation: 1, state },
  ...{ exitCode: null, reason: null, sites: null, createdAt: T },
});

/** A provider in memory: what the service makes of its answers is what is tested here. */
function setUp(given: Partial<SandboxProvider> = {}) {
  const calls: string[] = [];
  const logged: string[] = [];
  const provider: SandboxProvider = {
    name: "test",
    warning: "mind the step",
    async ensure({ config }) {
      calls.push(`ensure ${config.generation}`);
      return { ok: true, made: true, view: view("running") };
    },
    get: async (_session, generation) => (generation === 1 ? view("running") : null),
    list: async (deployment) => (deployment === "d" ? [view("running")] : []),
    async terminate(id) {
      calls.push(`terminate ${id}`);
    },
    close: async () => undefined,
    ...given,
  };
  let clock = T;
  const app = backend({ provider, keys: KEYS, now: () => clock, log: (line) => logged.push(line) });
  let nonces = 0;
  async function ask(
    method: string,
    target: string,
    body: unknown = undefined,
    o: { key?: keyof typeof KEYS; secret?: string; at?: number; nonce?: string; signed?: string } = {},
  ) {
    const text = body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body);
    const key = o.key ?? "new";
    nonces += 1;
    const nonce = o.nonce ?? `nonce-number-${String(nonces).padStart(8, "0")}`;
    const headers = await signRequest({ method, target: o.signed ?? target, body: text }, key, o.secret ?? KEYS[key], o.at ?? clock, nonce);
    return app.request(target, { method, headers, ...(text ? { body: text } : {}) });
  }
  return { app, ask, calls, logged, advance: (ms: number) => (clock += ms) };
}
const target = `/v1/sessions/${S}/generations/1`;
const code = async (response: Response) => BackendError.parse(await response.json()).error.code;

describe("signatures", () => {
  it.each(["old", "new"] as const)("takes a request signed with the %s key", async (key) => {
    expect((await setUp().ask("GET", target, undefined, { key })).status).toBe(200);
  });
  it.each([
    ["a wrong secret", { secret: "x".repeat(40) }],
    ["a signature for another path", { signed: `/v1/sessions/${S}/generations/2` }],
    ["an old time", { at: T - 61_000 }],
    ["a time to come", { at: T + 62_000 }],
    ["an unknown key", { key: "toString" as keyof typeof KEYS, secret: "x".repeat(40) }],
  ])("refuses %s", async (_kind, options) => {
    const { ask, calls } = setUp();
    const response = await ask("PUT", target, BODY, options);
    expect([response.status, await code(response), calls]).toEqual([401, "unauthenticated", []]);
  });
  it("refuses a request without signature, and a changed body", async () => {
    const { app } = setUp();
    expect((await app.request(target)).status).toBe(401);
    const headers = await signRequest({ method: "PUT", target, body: "{}" }, "new", KEYS.new, T, "nonce-of-another-body");
    expect((await app.request(target, { method: "PUT", headers, body: JSON.stringify(BODY) })).status).toBe(401);
  });
  it("refuses a nonce that was used, for as long as its signature could be valid", async () => {
    const { ask, advance } = setUp();
    const nonce = "the-same-nonce-twice";
    expect((await ask("GET", target, undefined, { nonce })).status).toBe(200);
    expect((await ask("GET", target, undefined, { nonce })).status).toBe(401);
    advance(59_000);
    expect((await ask("GET", target, undefined, { nonce, at: T })).status).toBe(401);
  });
});

describe("ensure", () => {
  it("answers 201 with the view", async () => {
    const response = await setUp().ask("PUT", target, BODY);
    expect(response.status).toBe(201);
    expect(SandboxView.parse(await response.json()).state).toBe("running");
  });
  it("asks the provider once for what is asked for twice at once", async () => {
    const calls: string[] = [];
    // Long enough for the second request to arrive on a busy machine.
    const { ask } = setUp({
      async ensure() {
        calls.push("ensure 1");
        await new Promise((done) => setTimeout(done, 500));
        return { ok: true, made: true, view: view("running") };
      },
    });
    const statuses = (await Promise.all([ask("PUT", target, BODY), ask("PUT", target, BODY)])).map((response) => response.status);
    expect(statuses.sort()).toEqual([200, 201]);
    expect(calls).toEqual(["ensure 1"]);
  });
  it("answers 200 for what was there and 202 for what still starts", async () => {
    const there = setUp({ ensure: async () => ({ ok: true, made: false, view: view("running") }) });
    expect((await there.ask("PUT", target, BODY)).status).toBe(200);
    const slow = setUp({ ensure: async () => ({ ok: true, made: true, view: view("starting") }) });
    expect((await slow.ask("PUT", target, BODY)).status).toBe(202);
  });
  it.each([
    ["stale_generation", 409],
    ["generation_ended", 410],
    ["unavailable", 503],
  ] as const)("answers %s with %i", async (name, status) => {
    const { ask } = setUp({ ensure: async () => ({ ok: false, code: name, message: "m", retryable: false }) });
    const response = await ask("PUT", target, BODY);
    expect([response.status, await code(response)]).toEqual([status, name]);
  });
  it.each([
    ["no JSON", target, "{"],
    ["nothing", target, {}],
    ["no model", target, { ...BODY, config: { ...BODY.config, models: [] } }],
    ["another generation", target, { ...BODY, config: { ...BODY.config, generation: 2 } }],
    ["a bad session id", "/v1/sessions/..%2F..%2Fetc/generations/1", BODY],
    ["a bad generation", `/v1/sessions/${S}/generations/01`, BODY],
    ["a body of 300 KiB", target, { ...BODY, deployment: "x".repeat(300 * 1024) }],
  ])("refuses %s with 400 and says nothing of the body", async (_kind, path, body) => {
    const { ask, calls } = setUp();
    const response = await ask("PUT", path, body);
    const text = await response.text();
    expect([response.status, calls]).toEqual([400, []]);
    expect(text).not.toContain("secret-runner");
  });
  it("answers 500 for a bug, logs the message without the body, and can be asked again", async () => {
    let times = 0;
    const { ask, logged } = setUp({
      async ensure() {
        times += 1;
        if (times === 1) throw new Error("broken pipe");
        return { ok: true, made: true, view: view("running") };
      },
    });
    const response = await ask("PUT", target, BODY);
    expect([response.status, await code(response)]).toEqual([500, "internal"]);
    expect(logged.join()).toMatch(/broken pipe/);
    expect(logged.join()).not.toContain("secret-runner");
    expect((await ask("PUT", target, BODY)).status).toBe(201);
  });
});

describe("the other routes", () => {
  it("shows health to anyone, with the warning", async () => {
    expect(await (await setUp().app.request("/health")).json()).toEqual({ ok: true, provider: "test", warning: "mind the step" });
  });
  it("answers 404 for another generation and for an unknown path", async () => {
    const { ask } = setUp();
    expect((await ask("GET", `/v1/sessions/${S}/generations/9`)).status).toBe(404);
    expect((await ask("GET", "/v1/nothing")).status).toBe(404);
  });
  it("lists a deployment's sandboxes", async () => {
    const { ask } = setUp();
    expect(await (await ask("GET", "/v1/sandboxes?deployment=d")).json()).toMatchObject({ sandboxes: [{ session: S }] });
    expect((await ask("GET", "/v1/sandboxes")).status).toBe(400);
  });
  it("ends a sandbox with 204", async () => {
    const { ask, calls } = setUp();
    expect((await ask("DELETE", `/v1/sandboxes/s-${S}-g1`)).status).toBe(204);
    expect(calls).toEqual([`terminate s-${S}-g1`]);
  });
});
