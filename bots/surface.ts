/**
 * The contract of a surface: a place people talk to errand from. Each has receive.ts (native message → Request),
 * render.ts (Message → native content, pure) and deliver.ts (writes it and sorts the errors). The session core knows
 * only what is here, never a surface's own words.
 */
import type { View } from "../protocol/view.ts";

/** Addresses that messages link to. They name the session and hold no right. */
export type Links = {
  session: string;
  vscode: string;
  desktop: string;
  terminal: string;
  /** With a port at its end, what the agent serves there. */
  preview: string;
};

/** What errand wants to say in a thread. Rendered again whenever the view changes, until it is frozen. */
export type Message =
  /** The living message of a turn, from receipt to end. */
  | { kind: "progress"; turn: number; view: View; links: Links; now: number }
  /** The one reply at the end of a turn that says what came of it. Mentions the requester once. Its pull request's line is kept current. */
  | { kind: "final"; turn: number; view: View; links: Links }
  /** A question or permission ask; mentions the requester, has buttons, and later shows how it was settled. */
  | { kind: "ask"; turn: number; ask: string; view: View; links: Links }
  /** Something errand could do next, with a button to take it; later shows what became of it. */
  | { kind: "offer"; offer: string; view: View; links: Links }
  /** The turn's state beside the commit it works on, where a surface has such a place. */
  | { kind: "status"; turn: number; commit: string; view: View; links: Links }
  /** Where things stand, for somebody who asked: said once. */
  | { kind: "overview"; view: View; links: Links; now: number }
  /** A short remark outside any turn or about one: a place in the queue, a refusal and why. */
  | { kind: "note"; code: string; text: string; mention: string | null };
export type MessageKind = Message["kind"];

/** Native content, JSON-serialisable; only the surface that made it looks inside. */
export type Content = { [key: string]: unknown };

/** Where a message goes. `place` and `native` are the surface's own words, as its requests had them. */
export type Address = { thread: string; place: string | null; native: string | null };

/** Priority of a write, highest first: asks, then outcomes, errors, receipts, state changes, heartbeats. */
export const PRIORITIES = ["ask", "final", "note", "receipt", "state", "heartbeat"] as const;
export type Priority = (typeof PRIORITIES)[number];

/**
 * How a write ended. `sent`: applied, `id` names the native message. `wait`: not applied, try again after `ms`;
 * `method` is set when the limit holds for that method in the whole workspace. `unknown`: it may have been applied (time-out, lost
 * connection): look before posting again. `refused`: never going to work; `why` is for an operator. `gone`: the native message to edit is not there any more.
 */
export type Outcome =
  | { kind: "sent"; id: string }
  | { kind: "wait"; ms: number; method: string | null; why: string }
  | { kind: "unknown"; why: string }
  | { kind: "refused"; code: string; why: string }
  | { kind: "gone"; why: string };

/** What became of a look for a message that may have been posted. */
export type Found = { kind: "found"; id: string } | { kind: "absent" } | Extract<Outcome, { kind: "wait" | "unknown" | "refused" }>;

/** How often a living message is edited, in ms: at least `gap` between two edits, and text in progress `trailing` after it came. */
export type Pace = { gap: number; trailing: number };

export interface Surface {
  readonly name: "slack" | "github" | "page";
  /** Whether messages of this kind exist here; the others are not wanted at all. Pure. */
  shows(kind: MessageKind): boolean;
  /** How often a message is edited after its turn has run for `elapsed` ms. Pure. */
  pace(elapsed: number): Pace;
  /** Pure: what the message looks like on this surface. */
  render(message: Message): Content;
  /** Posts a new message in the thread, marked with `key` so that `find` can see it. */
  post(to: Address, key: string, content: Content): Promise<Outcome>;
  /** Replaces the whole content of a message of ours. */
  edit(to: Address, id: string, key: string, content: Content): Promise<Outcome>;
  /** Looks in the thread for a message of ours marked with `key`, which was to be posted with that content. `since`: not older than this, ms since 1970. */
  find(to: Address, key: string, since: number, content: Content): Promise<Found>;
  /** The workspace whose limits a write counts against, and the method's name there. */
  budget(to: Address, write: "post" | "edit" | "find"): { workspace: string; method: string; channel: string };
}
