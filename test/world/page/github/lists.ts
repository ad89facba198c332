/** The pages before a conversation: repositories, a repository's issues and pull requests, and the form for a new issue. Pure. */
import { type Html, html } from "../html.ts";
import { ERRAND_LABEL, stateTag } from "./conversation.ts";
import { actionForm, moment, type Reader, writingBox } from "./form.ts";
import { addressOf, type Place } from "./place.ts";
import type { Listing } from "./read.ts";
import type { Issue, Repository } from "./records.ts";

/** All repositories one may see. */
export function homePage(repositories: readonly Repository[]): Html {
  const one = (repository: Repository) =>
    html`<li><a href="${addressOf({ page: "list", repository: repository.full_name, of: "issues", state: "open" })}"><b>${repository.full_name}</b></a>${repository.private ? html` <span class="tag">private</span>` : null}<p class="quiet">${repository.description}</p></li>`;
  return html`<div class="head"><h1>Repositories</h1></div>${repositories.length > 0 ? html`<ul class="list box">${repositories.map(one)}</ul>` : html`<p class="empty">There is no repository that you may see.</p>`}`;
}

function row(issue: Issue, repository: string): Html {
  const pull = Boolean(issue.pull_request);
  const address = addressOf({ page: "thread", repository, number: issue.number, pull, files: false, edit: [], at: [] });
  const talk = issue.comments > 0 ? html`<span class="quiet">💬<span class="sr"> comments:</span> ${issue.comments}</span>` : null;
  return html`<li id="row-${issue.number}">${stateTag({ issue, parts: null })}<div><a href="${address}"><b>${issue.title}</b></a> ${issue.labels.map((name) => html`<span class="label">${name}</span> `)}
<p class="quiet">#${issue.number} opened ${moment(issue.created_at)} by ${issue.user.login}</p></div>${talk}</li>`;
}

/** The tabs of a repository. */
function tabsOf(listing: Listing, place: Place): Html {
  const repository = listing.repository.full_name;
  const open = (pulls: boolean) => listing.issues.filter((issue) => Boolean(issue.pull_request) === pulls && issue.state === "open").length;
  const tab = (of: "issues" | "pulls", label: string) => {
    const current = place.page === "list" && place.of === of;
    return html`<a href="${addressOf({ page: "list", repository, of, state: "open" })}"${current ? html` aria-current="page"` : null}>${label} <span class="pill">${open(of === "pulls")}</span></a>`;
  };
  return html`<nav class="tabs" aria-label="Repository">${tab("issues", "Issues")}${tab("pulls", "Pull requests")}</nav>`;
}

/** A repository's issues or pull requests. */
export function listPage(listing: Listing, place: Extract<Place, { page: "list" }>): Html {
  const repository = listing.repository.full_name;
  const shown = listing.issues.filter((issue) => Boolean(issue.pull_request) === (place.of === "pulls") && issue.state === place.state);
  const filter = (state: "open" | "closed", label: string) =>
    html`<a href="${addressOf({ ...place, state })}"${place.state === state ? html` aria-current="true"` : null}>${label}</a>`;
  const word = place.of === "pulls" ? "pull requests" : "issues";
  const hint =
    place.of === "issues" && place.state === "open"
      ? html`Open one, and mention <b>@errand</b> in it or give it the label <b>${ERRAND_LABEL}</b>.`
      : place.of === "pulls"
        ? html`errand opens one when it has pushed a branch.`
        : null;
  const empty = html`<p class="empty">There are no ${place.state} ${word}. ${hint}</p>`;
  return html`<div class="head"><h1>${repository}</h1><p class="quiet">${listing.repository.description}</p>${tabsOf(listing, place)}</div>
<div class="row filter">${filter("open", "Open")}${filter("closed", "Closed")}<a class="button primary" href="${addressOf({ page: "new", repository })}">New issue</a></div>
${shown.length > 0 ? html`<ul class="list box">${shown.map((issue) => row(issue, repository))}</ul>` : empty}`;
}

/** The form for a new issue. */
export function newPage(listing: Listing, reader: Reader, place: Place): Html {
  const label = reader.mayWrite
    ? html`<label class="check"><input type="checkbox" name="label" value="${ERRAND_LABEL}" autocomplete="off"> Label <span class="label">${ERRAND_LABEL}</span>: errand starts at once</label>`
    : null;
  return html`<div class="head"><h1>${reader.repository}</h1>${tabsOf(listing, place)}</div>
${actionForm(
  reader,
  "open",
  { id: "new-issue", class: "writing box" },
  html`<h2>New issue</h2><label for="title">Title</label><input id="title" name="title" maxlength="256" required autocomplete="off">
<label for="new-text">Description</label>`,
  writingBox({ id: "new-text", label: "Write Markdown; mention @errand to give it the work", rows: 8, optional: true }),
  label,
  html`<div class="row end"><span class="hint">Ctrl+Enter opens it</span><a class="button" href="${addressOf({ page: "list", repository: reader.repository, of: "issues", state: "open" })}">Cancel</a><button type="submit" class="button primary">Open issue</button></div>`,
)}
`;
}
