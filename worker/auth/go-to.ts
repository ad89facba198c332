/** Where a person goes on to after signing in: a page of ours and nothing else, so that no link can lead away through us. Pure. */

const PAGES = [
  /^\/$/,
  // A session, and what opens in its sandbox: ids are 26 characters of base32.
  /^\/s\/[a-z2-7]{26}(?:\/open\/(?:[a-z][a-z0-9-]{0,30}|preview\/[1-9]\d{0,4})(?:\?watch)?)?$/,
  /^\/account(?:\/keys)?$/,
  /^\/link\/slack$/,
  /^\/setup\/github$/,
  /^\/admin(?:\/[a-z][a-z0-9-]{0,40}){0,3}$/,
];

/** The path if it is one of our pages, else the list of sessions. Queries and fragments are no part of it, but for what asks to look on only. */
export const pageOfOurs = (path: string | null | undefined): string => (path && PAGES.some((page) => page.test(path)) ? path : "/");
