import { beforeEach, describe, expect, test, vi } from "vitest";
import { isSessionId } from "../../protocol/thread.ts";
import { ask, connectRunner, newSession, ORIGIN, post, type World, world } from "../testing/world.ts";
import { MAX_BODY } from "./api.ts";

let outside: World;
beforeEach(() => {
  outside = world();
});

const errorOf = async (answer: Response) => ((await answer.json()) as { error: { code: string; message: string } }).error;

describe("who may", () => {
  test("the owner is told who they are", async () => {
    expect(await (await ask("/api/auth/me")).json()).toEqual({ user: { id: "owner", name: "ada", role: "admin" }, providers: [] });
  });

  test.each([
    ["GET", "/api/auth/me"],
    ["GET", "/api/sessions"],
    ["POST", "/api/sessions"],
    ["GET", `/api/sessions/${"a".repeat(26)}`],
    ["POST", `/api/sessions/${"a".repeat(26)}/messages`],
    ["GET", `/api/sessions/${"a".repeat(26)}/events`],
    ["GET", "/api/anything"],
  ])("%s %s is refused to others", async (method, path) => {
    const answer = await ask(path, { method, headers: { "x-forwarded-for": "203.0.113.9" } });
    expect(answer.status).toBe(401);
    expect((await errorOf(answer)).code).toBe("proxied");
  });

  test("a foreign page's socket is refused", async () => {
    const id = await newSession();
    const answer = await ask(`/api/sessions/${id}/events`, { headers: { upgrade: "websocket", origin: "https://evil.example" } });
    expect(answer.status).toBe(401);
  });
});

describe("starting a session", () => {
  test("the same id twice is one session", async () => {
    const body = { id: `same${Date.now()}`, text: "add a test" };
    const [first, second] = [await post("/api/sessions", body), await post("/api/sessions", body)];
    expect([first.status, second.status]).toEqual([201, 201]);
    const [one, two] = [(await first.json()) as Record<string, string>, (await second.json()) as Record<string, string>];
    expect(isSessionId(one.id ?? "")).toBe(true);
    expect(one.url).toBe(`${ORIGIN}/s/${one.id}`);
    expect(two).toEqual({ ...one, status: "duplicate" });
    const { view } = (await (await ask(`/api/sessions/${one.id}`)).json()) as { view: { turns: unknown[] } };
    expect(view.turns).toHaveLength(1);
  });

  test("it stands in the list", async () => {
    const id = await newSession("listed");
    await vi.waitFor(async () => {
      const { sessions } = (await (await ask("/api/sessions")).json()) as { sessions: { id: string; title: string }[] };
      expect(sessions.find((session) => session.id === id)?.title).toBe("listed");
    });
  });

  test("without a prompt it waits for one", async () => {
    const { id } = (await (await post("/api/sessions", {})).json()) as { id: string };
    expect((await post(`/api/sessions/${id}/messages`, { t: "prompt", id: "m1", text: "now" })).status).toBe(202);
    const { view } = (await (await ask(`/api/sessions/${id}`)).json()) as { view: { turns: { prompt: string }[] } };
    expect(view.turns.map((turn) => turn.prompt)).toEqual(["now"]);
  });

  test.each([
    ["not JSON", "{", 400, "not_json"],
    ["a bad id", JSON.stringify({ id: "NO", text: "x" }), 400, "invalid"],
    ["too long a text", JSON.stringify({ text: "x".repeat(40_001) }), 400, "invalid"],
    ["an unknown field", JSON.stringify({ prompt: "x" }), 400, "invalid"],
    ["an unknown option", JSON.stringify({ text: "x", options: { repo: "a/b" } }), 400, "invalid"],
    ["too long a body", JSON.stringify({ text: "x".repeat(MAX_BODY) }), 413, "too_large"],
  ])("%s", async (_name, body, status, code) => {
    const answer = await ask("/api/sessions", { method: "POST", headers: { "content-type": "application/json" }, body });
    expect(answer.status).toBe(status);
    expect((await errorOf(answer)).code).toBe(code);
  });

  test("a form is not JSON", async () => {
    const answer = await ask("/api/sessions", { method: "POST", body: new URLSearchParams({ text: "x" }) });
    expect(answer.status).toBe(415);
  });
});

describe("messages", () => {
  test("the same message twice is one turn", async () => {
    const id = await newSession();
    const path = `/api/sessions/${id}/messages`;
    const message = { t: "prompt", id: "m1", text: "and then" };
    expect((await post(path, message)).status).toBe(202);
    const again = await post(path, message);
    expect([again.status, await again.json()]).toEqual([200, { status: "duplicate", why: null }]);
  });

  test.each([
    [{ t: "prompt", id: "a", text: "  " }, "text"],
    [{ t: "answer", id: "b", ask: "q" }, "choice or text"],
    [{ t: "shout", id: "c" }, "t:"],
    [{ t: "prompt", text: "no id" }, "id:"],
  ])("%j is refused with what is wrong", async (message, word) => {
    const answer = await post(`/api/sessions/${await newSession()}/messages`, message);
    expect(answer.status).toBe(400);
    expect((await errorOf(answer)).message).toContain(word);
  });

  test.each(["nonsense", "a".repeat(26)])("session %s is not there", async (id) => {
    expect((await post(`/api/sessions/${id}/messages`, { t: "prompt", id: "m", text: "x" })).status).toBe(404);
    expect((await ask(`/api/sessions/${id}`)).status).toBe(404);
    expect((await ask(`/api/sessions/${id}/events`)).status).toBe(404);
    expect((await ask(`/api/sessions/${id}/events`, { headers: { accept: "text/event-stream" } })).status).toBe(404);
    expect((await ask(`/api/sessions/${id}/events`, { headers: { upgrade: "websocket" } })).status).toBe(404);
  });
});

/** Reads server-sent events until one fits. */
async function readUntil(answer: Response, fits: (text: string) => boolean): Promise<string> {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!fits(text)) {
    const chunk = await reader?.read();
    if (!chunk || chunk.done) throw new Error(`the stream ended after ${text}`);
    text += chunk.value;
  }
  await reader?.cancel();
  return text;
}

describe("events", () => {
  test("as JSON, by number", async () => {
    const id = await newSession();
    const { events } = (await (await ask(`/api/sessions/${id}/events?after=1&limit=1`)).json()) as { events: { n: number }[] };
    expect(events.map(({ n }) => n)).toEqual([2]);
    expect((await ask(`/api/sessions/${id}/events?after=-1`)).status).toBe(400);
    expect((await ask(`/api/sessions/${id}/events?limit=5000`)).status).toBe(400);
  });

  test("as server-sent events: a snapshot, then what comes, resumed by number", async () => {
    const id = await newSession();
    const sse = { accept: "text/event-stream" };
    const first = await ask(`/api/sessions/${id}/events`, { headers: sse });
    expect(first.headers.get("content-type")).toContain("text/event-stream");
    const start = await readUntil(first, (text) => text.includes('"snapshot"'));
    const n = Number(/^id: (\d+)$/m.exec(start)?.[1]);
    expect(n).toBeGreaterThan(1);
    const resumed = await ask(`/api/sessions/${id}/events?after=0`, { headers: { ...sse, "last-event-id": String(n) } });
    const reading = readUntil(resumed, (text) => text.includes("again please"));
    await post(`/api/sessions/${id}/messages`, { t: "prompt", id: "m1", text: "again please" });
    const rest = await reading;
    expect(rest).not.toContain("session.created");
    expect(rest).toMatch(/^id: \d+$/m);
  });

  test("over a WebSocket, with nothing of the client's headers but the upgrade's", async () => {
    const id = await newSession();
    const answer = await ask(`/api/sessions/${id}/events?after=1`, { headers: { upgrade: "websocket", origin: ORIGIN } });
    expect(answer.status).toBe(101);
    const frames: string[] = [];
    answer.webSocket?.addEventListener("message", ({ data }) => void frames.push(data as string));
    answer.webSocket?.accept();
    const runner = await connectRunner(outside, id);
    await vi.waitFor(() => expect(runner.commands.map((command) => command.do)).toContain("prompt"));
    runner.say({ type: "turn.accepted", turn: 1 }, { type: "text.delta", turn: 1, part: "p", text: "hel" });
    await vi.waitFor(() => expect(frames.join("\n")).toContain('"hel"'));
    expect(frames[0]).toContain('"n":2');
    answer.webSocket?.close(1000);
    runner.close();
  });
});
