/** What becomes of a session when its sandbox ends, is late, or was given up: on real objects, with a backend that says what a test tells it to. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, expect, it, vi } from "vitest";
import type { SandboxView } from "../../protocol/backend.ts";
import { settingsOf } from "../settings.ts";
import { ask, connectRunner, newSession, post, type World, world } from "../testing/world.ts";
import { Asking } from "./asking.ts";
import { Asks, askTables } from "./asks.ts";
import { Conversation } from "./conversation.ts";
import { Inbox } from "./inbox.ts";
import { Log, logTables } from "./log.ts";
import { Outbox, outboxTables } from "./outbox.ts";
import { Pulls, pullTables } from "./pulls.ts";
import { linkTables, RunnerLink } from "./runner-link.ts";
import { BOOT_LIMIT_MS, Sandbox, sandboxTables } from "./sandbox.ts";
import { SandboxCare } from "./sandbox-care.ts";
import { migrate } from "./schema.ts";
import { Threads, threadTables } from "./threads.ts";
import { Turns, turnTables } from "./turns.ts";
import { Voice } from "./voice.ts";

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
    migrate(sql, [turnTables, askTables, logTables, sandboxTables, linkTables, outboxTables, threadTables, pullTables]);
    const [log, turns, asks, sandbox] = [new Log(sql), new Turns(sql), new Asks(sql), new Sandbox(sql)];
    const clock = { now: 1_000_000 };
    const now = () => clock.now;
    const settings = settingsOf(env);
    const link = new RunnerLink(state, log, {
      gatewayOrigin: () => null,
      take: () => false,
      connected: () => undefined,
      answer: () => Promise.resolve({ ok: false, why: "" }),
      complete: (command) => command,
      log: () => undefined,
    });
    const outbox = new Outbox(sql, {
      now,
      random: () => 0,
      surfaceOf: () => undefined,
      nativeOf: () => null,
      budgetOf: () => ({ take: () => Promise.resolve(0), penalise: () => Promise.resolve() }),
      view: () => log.view(),
      message: () => undefined,
      settled: () => undefined,
      log: () => undefined,
    });
    const voice = new Voice({ log, outbox }, { sessionId: () => "s", now });
    const asking = new Asking({ log, turns, asks, link, voice }, now);
    const pulls = new Pulls(sql);
    const conversation = new Conversation(
      { inbox: new Inbox(sql), log, turns, asks, asking, link, threads: new Threads(sql), pulls, voice },
      { sessionId: () => "s", settings, now, connected: () => false, renewSandbox: () => undefined, endSandbox: () => undefined },
    );
    const answers: ((response: Response) => void)[] = [];
    const care = new SandboxCare(
      { sandbox, link, log, turns, asking, pulls, conversation },
      {
        sessionId: () => "s",
        settings,
        now,
        fetch: () => new Promise<Response>((answer) => answers.push(answer)),
        store: (work) => work(),
        publishes: () => false,
        again: () => undefined,
        report: () => undefined,
      },
    );
    const asked = () => vi.waitFor(() => expect(answers).toHaveLength(1));
    const running: SandboxView = {
      sandboxId: "sb",
      provider: "test",
      session: "s",
      generation: 1,
      state: "running",
      exitCode: null,
      reason: null,
      gatewayOrigin: null,
      createdAt: 1,
    };
    care.clicked();
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
