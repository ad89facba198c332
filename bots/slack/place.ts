/** The parts that several messages share: where the work happens, the buttons that lead there, who is spoken to. Pure. */
import type { Person } from "../../protocol/request.ts";
import { isOver, type TurnView, type View } from "../../protocol/view.ts";
import { count } from "../format.ts";
import type { Links } from "../surface.ts";
import { missingServices, pullWords, repositoryName, SERVICES, type servedFor, type ToldPull } from "../words.ts";
import { ACTION } from "./actions.ts";
import { type Button, button, LIMIT, link } from "./blocks.ts";
import { code, href, line, mention } from "./escape.ts";

/** Repository, branch and model, each as code; empty texts where one is not known. */
export function whereabouts(view: View): string[] {
  return [
    view.repository ? code(repositoryName(view.repository), 300) : "no repository",
    view.branch && view.repository ? code(view.branch, 300) : "",
    code(view.model, 200),
  ].filter((part) => part !== "");
}

/** Who is spoken to: a mention where it is a person of this Slack, else the name. */
export function address(who: Person): string {
  return mention(who.id) ?? line(who.name ?? who.id, 200);
}

/** A pull request in one line: its link and, where that is kept current, its state and size and what its checks say; nothing for none. */
export function pullLine(told: ToldPull | null): string[] {
  if (told === null) return [];
  const { pull } = told;
  const { name, facts, checks, failing } = pullWords(told);
  const named = failing.slice(0, 5).map((check) => href(check.url, check.name, 100));
  const mark = { passing: ":white_check_mark: ", failing: ":x: ", pending: ":hourglass_flowing_sand: ", none: "" }[pull.checks.state];
  const said = checks === "" ? [] : [`${mark}${checks}${named.length > 0 ? `: ${named.join(", ")}` : ""}`];
  return [["*Pull request*", [href(pull.url, name, 200), ...facts, ...said].join(" · ")].join(" ")];
}

/** What was committed and could not be pushed, and what to do about it. */
export function pushFailureText(turn: TurnView): string[] {
  if (turn.pushFailure === null) return [];
  const { message, action } = turn.pushFailure;
  return [`:warning: *Not pushed:* ${line(message, 1_200)}${action ? `\n*What to do:* ${line(action, 1_200)}` : ""}`];
}

/** What the agent serves, each a link whose address names the port; nothing for nothing. */
export function servedLine({ rows, more }: ReturnType<typeof servedFor>, links: Links): string[] {
  if (rows.length === 0) return [];
  const named = rows.map(({ port, label }) => href(`${links.preview}${port}`, label, 100));
  return [`*Served:* ${[...named, more > 0 ? `and ${count(more, "more port")}` : ""].filter((part) => part !== "").join(" · ")}`];
}

/** One line about each service that is missing. */
export const missingLines = (view: View): string[] =>
  missingServices(view).map(({ labels, reason }) => `${labels.join(", ")} unavailable: ${line(reason, LIMIT.contextText - 100)}`);

/** Stop, while there is something to stop, and the ways into the sandbox that exist. */
export function buttons(view: View, turn: TurnView, links: Links): Button[] {
  const missing = new Set(missingServices(view).flatMap(({ labels }) => labels));
  const stop = isOver(turn.state) || turn.state === "stopping" ? [] : [button(ACTION.stop, "Stop", String(turn.id))];
  const opens = SERVICES.filter(({ label }) => !missing.has(label)).flatMap(({ service, label }) =>
    link(`${ACTION.open}_${service}`, label, links[service]),
  );
  return [...stop, ...opens, ...link(`${ACTION.open}_session`, "Session", links.session)];
}
