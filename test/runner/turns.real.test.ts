/** The runner against the real OpenCode: what a turn tells, how it is stopped, asked, failed and continued. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AFTER_STOP } from "../../runner/briefing.ts";
import { SITES } from "./peer.ts";
import { setStage } from "./stage.ts";

const words = (count: number) => Array.from({ length: count }, (_, index) => `word${index} `).join("");

describe("turns with the real OpenCode", { timeout: 90_000 }, () => {
  let stage: Awaited<ReturnType<typeof setStage>>;

  beforeAll(async () => {
    stage = await setStage({
      // The conversation is longer than the model takes, and shortening it is refused: all of it is in that prompt, so this marker has to be the first.
      "#dear": (call) =>
        call === 0
          ? { calls: [{ name: "bash", args: { command: "true" } }], usage: { prompt_tokens: 600_000, completion_tokens: 5 } }
          : { faults: [{ kind: "status", status: 402, message: "The budget is used up." }] },
      "#work": [
        {
          text: "I will plan. ",
          calls: [
            {
              name: "todowrite",
              args: {
                todos: [
                  { content: "Change the greeting", status: "in_progress", priority: "high" },
                  { content: "Check it", status: "pending", priority: "high" },
                ],
              },
            },
          ],
        },
        { calls: [{ name: "edit", args: { filePath: "greeting.txt", oldString: "hello", newString: "good morning" } }] },
        { calls: [{ name: "bash", args: { command: "cat greeting.txt; echo more > new.txt; exit 3" } }] },
        { reasoning: "All is done.", text: "The greeting is changed." },
      ],
      "#long": [{ text: words(600) }],
      "#question": [
        {
          calls: [
            {
              name: "question",
              args: {
                questions: [
                  {
                    question: "Which database?",
                    header: "Database",
                    options: [
                      { label: "Postgres", description: "Big" },
                      { label: "SQLite", description: "Small" },
                    ],
                  },
                  { question: "Which name?", header: "Name", options: [{ label: "errand", description: "As now" }] },
                ],
              },
            },
          ],
        },
        { text: "Thanks." },
      ],
      "#push": [{ calls: [{ name: "bash", args: { command: "git push origin nowhere" } }] }, { text: "Not pushed." }],
      "#500": () => ({ faults: [{ kind: "status", status: 500, retryAfterSeconds: 0.05 }] }),
      "#401": () => ({ faults: [{ kind: "status", status: 401, retryAfterSeconds: 0.05 }] }),
      "#cut": [{ text: "half an answer that never ends", faults: [{ kind: "cut", afterPieces: 4 }] }, { text: "The whole answer." }],
      "#endless": () => ({ text: "again ", faults: [{ kind: "no finish" }] }),
      "#empty": [{}],
      "#paced": [{ text: words(100) }],
    });
    stage.startOpenCode();
    stage.startRunner();
    await stage.peer.waitFor("sandbox.ready", () => stage.peer.of("sandbox.ready")[0]);
  }, 60_000);
  afterAll(async () => {
    await stage?.close();
  });

  it("gets ready: clones, tells the branch and its times", () => {
    const { peer } = stage;
    expect(peer.of("git.ready")[0]).toMatchObject({
      branch: "errand/session1",
      base: "main",
      commit: expect.stringMatching(/^[0-9a-f]{40}$/),
    });
    expect(peer.of("boot.phase").filter((event) => event.ms !== undefined)).toMatchObject([
      { phase: "clone", ok: true },
      { phase: "warm-up", ok: true },
    ]);
    expect(stage.said).toContainEqual({ t: "sites", sites: SITES });
  });

  it("tells a turn with a plan, an edit, a command and an answer", async () => {
    const { peer } = stage;
    stage.prompt(1, "Please do #work");
    expect(await peer.finished(1)).toMatchObject({ outcome: "done" });
    expect(readFileSync(join(stage.workspace, "greeting.txt"), "utf8")).toBe("good morning\n");
    expect(peer.of("turn.accepted", 1)).toHaveLength(1);
    expect(peer.of("plan.updated", 1)[0]?.items).toEqual([
      { text: "Change the greeting", status: "in_progress" },
      { text: "Check it", status: "pending" },
    ]);
    expect(peer.of("tool.started", 1).map((event) => event.title)).toEqual([
      "Edit greeting.txt",
      "Run `cat greeting.txt; echo more > new.txt; exit 3`",
    ]);
    expect(peer.of("tool.finished", 1)).toMatchObject([
      { tool: "edit", ok: true },
      { tool: "bash", ok: false, exit: 3, output: expect.stringContaining("good morning") },
    ]);
    expect(peer.of("text.done", 1).map((event) => event.text.trim())).toEqual(["I will plan.", "The greeting is changed."]);
    expect(peer.of("turn.usage", 1).at(-1)).toMatchObject({ tokens: { input: 400, output: 40 }, cost: expect.closeTo(0.0018, 6) });
    expect(peer.of("files.changed", 1).at(-1)).toMatchObject({
      total: 2,
      files: [
        { path: "greeting.txt", status: "modified", additions: 1, deletions: 1 },
        { path: "new.txt", status: "added", additions: 1, deletions: 0 },
      ],
    });
    expect(peer.faults).toEqual([]);
  });

  it("stops within two seconds and keeps what was said", async () => {
    const { peer } = stage;
    stage.prompt(2, "Write #long");
    await peer.waitFor("text", () => peer.of("text.delta", 2).length > 3);
    const at = Date.now();
    peer.command({ do: "stop", turn: 2 });
    expect(await peer.finished(2)).toMatchObject({ outcome: "stopped" });
    expect(Date.now() - at).toBeLessThan(2_000);
    expect(peer.of("text.done", 2)[0]?.text).toMatch(/^word0 word1/);
  });

  it("asks one question after another and hands the answers over together", async () => {
    const { peer } = stage;
    stage.prompt(3, "Set up #question");
    const first = await peer.waitFor("the first question", () => peer.of("ask.opened", 3)[0]);
    // The request that was stopped before still stands in the conversation: the model is told that it is off.
    expect(stage.script.prompts.find((text) => text.includes("#question"))).toBe(`${AFTER_STOP}Set up #question`);
    expect(first.ask).toMatchObject({
      kind: "question",
      title: "Which database?",
      freeText: true,
      choices: [{ label: "Postgres" }, { id: "1", label: "SQLite" }],
    });
    peer.command({ do: "answer", turn: 3, ask: first.ask.id, choice: "1", reject: false });
    const second = await peer.waitFor("the second question", () => peer.of("ask.opened", 3)[1]);
    peer.command({ do: "answer", turn: 3, ask: second.ask.id, text: "call it ant", reject: false });
    expect(await peer.finished(3)).toMatchObject({ outcome: "done" });
    expect(peer.of("ask.closed", 3).map((event) => event.why)).toEqual(["answered", "answered"]);
    expect(peer.of("text.done", 3).map((event) => event.text)).toEqual(["Thanks."]);
  });

  it("asks for a permission; a rejection with words lets the turn go on", async () => {
    const { peer } = stage;
    stage.prompt(4, "Now #push");
    const { ask } = await peer.waitFor("the permission", () => peer.of("ask.opened", 4)[0]);
    expect(ask).toMatchObject({
      kind: "permission",
      detail: "git push origin nowhere",
      choices: [{ id: "once" }, { id: "always" }, { id: "reject" }],
    });
    peer.command({ do: "answer", turn: 4, ask: ask.id, choice: "reject", reject: false });
    expect(await peer.finished(4)).toMatchObject({ outcome: "done" });
    expect(peer.of("tool.finished", 4)).toMatchObject([{ ok: false }]);
    expect(peer.of("text.done", 4).map((event) => event.text)).toEqual(["Not pushed."]);
  });

  it("says how the model failed", async () => {
    const { peer } = stage;
    stage.prompt(5, "Try #500");
    expect(await peer.finished(5)).toMatchObject({ outcome: "failed", failure: { code: "model_unavailable", action: expect.any(String) } });
    expect(peer.of("turn.retrying", 5).length).toBeGreaterThan(2);
    stage.prompt(6, "Try #401");
    expect(await peer.finished(6)).toMatchObject({ outcome: "failed", failure: { code: "model_auth" } });
    stage.prompt(7, "Try #empty");
    expect(await peer.finished(7)).toMatchObject({
      outcome: "failed",
      failure: { code: "empty_answer", message: "The model returned nothing." },
    });
  });

  it("throws away what a broken model stream said", async () => {
    const { peer } = stage;
    stage.prompt(8, "Try #cut");
    expect(await peer.finished(8)).toMatchObject({ outcome: "done" });
    expect(peer.of("text.done", 8).map((event) => event.text)).toEqual(["The whole answer."]);
  });

  it("ends a model that never says why it stops", async () => {
    const { peer, script } = stage;
    stage.prompt(9, "Try #endless");
    expect(await peer.finished(9)).toMatchObject({ outcome: "failed", failure: { code: "model_no_finish" } });
    const calls = script.calls("#endless");
    await new Promise((done) => setTimeout(done, 1_000));
    expect(script.calls("#endless")).toBe(calls);
  });

  it("goes on after a dropped connection without gap or repetition", async () => {
    const { peer } = stage;
    stage.prompt(10, "Write #paced");
    await peer.waitFor("text", () => peer.of("text.delta", 10).length > 1);
    peer.drop();
    await peer.waitFor("another connection", () => peer.hellos() > 1);
    peer.drop();
    expect(await peer.finished(10)).toMatchObject({ outcome: "done" });
    expect(peer.faults).toEqual([]);
    expect(peer.of("turn.accepted", 10)).toHaveLength(1);
    expect(peer.of("text.done", 10).map((event) => event.text)).toEqual([words(100)]);
    // Nothing of the text came twice or was left out on its way either, as long as it was in progress.
    expect(
      words(100).startsWith(
        peer
          .of("text.delta", 10)
          .map((event) => event.text)
          .join(""),
      ),
    ).toBe(true);
    await peer.waitFor("all commands acknowledged", () => peer.unacknowledged() === 0);
  });

  it("ends at once where the model may not be called any more, also when the conversation was to be shortened", async () => {
    const { peer, script } = stage;
    stage.prompt(11, "Try #dear");
    const began = Date.now();
    expect(await peer.finished(11)).toMatchObject({ outcome: "failed", failure: { code: "model_budget" } });
    expect(Date.now() - began).toBeLessThan(20_000);
    expect([script.calls("#dear"), peer.of("turn.retrying", 11)]).toEqual([2, []]);
  });
});
