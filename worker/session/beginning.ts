/** Where the work of a session happens: its repository, its branch, and what of a request's options changes nothing. Pure. */
import type { About, Options } from "../../protocol/request.ts";
import type { View } from "../../protocol/view.ts";
import { isSameRepository } from "./repository.ts";

/** Longest readable part of a branch's name. */
const SLUG = 40;

/** A text as part of a branch's name: small letters, digits and hyphens; empty where nothing of that is left. */
export function slug(text: string): string {
  const plain = text
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
  return plain.length <= SLUG ? plain : plain.slice(0, plain.lastIndexOf("-", SLUG) > SLUG / 2 ? plain.lastIndexOf("-", SLUG) : SLUG);
}

/** The branch of a session: what it is about, and enough of its id that no two meet. `again`: how many were before it. */
export function branchName(what: { number: number | null; title: string }, session: string, again = 0): string {
  const parts = [
    what.number === null ? "" : String(what.number),
    slug(what.title),
    session.slice(0, 4),
    again > 0 ? String(again + 1) : "",
  ];
  return `errand/${parts.filter((part) => part !== "").join("-")}`;
}

/** Where a session's work is to happen, from its first request. `pull`: the pull request it works on. */
export function placeOf(
  request: { text: string; options: Options; about?: About | undefined },
  session: string,
  defaults: { repository: string | null; base: string | null },
): { repository: string | null; branch: string; pull: About["pull"] } {
  const { options, about } = request;
  const elsewhere = options.repository !== undefined && !isSameRepository(options.repository, about?.repository ?? null, defaults.base);
  const repository = options.repository ?? about?.repository ?? defaults.repository;
  const pull = elsewhere ? null : (about?.pull ?? null);
  // What a fork's author pushed can't be pushed to: the work goes to a branch of the repository itself.
  if (pull && pull.fork === null) return { repository, branch: pull.branch, pull };
  const title = about?.title ?? request.text;
  return { repository, branch: branchName({ number: about?.number ?? null, title }, session), pull };
}

/** What of a request's options changes nothing, and why; null where all are used. */
export function unusedOptions({ branch, model }: Options, view: View): string | null {
  const lines: string[] = [];
  if (model !== undefined && model !== view.model) lines.push(`\`model=${model}\` is not used: the model here is \`${view.model}\`.`);
  if (branch !== undefined && view.base !== null && branch !== view.base && branch !== view.branch) {
    const began = view.base === "" ? "began empty" : `began at \`${view.base}\``;
    lines.push(`\`branch=${branch}\` is not used: this thread's workspace ${began}. To begin elsewhere, mention me in a new thread.`);
  }
  return lines.length > 0 ? lines.join(" ") : null;
}
