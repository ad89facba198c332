/** What somebody says to a session by page or API, as a request to its object. Pure. */
import type { FromClient } from "../../protocol/client.ts";
import type { Options, Person, Request } from "../../protocol/request.ts";
import { threadKey } from "../../protocol/thread.ts";

/** The first prompt of a new session. Sent twice with the same id, it is one delivery. `now` in ms since 1970. */
export function opening(id: string, text: string, options: Options, who: Person, now: number): Request {
  const thread = threadKey({ surface: "page", id });
  return {
    kind: "prompt",
    deliveryId: `${thread}:first`,
    contentKey: `${thread}:first`,
    thread,
    who,
    at: now,
    text,
    options,
    joins: false,
  };
}

/** A prompt, stop, answer or taken offer to a session whose thread is known. The client's id makes the delivery's, so a repeat is dropped. */
export function said(message: FromClient, thread: string, who: Person, now: number): Request {
  const base = { deliveryId: `page:${who.id}:${message.id}`, thread, who, at: now };
  switch (message.t) {
    case "prompt":
      return { kind: "prompt", ...base, contentKey: base.deliveryId, text: message.text, options: {}, joins: false };
    case "stop":
      return { kind: "stop", ...base, ...(message.turn === undefined ? {} : { turn: message.turn }) };
    case "answer":
      return {
        kind: "answer",
        ...base,
        ask: message.ask,
        ...(message.choice === undefined ? {} : { choice: message.choice }),
        ...(message.text === undefined ? {} : { text: message.text }),
      };
    case "take":
      return { kind: "take", ...base, ...(message.offer === undefined ? {} : { offer: message.offer }) };
  }
}

/** What is missing in a message that has the right form but says nothing, or null. */
export function emptiness(message: FromClient): string | null {
  if (message.t === "prompt" && message.text.trim() === "") return "text: say what is to be done";
  if (message.t === "answer" && message.choice === undefined && (message.text ?? "").trim() === "")
    return "choice or text: an answer needs one of them";
  return null;
}
