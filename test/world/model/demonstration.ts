/**
 * The demonstration model: a script, not an AI, that really drives the coding agent on any prompt, so that errand can be seen at
 * work without an account. It keeps no state: what comes next follows from the conversation in the request. Pure.
 */
import {
  type Call,
  type ChatRequest,
  type Done,
  isTitleRequest,
  type Reply,
  systemOf,
  type Turn,
  titleOf,
  toolsOf,
  turnsOf,
} from "./chat.ts";
import type { Respond } from "./serve.ts";
import { changesFor, noteFor } from "./tally.ts";

/** Opens every answer. */
export const WHO = "_I am errand's scripted demonstration model, not an AI: I do the same few steps whatever is asked._";
/** Closes every answer. */
export const HOW =
  "To have a real model do the work, stop errand and start it with `ERRAND_MODEL_URL` (an OpenAI-compatible address ending in `/v1`), `ERRAND_MODEL_KEY` and `ERRAND_MODEL` (the model's name) set.";

/** What a prompt makes the script do. */
export type Intent = { kind: "change" } | { kind: "recall" } | { kind: "slow"; seconds: number } | { kind: "push" } | { kind: "ask" };

/** Reads a prompt. Words in backticks or quotes count like any others; what fits nothing is a change. */
export function intentOf(prompt: string): Intent {
  const text = prompt.replace(/<@\w+>/g, " ").toLowerCase();
  if (/\b(what|which)\b[^.]*\b(did|have) you\b|\bwhat happened\b|\bwhat was done\b|\bsummar(y|ise|ize)\b/.test(text))
    return { kind: "recall" };
  if (/\b(slow|slowly|sleep)\b/.test(text)) {
    const seconds = Number(/\b(\d{1,3})\b/.exec(text)?.[1] ?? 60);
    return { kind: "slow", seconds: Math.min(Math.max(seconds, 1), 110) };
  }
  if (/\b(push|permission)\b/.test(text)) return { kind: "push" };
  if (/\b(ask|question)\b/.test(text)) return { kind: "ask" };
  return { kind: "change" };
}

const LOOK = "pwd && git log --oneline -1 && ls";
const TEST = "node --test";
const DIFF = "git diff --stat && git status --short";

const todo = (names: string[], at: number): Call => ({
  name: "todowrite",
  args: {
    todos: names.map((content, i) => ({
      content,
      status: i < at ? "completed" : i === at ? "in_progress" : "pending",
      priority: "medium",
    })),
  },
});
const bash = (command: string, description: string, more: object = {}): Call => ({ name: "bash", args: { command, description, ...more } });
const ran = (turn: Turn, command: string): Done | undefined => turn.done.find((one) => one.name === "bash" && one.args.command === command);
const answer = (text: string): Reply => ({ text: `${WHO}\n\n${text}\n\n${HOW}` });

/** What the first look at the workspace showed: its folder and the names in it. */
export function lookedAt(output: string): { folder: string; names: Set<string> } {
  const lines = output.split("\n").map((line) => line.trim());
  const at = lines.findIndex((line) => line.startsWith("/"));
  return { folder: lines[at] ?? ".", names: new Set(lines.slice(at + 2).filter(Boolean)) };
}

/** How a `node --test` went, in a few words. */
export function testOutcome(output: string): string {
  const count = (word: string) => /(\d+)/.exec(new RegExp(`^\\W*${word} (\\d+)`, "m").exec(output)?.[0] ?? "")?.[1];
  const [passed, failed] = [count("pass"), count("fail")];
  if (passed === undefined || failed === undefined) return "it did not run to its end";
  return `${passed} passed, ${failed} failed`;
}

const TODOS = ["Look at the repository", "Make the change", "Run the tests", "Say what was done"];

function change(turn: Turn, before: Turn[]): Reply {
  const look = ran(turn, LOOK);
  if (!look) {
    return { text: "I look at the repository first.", calls: [todo(TODOS, 0), bash(LOOK, "Look at the workspace")] };
  }
  const { folder, names } = lookedAt(look.result ?? "");
  const prompts = [...before, turn].map((one) => one.prompt);
  const plan = names.has("src") && names.has("package.json") ? changesFor(prompts, turn.context) : noteFor(prompts);
  const read = turn.done.filter((one) => one.name === "read");
  const toRead = plan.read.filter((path) => path.includes("/") || names.has(path));
  if (read.length === 0 && toRead.length > 0) {
    return {
      text: "Now I read what I will change.",
      calls: toRead.map((path) => ({ name: "read", args: { filePath: `${folder}/${path}` } })),
    };
  }
  const contents = read.map((one) => one.result ?? "").join("\n");
  const changed = turn.done.filter((one) => one.name === "edit" || one.name === "write");
  const there = plan.isThere(contents);
  const next = there
    ? undefined
    : plan.steps[changed.length === 0 ? 0 : plan.steps.findIndex((_, i) => doneAfter(plan.steps, i) > changed.length)];
  if (next) {
    const calls = next.map((one) => ({ name: one.name, args: { ...one.args, filePath: `${folder}/${one.args.filePath}` } }));
    return changed.length === 0 ? { text: plan.says, calls: [todo(TODOS, 1), ...calls] } : { calls };
  }
  if (!ran(turn, DIFF)) {
    const test = names.has("package.json") ? [bash(TEST, "Run the tests")] : [];
    if (test.length > 0 && !ran(turn, TEST)) return { text: "Now the tests.", calls: [todo(TODOS, 2), ...test] };
    return { calls: [todo(TODOS, 3), bash(DIFF, "See what changed")] };
  }
  if (turn.done.filter((one) => one.name === "todowrite").length < 5 && !turn.done.some((one) => allDone(one))) {
    return { calls: [todo(TODOS, TODOS.length)] };
  }
  const failed = changed.filter((one) => /^error|not found|failed|must read/i.test(one.result ?? ""));
  const tests = ran(turn, TEST);
  const lines = [
    there
      ? `**Nothing to change.** ${plan.whenThere}`
      : failed.length > 0
        ? "**Not done.** A change could not be made:"
        : `**Done.** ${plan.did}`,
    "",
    ...(failed.length > 0 ? [`- ${failed[0]?.result?.split("\n")[0] ?? ""}`] : []),
    ...(there || failed.length > 0 ? [] : plan.files.map((file) => `- \`${file.path}\`: ${file.what}`)),
    ...(tests ? [`- Tests (\`${TEST}\`): ${testOutcome(tests.result ?? "")}`] : []),
  ];
  return answer(lines.join("\n").replace(/\n\n\n+/g, "\n\n"));
}

function doneAfter(steps: Call[][], at: number): number {
  return steps.slice(0, at + 1).flat().length;
}

function allDone(one: Done): boolean {
  const todos = one.name === "todowrite" && Array.isArray(one.args.todos) ? one.args.todos : [];
  return (
    todos.length > 0 &&
    todos.every((item: unknown) => typeof item === "object" && item !== null && "status" in item && item.status === "completed")
  );
}

/** What a turn did, one line a deed. */
export function deeds(turn: Turn): string[] {
  const folder = lookedAt(ran(turn, LOOK)?.result ?? "").folder;
  const lines = turn.done.flatMap((one) => {
    if (one.name === "edit" || one.name === "write") return [`changed \`${String(one.args.filePath).replace(`${folder}/`, "")}\``];
    if (one.name === "bash") return [`ran \`${String(one.args.command).slice(0, 80)}\``];
    if (one.name === "question") return ["asked you a question"];
    return [];
  });
  return [...new Set(lines)];
}

function recall(before: Turn[]): Reply {
  const told = before.filter((turn) => turn.answers > 0);
  if (told.length === 0) return answer("Nothing yet: this is the first thing you asked of me here.");
  const first = (text: string) =>
    text
      .replace(/<@\w+>/g, "")
      .trim()
      .split("\n")[0]
      ?.slice(0, 120) ?? "";
  const parts = told.map((turn, i) =>
    [`${i + 1}. You asked: “${first(turn.prompt)}”`, ...deeds(turn).map((deed) => `   - I ${deed}`)].join("\n"),
  );
  return answer(`This is what I did in this thread:\n\n${parts.join("\n")}`);
}

function slow(turn: Turn, seconds: number): Reply {
  const names = [`Count to ${seconds}`, "Say so"];
  const command = `for i in $(seq 1 ${seconds}); do echo "step $i of ${seconds}"; sleep 1; done`;
  const count = ran(turn, command);
  if (!count) {
    const text = `I count to ${seconds}, one a second, so that there is time to press Stop.`;
    return { text, calls: [todo(names, 0), bash(command, `Count to ${seconds}`, { timeout: (seconds + 10) * 1000 })] };
  }
  if (!turn.done.some(allDone)) return { calls: [todo(names, names.length)] };
  const reached = (count.result ?? "").match(/step \d+ of/g)?.length ?? 0;
  return answer(`I counted to ${reached} of ${seconds}${reached === seconds ? ", and nobody stopped me" : ""}.`);
}

function push(turn: Turn): Reply {
  const command = "git push --dry-run origin HEAD";
  const tried = ran(turn, command);
  if (!tried) {
    return {
      text: "I try a push that sends nothing. If pushing needs your permission, errand asks you now.",
      calls: [bash(command, "Try a push")],
    };
  }
  return answer(
    `The push that sends nothing (\`${command}\`) gave:\n\n\`\`\`\n${(tried.result ?? "").trim().slice(0, 600) || "no output"}\n\`\`\``,
  );
}

function ask(turn: Turn, tools: Set<string>, before: Turn[]): Reply {
  if (!tools.has("question")) return answer("I wanted to ask you something, but the question tool is not offered here.");
  const asked = turn.done.find((one) => one.name === "question");
  if (!asked) {
    const options = [
      { label: "A greeting", description: "Write “Hello” into DEMO.md" },
      { label: "The date", description: "Write today's date into DEMO.md" },
      { label: "Nothing", description: "Leave everything as it is" },
    ];
    const questions = [{ question: "What shall I write into DEMO.md?", header: "DEMO.md", options, multiple: false }];
    return { text: "Before I start, I need to know one thing.", calls: [{ name: "question", args: { questions } }] };
  }
  // OpenCode tells the model `… "question"="answer". You can now …`; an answer may have quotes of its own.
  const said = /="(.*)"(?:\.|$)/s.exec(asked.result ?? "")?.[1] ?? (asked.result ?? "").slice(0, 200);
  if (/nothing/i.test(said)) return answer(`You answered “${said}”, so I left everything as it was.`);
  const wrote = turn.done.find((one) => one.name === "bash");
  if (!wrote) {
    const line = /date/i.test(said) ? "$(date +%F)" : /greeting/i.test(said) ? "Hello" : said.replace(/[^\w .,!?-]/g, " ");
    return {
      text: `Thank you. I write it down.`,
      calls: [bash(`printf '%s\\n' "${line}" >> DEMO.md && tail -n 3 DEMO.md`, "Write DEMO.md")],
    };
  }
  const earlier =
    before.length > 0 ? `\n\nI have done ${before.length} other ${before.length === 1 ? "thing" : "things"} in this thread before.` : "";
  return answer(
    `You answered “${said}”. \`DEMO.md\` now ends with:\n\n\`\`\`\n${(wrote.result ?? "").trim().slice(0, 300)}\n\`\`\`${earlier}`,
  );
}

/** What the demonstration says next. */
export function demonstrate(request: ChatRequest): Reply {
  if (isTitleRequest(request)) return { text: titleOf(request) };
  const turns = turnsOf(request);
  const turn = turns.at(-1);
  const tools = toolsOf(request);
  if (!turn || tools.size === 0) {
    const done = turns.flatMap(deeds).map((deed) => `- I ${deed}`);
    return { text: /summar|compact/i.test(systemOf(request)) ? `So far:\n${done.join("\n")}` : `${WHO}\n\n${HOW}` };
  }
  const before = turns.slice(0, -1);
  // Every kind of work ends well before this; more means that something keeps failing, and a person should hear of it.
  if (turn.answers > 20) return answer("I stopped, because I was going in circles.");
  const intent = intentOf(turn.prompt);
  switch (intent.kind) {
    case "recall":
      return recall(before);
    case "slow":
      return slow(turn, intent.seconds);
    case "push":
      return push(turn);
    case "ask":
      return ask(turn, tools, before);
    case "change":
      return change(turn, before);
  }
}

/** The demonstration model, for `startModel`. */
export function demonstrationModel(): Respond {
  return (request) => ({ reply: demonstrate(request) });
}
