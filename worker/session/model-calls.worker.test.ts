/** Calls of the model through the real Worker and its objects: what is counted, what is refused, and what ends a call under way. */
import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ask, connectRunner, newSession, post, type World, world } from "../testing/world.ts";
import { ModelCalls, modelTables, type SessionUse } from "./model-calls.ts";
import { MAX_UNDER_WAY, type ModelUse } from "./model-caps.ts";
import { ModelDay, modelDayTables } from "./model-day.ts";
import { migrate } from "./schema.ts";

let outside: World;
let session: string;
let token: string;
beforeEach(async () => {
  outside = world();
  session = await newSession();
  token = await vi.waitFor(() => outside.boots.get(session)?.modelToken ?? expect.unreachable());
});
afterEach(() => vi.restoreAllMocks());

const call = (more: object = {}, signal?: AbortSignal) =>
  ask(`/sandbox/${session}/model/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ model: "main", messages: [{ role: "user", content: "x".repeat(391) }], stream: true, ...more }),
    ...(signal ? { signal } : {}),
  });
const errorOf = async (answer: Response) => ((await answer.json()) as { error: Record<string, unknown> }).error;
const used = async (): Promise<SessionUse> => ((await (await ask(`/api/sessions/${session}`)).json()) as { model: SessionUse }).model;
const use = (change: Partial<ModelUse>): ModelUse => ({ calls: 1, prompt: 0, cached: 0, completion: 0, estimated: 0, ...change });
const agent = () => env.SESSIONS.getByName(session);

const line = (value: unknown) => `data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`;
const USAGE = { prompt_tokens: 120, completion_tokens: 7, prompt_tokens_details: { cached_tokens: 100 } };
const SAID = line({ choices: [{ delta: { content: "12345678" } }] });
const events = (text: string) => new Response(text, { headers: { "content-type": "text/event-stream" } });

/** A model that says one thing and then nothing more; whether its connection was ended by us. */
function silent() {
  const ended = vi.fn<() => void>();
  outside.model = (request) => {
    request.signal.addEventListener("abort", ended);
    return new Response(
      new ReadableStream<Uint8Array>({ start: (to) => to.enqueue(new TextEncoder().encode(SAID)), cancel: ended }, { highWaterMark: 4 }),
      { headers: { "content-type": "text/event-stream" } },
    );
  };
  return ended;
}

describe("is counted", () => {
  test("by the stream's own usage, which a client that did not ask for it does not see", async () => {
    outside.model = () => events(SAID + line({ choices: [], usage: USAGE }) + line("[DONE]"));
    expect(await (await call()).text()).toBe(SAID + line("[DONE]"));
    await vi.waitFor(async () => expect((await used()).session).toEqual(use({ prompt: 120, cached: 100, completion: 7 })));
  });

  test("and one that asked for it sees it", async () => {
    const all = SAID + line({ choices: [], usage: USAGE }) + line("[DONE]");
    outside.model = () => events(all);
    expect(await (await call({ stream_options: { include_usage: true } })).text()).toBe(all);
    await vi.waitFor(async () => expect((await used()).session.prompt).toBe(120));
  });

  test("from the JSON of an answer that is no stream", async () => {
    outside.model = () => Response.json({ choices: [{ message: { content: "hi" } }], usage: USAGE });
    await (await call({ stream: false })).text();
    expect(JSON.parse(outside.modelRequests[0]?.body ?? "")).not.toHaveProperty("stream_options");
    await vi.waitFor(async () => expect((await used()).session).toEqual(use({ prompt: 120, cached: 100, completion: 7 })));
  });

  test("by an estimate where the provider says nothing, and is marked as one", async () => {
    outside.model = () => events(SAID + line("[DONE]"));
    await (await call()).text();
    // 391 characters and the role's four.
    await vi.waitFor(async () => expect((await used()).session).toEqual(use({ prompt: 99, completion: 2, estimated: 1 })));
    expect(await (await ask(`/s/${session}`)).text()).toContain(
      "Model tokens counted: 1 call, 99 tokens in (0 cached), 2 out, of 1 of them estimated.",
    );
  });

  test("as a call without tokens where the provider refuses", async () => {
    outside.model = () => new Response("no", { status: 500 });
    await (await call()).text();
    await vi.waitFor(async () => expect((await used()).turns).toEqual([{ turn: 1, ...use({}) }]));
  });

  test("once, and the count outlives the object", async () => {
    const begun = await agent().beginModelCall(token);
    if (!begun.ok) throw new Error(begun.why);
    await abortAllDurableObjects();
    for (const _ of [1, 2]) await agent().endModelCall(begun.call, { prompt: 10, cached: 0, completion: 5, estimated: false });
    expect((await used()).session).toEqual(use({ prompt: 10, completion: 5 }));
  });
});

describe("is refused", () => {
  test("where the turn has made as many as it may, with the number and what to do", async () => {
    await runInDurableObject(agent(), (_object, state) => {
      state.storage.sql.exec("INSERT INTO model_turns VALUES (1, 1000, 0, 0, 0, 0)");
    });
    const answer = await call();
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([402, null]);
    const error = await errorOf(answer);
    // OpenCode would take a 500 in the text for one of the provider's.
    expect(JSON.stringify(error)).not.toMatch(/\d\d/);
    expect({ ...error, message: String(error.message).replaceAll("\u200b", "") }).toEqual({
      message: "The model is not called any more: this turn has called the model 1,000 times, and one turn may do so 1,000 times.",
      type: "errand_error",
      param: null,
      code: "budget_reached",
      cap: "MODEL_CALLS_PER_TURN",
      action: expect.stringContaining("MODEL_CALLS_PER_TURN"),
    });
    expect(outside.modelRequests).toEqual([]);
    expect((await used()).session.calls).toBe(1_000);
  });

  test("while as many are under way as may be, for a moment", async () => {
    for (let n = 0; n < MAX_UNDER_WAY; n += 1) expect(await agent().beginModelCall(token)).toMatchObject({ ok: true });
    const answer = await call();
    expect([answer.status, answer.headers.get("retry-after"), (await errorOf(answer)).code]).toEqual([429, "5", "too_many_at_once"]);
    await agent().endModelCall(1, null);
    expect(await agent().beginModelCall(token)).toMatchObject({ ok: true });
  });

  test("while no turn runs, and while it is being stopped", async () => {
    const runner = await connectRunner(outside, session);
    await post(`/api/sessions/${session}/messages`, { t: "stop", id: "stop-it-1" });
    await vi.waitFor(() => expect(runner.commands.map((command) => command.do)).toContain("stop"));
    expect((await errorOf(await call())).code).toBe("turn_stopped");
    runner.say({ type: "turn.finished", turn: 1, outcome: "stopped" });
    await vi.waitFor(async () => expect(await errorOf(await call())).toMatchObject({ code: "no_turn" }));
  });
});

describe("under way", () => {
  const begin = async (signal?: AbortSignal) => {
    const answer = await call({}, signal);
    const reader = answer.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe(SAID);
    return reader;
  };
  const restOf = async (reader: ReadableStreamDefaultReader<Uint8Array> | undefined) => {
    let rest = "";
    for (let next = await reader?.read(); next?.value; next = await reader?.read()) rest += new TextDecoder().decode(next.value);
    return rest;
  };
  const counted = () => vi.waitFor(async () => expect((await used()).session).toEqual(use({ prompt: 99, completion: 2, estimated: 1 })));

  test("ends at the provider when the client goes", async () => {
    const ended = silent();
    const reader = await begin();
    await reader?.cancel();
    await vi.waitFor(() => expect(ended).toHaveBeenCalled());
    await counted();
  });

  test("ends when the turn has", async () => {
    const ended = silent();
    const runner = await connectRunner(outside, session);
    const reader = await begin();
    expect(ended).not.toHaveBeenCalled();
    runner.say({ type: "turn.finished", turn: 1, outcome: "stopped" });
    expect(await restOf(reader)).toMatch(/^data: \{"error":\{"message":"The call was ended.*\n\n$/);
    await vi.waitFor(() => expect(ended).toHaveBeenCalled());
    await counted();
  });

  test("that ends before the answer has used its prompt: no cap is passed by leaving early", async () => {
    outside.model = (request) =>
      new Promise<never>((_, fail) => request.signal.addEventListener("abort", () => fail(request.signal.reason)));
    const runner = await connectRunner(outside, session);
    const answer = call({ stream: false });
    await vi.waitFor(() => expect(outside.modelRequests).toHaveLength(1));
    runner.say({ type: "turn.finished", turn: 1, outcome: "stopped" });
    expect((await answer).status).toBe(410);
    await vi.waitFor(async () => expect((await used()).session).toEqual(use({ prompt: 99, estimated: 1 })));
  });

  test("ends when its turn has, also where the object was started again meanwhile", async () => {
    const ended = silent();
    const reader = await begin();
    await abortAllDurableObjects();
    // The first request to an object that was ended may fail.
    await vi.waitFor(async () =>
      expect((await post(`/api/sessions/${session}/messages`, { t: "stop", id: "stop-it-1" })).status).toBe(202),
    );
    expect(await restOf(reader)).toMatch(/^data: \{"error":\{"message":"The call was ended.*\n\n$/);
    await vi.waitFor(() => expect(ended).toHaveBeenCalled());
    await counted();
  });
});

describe("the cap of a day", () => {
  /** The parts of a session of that name, in an object of its own. */
  const within = <T>(name: string, work: (parts: { calls: ModelCalls; day: ModelDay; clock: { now: number } }) => Promise<T>) =>
    runInDurableObject(env.SESSIONS.getByName(name), (_object, state) => {
      const { sql } = state.storage;
      migrate(sql, [modelTables, modelDayTables]);
      const clock = { now: Date.UTC(2026, 10, 23, 23, 50) };
      const limit = 100;
      const day = new ModelDay(sql, env.DB, { limit, sessionId: () => name, now: () => clock.now, report: () => undefined });
      const caps = {
        MODEL_CALLS_PER_TURN: 1_000,
        MODEL_TOKENS_PER_TURN: null,
        MODEL_TOKENS_PER_SESSION: null,
        MODEL_TOKENS_PER_DAY: limit,
      };
      return work({ calls: new ModelCalls(sql, day, { caps, report: () => undefined }), day, clock });
    });
  const turn = { id: 1, stopAt: null };
  const spend = ({ calls }: { calls: ModelCalls }, tokens: number, now: number) => {
    const begun = calls.begin(1, turn, now);
    if (!begun.ok) return begun.code;
    calls.end(begun.call, { prompt: tokens, cached: 0, completion: 0, estimated: false });
    return "spent";
  };

  test("holds for all sessions together, until midnight UTC", async () => {
    await within("day-one", async (parts) => {
      await parts.day.known();
      expect(spend(parts, 60, parts.clock.now)).toBe("spent");
      expect(parts.day.nextDue(parts.clock.now)).toBe(parts.clock.now);
      parts.day.decide(parts.clock.now, false);
      await vi.waitFor(() => expect(parts.day.nextDue(parts.clock.now)).toBeUndefined());
    });
    await within("day-two", async (parts) => {
      await parts.day.known();
      expect(parts.day.today()).toBe(60);
      expect(spend(parts, 45, parts.clock.now)).toBe("spent");
      expect(spend(parts, 1, parts.clock.now)).toBe("budget_reached");
      parts.clock.now += 11 * 60_000;
      expect(parts.day.today()).toBe(0);
      expect(spend(parts, 1, parts.clock.now)).toBe("spent");
      // Both days are told, one after the other.
      for (const _ of [1, 2]) {
        parts.day.decide(parts.clock.now, false);
        await parts.day.known();
        await vi.waitFor(() => expect(parts.day.nextDue(parts.clock.now)).not.toBe(parts.clock.now + 10_000));
      }
      expect(parts.day.nextDue(parts.clock.now)).toBeUndefined();
    });
    const { results } = await env.DB.prepare("SELECT day, session, tokens FROM model_days ORDER BY day, session").all();
    expect(results).toEqual([
      { day: "2026-11-23", session: "day-one", tokens: 60 },
      { day: "2026-11-23", session: "day-two", tokens: 45 },
      { day: "2026-11-24", session: "day-two", tokens: 1 },
    ]);
  });
});
