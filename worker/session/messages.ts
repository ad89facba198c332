/** Which message a row of the outbox stands for. Pure. */
import type { Links, Message } from "../../bots/surface.ts";
import type { View } from "../../protocol/view.ts";
import type { Row } from "./delivery.ts";

/** The addresses messages link to. */
export function linksOf(origin: string, session: string): Links {
  const open = (service: string) => `${origin}/s/${session}/open/${service}`;
  return {
    session: `${origin}/s/${session}`,
    vscode: open("vscode"),
    desktop: open("desktop"),
    terminal: open("terminal"),
    preview: `${open("preview")}/`,
  };
}

/** The message of a row, or undefined when the view no longer knows what it was about. */
export function messageOf(row: Row, view: View, links: Links, now: number): Message | undefined {
  if (row.kind === "note") return { kind: "note", ...(JSON.parse(row.ref) as { code: string; text: string; mention: string | null }) };
  if (row.kind === "overview") return { kind: "overview", view, links, now };
  if (row.kind === "offer")
    return view.offers.some((offer) => offer.id === row.ref) ? { kind: "offer", offer: row.ref, view, links } : undefined;
  const turn = view.turns.find((candidate) => candidate.id === row.turn);
  if (!turn) return undefined;
  if (row.kind === "status") return { kind: "status", turn: turn.id, commit: row.ref, view, links };
  if (row.kind === "progress") return { kind: "progress", turn: turn.id, view, links, now };
  if (row.kind === "final") return { kind: "final", turn: turn.id, view, links };
  return turn.asks.some((ask) => ask.id === row.ref) ? { kind: "ask", turn: turn.id, ask: row.ref, view, links } : undefined;
}
