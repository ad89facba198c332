/** The changes the demonstration knows: two options for the sample repository, and a note anywhere else. Pure. */
import type { Call } from "./chat.ts";

/** A change: what to read first, then edits in groups that can be made at once, and the words for it. */
export interface Change {
  read: string[];
  says: string;
  /** Paths are within the workspace; whoever makes the calls puts its folder before them. */
  steps: Call[][];
  did: string;
  files: { path: string; what: string }[];
  /** Whether what was read shows that it is there already. */
  isThere: (contents: string) => boolean;
  whenThere: string;
}

const edit = (filePath: string, oldString: string, newString: string): Call => ({ name: "edit", args: { filePath, oldString, newString } });

const VERSION: Change = {
  read: ["AGENTS.md", "README.md", "src/run.js", "test/run.js"],
  says: "The options are read in `src/run.js`. I add `--version` there, with a test and a line in the README, as AGENTS.md asks.",
  steps: [
    [
      edit(
        "src/run.js",
        'import { count } from "./count.js";',
        'import manifest from "../package.json" with { type: "json" };\nimport { count } from "./count.js";',
      ),
      edit("README.md", "| `--help` | how to use it |", "| `--version` | the version |\n| `--help` | how to use it |"),
    ],
    [
      edit("src/run.js", '"--words"];', '"--version", "--words"];'),
      edit(
        "test/run.js",
        'test("an unknown option',
        'test("--version prints the version", () => assert.match(run(["--version"], read), /^\\d+\\.\\d+\\.\\d+\\n$/));\ntest("an unknown option',
      ),
    ],
    [
      edit(
        "src/run.js",
        '  if (args.includes("--help")) return HELP;',
        '  if (args.includes("--help")) return HELP;\n  if (args.includes("--version")) return manifest.version + "\\n";',
      ),
    ],
  ],
  did: "`tally --version` prints the version from `package.json`.",
  files: [
    { path: "src/run.js", what: "the option" },
    { path: "test/run.js", what: "a test for it" },
    { path: "README.md", what: "a line in the table" },
  ],
  isThere: (contents) => contents.includes('args.includes("--version")'),
  whenThere: "`tally --version` is there already.",
};

const CHARACTERS: Change = {
  read: ["AGENTS.md", "README.md", "src/run.js", "test/run.js"],
  says: "The options are read in `src/run.js`. I add `--characters` beside `--lines` and `--words`, with a test and a line in the README.",
  steps: [
    [
      edit("src/run.js", '["--help",', '["--characters", "--help",'),
      edit(
        "README.md",
        "| `--lines` | only the number of lines |",
        "| `--characters` | only the number of characters |\n| `--lines` | only the number of lines |",
      ),
    ],
    [
      edit("src/run.js", "tally [--lines", "tally [--characters | --lines"),
      edit(
        "test/run.js",
        'test("--lines prints',
        'test("--characters prints the characters", () => assert.equal(run(["--characters"], read), "14\\n"));\ntest("--lines prints',
      ),
    ],
    [
      edit(
        "src/run.js",
        '  if (args.includes("--lines"))',
        '  if (args.includes("--characters")) return characters + "\\n";\n  if (args.includes("--lines"))',
      ),
    ],
  ],
  did: "`tally --characters` prints just the number of characters.",
  files: [
    { path: "src/run.js", what: "the option, and its place in `--help`" },
    { path: "test/run.js", what: "a test for it" },
    { path: "README.md", what: "a line in the table" },
  ],
  isThere: (contents) => contents.includes('args.includes("--characters")'),
  whenThere: "`tally --characters` is there already.",
};

/** A note in DEMO.md with what was asked in the thread, oldest first. */
export function noteFor(prompts: string[]): Change {
  const lines = prompts.map(
    (prompt) =>
      `- ${
        prompt
          .replace(/<@\w+>/g, "")
          .trim()
          .split("\n")[0]
          ?.slice(0, 200) ?? ""
      }`,
  );
  const content = `# Asked of the demonstration model\n\n${lines.join("\n")}\n`;
  return {
    read: ["DEMO.md"],
    says: "I write down what was asked, as a change that can be seen.",
    steps: [[{ name: "write", args: { filePath: "DEMO.md", content } }]],
    did: "I wrote down what you asked.",
    files: [{ path: "DEMO.md", what: "what was asked in this thread" }],
    isThere: () => false,
    whenThere: "",
  };
}

/**
 * The change for a prompt in the sample repository: the option it speaks of; where the first prompt speaks of none, that of the
 * issue around it; else a note.
 */
export function changesFor(prompts: string[], context = ""): Change {
  const said = prompts.at(-1) ?? "";
  for (const text of prompts.length === 1 ? [said, context] : [said]) {
    if (/\bversion\b/i.test(text)) return VERSION;
    if (/--characters\b/i.test(text)) return CHARACTERS;
  }
  return noteFor(prompts);
}
