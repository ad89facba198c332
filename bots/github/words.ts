/** Words that speak to errand, made into requests, whatever delivery tells of them. Pure. */
import type { Request } from "../../protocol/request.ts";
import { forkOf } from "./context.ts";
import { accountOf, base, type Delivery, gateOf, heard, ignored } from "./delivery.ts";
import type { PullRequest, Told } from "./events.ts";
import { type Said, saidTo } from "./heard.ts";
import type { Ack, Needs, Seen, Verdict } from "./verdict.ts";

/** The words that a delivery is about: where they stand, and what names them in every delivery that tells of them. */
export type Words = {
  about: Told["repository"];
  number: number;
  at: number;
  contentKey: string;
  ack: Ack | null;
  needs: Needs;
  seen: Seen;
  /** The place of the answer. */
  place?: string;
  /** What is asked for is more than these words: `complete` has the rest. */
  partly: boolean;
};

/** The request that the words make. */
export function asked(said: Exclude<Said, { kind: "nothing" }>, words: Words, delivery: Delivery): Verdict {
  const { about, number, at, contentKey, ack, needs, seen, place, partly } = words;
  const common = { ...base(about, number, at, delivery), ...(place === undefined ? {} : { place }) };
  const rest = { gate: gateOf(about), ack };
  if (said.kind === "command" && said.command !== "help") return heard({ kind: said.command, ...common }, rest);
  const prompt = { kind: "prompt", ...common, joins: false } as const;
  // A prompt without a text is answered with how errand is used; when a task is written in its place, that is a new prompt.
  if (said.kind === "command" || (said.text === "" && !partly))
    // It may begin the session, so where the work is to be is found out all the same.
    return heard(
      { ...prompt, contentKey: `${contentKey}:help`, text: "", options: {} },
      { ...rest, needs: { ...needs, reviews: null, comments: null }, seen },
    );
  return heard({ ...prompt, contentKey, text: said.text, options: said.options }, { ...rest, needs, seen });
}

/** What new words are. */
export function created(md: string | null | undefined, words: Words, delivery: Delivery): Verdict {
  const said = saidTo(md ?? "", delivery.self.slug);
  return said.kind === "nothing" ? ignored("does not speak to errand") : asked(said, words, delivery);
}

/** What a change of words is: a request where they speak to us only now, a change of the request that they made, or nothing. */
export function edited(before: Said, after: Said, words: Words, delivery: Delivery): Verdict {
  const wasPrompt = before.kind === "prompt" && (before.text !== "" || words.partly);
  if (after.kind === "nothing" && !wasPrompt) return ignored("does not speak to errand");
  if (JSON.stringify(before) === JSON.stringify(after)) return ignored("what was asked did not change");
  if (after.kind === "command" || (after.kind === "prompt" && !wasPrompt)) return asked(after, words, delivery);
  const { about, number, at, contentKey, needs, seen, partly } = words;
  // Without a text, a prompt that has not begun is withdrawn.
  const { text, options } = after.kind === "prompt" ? after : { text: "", options: {} };
  const edit: Request = { kind: "edit", ...base(about, number, at, delivery), contentKey, text, options };
  return heard(edit, { gate: gateOf(about), ...(partly ? { needs: { ...needs, pull: null, author: null, comments: null }, seen } : {}) });
}

/** An edit by somebody else than the author lends nobody's words that person's rights. */
export function changedByAuthor(
  told: Told["comment"] | Told["line"] | Told["review"],
  author: { id: number } | null | undefined,
): string | null {
  if (told.changes?.body?.from == null) return "the text did not change";
  return author?.id === told.sender.id ? null : "edited by somebody else than its author";
}

/** A time of GitHub's as ms since 1970; 0 where it is none. */
export const millis = (time: string | null | undefined): number => {
  const ms = Date.parse(time ?? "");
  return Number.isFinite(ms) && ms > 0 ? ms : 0;
};
/** The needs of a request that has all it needs. */
export const needsNothing = (at: number): Needs => ({ pull: null, author: null, reviews: null, comments: null, at });
/** A content key: `rest` names something within the repository. */
export const keyOf = (about: Told["repository"], rest: string) => `github:${about.repository.id}:${rest}`;

/** The issue or pull request that a thread is the conversation of. */
export function subjectOf(
  kind: "issue" | "pull",
  {
    number,
    title,
    body,
    user,
  }: { number: number; title: string; body?: string | null | undefined; user?: { login: string } | null | undefined },
): Seen["subject"] {
  return { kind, number, title, body: body ?? "", by: user?.login ?? "ghost" };
}

/** What the words of a delivery that tells its pull request whole have in common. */
export function pullWords(about: Told["repository"], pull: PullRequest, at: number, slug: string) {
  // What the sender wrote, the gate has looked at.
  const stranger = forkOf(pull, about.repository.full_name) !== null && pull.user?.id !== about.sender.id;
  return {
    about,
    number: pull.number,
    at,
    needs: { ...needsNothing(at), author: stranger ? accountOf(pull.user) : null },
    seen: {
      slug,
      repository: about.repository.full_name,
      subject: subjectOf("pull", pull),
      pull,
      from: { kind: "subject" } as Seen["from"],
    },
    partly: true,
  };
}
