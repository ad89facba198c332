/** Sign-in with Google, or another issuer of OpenID Connect that stands in for it: who it is says the signed ID token. */
import * as oauth from "oauth4webapi";
import * as z from "zod";
import { authorizationUrl, faultOf, refreshed, tokensOf, transport } from "./oauth.ts";
import type { Account, Begun, FromProvider, GoogleClient, Ports, Tokens } from "./providers.ts";

/** How long what an issuer publishes of itself is known, in ms. */
const KNOWN_MS = 3600_000;
const GOOGLE = "https://accounts.google.com";

/** What issuers publish, by issuer. Values, never promises: a request that ends early would hang the others. */
const known = new Map<string, { server: oauth.AuthorizationServer; keys: oauth.JWKSCacheInput; until: number }>();

async function discovered({ issuer }: GoogleClient, ports: Ports) {
  const before = known.get(issuer);
  if (before && before.until > ports.now()) return before;
  const url = new URL(issuer);
  const answer = await oauth.discoveryRequest(url, { algorithm: "oidc", ...transport(issuer, ports) });
  const server = await oauth.processDiscoveryResponse(url, answer);
  const found = { server, keys: {}, until: ports.now() + KNOWN_MS };
  known.set(issuer, found);
  return found;
}

/** Where a sign-in begins. */
export async function googleUrl(
  client: GoogleClient,
  redirect: string,
  begun: Begun,
  ports: Ports,
): Promise<FromProvider<{ url: string }>> {
  try {
    const { server } = await discovered(client, ports);
    if (server.authorization_endpoint === undefined)
      return { ok: false, fault: { kind: "away", why: "the issuer names no place to sign in" } };
    const { state, verifier, nonce } = begun;
    const more = { scope: "openid email profile", nonce, prompt: "select_account" };
    return { ok: true, url: await authorizationUrl(server.authorization_endpoint, { client, redirect, state, verifier, more }) };
  } catch (error) {
    return { ok: false, fault: faultOf(error) };
  }
}

const Claims = z.object({
  sub: z.string().min(1).max(255),
  name: z.string().optional(),
  email: z.string().max(320).optional(),
  email_verified: z.boolean().optional(),
  hd: z.string().optional(),
});

/**
 * The address that the issuer vouches for. Google does so for its own addresses and those of its Workspace customers (`hd`); any other
 * was the person's once, which says nothing of today (developers.google.com, "Verify the Google ID token": when Google is authoritative).
 */
function vouchedFor(claims: z.infer<typeof Claims>, issuer: string): string | null {
  const email = claims.email?.toLowerCase();
  if (email === undefined || claims.email_verified !== true) return null;
  if (issuer !== GOOGLE || email.endsWith("@gmail.com") || claims.hd !== undefined) return email;
  return null;
}

/** Exchanges the code of a callback's query for tokens, and checks the ID token: signature, issuer, audience, times and nonce. */
export async function googleAccount(
  client: GoogleClient,
  redirect: string,
  query: URLSearchParams,
  begun: Begun,
  ports: Ports,
): Promise<FromProvider<{ account: Account; tokens: Tokens }>> {
  const us = { client_id: client.id, [oauth.clockTolerance]: 30 };
  try {
    const { server, keys } = await discovered(client, ports);
    const parameters = oauth.validateAuthResponse(server, us, query, begun.state);
    const how = transport(client.issuer, ports);
    const answer = await oauth.authorizationCodeGrantRequest(
      server,
      us,
      oauth.ClientSecretPost(client.secret),
      parameters,
      redirect,
      begun.verifier,
      how,
    );
    const granted = await oauth.processAuthorizationCodeResponse(server, us, answer, { expectedNonce: begun.nonce, requireIdToken: true });
    await oauth.validateApplicationLevelSignature(server, answer, { ...how, [oauth.jwksCache]: keys });
    const claims = Claims.parse(oauth.getValidatedIdTokenClaims(granted));
    const email = vouchedFor(claims, client.issuer);
    const name = claims.name?.trim() || claims.email || "somebody at Google";
    return {
      ok: true,
      account: { provider: "google", subject: claims.sub, login: null, name, email },
      tokens: tokensOf(granted, ports.now()),
    };
  } catch (error) {
    return { ok: false, fault: faultOf(error) };
  }
}

/** New tokens for a refresh token. */
export async function refreshGoogle(client: GoogleClient, refresh: string, ports: Ports): Promise<FromProvider<{ tokens: Tokens }>> {
  try {
    const { server } = await discovered(client, ports);
    return await refreshed(server, client, refresh, ports);
  } catch (error) {
    return { ok: false, fault: faultOf(error) };
  }
}
