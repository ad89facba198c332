/** What stands at the end of a pull request: its checks, the buttons to merge and close it, and the CI service one can play. Pure. */
import { type Html, html } from "../html.ts";
import { actionForm, buttonForm, count, type Reader } from "./form.ts";
import { githubMarkdown } from "./markdown.ts";
import type { GitHubOffer } from "./offer.ts";
import type { PullParts } from "./read.ts";
import type { CheckRun, Repository } from "./records.ts";

/** What the world offers beside the REST API, see `GitHubOffer`. */
export type Extras = Pick<GitHubOffer, "check" | "actionsOf" | "pressAction">;

/** How a check stands: what is shown for it, and whether it is good, bad, open or neither. */
export type Standing = { sign: string; words: string; mood: "good" | "bad" | "open" | "neutral" };

const CONCLUSIONS: Record<string, Standing> = {
  success: { sign: "✓", words: "passed", mood: "good" },
  failure: { sign: "✕", words: "failed", mood: "bad" },
  error: { sign: "✕", words: "failed", mood: "bad" },
  timed_out: { sign: "✕", words: "timed out", mood: "bad" },
  cancelled: { sign: "■", words: "cancelled", mood: "neutral" },
  action_required: { sign: "!", words: "needs an action", mood: "bad" },
  neutral: { sign: "■", words: "neutral", mood: "neutral" },
  skipped: { sign: "■", words: "skipped", mood: "neutral" },
  stale: { sign: "■", words: "stale", mood: "neutral" },
  pending: { sign: "●", words: "pending", mood: "open" },
};

/** How a check run stands. */
export function standingOf(run: Pick<CheckRun, "status" | "conclusion">): Standing {
  if (run.status !== "completed") return { sign: "●", words: run.status === "in_progress" ? "running" : "waiting", mood: "open" };
  return CONCLUSIONS[run.conclusion ?? ""] ?? { sign: "■", words: run.conclusion ?? "completed", mood: "neutral" };
}

/** The newest run of each name and App: GitHub shows only those. */
export function newestRuns(runs: readonly CheckRun[]): CheckRun[] {
  const newest = new Map<string, CheckRun>();
  for (const run of runs) {
    const key = `${run.app?.slug ?? ""}\n${run.name}`;
    if ((newest.get(key)?.id ?? -1) < run.id) newest.set(key, run);
  }
  return [...newest.values()].toSorted((a, b) => a.name.localeCompare(b.name));
}

const mark = ({ sign, words, mood }: Standing) => html`<span class="mark ${mood}" role="img" aria-label="${words}">${sign}</span>`;
const link = (url: string | null | undefined) =>
  url && /^https?:\/\//.test(url) ? html` <a href="${url}" target="_blank" rel="noopener noreferrer">Details</a>` : null;

function checkRow(run: CheckRun, reader: Reader, extras: Extras): Html {
  const standing = standingOf(run);
  const where = { repository: reader.repository, origin: reader.origin, mayTick: false };
  const { title = "", summary = "", text = "" } = run.output ?? {};
  const more =
    summary || text
      ? html`<details><summary>Output</summary><div class="markdown">${githubMarkdown(summary, where)}${githubMarkdown(text, where)}</div></details>`
      : null;
  const actions = reader.mayWrite && extras.pressAction ? (extras.actionsOf?.(reader.repository, run.id) ?? []) : [];
  const buttons = actions.map(({ identifier, label, description }) =>
    buttonForm(reader, "press", {
      label,
      title: description,
      kind: "small",
      id: `press-${run.id}-${identifier}`,
      fields: { run: run.id, identifier },
    }),
  );
  return html`<li id="check-${run.id}">${mark(standing)}<div><b>${run.name}</b> <span class="quiet">${title || standing.words}</span>${link(run.details_url)}
${buttons.length > 0 ? html`<div class="row">${buttons}</div>` : null}${more}</div></li>`;
}

/** The checks of a pull request's newest commit. */
export function checksView(parts: PullParts, reader: Reader, extras: Extras): Html {
  const runs = newestRuns(parts.checks);
  const standings = [...runs.map(standingOf), ...parts.statuses.map(({ state }) => standingOf({ status: "completed", conclusion: state }))];
  if (standings.length === 0) return html`<p class="quiet">No checks have reported on <code>${parts.pull.head.sha.slice(0, 7)}</code>.</p>`;
  const of = (mood: Standing["mood"]) => standings.filter((one) => one.mood === mood).length;
  const words =
    of("bad") > 0
      ? `${of("bad")} of ${count(standings.length, "check")} failed`
      : of("open") > 0
        ? "Checks are running"
        : "All checks have passed";
  const statuses = parts.statuses.map(
    (one) =>
      html`<li>${mark(standingOf({ status: "completed", conclusion: one.state }))}<div><b>${one.context}</b> <span class="quiet">${one.description}</span>${link(one.target_url)}</div></li>`,
  );
  return html`<h3>${words} <span class="quiet">on <code>${parts.pull.head.sha.slice(0, 7)}</code></span></h3><ul class="checks">${runs.map((run) => checkRow(run, reader, extras))}${statuses}</ul>`;
}

function ciMenu(parts: PullParts, reader: Reader): Html {
  const { number, head } = parts.pull;
  return html`<details class="ci" id="ci"><summary>Play CI on this commit</summary>
${actionForm(
  reader,
  "check",
  { id: "ci-form", class: "writing", fields: { number, sha: head.sha } },
  html`<div class="row"><label>Check <input name="name" value="test" maxlength="100" required autocomplete="off"></label></div>
<textarea id="ci-log" name="log" rows="4" maxlength="60000" aria-label="The job's log" placeholder="The job's log" autocomplete="off"></textarea>
<div class="row"><button type="submit" class="button danger" name="conclusion" value="failure">Let it fail</button><button type="submit" class="button" name="conclusion" value="success">Let it pass</button></div>`,
)}</details>`;
}

function mergeButtons({ pull }: PullParts, repository: Repository, reader: Reader): Html {
  const fields = { number: pull.number };
  if (!reader.mayWrite) return html`<p class="quiet">Only people with write access can merge this pull request.</p>`;
  if (pull.draft) {
    return html`<div class="row"><p>This pull request is still a draft.</p>${buttonForm(reader, "ready", { id: "ready", label: "Ready for review", kind: "primary", fields: { ...fields, node: pull.node_id } })}</div>`;
  }
  const conflict =
    pull.mergeable === false ? html`<p class="quiet">This branch has conflicts with <code>${pull.base.ref}</code>.</p>` : null;
  const way = (value: string, label: string, allowed: boolean) => (allowed ? html`<option value="${value}">${label}</option>` : null);
  const ways = [
    way("merge", "with a merge commit", repository.allow_merge_commit),
    way("squash", "as one commit", repository.allow_squash_merge),
    way("rebase", "by rebasing", repository.allow_rebase_merge),
  ];
  const merge = actionForm(
    reader,
    "merge",
    { id: "merge", class: "inline", fields: { ...fields, sha: pull.head.sha } },
    html`<select name="method" aria-label="How to merge" autocomplete="off">${ways}</select>
<button type="submit" class="button primary">Merge pull request</button>`,
  );
  return html`${conflict}<div class="row">${merge}${buttonForm(reader, "draft", { id: "draft", label: "Convert to draft", kind: "plain", fields: { ...fields, node: pull.node_id } })}</div>`;
}

/** The box at the end of a pull request. */
export function mergeBox(parts: PullParts, repository: Repository, reader: Reader, extras: Extras): Html {
  const { pull } = parts;
  const merged = html`<p>${pull.merged ? html`Merged by <b>${pull.merged_by.login}</b> into <code>${pull.base.ref}</code>.` : html`Closed with unmerged commits.`}</p>`;
  return html`<section class="box merge" aria-label="Checks and merging" id="merge-box">
${checksView(parts, reader, extras)}
${pull.state === "open" ? mergeButtons(parts, repository, reader) : merged}
${extras.check ? ciMenu(parts, reader) : null}
</section>`;
}

/** The page of one check run: what it reported, and what its job printed. */
export function jobPage(run: CheckRun, log: string, reader: Reader): Html {
  const where = { repository: reader.repository, origin: reader.origin, mayTick: false };
  const standing = standingOf(run);
  const { title = "", summary = "", text = "" } = run.output ?? {};
  return html`<div class="head"><h1>${mark(standing)} ${run.name}</h1><p class="quiet">${standing.words}${title ? html` · ${title}` : null} · ${reader.repository}</p></div>
<div class="markdown">${githubMarkdown(summary, where)}${githubMarkdown(text, where)}</div>
${log ? html`<h2>Log</h2><pre class="log">${log}</pre>` : html`<p class="quiet">There is no log.</p>`}`;
}
