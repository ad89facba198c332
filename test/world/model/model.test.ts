import { afterEach, describe, expect, test } from "vitest";
import { promptText } from "../../../runner/briefing.ts";
import { type ChatRequest, isTitleRequest, titleOf, turnsOf } from "./chat.ts";
import { deeds, demonstrate, HOW, intentOf, lookedAt, testOutcome, WHO } from "./demonstration.ts";
import { type Scripts, scriptedModel } from "./scripted.ts";
import { type ModelOptions, pieces, startModel } from "./serve.ts";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  while (stops.length > 0) await stops.pop()?.();
});

type Message = ChatRequest["messages"][number];
const user = (content: string): Message => ({ role: "user", content });
const tool = (id: string, content: string): Message => ({ role: "tool", tool_call_id: id, content });
const did = (id: string, name: string, args: object, content = ""): Message => ({
  role: "assistant",
  content,
  tool_calls: [{ id, function: { name, arguments: JSON.stringify(args) } }],
});
const tools = ["bash", "read", "edit", "write", "todowrite", "question"].map((name) => ({ function: { name } }));
const asking = (messages: Message[], more: Partial<ChatRequest> = {}): ChatRequest => ({ model: "main", messages, tools, ...more });

test.each([
  ["add a --version option", { kind: "change" }],
  ["<@U0ERRAND01> what did you do?", { kind: "recall" }],
  ["which files have you changed", { kind: "recall" }],
  ["sleep 20", { kind: "slow", seconds: 20 }],
  ["do it slowly", { kind: "slow", seconds: 60 }],
  ["sleep 999", { kind: "slow", seconds: 110 }],
  ["push it", { kind: "push" }],
  ["ask me something", { kind: "ask" }],
  ["finish the task", { kind: "change" }],
])("the prompt %j means %j", (prompt, expected) => expect(intentOf(prompt)).toEqual(expected));

test.each(["", "one", "one two", "  a\n\nlonger text, with `code` and a\nline break \n"])("pieces of %j are the whole", (text) => {
  expect(pieces(text).join("")).toBe(text.trim() === "" && text !== "" ? text : text);
});

test.each([
  ["/workspace/repo\nabc Start\nREADME.md\nsrc\n", { folder: "/workspace/repo", names: new Set(["README.md", "src"]) }],
  ["", { folder: ".", names: new Set() }],
])("a look at %j", (output, expected) => expect(lookedAt(output)).toEqual(expected));

test.each([
  ["# tests 11\n# pass 11\n# fail 0", "11 passed, 0 failed"],
  ["ℹ pass 3\nℹ fail 2", "3 passed, 2 failed"],
  ["command not found", "it did not run to its end"],
])("the tests' outcome of %j", (output, expected) => expect(testOutcome(output)).toBe(expected));

describe("a conversation", () => {
  const messages = [
    { role: "system", content: "You help." },
    user(promptText({ text: "first", context: "--characters" })),
    did("1", "bash", { command: "ls" }, "I look."),
    tool("1", "README.md"),
    { role: "assistant", content: "Done." },
    user("second"),
    { role: "user", content: [{ type: "text", text: "and third" }] },
  ];
  test("is read as turns", () => {
    expect(turnsOf(asking(messages))).toEqual([
      {
        prompt: "first",
        context: expect.stringMatching(/--characters$/),
        texts: ["I look.", "Done."],
        done: [{ name: "bash", args: { command: "ls" }, result: "README.md" }],
        answers: 2,
      },
      { prompt: "second\nand third", context: "", texts: [], done: [], answers: 0 },
    ]);
  });
  test("a request that was stopped before it was answered is not done with the next one", () => {
    const [stopped, next] = turnsOf(asking([user("count to ten"), user(promptText({ text: "sing" }, true))]));
    expect(stopped?.prompt).toBe("count to ten");
    expect(next?.prompt).toBe("sing");
  });
  test("a title is asked for without tools", () => {
    const request: ChatRequest = {
      model: "main",
      messages: [
        { role: "system", content: "You are a title generator." },
        user("<@U1> add a --version option to the sample and run its tests"),
      ],
    };
    expect(isTitleRequest(request)).toBe(true);
    expect(isTitleRequest({ ...request, tools })).toBe(false);
    expect(titleOf(request)).toBe("add a --version option to the sample and run its");
    expect(demonstrate(request).text).toBe(titleOf(request));
  });
});

describe("the demonstration", () => {
  test("says in every final answer what it is and how to set a real model", () => {
    const told = demonstrate(asking([user("what did you do?")])).text ?? "";
    expect(told).toContain(WHO);
    expect(told).toContain(HOW);
    expect(HOW).toMatch(/ERRAND_MODEL_URL.*ERRAND_MODEL_KEY.*ERRAND_MODEL/);
  });

  test("starts with a plan and a look", () => {
    const { calls } = demonstrate(asking([user("do something")]));
    expect(calls?.map((call) => call.name)).toEqual(["todowrite", "bash"]);
  });

  test("asks with the question tool, and only where it is offered", () => {
    expect(demonstrate(asking([user("ask me")])).calls?.[0]?.name).toBe("question");
    expect(demonstrate(asking([user("ask me")], { tools: tools.slice(0, 2) })).calls).toBeUndefined();
  });

  test("takes an answer whole, with its own quotes", () => {
    const [call] = demonstrate(asking([user("ask me")])).calls ?? [];
    const told = 'User has answered your questions: "What?"="write "Hi", please". You can now continue with the user\'s answers in mind.';
    const made = { id: "q", function: { name: "question", arguments: JSON.stringify(call?.args) } };
    const messages = [user("ask me"), { role: "assistant" as const, content: "", tool_calls: [made] }, tool("q", told)];
    expect(JSON.stringify(demonstrate(asking(messages)).calls)).toContain("write  Hi , please");
  });

  test("does not run in circles when a tool keeps failing", () => {
    const messages: Message[] = [user("add a version")];
    for (let i = 0; i < 40; i += 1) {
      const reply = demonstrate(asking(messages));
      if (!reply.calls) break;
      const calls = reply.calls.map((call, n) => ({
        id: `${i}_${n}`,
        function: { name: call.name, arguments: JSON.stringify(call.args) },
      }));
      messages.push(
        { role: "assistant", content: reply.text ?? "", tool_calls: calls },
        ...calls.map((call) => tool(call.id, "Error: not possible")),
      );
    }
    expect(messages.length).toBeLessThan(80);
    expect(demonstrate(asking(messages)).calls).toBeUndefined();
  });

  test("tells what it did, with paths as people know them", () => {
    const turns = turnsOf(
      asking([
        user("x"),
        did("1", "bash", { command: "pwd && git log --oneline -1 && ls" }),
        tool("1", "/w/repo\nabc\nsrc"),
        did("2", "edit", { filePath: "/w/repo/src/run.js" }),
        tool("2", "ok"),
      ]),
    );
    expect(turns.flatMap(deeds)).toEqual(["ran `pwd && git log --oneline -1 && ls`", "changed `src/run.js`"]);
  });
});

async function start(scripts: Scripts, more: Partial<ModelOptions> = {}) {
  const server = await startModel({ respond: scriptedModel({ scripts }), ...more });
  stops.push(server.stop);
  const post = (text: string, body: object = {}, headers: Record<string, string> = {}) =>
    fetch(`${server.url}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ model: "main", stream: true, messages: [user(text)], ...body }),
    });
  return { server, post };
}

describe("the server", () => {
  test("streams text, calls, a reason and figures", async () => {
    const { post, server } = await start({
      GO: [{ reasoning: "hm", text: "Hello there", calls: [{ name: "bash", args: { command: "ls" } }] }],
    });
    const lines = (await (await post("GO now")).text()).split("\n\n").filter(Boolean);
    expect(lines.at(-1)).toBe("data: [DONE]");
    const chunks = lines.slice(0, -1).map((line) => JSON.parse(line.slice(6)));
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe("Hello there");
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.reasoning_content ?? "").join("")).toBe("hm");
    expect(chunks.at(-2).choices[0].finish_reason).toBe("tool_calls");
    expect(chunks.at(-1).usage.total_tokens).toBeGreaterThan(0);
    expect(server.calls).toMatchObject([{ reply: { text: "Hello there" }, at: expect.any(Number), ended: expect.any(Number) }]);
  });

  test("answers whole without stream, lists models, and says what it does not know", async () => {
    const { post, server } = await start({ GO: [{ text: "Hello" }] }, { models: ["main", "small"] });
    expect(await (await post("GO", { stream: false })).json()).toMatchObject({
      choices: [{ message: { content: "Hello" }, finish_reason: "stop" }],
    });
    expect(await (await fetch(`${server.url}/models`)).json()).toMatchObject({ data: [{ id: "main" }, { id: "small" }] });
    expect((await fetch(`${server.url}/nothing`)).status).toBe(404);
    expect((await fetch(`${server.url}/chat/completions`, { method: "POST", body: "{" })).status).toBe(400);
    expect((await fetch(`${server.url}/chat/completions`, { method: "POST", body: "{}" })).status).toBe(400);
  });

  test("forgets old requests when they are large", async () => {
    const { post, server } = await start({ GO: [{ text: "Hello" }] }, { logBytes: 64_000 });
    for (let n = 0; n < 5; n += 1) await (await post(`GO ${n} ${"x".repeat(20_000)}`)).text();
    expect(server.calls.map((call) => call.request.messages.at(-1)?.content?.slice(0, 5))).toEqual(["GO 2 ", "GO 3 ", "GO 4 "]);
  });

  test("wants its key when it has one", async () => {
    const { post } = await start({ GO: [{ text: "Hello" }] }, { key: "k" });
    expect((await post("GO")).status).toBe(401);
    expect((await post("GO", {}, { authorization: "Bearer k" })).status).toBe(200);
  });

  test("takes the step by how often the model has answered", async () => {
    const { post } = await start({ GO: [{ text: "one" }, { text: "two" }] });
    const second = await post("", { stream: false, messages: [user("GO"), { role: "assistant", content: "one" }] });
    expect(await second.json()).toMatchObject({ choices: [{ message: { content: "two" } }] });
    expect(await (await post("nothing known", { stream: false })).json()).toMatchObject({
      choices: [{ message: { content: expect.stringContaining("no such prompt") } }],
    });
  });

  test("has faults, one a request, and then answers", async () => {
    const { post, server } = await start({
      GO: [
        {
          text: "fine at last",
          faults: [
            { kind: "status", status: 500 },
            { kind: "status", status: 429, retryAfterSeconds: 3 },
            { kind: "cut", afterPieces: 2 },
            { kind: "no finish" },
            { kind: "empty" },
            { kind: "hang" },
          ],
        },
      ],
    });
    expect((await post("GO")).status).toBe(500);
    expect((await post("GO")).headers.get("retry-after")).toBe("3");
    await expect(post("GO").then((answer) => answer.text())).rejects.toThrow();
    const unfinished = await (await post("GO")).text();
    expect(unfinished).toContain("fine");
    expect(unfinished).not.toMatch(/"finish_reason":"/);
    expect(await (await post("GO")).text()).not.toContain("fine");
    const impatient = fetch(`${server.url}/chat/completions`, {
      method: "POST",
      body: JSON.stringify({ model: "main", messages: [user("GO")] }),
      signal: AbortSignal.timeout(80),
    });
    await expect(impatient).rejects.toThrow();
    expect(await (await post("GO")).text()).toContain("fine");
    expect(server.calls.map((call) => call.fault)).toEqual(["status", "status", "cut", "no finish", "empty", "hang", undefined]);
  });
});
