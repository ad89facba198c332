/** The parts that several messages share: where the work happens, the buttons that lead there, who is spoken to. Pure. */
import type { ServiceName } from "../../protocol/events.ts";
import type { Person } from "../../protocol/request.ts";
import { isOver, type TurnView, type View } from "../../protocol/view.ts";
import type { Links } from "../surface.ts";
import { ACTION } from "./actions.ts";
import { type Button, button, LIMIT, link } from "./blocks.ts";
import { code, line, mention } from "./escape.ts";

const SERVICES = [
  { service: "vscode", label: "VS Code" },
  { service: "desktop", label: "Desktop" },
  { service: "terminal", label: "Terminal" },
] as const satisfies { service: ServiceName; label: string }[];

/** A repository as people call it: the last two parts of its address. */
export function repositoryName(repository: string): string {
  const parts = repository
    .replace(/\.git$/, "")
    .replace(/\/+$/, "")
    .split(/[/:]/)
    .filter(Boolean);
  return parts.slice(-2).join("/") || repository;
}

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

/** Services that are known not to be there, with the reason. A sandbox that sleeps or was lost wakes at a click, so nothing is missing then. */
export function missingServices(view: View): { labels: string[]; reason: string }[] {
  if (view.sandbox.state === "none" || view.sandbox.state === "lost") return [];
  const byReason = new Map<string, string[]>();
  for (const { service, label } of SERVICES) {
    const state = view.sandbox.services[service];
    if (state?.state !== "unavailable") continue;
    const reason = state.reason ?? "no reason given";
    byReason.set(reason, [...(byReason.get(reason) ?? []), label]);
  }
  return [...byReason].map(([reason, labels]) => ({ labels, reason }));
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
