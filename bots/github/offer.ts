/** Something errand could do next, open or settled. Pure. */
import type { OfferView } from "../../protocol/view.ts";
import { clean } from "../redact.ts";
import type { Message } from "../surface.ts";
import { offerWords, takeWords } from "../words.ts";
import { type CommentContent, comment, small } from "./content.ts";
import { code, homeOf, line } from "./escape.ts";
import { boxLine } from "./marker.ts";

/** Renders an offer: while it is open with a box to take it, then with what became of it. */
export function renderOffer(message: Extract<Message, { kind: "offer" }>, offer: OfferView, slug: string): CommentContent {
  const home = homeOf(message.view);
  const detail = clean(offer.detail ?? "")
    .split("\n")
    .map((row) => line(row, 1_000, home))
    .join("\n")
    .trim();
  const by = offer.state === "taken" && offer.by ? ` by ${line(offer.by.name ?? offer.by.id, 60, home)}` : "";
  const open = offer.state === "open" && !offer.auto;
  return comment([
    `### 🔧 ${line(offer.title, 500, home) || "Something to do next"}`,
    detail,
    open ? boxLine(line(takeWords(offer), 100, home), { kind: "take" }) : `☑️ ${offerWords(offer)}${by}`,
    open ? small([`Tick it, or reply with ${code(`@${slug} fix ci`, 120)}.`]) : "",
  ]);
}
