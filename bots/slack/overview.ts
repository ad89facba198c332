/** The answer to who asks where things stand. Pure. */
import { count } from "../format.ts";
import { overviewOf } from "../overview.ts";
import type { Message } from "../surface.ts";
import { servedFor } from "../words.ts";
import { context, LIMIT, type SlackContent, section } from "./blocks.ts";
import { href, line } from "./escape.ts";
import { pullLine, servedLine, whereabouts } from "./place.ts";

/** Renders it: what runs, what waits, where the work is. It mentions nobody. */
export function renderOverview({ view, links, now }: Extract<Message, { kind: "overview" }>): SlackContent {
  const { head, turn, details, waiting, more } = overviewOf(view, now);
  const title = line(head, 600);
  const named = waiting.map((one) => `• “${line(one.prompt, 150)}”`);
  const rows = [
    `*${title}*`,
    turn === null ? "" : `“${line(turn.prompt, 200)}”, asked by ${line(turn.who.name ?? turn.who.id, 100)}`,
    ...details.map((text) => line(text, 300)),
    ...(named.length === 0 ? [] : [`*Waiting*`, ...named]),
    more > 0 ? `and ${count(more, "more request")}` : "",
  ].filter((row) => row !== "");
  return {
    text: line(head, LIMIT.text),
    blocks: [
      section(rows.join("\n")),
      ...pullLine(view.pull === null ? null : { pull: view.pull, current: true }).map(section),
      ...servedLine(servedFor(view, null), links).map(section),
      ...context([[...whereabouts(view), href(links.session, "The session page", 100)].join(" · ")]),
    ],
  };
}
