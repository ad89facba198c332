/** One short human line for a tool call, and the end of its output. Pure. */
import type { ToolState } from "./opencode-types.ts";

const TITLE_LIMIT = 120;
const OUTPUT_LIMIT = 2_000;

/** Tools whose effect is told by an event of its own: the plan, the ask. They are no steps of their own for a reader. */
export const SILENT_TOOLS: ReadonlySet<string> = new Set(["todowrite", "todoread", "question"]);

/** A line such as "Run `npm test`" or "Edit src/a.ts". Paths are given relative to `workspace`. */
export function titleOf(tool: string, state: Pick<ToolState, "input" | "title">, workspace: string): string {
  return cut(line(tool, state, workspace), TITLE_LIMIT);
}

function line(tool: string, state: Pick<ToolState, "input" | "title">, workspace: string): string {
  const text = (key: string): string => {
    const value = state.input[key];
    return typeof value === "string" ? value.trim() : "";
  };
  const path = (key: string): string => relative(text(key), workspace);
  switch (tool) {
    case "bash":
      return text("command") === "" ? "Run a command" : `Run \`${cut(firstLine(text("command")), TITLE_LIMIT - 6)}\``;
    case "read":
      return `Read ${path("filePath")}`;
    case "write":
      return `Write ${path("filePath")}`;
    case "edit":
      return `Edit ${path("filePath")}`;
    case "apply_patch":
      return `Edit ${patchedFiles(text("patchText"), workspace)}`;
    case "glob":
      return `Find files \`${text("pattern")}\``;
    case "grep":
      return `Search for \`${text("pattern")}\``;
    case "task":
      return `Subagent: ${text("description") || text("subagent_type")}`;
    case "webfetch":
      return `Fetch ${text("url")}`;
    case "skill":
      return `Use the skill ${text("name")}`;
    case "invalid":
      return `Call of an unknown tool ${text("tool")}`.trimEnd();
    default:
      return state.title === undefined || state.title === "" ? tool : `${tool}: ${state.title}`;
  }
}

/** The last 2 kB of what a tool gave back, or of its error; undefined when there is nothing. */
export function outputOf(state: ToolState): string | undefined {
  const live = state.metadata?.output;
  const text = (state.error ?? state.output ?? (typeof live === "string" ? live : "")).trimEnd();
  if (text === "") return undefined;
  return text.length <= OUTPUT_LIMIT ? text : `…${text.slice(-(OUTPUT_LIMIT - 1))}`;
}

/** The exit code of a command; null when it was aborted, undefined for a tool that has none. */
export function exitOf(state: ToolState): number | null | undefined {
  const exit = state.metadata?.exit;
  return typeof exit === "number" ? Math.trunc(exit) : exit === null ? null : undefined;
}

function patchedFiles(patch: string, workspace: string): string {
  const files = [...patch.matchAll(/^\*\*\* (?:Add|Update|Delete) File: (.+)$/gm)].map((match) => relative(match[1] ?? "", workspace));
  return files.length === 0 ? "files" : files.join(", ");
}

function relative(path: string, workspace: string): string {
  return path.startsWith(`${workspace}/`) ? path.slice(workspace.length + 1) : path;
}

function firstLine(text: string): string {
  const newline = text.indexOf("\n");
  return newline < 0 ? text : `${text.slice(0, newline).trimEnd()} …`;
}

function cut(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;
}
