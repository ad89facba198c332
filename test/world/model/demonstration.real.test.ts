/** The demonstration model with the real OpenCode on a clone of the sample: every kind of prompt does what it says. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GitHost, startGitHost } from "../git-host.ts";
import { startOpenCode } from "../real-opencode.ts";
import { demonstrationModel, HOW, WHO } from "./demonstration.ts";
import { type ModelServer, startModel } from "./serve.ts";

const run = promisify(execFile);
let folder = "";
let repository = "";
let git: GitHost;
let model: ModelServer;
let openCode: Awaited<ReturnType<typeof startOpenCode>>;
let session = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "errand-demonstration-"));
  repository = join(folder, "repo");
  git = await startGitHost({ dataDir: join(folder, "git") });
  await run("git", ["clone", "--quiet", git.cloneUrl("acme/sample"), repository]);
  model = await startModel({ respond: demonstrationModel() });
  openCode = await startOpenCode({ folder: repository, url: model.url });
  session = (await openCode.client.session.create({})).data?.id ?? "";
});
afterAll(async () => {
  await openCode?.stop();
  await model?.stop();
  await git?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Says something and gives the turn's tools and its last text. */
async function say(text: string) {
  const before = (await openCode.client.session.messages({ sessionID: session })).data?.length ?? 0;
  await openCode.client.session.prompt({ sessionID: session, parts: [{ type: "text", text }] });
  const parts = ((await openCode.client.session.messages({ sessionID: session })).data ?? [])
    .slice(before + 1)
    .flatMap((message) => message.parts);
  const tools = parts.flatMap((part) => (part.type === "tool" ? [{ tool: part.tool, state: part.state }] : []));
  const last = parts.findLast((part) => part.type === "text");
  return { tools, answer: last?.type === "text" ? last.text : "" };
}

/** Answers what OpenCode asks, until it is told to stop. */
function answering() {
  const asked: string[] = [];
  const timer = setInterval(async () => {
    for (const question of (await openCode.client.question.list()).data ?? []) {
      asked.push(question.questions[0]?.question ?? "");
      await openCode.client.question.reply({ requestID: question.id, answers: [["A greeting"]] });
    }
    for (const permission of (await openCode.client.permission.list()).data ?? []) {
      asked.push(permission.patterns.join());
      await openCode.client.permission.reply({ requestID: permission.id, reply: "once" });
    }
  }, 200);
  return { asked, end: () => clearInterval(timer) };
}

test("the suggested prompt: a plan, three changed files, tests that pass, an answer that says who answers", async () => {
  const { tools, answer } = await say("<@U0ERRAND01> add a --version option to the sample and run its tests");
  expect(tools.filter(({ state }) => state.status !== "completed")).toEqual([]);
  expect(new Set(tools.map(({ tool }) => tool))).toEqual(new Set(["todowrite", "bash", "read", "edit"]));
  const { stdout } = await run("git", ["-C", repository, "diff", "--name-only"]);
  expect(stdout.split("\n").filter(Boolean)).toEqual(["README.md", "src/run.js", "test/run.js"]);
  expect((await run(process.execPath, [join(repository, "src/cli.js"), "--version"])).stdout).toBe("1.0.0\n");
  expect(answer).toContain("11 passed, 0 failed");
  expect(answer).toContain(WHO);
  expect(answer).toContain(HOW);
  const todos = (await openCode.client.session.todo({ sessionID: session })).data ?? [];
  expect(todos.map((todo) => todo.status)).toEqual(["completed", "completed", "completed", "completed"]);
});

test("the same again changes nothing, and says so", async () => {
  expect((await say("add a --version option")).answer).toContain("Nothing to change");
});

test("anything else leaves a note", async () => {
  expect((await say("make the colours nicer")).answer).toContain("`DEMO.md`");
  expect(await readFile(join(repository, "DEMO.md"), "utf8")).toContain("- make the colours nicer\n");
});

test("it tells what it did", async () => {
  const { answer } = await say("what did you do?");
  expect(answer).toContain("You asked: “add a --version option to the sample and run its tests”");
  expect(answer).toContain("changed `src/run.js`");
});

test("it asks, and uses the answer", async () => {
  const { asked, end } = answering();
  const { answer } = await say("ask me something first");
  end();
  expect(asked).toEqual(["What shall I write into DEMO.md?"]);
  expect(answer).toContain("You answered “A greeting”");
  expect(await readFile(join(repository, "DEMO.md"), "utf8")).toMatch(/Hello\n$/);
});

test("a push needs permission", async () => {
  const { asked, end } = answering();
  const { answer } = await say("push it");
  end();
  expect(asked).toEqual(["git push --dry-run origin HEAD"]);
  expect(answer).toContain("Everything up-to-date");
});

test("slow work can be stopped, and the next prompt works", async () => {
  const slow = say("do something slow");
  await expect.poll(() => model.calls.at(-1)?.reply?.calls?.some((call) => call.name === "bash"), { timeout: 20_000 }).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await openCode.client.session.abort({ sessionID: session });
  await slow;
  expect((await say("sleep 2")).answer).toContain("I counted to 2 of 2");
});
