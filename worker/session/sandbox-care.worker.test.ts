/** What becomes of a session when its sandbox ends, is late, or was given up: on real objects, with a backend that says what a test tells it to. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, expect, it, vi } from "vitest";
import type { SandboxView } from "../../protocol/backend.ts";
import { CLOSE_FENCED } from "../../protocol/runner.ts";
import { coreOf } from "../testing/core.ts";
import { ask, connectRunner, newSession, post, type World, world } from "../testing/world.ts";
import { compose, TABLES } from "./composition.ts";
import { BOOT_LIMIT_MS, Sandbox, sandboxTables } from "./sandbox.ts";
import { migrate } from "./schema.ts";

let outside: World;
beforeEach(() => {
  outside = world();
});

const viewOf = async (id: string) => (await env.SESSIONS.getByName(id).snapshot())?.view;
const failure = (code: string, status: number, retryable: boolean) =>
  Response.json({ error: { code, message: "It does not work.", retryable } }, { status });

it("does not hear the runner of a sandbox that was given up", async () => {
  outside.backend = () => failure("unsupported", 501, false);
  const id = await newSession();
  await vi.waitFor(async () => expect((await viewOf(id))?.turns[0]?.state).toBe("failed"));
  // It came up all the same.
  const config = outside.boots.get(id);
  const answer = await ask(`/sandbox/${id}/runner?generation=1`, {
    headers: { upgrade: "websocket", authorization: `Bearer ${config?.runnerToken}` },
  });
  expect(answer.status).toBe(409);
  expect(await env.SESSIONS.getByName(id).allowModelCall(config?.modelToken ?? "")).toMatchObject({ ok: false, status: 410 });
});

it("replaces a sandbox whose runner speaks another version, and in the end says why", async () => {
  const id = await newSession();
  for (const generation of [1, 2, 3]) {
    const config = await vi.waitFor(
      () => (outside.boots.get(id)?.generation === generation ? outside.boots.get(id) : expect.unreachable()),
      {
        timeout: 10_000,
      },
    );
    const path = `/sandbox/${id}/runner?generation=${generation}`;
    const { webSocket } = await ask(path, { headers: { upgrade: "websocket", authorization: `Bearer ${config?.runnerToken}` } });
    const closed = new Promise<number>((resolve) => webSocket?.addEventListener("close", ({ code }) => resolve(code)));
    webSocket?.accept();
    webSocket?.send(JSON.stringify({ t: "hello", protocol: 99, generation, commands: 0 }));
    expect(await closed).toBe(CLOSE_FENCED);
  }
  const [turn] = (await viewOf(id))?.turns ?? [];
  expect(turn).toMatchObject({ state: "failed", failure: { code: "other_version", message: expect.stringContaining("version 99") } });
}, 20_000);

it("closes what a sandbox asked when that has ended, so that a reply is not taken as an answer to nobody", async () => {
  const id = await newSession();
  const runner = await connectRunner(outside, id);
  const question = { id: "question:1:0", kind: "question" as const, title: "Which?", choices: [], freeText: true };
  runner.say({ type: "turn.accepted", turn: 1 }, { type: "ask.opened", turn: 1, ask: question });
  await vi.waitFor(async () => expect((await viewOf(id))?.turns[0]?.state).toBe("waiting"));
  outside.backend = (request) => (request.url.endsWith("/generations/1") ? failure("not_found", 404, false) : undefined);
  outside.boots.delete(id);
  runner.close();
  const next = await vi.waitFor(() => connectRunner(outside, id), { timeout: 10_000, interval: 200 });
  expect((await viewOf(id))?.turns[0]?.asks).toMatchObject([{ state: "closed" }]);
  await post(`/api/sessions/${id}/messages`, { t: "prompt", id: "reply-1", text: "and one more thing" });
  expect((await viewOf(id))?.turns[1]?.prompt).toBe("and one more thing");
  expect(next.commands.map((command) => command.do)).toEqual(["prompt"]);
});

it("counts a lost sandbox once, though a question about it is answered later", () =>
  runInDurableObject(env.SESSIONS.getByName("late-answer"), async (_object, state) => {
    const { sql } = state.storage;
    migrate(sql, TABLES);
    const clock = { now: 1_000_000 };
    const answers: ((response: Response) => void)[] = [];
    vi.spyOn(globalThis, "fetch").mockImplementation(() => new Promise<Response>((answer) => answers.push(answer)));
    const { care, sandbox, log } = compose(state, env, coreOf("s", { now: () => clock.now, take: () => false }));
    const asked = () => vi.waitFor(() => expect(answers).toHaveLength(1));
    const running: SandboxView = {
      sandboxId: "sb",
      provider: "test",
      session: "s",
      generation: 1,
      state: "running",
      exitCode: null,
      reason: null,
      sites: null,
      createdAt: 1,
    };
    care.used();
    care.decide(clock.now);
    await asked();
    answers.shift()?.(Response.json(running, { status: 201 }));
    await vi.waitFor(() => expect(sandbox.get()).toMatchObject({ state: "booting", generation: 1 }));

    clock.now += 10_000;
    care.decide(clock.now);
    await asked();
    clock.now += BOOT_LIMIT_MS;
    care.decide(clock.now);
    expect(sandbox.get()).toMatchObject({ state: "none", failures: 1 });
    answers.shift()?.(failure("not_found", 404, false));
    // Nothing is to follow from it, so there is nothing to wait for but a while.
    await new Promise((done) => setTimeout(done, 50));
    expect(sandbox.get()).toMatchObject({ state: "none", failures: 1 });
    expect(log.after(0, 100).filter(({ event }) => event.type === "sandbox.lost")).toHaveLength(1);
  }));

it("asks anew where the sandbox of an older session is reached", () =>
  runInDurableObject(env.SESSIONS.getByName("older"), (_object, { storage: { sql } }) => {
    migrate(sql, [{ ...sandboxTables, steps: sandboxTables.steps.slice(0, 1) }]);
    const older = { generation: 3, state: "ready", since: 5, sandboxId: "sb", gatewayOrigin: "http://127.0.0.1:9000", failures: 0 };
    sql.exec("INSERT INTO sandbox (id, state) VALUES (1, ?)", JSON.stringify(older));
    migrate(sql, TABLES);
    const { gatewayOrigin: _gone, ...rest } = older;
    expect(new Sandbox(sql).get()).toEqual({ ...rest, sites: null, nextTry: 0, wantedUntil: 0 });
  }));
