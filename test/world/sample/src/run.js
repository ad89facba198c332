import { count } from "./count.js";

const HELP = `Usage: tally [--lines | --words] [file]
Counts the lines, words and characters of a file, or of what comes in.
`;

const OPTIONS = ["--help", "--lines", "--words"];

/** What the command prints for its arguments. `read` gives the text of a file, or of standard input for 0. */
export function run(args, read) {
  const unknown = args.find((arg) => arg.startsWith("--") && !OPTIONS.includes(arg));
  if (unknown) throw new Error(`unknown option ${unknown}, try --help`);
  if (args.includes("--help")) return HELP;
  const { lines, words, characters } = count(read(args.find((arg) => !arg.startsWith("--")) ?? 0));
  if (args.includes("--lines")) return `${lines}\n`;
  if (args.includes("--words")) return `${words}\n`;
  return `${lines} lines, ${words} words, ${characters} characters\n`;
}
