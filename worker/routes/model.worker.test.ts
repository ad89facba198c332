import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test, vi } from "vitest";
import worker from "../index.ts";
import { ask, newSession, ORIGIN, type World, world } from "../testing/world.ts";

let outside: World;
let session: string;
let token: string;
beforeEach(async () => {
  outside = world();
  session = await newSession();
  token = await vi.waitFor(() => outside.boots.get(session)?.modelToken ?? expect.unreachable());
});

const body = { model: "main", messages: [{ role: "user", content: "hi" }], stream: true };
const call = (options: { token?: string; session?: string; body?: string; headers?: Record<string, string> } = {}) =>
  ask(`/sandbox/${options.session ?? session}/model/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${options.token ?? token}`, ...options.headers },
    body: options.body ?? JSON.stringify(body),
  });
const errorOf = async (answer: Response) => ((await answer.json()) as { error: { message: string; code: string } }).error;

describe("a call", () => {
  test("goes to the model with the Worker's key and model name, and nothing else of the sandbox's headers", async () => {
    outside.model = () => Response.json({ id: "c1" }, { headers: { "set-cookie": "a=b", "x-request-id": "r1" } });
    const answer = await call({ headers: { cookie: "c=d", "x-custom": "1" } });
    expect([answer.status, await answer.json()]).toEqual([200, { id: "c1" }]);
    expect([...answer.headers.keys()].filter((name) => name === "set-cookie" || name === "x-request-id")).toEqual([]);
    const [sent] = outside.modelRequests;
    expect(sent?.url).toBe("https://model.test/v1/chat/completions");
    expect(sent?.headers.get("authorization")).toBe("Bearer test-model-key");
    expect([...(sent?.headers.keys() ?? [])].sort()).toEqual(["accept", "authorization", "content-type"]);
    expect(JSON.parse(sent?.body ?? "")).toEqual({ ...body, model: "test-model", stream_options: { include_usage: true } });
  });

  test("says what is asked and how, not what else is bought with it", async () => {
    const said = { tools: [{ type: "function" }], temperature: 0, reasoning_effort: "high" };
    const chosen = { models: ["dear"], provider: { only: ["x"] }, plugins: [{ id: "web" }], service_tier: "priority", n: 9, store: true };
    await call({ body: JSON.stringify({ ...body, ...chosen, ...said }) });
    const sent = JSON.parse(outside.modelRequests[0]?.body ?? "") as Record<string, unknown>;
    expect(sent).toMatchObject(said);
    expect(Object.keys(chosen).filter((name) => name in sent)).toEqual([]);
  });

  test("streams as it comes", async () => {
    let read = 0;
    outside.model = () => {
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const write = async () => {
        const writer = writable.getWriter();
        for (const n of [1, 2]) {
          await writer.write(new TextEncoder().encode(`data: ${n}\n\n`));
          // The next is written only when this one was read at the other end.
          while (read < n) await scheduler.wait(1);
        }
        await writer.close();
      };
      void write();
      return new Response(readable, { headers: { "content-type": "text/event-stream" } });
    };
    const answer = await call();
    expect(answer.headers.get("content-type")).toBe("text/event-stream");
    const reader = answer.body?.getReader();
    for (; read < 2; read += 1) expect(new TextDecoder().decode((await reader?.read())?.value)).toBe(`data: ${read + 1}\n\n`);
    expect((await reader?.read())?.done).toBe(true);
  });

  test("that fails brings the provider's words, cut and without the key", async () => {
    const words = `Incorrect API key: test-model-key ${"x".repeat(5_000)}`;
    outside.model = () => new Response(words, { status: 401, headers: { "x-internal": "1", "retry-after": "7" } });
    const answer = await call();
    const text = await answer.text();
    expect([answer.status, answer.headers.get("retry-after"), answer.headers.get("x-internal")]).toEqual([401, "7", null]);
    expect(text).toContain("Incorrect API key: [key]");
    expect(text.length).toBeLessThanOrEqual(2_000);
  });

  test("to a model that is away says so", async () => {
    outside.model = () => Promise.reject(new Error("connect ECONNREFUSED 10.0.0.7"));
    const answer = await call();
    expect(answer.status).toBe(502);
    expect(JSON.stringify(await errorOf(answer))).not.toContain("10.0.0.7");
  });

  test("to an address that redirects is not sent on", async () => {
    outside.model = () => new Response(null, { status: 307, headers: { location: "https://elsewhere.test/" } });
    expect((await errorOf(await call())).code).toBe("model_redirect");
  });
});

describe("refused", () => {
  test.each([
    ["a wrong token", { token: "wrong" }],
    ["another session's token", { session: "a".repeat(26) }],
    ["no session", { session: "nonsense" }],
  ])("%s", async (_name, options) => {
    const answer = await call(options);
    expect([answer.status, (await errorOf(answer)).code]).toEqual([401, "invalid_token"]);
    expect(outside.modelRequests).toEqual([]);
  });

  test.each(["{", "[]", JSON.stringify({ model: "main", messages: [] })])("the body %s", async (text) => {
    expect((await call({ body: text })).status).toBe(400);
  });

  test("where no model is set", async () => {
    const request = new Request(`${ORIGIN}/sandbox/${session}/model/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const answer = await worker.fetch(request, { ...env, MODEL_URL: "" }, createExecutionContext());
    expect([answer.status, (await errorOf(answer)).code]).toEqual([503, "no_model"]);
  });
});

test("the list of models names the one there is", async () => {
  const answer = await ask(`/sandbox/${session}/model/v1/models`, { headers: { authorization: `Bearer ${token}` } });
  expect(await answer.json()).toMatchObject({ data: [{ id: "test-model" }] });
});

describe("the runner's door", () => {
  test.each([
    ["no upgrade", {}, 1, 426],
    ["no token", { upgrade: "websocket" }, 1, 401],
    ["a wrong token", { upgrade: "websocket", authorization: "Bearer wrong" }, 1, 401],
    ["a model token", { upgrade: "websocket", authorization: "model" }, 1, 401],
    ["no generation", { upgrade: "websocket", authorization: "Bearer x" }, 0, 400],
  ] as [string, Record<string, string>, number, number][])("%s", async (_name, headers, generation, status) => {
    const sent = headers.authorization === "model" ? { ...headers, authorization: `Bearer ${token}` } : headers;
    expect((await ask(`/sandbox/${session}/runner?generation=${generation}`, { headers: sent })).status).toBe(status);
  });
});
