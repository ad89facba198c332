/** The changes the demonstration knows: a `--version` option for the sample repository, and a note anywhere else. Pure. */
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
      edit("src/run.js", '["--help", "--lines", "--words"]', '["--help", "--lines", "--version", "--words"]'),
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

/** The change for a prompt in the sample repository: the one about the version, else a note. */
export function changesFor(prompts: string[]): Change {
  return /\bversion\b/i.test(prompts.at(-1) ?? "") ? VERSION : noteFor(prompts);
}
