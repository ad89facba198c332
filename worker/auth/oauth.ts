/**
 * What both providers share of OAuth 2: the exchange of a code and of a refresh token by oauth4webapi, and its errors as values. The library's
 * errors carry whole answers, tokens with them: only their codes and the provider's own short words leave this file.
 */
import * as oauth from "oauth4webapi";
import * as z from "zod";
import type { Client, FromProvider, Ports, ProviderFault, Tokens } from "./providers.ts";

/** The longest that a provider's answer is waited for, in ms. */
export const PROVIDER_MS = 8_000;

const isLoopback = (address: string): boolean => /^(127\.[\d.]+|localhost|\[::1\])$/.test(new URL(address).hostname);

/** A provider's words as a log or an audit entry may hold them. */
const words = (text: string): string => text.replace(/[^\x20-\x7e]+/g, " ").slice(0, 120);

const ErrorBody = z.object({ error: z.string().min(1) });

/** GitHub tells errors with status 200: they become the 400 that RFC 6749 section 5.2 has for them. */
async function asErrors(answer: Response): Promise<Response> {
  if (answer.status !== 200) return answer;
  const text = await answer.text();
  let status = 200;
  try {
    if (ErrorBody.safeParse(JSON.parse(text)).success) status = 400;
  } catch {
    // No JSON: the library says so.
  }
  return new Response(text, { status, headers: { "content-type": answer.headers.get("content-type") ?? "" } });
}

/** How the library reaches a server: by our `fetch`, in time, and without TLS on this machine alone. */
export function transport(server: string, { fetch }: Ports) {
  return {
    [oauth.customFetch]: async (url: string, init: oauth.CustomFetchOptions<string, BodyInit | null | undefined>) =>
      asErrors(await fetch(url, { ...init, body: init.body ?? null } as RequestInit)),
    [oauth.allowInsecureRequests]: isLoopback(server),
    signal: () => AbortSignal.timeout(PROVIDER_MS),
  };
}

/** Codes of the library for what no token endpoint says: a page, a 5xx, something cut short. */
const NO_ANSWER = new Set([oauth.RESPONSE_IS_NOT_CONFORM, oauth.RESPONSE_IS_NOT_JSON, oauth.PARSE_ERROR]);

/** What a fault of the library or the network is, in words without secrets. */
export function faultOf(error: unknown): ProviderFault {
  if (error instanceof oauth.AuthorizationResponseError)
    return { kind: error.error === "access_denied" ? "cancelled" : "refused", why: words(error.error) };
  // RFC 6749 5.2: the provider understood and said no.
  if (error instanceof oauth.ResponseBodyError) return { kind: "refused", why: words(error.error) };
  if (error instanceof oauth.OperationProcessingError && NO_ANSWER.has(error.code ?? ""))
    return { kind: "away", why: words(error.message) };
  if (error instanceof oauth.OperationProcessingError) return { kind: "refused", why: words(`${error.code}: ${error.message}`) };
  if (error instanceof oauth.UnsupportedOperationError) return { kind: "refused", why: words(error.message) };
  return { kind: "away", why: error instanceof Error ? words(error.name) : "unknown" };
}

/** Tokens of a token endpoint's answer. */
export const tokensOf = (answer: oauth.TokenEndpointResponse, now: number): Tokens => ({
  access: answer.access_token,
  expiresAt: answer.expires_in === undefined ? null : now + answer.expires_in * 1000,
  refresh: answer.refresh_token ?? null,
});

/** The address at which a sign-in begins. */
export async function authorizationUrl(
  endpoint: string,
  parameters: { client: Client; redirect: string; state: string; verifier: string; more: Record<string, string> },
): Promise<string> {
  const url = new URL(endpoint);
  const { client, redirect, state, verifier, more } = parameters;
  const all = {
    response_type: "code",
    client_id: client.id,
    redirect_uri: redirect,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    ...more,
  };
  for (const [name, value] of Object.entries(all)) url.searchParams.set(name, value);
  return url.href;
}

/** New tokens for a refresh token. `refused`: it is spent, revoked or too old, and will never work again. */
export async function refreshed(
  server: oauth.AuthorizationServer,
  client: Client,
  refresh: string,
  ports: Ports,
): Promise<FromProvider<{ tokens: Tokens }>> {
  const us = { client_id: client.id };
  try {
    const answer = await oauth.refreshTokenGrantRequest(
      server,
      us,
      oauth.ClientSecretPost(client.secret),
      refresh,
      transport(server.issuer, ports),
    );
    // OpenID Connect and RFC 6749 let a provider keep the refresh token as it is by not naming one.
    const tokens = tokensOf(await oauth.processRefreshTokenResponse(server, us, answer), ports.now());
    return { ok: true, tokens: { ...tokens, refresh: tokens.refresh ?? refresh } };
  } catch (error) {
    return { ok: false, fault: faultOf(error) };
  }
}
