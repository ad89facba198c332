/**
 * Puts right what the emulator says of things: addresses of pages, times without milliseconds, and the fields in which its
 * issues, comments and pull requests differ from GitHub's. One pure function for answers and webhooks alike.
 */
import type { Comment, Issue, Json, Pull } from "./records.ts";

/** What has to be known to present something. Rows are the emulator's. */
export interface Known {
  /** Base of the REST API; the emulator writes it into pages' addresses too. */
  apiUrl: string;
  /** Base of the pages. */
  webUrl: string;
  /** Base of clone addresses. */
  gitUrl: string;
  issue(repository: string, number: number): (Issue & { id: number }) | undefined;
  pull(repository: string, number: number): (Pull & { id: number }) | undefined;
  comment(id: number): (Comment & { id: number }) | undefined;
  /** How often each reaction was given, by `issue:<row>` or `comment:<row>`. */
  reactions(subject: string): Record<string, number>;
  /** Why a comment was folded away, by its node id; null where it is not. */
  minimized(nodeId: string): string | null;
  /** The App behind a bot's login, as GitHub shows it; null for everyone else. */
  appOf(login: string): Json | null;
}

const PAGES = new Set(["html_url", "diff_url", "patch_url", "blob_url", "raw_url", "avatar_url", "badge_url", "permalink_url"]);
const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);

/** A time as GitHub writes it: whole seconds. Anything else stays. */
export const wholeSeconds = (text: string): string => text.replace(/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z$/, "$1Z");

const fold = (known: Known, comment: Json) => {
  const reason = known.minimized(String(comment.node_id));
  return { minimized: reason === null ? null : { reason } };
};
const loginOf = (value: unknown) => (isJson(value) && typeof value.login === "string" ? value.login : "");

/** The part of an issue that says it is a pull request. */
export function pullMark(known: Known, repository: string, number: number): Json {
  const page = `${known.webUrl}/${repository}/pull/${number}`;
  return {
    url: `${known.apiUrl}/repos/${repository}/pulls/${number}`,
    html_url: page,
    diff_url: `${page}.diff`,
    patch_url: `${page}.patch`,
    merged_at: known.pull(repository, number)?.merged_at ?? null,
  };
}

/** The issue of a pull request, made of what the API says of the pull request. */
export function issueOfPull(pull: Json, row: Issue & { id: number }): Json {
  const taken = [
    "number",
    "title",
    "user",
    "labels",
    "state",
    "locked",
    "assignee",
    "assignees",
    "milestone",
    "body",
    "author_association",
  ];
  const url = String(pull.issue_url);
  return {
    ...Object.fromEntries(taken.map((key) => [key, pull[key]])),
    url,
    repository_url: url.replace(/\/issues\/\d+$/, ""),
    labels_url: `${url}/labels{/name}`,
    comments_url: `${url}/comments`,
    events_url: `${url}/events`,
    timeline_url: `${url}/timeline`,
    html_url: pull.html_url,
    id: row.id,
    node_id: row.node_id,
    state_reason: row.state_reason,
    active_lock_reason: null,
    comments: row.comments,
    created_at: pull.created_at,
    updated_at: row.updated_at,
    closed_at: pull.closed_at,
    closed_by: null,
    draft: pull.draft,
    reactions: {},
    performed_via_github_app: null,
  };
}

function rollup(known: Known, url: string, subject: string): Json {
  const counts = known.reactions(subject);
  const all = { "+1": 0, "-1": 0, laugh: 0, hooray: 0, confused: 0, heart: 0, rocket: 0, eyes: 0, ...counts };
  return { url: `${url}/reactions`, total_count: Object.values(all).reduce((sum, one) => sum + one, 0), ...all };
}

function presentIssue(known: Known, issue: Json, repository: string): Json {
  const row = known.issue(repository, Number(issue.number));
  if (!row) return issue;
  const mark = row.is_pull_request ? pullMark(known, repository, row.number) : null;
  return {
    ...issue,
    ...(mark ? { html_url: mark.html_url, pull_request: mark } : {}),
    reactions: rollup(known, String(issue.url), `issue:${row.id}`),
    performed_via_github_app: known.appOf(loginOf(issue.user)),
  };
}

function presentComment(known: Known, comment: Json, repository: string): Json {
  const number = Number(/\/issues\/(\d+)$/.exec(String(comment.issue_url))?.[1]);
  const pull = known.issue(repository, number)?.is_pull_request === true;
  return {
    ...comment,
    html_url: `${known.webUrl}/${repository}/${pull ? "pull" : "issues"}/${number}#issuecomment-${comment.id}`,
    reactions: rollup(known, String(comment.url), `comment:${comment.id}`),
    ...fold(known, comment),
    performed_via_github_app: known.appOf(loginOf(comment.user)),
  };
}

function presentReviewComment(known: Known, comment: Json): Json {
  const row = known.comment(Number(comment.id));
  const { in_reply_to_id: top, ...rest } = comment;
  return {
    ...rest,
    ...(top === null || top === undefined ? {} : { in_reply_to_id: top }),
    diff_hunk: row?.diff_hunk ?? comment.diff_hunk,
    line: row?.line ?? null,
    original_line: row?.original_line ?? row?.line ?? null,
    start_line: row?.start_line ?? null,
    original_start_line: row?.start_line ?? null,
    start_side: row?.start_side ?? null,
    original_commit_id: row?.original_commit_id ?? comment.original_commit_id,
    reactions: rollup(known, String(comment.url), `comment:${comment.id}`),
    ...fold(known, comment),
    _links: {
      self: { href: comment.url },
      html: { href: comment.html_url },
      pull_request: { href: comment.pull_request_url },
    },
  };
}

function presentPull(known: Known, pull: Json, repository: string): Json {
  const row = known.pull(repository, Number(pull.number));
  if (!row) return pull;
  const issue = known.issue(repository, row.number);
  const state = row.draft ? "draft" : row.mergeable === false ? "dirty" : row.mergeable === null ? "unknown" : "clean";
  return { ...pull, comments: issue?.comments ?? 0, mergeable: row.state === "open" ? row.mergeable : null, mergeable_state: state };
}

/** The emulator makes a row and then fills it in; that is no later change of it. In ms. */
const MAKING = 100;

function presentObject(known: Known, given: Json): Json {
  const { created_at: made, updated_at: changed } = given;
  const fresh = typeof made === "string" && typeof changed === "string" && Date.parse(changed) - Date.parse(made) < MAKING;
  const value = fresh ? { ...given, updated_at: made } : given;
  const url = typeof value.url === "string" && value.url.startsWith(`${known.apiUrl}/repos/`) ? value.url : "";
  const repository = /^\/repos\/([^/]+\/[^/]+)/.exec(url.slice(known.apiUrl.length))?.[1] ?? "";
  const path = url.slice(`${known.apiUrl}/repos/${repository}`.length);
  if (typeof value.clone_url === "string") {
    const clone = `${known.gitUrl}/${String(value.full_name)}`;
    return { ...value, clone_url: `${clone}.git`, svn_url: clone };
  }
  if (/^\/issues\/\d+$/.test(path) && value.repository_url) return presentIssue(known, value, repository);
  if (/^\/issues\/comments\/\d+$/.test(path) && value.issue_url) return presentComment(known, value, repository);
  if (/^\/pulls\/comments\/\d+$/.test(path)) return presentReviewComment(known, value);
  if (/^\/pulls\/\d+$/.test(path) && value.head) return presentPull(known, value, repository);
  return value;
}

/** The value as GitHub would say it. Takes and gives JSON. */
export function present(known: Known, value: unknown, key = ""): unknown {
  if (typeof value === "string") {
    if (key.endsWith("_at")) return wholeSeconds(value);
    if (PAGES.has(key) && value.startsWith(`${known.apiUrl}/`)) return known.webUrl + value.slice(known.apiUrl.length);
    return value;
  }
  if (Array.isArray(value)) return value.map((one) => present(known, one));
  if (!isJson(value)) return value;
  const better = presentObject(known, value);
  return Object.fromEntries(
    Object.entries(better).map(([name, one]) => [
      name,
      key === "html" && name === "href" ? present(known, one, "html_url") : present(known, one, name),
    ]),
  );
}
