/** What is pure around git: its credential protocol, names, messages, guarded files, and what the agent is told. */
import { describe, expect, it } from "vitest";
import { briefing, promptText } from "./briefing.ts";
import { takeLate } from "./commands.ts";
import { askedAddress, credentialLines } from "./credential-words.ts";
import { gitConfig, helperCommand } from "./credentials.ts";
import { guardedRoot, isGuarded, theirName } from "./distrust.ts";
import { emptyJournal, type Prompt, parseJournal } from "./journal.ts";
import { leftOut } from "./leftovers.ts";
import { leftoverMessage, NOBODY, signaturesOf } from "./signatures.ts";
import { countUsage } from "./usage.ts";

const prompt: Prompt = { do: "prompt", turn: 1, text: "Do it", system: "Facts.", model: "errand/main" };
const ada = { name: "Ada", email: "1+ada@users.noreply.github.com" };
const bot = { name: "errand[bot]", email: "2+errand[bot]@users.noreply.github.com" };

describe("a question for a credential", () => {
  it.each([
    ["protocol=https\nhost=github.com\npath=acme/sample.git\n\n", "https://github.com/acme/sample.git"],
    ["protocol=http\nhost=127.0.0.1:8080\npath=acme/sample.git\nusername=x\n", "http://127.0.0.1:8080/acme/sample.git"],
    ["protocol=https\nhost=github.com\n", "https://github.com/"],
    ["protocol=https\nhost=github.com\npath=a?b=c#d\nwwwauth[]=Basic realm=x\n", "https://github.com/a"],
    ["protocol=ssh\nhost=github.com\n", null],
    ["protocol=https\nhost=user@github.com\n", null],
    ["protocol=https\nhost=github.com/evil\n", null],
    ["protocol=https\n", null],
    ["", null],
  ])("%j asks for %s", (question, address) => {
    expect(askedAddress(question)).toBe(address);
  });

  it.each([
    [
      { is: "credential", username: "u", password: "p.a-s_s", expiresAt: 1_700_000_000_999 } as const,
      /^granted\nusername=u\npassword=p.a-s_s\npassword_expiry_utc=1700000000\n$/,
    ],
    [{ is: "no", why: "Not\nyours.  " } as const, /^refused\nNot yours\.\n$/],
    [{ is: "credential", username: "u\npath=x", password: "p", expiresAt: 1 } as const, /^refused\n/],
  ])("is answered %#", (answer, lines) => {
    expect(credentialLines(answer)).toMatch(lines);
  });

  it("is asked of the runner by a command that a shell reads as it is meant", () => {
    expect(helperCommand("/run/it's here/git.sock")).toMatch(/^!'\/.*' '\/.*\/runner\/credential\.ts' '\/run\/it'\\''s here\/git\.sock'$/);
    const text = gitConfig("!'/a b/\"n\\ode'", "https://github.com/acme/sample.git");
    expect(text).toContain('\thelper =\n\thelper = "!\'/a b/\\"n\\\\ode\'"\n\tuseHttpPath = true\n');
    expect(text).toContain('[url "https://github.com/"]\n\tinsteadOf = "git@github.com:"');
    expect(gitConfig("!x", "/local/folder")).not.toContain("insteadOf");
    expect(gitConfig("!x", null)).not.toContain("insteadOf");
  });
});

describe("the names of commits", () => {
  it.each([
    [{}, { author: NOBODY, committer: NOBODY, coauthor: null }],
    [{ author: ada }, { author: ada, committer: NOBODY, coauthor: `${NOBODY.name} <${NOBODY.email}>` }],
    [
      { author: ada, committer: bot },
      { author: ada, committer: bot, coauthor: `${bot.name} <${bot.email}>` },
    ],
    [
      { author: { ...bot, email: bot.email.toUpperCase() }, committer: bot },
      { committer: bot, coauthor: null },
    ],
    [{ committer: bot }, { author: bot, committer: bot, coauthor: null }],
    [{ author: { name: "A\nb <c>", email: "a\n@b.c" } }, { author: { name: "A b c", email: "a@b.c" } }],
    [{ author: { name: "<>.,", email: "a@b.c" } }, { author: { name: NOBODY.name, email: "a@b.c" } }],
  ])("%j", (told, names) => {
    expect(signaturesOf(told)).toMatchObject(names);
  });

  it.each([
    ["Fix the login\n\nIt fails.", "Fix the login"],
    ["\n  \n> - ## Fix it  ", "Fix it"],
    ["@ada and @acme/team: mail a@b.c", "ada and acme/team: mail a@b.c"],
    [
      "Fixes #12, closes acme/other#3 and GH-4: https://github.com/acme/x/issues/5",
      "Fixes 12, closes acme/other3 and 4: github.com/acme/x/issues/5",
    ],
    ["!!!\n\u0007Do\tit", "Do it"],
    ["", "Work on the request"],
    ["ü".repeat(72), "ü".repeat(72)],
    ["x".repeat(73), `${"x".repeat(71)}…`],
  ])("the message for %j", (request, subject) => {
    expect(leftoverMessage(request, null)).toBe(`${subject}\n`);
    expect(leftoverMessage(request, "E <e@x>")).toBe(`${subject}\n\nCo-authored-by: E <e@x>\n`);
  });

  it("says what was not committed", () => {
    expect(leftOut({ large: [], nested: [] })).toBeNull();
    expect(leftOut({ large: ["a.bin"], nested: ["sub/"] })).toBe(
      "Not committed: `a.bin`, larger than 50 MB; `sub/`, a git repository of its own.",
    );
  });
});

describe("guarded files", () => {
  it.each([
    ["AGENTS.md", "AGENTS.md", "AGENTS.md.txt"],
    ["docs/AGENTS.md", "docs/AGENTS.md", "docs~AGENTS.md.txt"],
    ["docs/agents.md", "docs/agents.md", "docs~agents.md.txt"],
    ["src/CONTEXT.md", "src/CONTEXT.md", "src~CONTEXT.md.txt"],
    [".agents/skills/x/SKILL.md", ".agents", ".agents~skills~x~SKILL.md.txt"],
    [".vscode/tasks.json", ".vscode", ".vscode~tasks.json.txt"],
    ["a/.opencode/agent/x.md", "a/.opencode", "a~.opencode~agent~x.md.txt"],
    [".gitattributes", ".gitattributes", ".gitattributes.txt"],
  ])("%s is one, under %s", (path, root, kept) => {
    expect([isGuarded(path), guardedRoot(path), theirName(path)]).toEqual([true, root, kept]);
  });
  it.each(["README.md", "docs/agents", "src/AGENTS.md.ts", ".github/workflows/ci.yml"])("%s is none", (path) => {
    expect(isGuarded(path)).toBe(false);
  });
});

describe("what the agent is told", () => {
  const config = { repository: "https://github.com/a/b.git", branch: "errand/x", publish: true, distrusted: false };
  it("is the request, and what stands around it after it", () => {
    expect(promptText(prompt)).toBe("Do it");
    expect(promptText({ ...prompt, context: " \n" })).toBe("Do it");
    expect(promptText(prompt, true)).toMatch(/stopped by a person.*\n\nDo it$/);
    expect(promptText({ ...prompt, context: "<data>x</data>" })).toMatch(/^Do it\n\n.*not a request:\n\n<data>x<\/data>$/);
  });
  it("says whose name commits carry, and what becomes of them", () => {
    const said = briefing({ ...prompt, author: ada, committer: bot }, config);
    expect(said).toMatch(/^Facts\.\n/);
    expect(said).toContain("in the name of Ada, with errand[bot] as committer and co-author");
    expect(said).toContain("Pushing to that branch and the pull request are done for you.");
    expect(briefing(prompt, { ...config, publish: false })).toContain("Nothing is pushed");
    expect(briefing(prompt, { ...config, repository: null })).toBe("Facts.");
    expect(briefing(prompt, { ...config, distrusted: true })).toContain(".git/errand/theirs/");
  });
});

describe("a message that comes while the work is pushed", () => {
  const active = { prompt: { ...prompt, context: "c", author: ada }, session: "s", given: { after: null, at: 1 }, deaths: 1, answers: {} };
  const steer = (seq: number, turn: number, text: string, begun = false) => ({ seq, begun, command: { do: "steer" as const, turn, text } });
  it("goes on as the turn's prompt, once", () => {
    const journal = { ...emptyJournal("s"), active, pending: [steer(2, 1, "and this"), steer(3, 1, "given", true), steer(4, 2, "other")] };
    const late = takeLate(journal, 1);
    expect(late?.active).toMatchObject({ prompt: { turn: 1, text: "and this", author: ada }, session: "s", given: null, deaths: 0 });
    expect(late?.active.prompt).not.toHaveProperty("context");
    expect(late?.journal.pending.map((one) => one.seq)).toEqual([3, 4]);
    expect(late?.journal.active).toEqual(late?.active);
    expect(takeLate({ ...journal, pending: [] }, 1)).toBeNull();
    expect(takeLate({ ...journal, active: null }, 1)).toBeNull();
  });
  it("adds what it uses to what was used", () => {
    const usage = countUsage();
    const tokens = { input: 1, output: 2, reasoning: 3, cacheRead: 4, cacheWrite: 5 };
    const used = { type: "turn.usage", at: 1, turn: 1, tokens, cost: 0.5 } as const;
    expect(usage.add(used)).toEqual(used);
    usage.goOn();
    expect(usage.add(used)).toMatchObject({ tokens: { input: 2, output: 4, reasoning: 6, cacheRead: 8, cacheWrite: 10 }, cost: 1 });
    expect(usage.add({ ...used, cost: null }).cost).toBeNull();
  });
});

it("a journal of an earlier version knows of no push", () => {
  const { pushed: _, ...old } = emptyJournal("s");
  expect(parseJournal(JSON.stringify(old), "s").pushed).toBeNull();
});
