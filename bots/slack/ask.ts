/** A question or permission ask of the agent, open or settled. Pure. */
import type { AskView, TurnView } from "../../protocol/view.ts";
import { clean } from "../redact.ts";
import type { Message } from "../surface.ts";
import { ASKS, settlementOf } from "../words.ts";
import { ACTION, blockOfAsk } from "./actions.ts";
import {
  actions,
  type Block,
  type Button,
  button,
  context,
  LIMIT,
  preformatted,
  type Select,
  type SlackContent,
  section,
} from "./blocks.ts";
import { line, plain, within } from "./escape.ts";
import { address } from "./place.ts";

/** Choices that get a button of their own; the others are in a list beside them. */
const BUTTONS = 4;
/** Characters of the detail that are shown. */
const DETAIL = 2_800;

/** The words of an ask: what it is, its detail word by word, and its choices where buttons alone would not say them. */
function asked(ask: AskView, session: string): Block[] {
  const detail = clean(ask.detail ?? "").trim();
  const shown = detail.length > DETAIL ? `${detail.slice(0, DETAIL).replace(/\p{Cs}$/u, "")}\n…` : detail;
  const cut = detail.length > DETAIL ? [`Shown: the first ${DETAIL} of ${detail.length} characters. <${session}|Read all of it>`] : [];
  const explained = ask.choices.some((choice) => choice.description) || ask.choices.length > BUTTONS;
  const rows = ask.choices.map(
    (choice) => `• *${line(choice.label, 150).replaceAll("*", "∗")}*${choice.description ? ` — ${line(choice.description, 200)}` : ""}`,
  );
  return [...(shown === "" ? [] : [preformatted(shown)]), ...context(cut), ...(explained ? chunks(rows).map((text) => section(text)) : [])];
}

function chunks(rows: string[]): string[] {
  const out: string[] = [];
  for (const row of rows) {
    const last = out.at(-1);
    if (last !== undefined && last.length + row.length + 1 <= LIMIT.section) out[out.length - 1] = `${last}\n${row}`;
    else out.push(row.slice(0, LIMIT.section));
  }
  return out;
}

/** What can be clicked. A choice whose id does not within into Slack's limits can still be answered in words. */
function choices(ask: AskView): (Button | Select)[] {
  const buttons = ask.choices.slice(0, BUTTONS).map((choice, index) => ({
    ...button(`${ACTION.choice}:${index}`, plain(choice.label, LIMIT.buttonText) || "…", choice.id),
    // The harmless choice of a permission comes first and is the one to find quickly.
    ...(ask.kind === "permission" && index === 0 ? ({ style: "primary" } as const) : {}),
  }));
  const options = ask.choices
    .slice(BUTTONS)
    .filter((choice) => choice.id !== "" && choice.id.length <= LIMIT.optionValue)
    .map((choice) => ({ text: { type: "plain_text" as const, text: plain(choice.label, LIMIT.buttonText) || "…" }, value: choice.id }));
  if (options.length === 0) return buttons;
  return [
    ...buttons,
    { type: "static_select", action_id: ACTION.choose, placeholder: { type: "plain_text", text: "More choices" }, options },
  ];
}

/** A time in the reader's own zone, with a text for clients that cannot. */
function clock(at: number): string {
  const utc = new Date(at).toISOString().slice(11, 16);
  return `<!date^${Math.floor(at / 1000)}^{time}|${utc} UTC>`;
}

function settled(ask: AskView): string {
  const { text, answered } = settlementOf(ask);
  const when = ask.settledAt === null ? "" : ` · ${clock(ask.settledAt)}`;
  const said = line(text, 1_000);
  return answered ? `*${said}* — ${ask.by ? address(ask.by) : "errand"}${when}` : `${said}${when}`;
}

/** Renders the ask. While it is open it mentions the requester; then it says who answered what and when, without buttons. */
export function renderAsk(message: Extract<Message, { kind: "ask" }>, turn: TurnView, ask: AskView): SlackContent {
  const { links } = message;
  const title = within(ask.title, 2_000);
  if (ask.state !== "open") {
    const record = settled(ask);
    const plain = record.replace(/<!date\^\d+\^\{time\}\|([^>]*)>/, "$1");
    return { text: `${line(ask.title, 1_500)} · ${plain}`, blocks: [section(title), ...asked(ask, links.session), section(record)] };
  }
  const who = address(turn.who);
  const lead = `${who} The agent ${ASKS[ask.kind]}: ${title}`;
  const how = ask.freeText ? (ask.choices.length > 0 ? "Choose, or reply in this thread." : "Reply in this thread to answer.") : "";
  const blocks = [section(lead), ...asked(ask, links.session), ...actions(blockOfAsk(turn.id, ask.id), choices(ask)), ...context([how])];
  return { text: `${lead}${ask.detail ? `\n${within(ask.detail, 1_000)}` : ""}`, blocks };
}
