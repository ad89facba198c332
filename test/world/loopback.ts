/** Who may ask the servers of the local world: this machine by one of its names, and no page of another origin in its browser. */
import type { IncomingHttpHeaders } from "node:http";

/** Whether a `Host` header names this machine: 127.0.0.1, localhost, a name under localhost, or ::1, with any port. */
export function isLoopbackHost(host: string | undefined): boolean {
  return /^(?:127\.0\.0\.1|(?:[a-z0-9-]+\.)*localhost|\[::1\])(?::\d{1,5})?$/i.test(host ?? "");
}

/**
 * Whether a page of another origin makes this request. Browsers let any page send forms and pictures' requests to this machine, and
 * tell by these headers where they come from; programs send neither.
 */
export function isFromOtherPage(headers: IncomingHttpHeaders): boolean {
  if (headers.origin !== undefined && headers.origin !== `http://${headers.host}`) return true;
  const site = headers["sec-fetch-site"];
  return site !== undefined && site !== "same-origin" && site !== "none";
}
