/** What errand's messages look like in Slack. Pure: the same message gives the same content. */
import type { Message } from "../surface.ts";
import { renderAsk } from "./ask.ts";
import { LIMIT, type SlackContent, section } from "./blocks.ts";
import { mention, within } from "./escape.ts";
import { renderFinal } from "./final.ts";
import { renderOffer } from "./offer.ts";
import { renderOverview } from "./overview.ts";
import { renderProgress } from "./progress.ts";

/** Renders a message within Slack's limits; nothing in it can mention anyone but those the message is for. */
export function renderSlack(message: Message): SlackContent {
  if (message.kind === "note") return renderNote(message);
  if (message.kind === "overview") return renderOverview(message);
  if (message.kind === "status") return gone(message.links.session);
  if (message.kind === "offer") {
    const offer = message.view.offers.find((candidate) => candidate.id === message.offer);
    return offer ? renderOffer(offer) : gone(message.links.session);
  }
  const turn = message.view.turns.find((candidate) => candidate.id === message.turn);
  if (!turn) return gone(message.links.session);
  if (message.kind === "progress") return renderProgress(message, turn);
  if (message.kind === "final") return renderFinal(message, turn);
  const ask = turn.asks.find((candidate) => candidate.id === message.ask);
  return ask ? renderAsk(message, turn, ask) : gone(message.links.session);
}

function renderNote({ text, mention: whom }: Extract<Message, { kind: "note" }>): SlackContent {
  const to = mention(whom);
  const said = `${to ? `${to} ` : ""}${within(text, LIMIT.section - 50).trim() || "…"}`;
  return { text: said, blocks: [section(said)] };
}

/** The view keeps only recent turns; a message of an older one says where the rest is. */
function gone(session: string): SlackContent {
  const text = `This is long past. <${session}|The session page> has all of it.`;
  return { text: "This is long past.", blocks: [section(text)] };
}
