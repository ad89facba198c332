/** A question or permission ask of the agent, open or settled. Pure. */
import type { AskView, TurnView } from "../../protocol/view.ts";
import { clean } from "../redact.ts";
import type { Message } from "../surface.ts";
import { ASKS, settlementOf } from "../words.ts";
import { type CommentContent, comment, small } from "./content.ts";
import { code, fence, type Home, homeOf, line, mention } from "./escape.ts";
import { boxLine } from "./marker.ts";

/** The hour of a moment, in UTC: GitHub has no form for the reader's own. */
const clock = (at: number): string => `${new Date(at).toISOString().slice(11, 16)} UTC`;

function settled(ask: AskView, home: Home): string {
  const { text, answered } = settlementOf(ask);
  const when = ask.settledAt === null ? "" : ` · ${clock(ask.settledAt)}`;
  const by = ask.by ? line(ask.by.name ?? ask.by.id, 60, home) : "errand";
  return answered ? `☑️ **${line(text, 1_000, home)}** — ${by}${when}` : `${line(text, 1_000, home)}${when}`;
}

/** How it is answered: by a box, or in words. */
function how(ask: AskView, slug: string): string {
  const words = `reply with ${code(`@${slug} your answer`, 120)}`;
  if (ask.choices.length === 0) return `To answer, ${words}.`;
  return ask.freeText ? `Tick one, or ${words}.` : "Tick one.";
}

/** Renders the ask. While it is open it mentions the requester; then it says who answered what and when, without boxes. */
export function renderAsk(message: Extract<Message, { kind: "ask" }>, turn: TurnView, ask: AskView, slug: string): CommentContent {
  const home = homeOf(message.view);
  const title = line(ask.title, 2_000, home);
  const detail = clean(ask.detail ?? "").trim();
  const shown = detail === "" ? "" : fence(detail);
  if (ask.state !== "open") return comment([`The agent ${ASKS[ask.kind]}: **${title}**`, shown, settled(ask, home)]);
  const boxes = ask.choices.map((choice) => {
    const label = line(choice.label, 300, home) || "…";
    const described = choice.description ? ` — ${line(choice.description, 300, home)}` : "";
    return boxLine(`${label}${described}`, { kind: "choice", id: choice.id });
  });
  const who = mention(turn.who) ?? line(turn.who.name ?? turn.who.id, 100, home);
  return comment([`${who} 🟡 The agent ${ASKS[ask.kind]}: **${title}**`, shown, boxes.join("\n"), small([how(ask, slug)])]);
}
