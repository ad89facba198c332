/**
 * Whether a WebSocket upgrade may have come from our own page. Other pages in the same browser can open WebSockets to any address, and
 * only `Origin` tells them apart. Programs send none and are let through: what guards against them is the gateway, not this check.
 *
 * @param headers the request's, with the proxy's `X-Forwarded-Host`, if it sets one, ahead of `Host`
 */
export function isOwnOrigin(headers: {
  origin?: string | undefined;
  host?: string | undefined;
  "x-forwarded-host"?: string | string[] | undefined;
}): boolean {
  if (headers.origin === undefined) return true;
  if (!URL.canParse(headers.origin)) return false;
  const forwarded = headers["x-forwarded-host"];
  const own = typeof forwarded === "string" ? forwarded : headers.host;
  return new URL(headers.origin).host === own;
}
