/** Something errand could do next, open or settled. Pure. */
import type { OfferView } from "../../protocol/view.ts";
import { offerWords, takeWords } from "../words.ts";
import { ACTION } from "./actions.ts";
import { actions, button, context, LIMIT, type SlackContent, section } from "./blocks.ts";
import { line, within } from "./escape.ts";
import { address } from "./place.ts";

/** Renders an offer: while it is open with a button to take it, then with what became of it. */
export function renderOffer(offer: OfferView): SlackContent {
  const open = offer.state === "open" && !offer.auto;
  const by = offer.state === "taken" && offer.by ? ` by ${address(offer.by)}` : "";
  const detail = within(offer.detail ?? "", LIMIT.section).trim();
  const title = line(offer.title, 2_000) || "Something to do next";
  return {
    text: title + (open ? "" : ` · ${offerWords(offer)}${by}`),
    blocks: [
      section(`*${title.replaceAll("*", "∗")}*`),
      ...(detail === "" ? [] : [section(detail)]),
      ...(open ? actions(`offer:${offer.id}`, [button(ACTION.take, takeWords(offer), offer.id)]) : context([`${offerWords(offer)}${by}`])),
    ],
  };
}
