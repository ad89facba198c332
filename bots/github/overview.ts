/** The answer to who asks where things stand. It notifies nobody. Pure. */
import { count } from "../format.ts";
import { overviewOf } from "../overview.ts";
import type { Message } from "../surface.ts";
import { servedFor } from "../words.ts";
import { branchOf, type CommentContent, comment, markOf, pullLine, quoted, servedWays, WAYS } from "./content.ts";
import { homeOf, line, link } from "./escape.ts";

/** Renders it: what runs, what waits, where the work is. */
export function renderOverview({ view, links, now }: Extract<Message, { kind: "overview" }>): CommentContent {
  const home = homeOf(view);
  const { head, turn, details, waiting, more } = overviewOf(view, now);
  const branch = branchOf(view);
  const asker = turn === null ? "" : `, asked by ${line(turn.who.name ?? turn.who.id, 60, home)}`;
  const served = servedWays(servedFor(view, null), links, home);
  const parts = [
    `**${turn === null ? "" : `${markOf(turn)} `}${line(head, 600, home)}**${asker}${turn === null ? "" : `\n${quoted(turn, 160, home)}`}`,
    details.map((text) => `⚙️ ${line(text, 300, home)}`).join("  \n"),
    waiting.length === 0 ? "" : ["**Waiting**", "", ...waiting.map((one) => `- ${line(one.prompt, 160, home) || "…"}`)].join("\n"),
    more > 0 ? `and ${count(more, "more request")}` : "",
    [
      pullLine(view.pull === null ? null : { pull: view.pull, current: true }, home),
      `${branch === "" ? "" : `**Branch** ${branch} · `}${link("Session page", links.session)}${served === "" ? "" : WAYS}`,
    ]
      .filter((part) => part !== "")
      .join("  \n"),
  ];
  return comment(parts, served);
}
