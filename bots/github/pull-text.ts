/**
 * Title and body of a pull request that errand opened, from the view. In the body errand's words stand between two marks and only what
 * is between them is ever replaced: the rest is the repository's template and what people wrote. A title is errand's as long as it is
 * the one the marks tell of. Pure.
 */
import type { Person } from "../../protocol/request.ts";
import { answerOf, isOver, type TurnView, type View, wasRefused } from "../../protocol/view.ts";
import { clean } from "../redact.ts";
import { splitMarkdown } from "../split.ts";
import type { Links } from "../surface.ts";
import { type Home, homeOf, line, link, markdown, mention } from "./escape.ts";

/** What the text needs to know beside the view. */
export type PullFacts = {
  /** What the session is about, where it is of the repository the pull request is for: an issue, or a pull request that it can't push to. */
  issue: { number: number; title: string; isPull?: boolean } | null;
  /** Whether it asks to merge into the default branch: only then GitHub closes an issue by it. */
  ontoDefault: boolean;
  webUrl: string;
};

const BEGIN = "<!-- errand:begin -->";
const END = "<!-- errand:end -->";
const READIED = "<!-- errand:readied -->";

/** GitHub takes 256 characters of title and 65,536 of body; both are kept well under, since a template joins the body. */
const TITLE = 120;
const ANSWER = 16_000;
const LATER_ANSWER = 2_500;
/** Later turns told of, the newest. */
const LATER = 6;
const TEMPLATE = 16_000;

const encode = (text: string): string => encodeURIComponent(text.toWellFormed()).replaceAll("-", "%2D");
const titleMark = (title: string): string => `<!-- errand:title=${encode(title)} -->`;

/** One line of plain text, cut between words. */
function cut(text: string, max: number): string {
  const row = clean(text).replace(/\s+/g, " ").trim();
  if (row.length <= max) return row;
  const space = row.lastIndexOf(" ", max - 1);
  return `${row
    .slice(0, space > max / 2 ? space : max - 1)
    .toWellFormed()
    .replace(/[\s,.;:\uFFFD]+$/, "")}…`;
}

/** The first request that was not refused; undefined where the view does not hold it any more. */
const firstOf = (view: View): TurnView | undefined => (view.turns[0]?.id === 1 ? view.turns.find((turn) => !wasRefused(turn)) : undefined);

/** The title: the issue's, or what was asked for first; null where the view does not hold that any more. Titles are plain text on GitHub. */
export function pullTitle(view: View, issue: PullFacts["issue"]): string | null {
  const first = firstOf(view);
  const asked = first?.prompt.split("\n").find((row) => /[\p{L}\p{N}]/u.test(row));
  const title = cut((issue?.title ?? asked ?? "").replace(/^[#>*\-\s]+/, ""), TITLE);
  if (title !== "") return title;
  return first ? cut(`Changes on ${view.branch}`, TITLE) : null;
}

/** Who asked for it: a link where they are on this forge, since a mention would notify them. */
function named(who: Person, home: Home, webUrl: string): string {
  const login = mention(who)?.slice(1);
  return login === undefined ? line(who.name ?? "a person", 100, home) : link(login, `${webUrl}/${login}`);
}

/**
 * "Fixes #1" in somebody's words would close that issue on merge. A word joiner between the sign and the number ends the reference and
 * is not seen.
 */
const closing = (text: string): string =>
  text.replace(
    /\b((?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)\b:?\s{1,10})((?:[\w.-]{1,100}\/[\w.-]{1,100})?#|GH-|https?:\/\/)(?=\w)/gi,
    (_all, word: string, sign: string) => `${word}${sign}\u2060`,
  );

function answer(turn: TurnView, max: number, home: Home, session: string): string {
  const { pieces, whole } = splitMarkdown(closing(markdown(answerOf(turn), home)), max, 1);
  return `${pieces[0] ?? ""}${whole ? "" : `\n\n… ${link("The rest", session)} is on the session's page.`}`;
}

function summary(view: View, links: Links): string {
  const pushed = view.turns.filter((turn) => turn.pushed !== null);
  const [first, ...later] = pushed.length > 0 ? pushed : view.turns.filter((turn) => !wasRefused(turn)).slice(-1);
  if (!first) return "";
  const home = homeOf(view);
  const parts = isOver(first.state) ? [answer(first, ANSWER, home, links.session)] : ["*errand is still working on this.*"];
  for (const turn of later.slice(-LATER)) {
    const text = isOver(turn.state) ? answer(turn, LATER_ANSWER, home, links.session) : "*errand is still working on this.*";
    if (text !== "") parts.push(`<details><summary>What changed in turn ${turn.id}</summary>\n\n${text}\n\n</details>`);
  }
  return parts.filter((part) => part !== "").join("\n\n");
}

/** Errand's part of the body, with its marks. What it knows for sure comes first: nothing in an answer can hide it. */
function ownPart(view: View, links: Links, facts: PullFacts, title: string | null, readied: boolean): string {
  const who = firstOf(view)?.who ?? view.who ?? view.turns[0]?.who;
  const head = [
    facts.issue ? `${facts.issue.isPull ? "Goes on from" : facts.ontoDefault ? "Fixes" : "For"} #${facts.issue.number}` : "",
    who ? `Asked for by ${named(who, homeOf(view), facts.webUrl)}` : "",
    link("How it came about", links.session),
  ];
  return [
    BEGIN,
    `<!-- errand:session=${encode(view.id)} -->`,
    ...(title === null ? [] : [titleMark(title)]),
    ...(readied ? [READIED] : []),
    head.filter((part) => part !== "").join(" · "),
    "",
    summary(view, links),
    END,
  ].join("\n");
}

/** Title and body of a new pull request. `template`: the repository's own, which people fill in. */
export function newPull(view: View, links: Links, facts: PullFacts, template: string | null): { title: string; body: string } {
  const title = pullTitle(view, facts.issue) ?? cut(`Changes on ${view.branch}`, TITLE);
  // Marks in a template would make its text errand's.
  const theirs = (template ?? "")
    .replace(/<!-- errand:[^\n]{0,500}? -->/g, "")
    .trim()
    .slice(0, TEMPLATE)
    .toWellFormed();
  return { title, body: [ownPart(view, links, facts, title, false), theirs].filter((part) => part !== "").join("\n\n") };
}

/** Where errand's part stands in a body; null where a person took a mark out: then the whole body is theirs. */
function ownIn(body: string): { from: number; to: number; text: string } | null {
  const from = body.indexOf(BEGIN);
  const end = body.indexOf(END, from);
  if (from < 0 || end < 0) return null;
  return { from, to: end + END.length, text: body.slice(from, end) };
}

/** Whether errand has marked the pull request as ready before: it does so once, since a person may have taken that back. */
export const wasReadied = (body: string): boolean => ownIn(body)?.text.includes(READIED) ?? false;

/**
 * What is to change of a pull request of errand's so that it tells of the view; null where nothing is. `readied`: it was marked as ready
 * now or before.
 */
export function changedPull(
  now: { title: string; body: string },
  view: View,
  links: Links,
  facts: PullFacts,
  readied: boolean,
): { title?: string; body?: string } | null {
  // GitHub gives back what was edited in a browser with other line ends.
  const current = now.body.replace(/\r\n?/g, "\n");
  const own = ownIn(current);
  const told = own === null ? undefined : /<!-- errand:title=([^\s<>]{0,2000}) -->/.exec(own.text)?.[1];
  const isOurs = told !== undefined && told === encode(now.title);
  const wanted = isOurs ? pullTitle(view, facts.issue) : null;
  const title = wanted ?? now.title;
  // A title that a person wrote is never told as errand's again, or the next change would overwrite it.
  const part = ownPart(view, links, facts, isOurs ? title : told === undefined ? null : decodeOr(told), readied);
  const body = own === null ? current : current.slice(0, own.from) + part + current.slice(own.to);
  if (title === now.title && body === current) return null;
  return { ...(title === now.title ? {} : { title }), ...(body === current ? {} : { body }) };
}

function decodeOr(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
