/** What errand's messages are on GitHub, and the parts that several of them share. Pure. */
import { isOver, type TurnView, type View } from "../../protocol/view.ts";
import { count } from "../format.ts";
import type { Links } from "../surface.ts";
import { missingServices, pullWords, SERVICES, type servedFor, type ToldPull } from "../words.ts";
import { code, type Home, line, link } from "./escape.ts";

/**
 * A comment. GitHub takes 65,536 characters; what is rendered here has at most `MAX_BODY`, marks included. `WAYS` in the body is replaced
 * by `ways` where the repository is private and by nothing where it is public: the ways into a sandbox are not for everybody to see.
 */
export type CommentContent = { kind: "comment"; body: string; ways: string };

/** A check run beside a commit. */
export type CheckContent = {
  kind: "check";
  commit: string;
  status: "queued" | "in_progress" | "completed";
  conclusion: "success" | "neutral" | null;
  /** ISO 8601. */
  startedAt: string | null;
  completedAt: string | null;
  detailsUrl: string;
  title: string;
  summary: string;
  actions: { label: string; description: string; identifier: string }[];
};

/** The most characters and UTF-8 bytes of a comment: GitHub refuses more than 65,536 characters, and what is added when it is sent needs room. */
export const MAX_BODY = 60_000;
/** Where the ways into the sandbox stand. No text of people or models has HTML comments, so there is one at most. */
export const WAYS = "<!-- errand:ways -->";

const utf8 = new TextEncoder();
/** The size that counts against `MAX_BODY`. */
export const sizeOf = (text: string): number => Math.max(text.length, utf8.encode(text).length);

/** A comment of these parts, with an empty line between; empty parts are left out. */
export function comment(parts: readonly string[], ways = ""): CommentContent {
  return { kind: "comment", body: parts.filter((part) => part !== "").join("\n\n"), ways };
}

/** What the agent serves, in words. */
type Served = ReturnType<typeof servedFor>;

const WAY = { vscode: "vscode", desktop: "desktop", terminal: "terminal" } as const;

/** The link to the session's page, the same for everybody, and the place of the ways into its sandbox. */
export const viewLink = (links: Links): string => `${link("Live view", links.session)}${WAYS}`;

/** The ways into the sandbox that are there, and to what is served in it. */
export function waysOf(view: View, links: Links, served: Served, home: Home): string {
  const missing = new Set(missingServices(view).flatMap(({ labels }) => labels));
  const services = SERVICES.filter(({ label }) => !missing.has(label)).map(
    ({ service, label }) => ` · ${link(label, links[WAY[service]])}`,
  );
  return `${services.join("")}${servedWays(served, links, home)}`;
}

/** Of what is served a line of its own; empty for nothing. */
export function servedWays({ rows, more }: Served, links: Links, home: Home): string {
  if (rows.length === 0) return "";
  const named = rows.map(({ port, label }) => link(line(label, 100, home), `${links.preview}${port}`));
  return `  \n**Served** ${[...named, more > 0 ? `and ${count(more, "more port")}` : ""].filter((part) => part !== "").join(" · ")}`;
}

/** One line about each service that is missing. */
export const missingLines = (view: View, home: Home): string[] =>
  missingServices(view).map(({ labels, reason }) => `${labels.join(", ")} unavailable: ${line(reason, 300, home)}`);

const CHECK_MARK = { none: "", pending: "⏳ ", passing: "✅ ", failing: "❌ " } as const;

/** A pull request in one line: its link and, where that is kept current, its state and size and what its checks say; empty for none. */
export function pullLine(told: ToldPull | null, home: Home): string {
  if (told === null) return "";
  const { pull } = told;
  const { name, facts, checks, failing } = pullWords(told);
  const named = failing.slice(0, 5).map((check) => link(line(check.name, 100, home) || "check", check.url));
  const said = checks === "" ? [] : [`${CHECK_MARK[pull.checks.state]}${checks}${named.length > 0 ? `: ${named.join(", ")}` : ""}`];
  return `**Pull request** ${[link(line(name, 200, home), pull.url), ...facts, ...said].join(" · ")}`;
}

/** What was committed and could not be pushed, as a box that is not overlooked. */
export function pushFailure(turn: TurnView, home: Home): string {
  if (turn.pushFailure === null) return "";
  const { message, action } = turn.pushFailure;
  const rows = ["[!WARNING]", `**Not pushed:** ${line(message, 1_500, home)}`];
  if (action) rows.push("", `**What to do:** ${line(action, 1_500, home)}`);
  return rows.map((row) => `> ${row}`.trimEnd()).join("\n");
}

/** The request, quoted in one line. */
export const quoted = (turn: TurnView, max: number, home: Home): string => `> ${line(turn.prompt, max, home) || "…"}`;

/** Something folded. `summary` is escaped text without Markdown. Empty for no content. */
export const folded = (summary: string, content: string): string =>
  content === "" ? "" : `<details><summary>${summary}</summary>\n\n${content}\n\n</details>`;

/** Small print. */
export const small = (parts: readonly string[]): string => {
  const said = parts.filter((part) => part !== "").join(" · ");
  return said === "" ? "" : `<sub>${said}</sub>`;
};

const STATE_MARK: Record<TurnView["state"], string> = {
  queued: "⏳",
  starting: "⏳",
  working: "⏳",
  waiting: "🟡",
  stopping: "⏹️",
  done: "✅",
  failed: "❌",
  stopped: "⏹️",
  withdrawn: "⏹️",
};
/** The sign of a turn's state. */
export const markOf = (turn: TurnView): string => STATE_MARK[turn.state];

/** The branch that the work is on; empty where there is no repository. */
export const branchOf = (view: View): string => (view.repository && view.branch ? code(view.branch, 255) : "");

/** Whether somebody can still end the turn. */
export const stoppable = (turn: TurnView): boolean => !isOver(turn.state) && turn.state !== "stopping";
