import { beforeEach, describe, expect, test, vi } from "vitest";
import { ask, connectRunner, newSession, ORIGIN, post, type World, world } from "../testing/world.ts";

let outside: World;
beforeEach(() => {
  outside = world();
});

const form = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
  ask(path, { method: "POST", headers: { origin: ORIGIN, accept: "text/html", ...headers }, body: new URLSearchParams(fields) });
const html = async (path: string) => (await ask(path, { headers: { accept: "text/html" } })).text();

describe("every answer", () => {
  test.each(["/healthz", "/", "/nothing", "/api/auth/me", "/assets/session.js", "/s/nonsense"])("%s has safe headers", async (path) => {
    const { headers } = await ask(path);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("strict-origin");
    expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(headers.get("access-control-allow-origin")).toBeNull();
  });

  test("health says what is set up and no secret", async () => {
    const text = await (await ask("/healthz")).text();
    expect(JSON.parse(text)).toMatchObject({ ok: true, slack: true, backend: true, model: true, links: true, sessions: true });
    expect(text).not.toMatch(/test-|http/);
  });

  test("an unknown address is a page for people and JSON for programs", async () => {
    expect(await html("/nothing")).toContain("There is nothing here");
    expect(await (await ask("/nothing")).json()).toMatchObject({ error: { code: "no_such_route" } });
  });
});

describe("a session's page", () => {
  test("shows what was asked, what happened and what came of it, as text", async () => {
    const id = await newSession("fix <b>it</b>");
    const runner = await connectRunner(outside, id);
    runner.say(
      { type: "turn.accepted", turn: 1 },
      { type: "text.done", turn: 1, part: "a", text: "I look at <i>it</i> first." },
      {
        type: "tool.finished",
        turn: 1,
        id: "x",
        tool: "bash",
        title: "npm test",
        ok: false,
        ms: 1200,
        exit: 1,
        output: "<script>1</script>",
      },
      { type: "plan.updated", turn: 1, items: [{ text: "Read", status: "completed" }] },
      { type: "files.changed", turn: 1, files: [{ path: "a.ts", status: "modified", additions: 2, deletions: 1 }], total: 1 },
      { type: "text.done", turn: 1, part: "b", text: "Fixed `it`." },
      { type: "turn.finished", turn: 1, outcome: "done" },
    );
    await vi.waitFor(async () => expect(await html(`/s/${id}`)).toContain('class="pill done"'));
    const page = await html(`/s/${id}`);
    for (const text of [
      "fix &lt;b&gt;it",
      "I look at &lt;i&gt;it",
      "npm test",
      "&lt;script&gt;1",
      "Read",
      "a.ts",
      "Fixed <code>it</code>",
      "exit 1",
    ])
      expect(page).toContain(text);
    expect(page).not.toContain("<script>1");
    // What the page's script gets brings the steps apart, only those after the number it has.
    const fragment = await (await ask(`/s/${id}/fragment?after=0`)).text();
    expect(fragment).toContain('<template id="new-steps"><li');
    const n = /data-n="(\d+)"/.exec(fragment)?.[1];
    expect(await (await ask(`/s/${id}/fragment?after=${n}`)).text()).toContain('<template id="new-steps"></template>');
  });

  test("works without its script: a prompt, a stop, an answer", async () => {
    const id = await newSession();
    const runner = await connectRunner(outside, id);
    await vi.waitFor(() => expect(runner.commands.map((command) => command.do)).toContain("prompt"));
    const ask1 = { id: "q1", kind: "question" as const, title: "Which?", choices: [{ id: "v", label: "vitest" }], freeText: true };
    runner.say({ type: "turn.accepted", turn: 1 }, { type: "ask.opened", turn: 1, ask: ask1 });
    await vi.waitFor(async () => expect(await html(`/s/${id}`)).toContain("vitest"));
    const answered = await form(`/s/${id}/say`, { t: "answer", ask: "q1", choice: "v", text: "" });
    expect([answered.status, answered.headers.get("location")]).toEqual([303, `/s/${id}`]);
    await vi.waitFor(() => expect(runner.commands).toContainEqual(expect.objectContaining({ do: "answer", ask: "q1", choice: "v" })));
    expect((await form(`/s/${id}/say`, { t: "prompt", id: "once", text: "and then" })).status).toBe(303);
    expect((await form(`/s/${id}/say`, { t: "prompt", id: "once", text: "and then" })).status).toBe(303);
    expect((await html(`/s/${id}`)).match(/and then/g)).toHaveLength(1);
    expect((await form(`/s/${id}/say`, { t: "stop", turn: "1" })).status).toBe(303);
    await vi.waitFor(() => expect(runner.commands.map((command) => command.do)).toContain("stop"));
  });

  test("a note that belongs to no turn is shown", async () => {
    const { id } = (await (await post("/api/sessions", {})).json()) as { id: string };
    expect(await html(`/s/${id}`)).toContain("Tell me what to do");
  });

  test.each([
    ["a foreign page", { origin: "https://evil.example" }, { t: "stop" }, 401],
    ["an empty prompt", {}, { t: "prompt", text: " " }, 400],
    ["nonsense", {}, { t: "shout" }, 400],
  ])("a form of %s is refused with a page", async (_name, headers, fields, status) => {
    const answer = await form(`/s/${await newSession()}/say`, fields as Record<string, string>, headers as Record<string, string>);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toContain("text/html");
  });
});

describe("the list", () => {
  test("starts a session once, however often the form is sent", async () => {
    const page = await html("/");
    const id = /name="id" value="([^"]+)"/.exec(page)?.[1] ?? "";
    const fields = { id, text: "from the list", repository: "ada/parser", branch: "" };
    const [first, second] = [await form("/", fields), await form("/", fields)];
    expect(first.status).toBe(303);
    expect(second.headers.get("location")).toBe(first.headers.get("location"));
    expect(await html(first.headers.get("location") ?? "")).toContain("ada/parser");
    await vi.waitFor(async () => expect((await html("/")).match(/from the list/g)).toHaveLength(1));
  });

  test("starts nothing without a prompt", async () => {
    const answer = await form("/", { id: "emptyform", text: "   " });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining("say what is to be done")]);
  });

  test("is the owner's alone", async () => {
    const answer = await ask("/", { headers: { "x-forwarded-for": "203.0.113.9" } });
    expect(answer.status).toBe(401);
    expect(await answer.text()).not.toContain("Sessions");
  });
});
