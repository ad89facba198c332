/** Makes pages: reads what they show as one person, and draws it. */
import { type Html, html } from "../html.ts";
import { pendingKey } from "./actions.ts";
import { jobPage } from "./checks.ts";
import { conversation } from "./conversation.ts";
import { branchPage, commitPage, filesPage } from "./files.ts";
import { homePage, listPage, newPage } from "./lists.ts";
import type { GitHubOffer } from "./offer.ts";
import type { Pending } from "./pending.ts";
import { addressOf, type Place } from "./place.ts";
import { readerOf } from "./read.ts";

/** A page that is made: what stands in it, or where it is instead. */
export type Made = { title: string; main: Html; status: 200 | 404 | 502 } | { redirect: string };

/** Makes the page at a place, as one person sees it. */
export async function makePage(
  github: GitHubOffer,
  pending: Pending,
  { place, me, origin }: { place: Place; me: string; origin: string },
): Promise<Made> {
  const reader = readerOf(github, me);
  const missing = (error: string, status: number): Made => ({
    title: "Not here",
    main: html`<p class="empty">${error}</p>`,
    status: status === 404 || status === 403 ? 404 : 502,
  });
  if (place.page === "home") {
    const read = await reader.repositories();
    return read.ok ? { title: "GitHub", main: homePage(read.value), status: 200 } : missing(read.error, read.status);
  }
  const { repository } = place;
  if (!github.repositories.includes(repository)) return missing("There is no such repository.", 404);
  if (place.page === "commit") {
    const read = await reader.commit(repository, place.sha);
    if (!read.ok) return missing(read.error, read.status);
    const main = commitPage(read.value.commit, read.value.files, { me, repository, origin, mayWrite: false });
    return { title: `${place.sha.slice(0, 7)} · ${repository}`, main, status: 200 };
  }
  if (place.page === "branch") {
    const read = await reader.branch(repository, place.base, place.head);
    if (!read.ok) return missing(read.error, read.status);
    const main = branchPage({ ...read.value, head: place.head }, { me, repository, origin, mayWrite: false });
    return { title: `${place.head} · ${repository}`, main, status: 200 };
  }
  if (place.page === "job") {
    const read = await reader.job(repository, place.id);
    if (!read.ok) return missing(read.error, read.status);
    const main = jobPage(read.value.run, read.value.log, { me, repository, origin, mayWrite: false });
    return { title: `${read.value.run.name} · ${repository}`, main, status: 200 };
  }
  if (place.page !== "thread") {
    const listing = await reader.listing(repository);
    if (!listing.ok) return missing(listing.error, listing.status);
    const about = { me, repository, origin, mayWrite: listing.value.mayWrite };
    const main = place.page === "new" ? newPage(listing.value, about, place) : listPage(listing.value, place);
    return { title: repository, main, status: 200 };
  }
  const read = await reader.thread(repository, place.number);
  if (!read.ok) return missing(read.error, read.status);
  const { issue, parts, mayWrite } = read.value;
  if (place.pull !== (parts !== null) || (place.files && !parts)) {
    return { redirect: addressOf({ ...place, pull: parts !== null, files: place.files && parts !== null }) };
  }
  const about = { me, repository, origin, mayWrite };
  const main =
    place.files && parts
      ? filesPage(read.value, parts, about, place, pending.of(pendingKey(me, repository, place.number)))
      : conversation(read.value, about, place, github);
  return { title: `${issue.title} · #${issue.number} · ${repository}`, main, status: 200 };
}
