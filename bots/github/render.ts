/** What errand's messages look like on GitHub. Pure: the same message gives the same content. */
import type { Message } from "../surface.ts";
import { renderAsk } from "./ask.ts";
import { type CheckContent, type CommentContent, comment } from "./content.ts";
import { link } from "./escape.ts";
import { renderFinal } from "./final.ts";
import { renderNote } from "./note.ts";
import { renderOffer } from "./offer.ts";
import { renderOverview } from "./overview.ts";
import { renderProgress } from "./progress.ts";
import { renderStatus } from "./status.ts";

/** Renders a message within GitHub's limits; nothing in it can mention anyone but the one it is for. `slug`: the name errand is called by. */
export function renderGitHub(message: Message, slug: string): CommentContent | CheckContent {
  if (message.kind === "note") return renderNote(message, slug);
  if (message.kind === "overview") return renderOverview(message);
  if (message.kind === "offer") {
    const offer = message.view.offers.find((candidate) => candidate.id === message.offer);
    return offer ? renderOffer(message, offer, slug) : past(message.links.session);
  }
  const turn = message.view.turns.find((candidate) => candidate.id === message.turn);
  if (message.kind === "status") return turn ? renderStatus(message, turn) : pastCheck(message);
  if (!turn) return past(message.links.session);
  if (message.kind === "progress") return renderProgress(message, turn);
  if (message.kind === "final") return renderFinal(message, turn, slug);
  const ask = turn.asks.find((candidate) => candidate.id === message.ask);
  return ask ? renderAsk(message, turn, ask, slug) : past(message.links.session);
}

/** The view keeps only recent turns; a message of an older one says where the rest is. */
function past(session: string): CommentContent {
  return comment([`This is long past. ${link("The session page", session)} has all of it.`]);
}

function pastCheck({ commit, links }: Extract<Message, { kind: "status" }>): CheckContent {
  return {
    kind: "check",
    commit,
    status: "completed",
    conclusion: "neutral",
    startedAt: null,
    completedAt: null,
    detailsUrl: links.session,
    title: "Long past",
    summary: "The session page has all of it.",
    actions: [],
  };
}
