/**
 * Sign-in at the local Google: the emulator's flow held to what Google does. The emulator takes addresses that only look alike, plain PKCE
 * and none, a code from another client or for another address; it hands out refresh tokens unasked, and ID tokens without `azp` and
 * `at_hash`. https://developers.google.com/identity/openid-connect/openid-connect
 */
import { createHash } from "node:crypto";
import { type CryptoKey, decodeJwt, type JWTPayload, SignJWT } from "jose";
import { z } from "zod";
import type { Emulator, GoogleClient, GoogleUser } from "./emulator.ts";

/** How long a code is good, in ms. */
const CODE_MS = 10 * 60_000;
/** How long access and ID tokens are good, in seconds. */
const TOKEN_SECONDS = 3_600;

/** What a client asks of whoever opens the page. */
export interface Asking {
  client: GoogleClient;
  redirectUri: string;
  scopes: string[];
  state: string | null;
  nonce: string | null;
  challenge: string | null;
  offline: boolean;
}

/** What the page shows, or where the browser goes without one. */
export type Page =
  | { kind: "ask"; asking: Asking; people: GoogleUser[] }
  | { kind: "refused"; status: 400 | 401; title: string; text: string }
  | { kind: "back"; to: string };

/** A change to what comes next, for tests of what an issuer must not get away with. `foreignKey`: signed by somebody else. */
export type Tampering = { claims?: (claims: JWTPayload) => JWTPayload; foreignKey?: boolean; status?: number };

interface Code extends Asking {
  until: number;
}

const Tokens = z.looseObject({ access_token: z.string(), id_token: z.string(), refresh_token: z.string() });
const CHALLENGE = /^[\w-]{43}$/;
const VERIFIER = /^[\w.~-]{43,128}$/;

/** Makes the flow. `keys.own` signs ID tokens. */
export function makeFlow(parts: {
  emulator: Emulator;
  issuer: string;
  now: () => number;
  keys: { kid: string; own: CryptoKey; foreign: CryptoKey };
}) {
  const { emulator, issuer, now, keys } = parts;
  const { tables } = emulator;
  const codes = new Map<string, Code>();
  /** When access tokens end; the emulator's never do. */
  const ends = new Map<string, number>();
  const tampering: Tampering[] = [];

  /** What the page at the authorization endpoint has to show. */
  function ask(query: URLSearchParams): Page {
    const no = (status: 400 | 401, error: string, text: string): Page => ({
      kind: "refused",
      status,
      title: `Error ${status}: ${error}`,
      text,
    });
    const client = tables.oauthClients.findOneBy("client_id", query.get("client_id") ?? "");
    if (!client) return no(401, "invalid_client", "The OAuth client was not found.");
    const redirectUri = query.get("redirect_uri") ?? "";
    if (!client.redirect_uris.includes(redirectUri))
      return no(400, "redirect_uri_mismatch", "The redirect URI in the request does not match the ones authorized for the OAuth client.");
    if (query.get("response_type") !== "code") return no(400, "invalid_request", "response_type must be code.");
    const scopes = (query.get("scope") ?? "").split(" ").filter(Boolean);
    if (scopes.length === 0) return no(400, "invalid_request", "Missing required parameter: scope");
    const [challenge, method] = [query.get("code_challenge"), query.get("code_challenge_method")];
    if ((challenge !== null && (method !== "S256" || !CHALLENGE.test(challenge))) || (challenge === null && method !== null))
      return no(400, "invalid_request", "The code_challenge must be sent with the code_challenge_method S256.");
    const asking = {
      ...{ client, redirectUri, scopes, challenge, state: query.get("state"), nonce: query.get("nonce") },
      offline: query.get("access_type") === "offline",
    };
    if (query.get("prompt") === "none") return { kind: "back", to: back(asking, { error: "interaction_required" }) };
    const hd = query.get("hd");
    const people = tables.users.all().filter((one) => hd === null || hd === "*" || one.hd === hd);
    return { kind: "ask", asking, people };
  }

  const back = (asking: Asking, answer: Record<string, string>): string => {
    const url = new URL(asking.redirectUri);
    for (const [name, value] of Object.entries({ ...(asking.state === null ? {} : { state: asking.state }), ...answer }))
      url.searchParams.set(name, value);
    return url.href;
  };

  /** Somebody is chosen: where the browser goes with the code. Null where there is no such person. */
  async function choose(asking: Asking, email: string): Promise<string | null> {
    if (!tables.users.findOneBy("email", email)) return null;
    for (const [code, one] of codes) if (one.until <= now()) codes.delete(code);
    const body = new URLSearchParams({
      ...{ email, redirect_uri: asking.redirectUri, scope: asking.scopes.join(" "), client_id: asking.client.client_id },
      ...(asking.nonce === null ? {} : { nonce: asking.nonce }),
    });
    const answer = await emulator.fetch(new Request(`${issuer}/o/oauth2/v2/auth/callback`, { method: "POST", body }));
    const code = new URL(answer.headers.get("location") ?? issuer).searchParams.get("code");
    if (code === null) throw new Error(`the emulator answered ${answer.status} and gave no code`);
    codes.set(code, { ...asking, until: now() + CODE_MS });
    // Google says these too.
    return back(asking, { code, scope: asking.scopes.join(" "), authuser: "0", prompt: "consent" });
  }

  const no = (status: number, error: string, error_description: string): Response =>
    Response.json({ error, error_description }, { status });

  /** The client that a form or Basic auth names, if its secret fits. */
  function clientOf(form: URLSearchParams, authorization: string | null): GoogleClient | null {
    const basic = /^Basic\s+([A-Za-z0-9+/=]+)$/i.exec(authorization ?? "")?.[1];
    const pair = basic ? Buffer.from(basic, "base64").toString("utf8").split(":").map(decodeURIComponent) : null;
    const [id, secret] = pair ?? [form.get("client_id") ?? "", form.get("client_secret") ?? ""];
    const client = tables.oauthClients.findOneBy("client_id", id ?? "");
    return client && client.client_secret === secret ? client : null;
  }

  /** The token endpoint. */
  async function exchange(request: Request): Promise<Response> {
    const tampered = tampering.shift() ?? {};
    if (tampered.status !== undefined) return no(tampered.status, "temporarily_unavailable", "Try again later.");
    const form = new URLSearchParams(await request.text());
    const client = clientOf(form, request.headers.get("authorization"));
    if (!client) return no(401, "invalid_client", "Unauthorized");
    const forward = (fields: Record<string, string>) => {
      const body = new URLSearchParams({ ...fields, client_id: client.client_id, client_secret: client.client_secret });
      return emulator.fetch(new Request(`${issuer}/oauth2/token`, { method: "POST", body }));
    };
    const kind = form.get("grant_type");
    if (kind === "refresh_token") return forward({ grant_type: kind, refresh_token: form.get("refresh_token") ?? "" });
    if (kind !== "authorization_code") return no(400, "unsupported_grant_type", `Invalid grant_type: ${kind}`);
    const given = form.get("code") ?? "";
    const code = codes.get(given);
    if (!code || code.client.client_id !== client.client_id) return no(400, "invalid_grant", "Malformed auth code.");
    // Whatever comes of it, a code is looked at once.
    codes.delete(given);
    if (code.until <= now()) return no(400, "invalid_grant", "Bad Request");
    if (form.get("redirect_uri") !== code.redirectUri) return no(400, "redirect_uri_mismatch", "Bad Request");
    const wrong = proofMistake(form.get("code_verifier"), code.challenge);
    if (wrong) return no(400, "invalid_grant", wrong);
    const answer = await forward({ grant_type: kind, code: given, redirect_uri: code.redirectUri });
    if (!answer.ok) return answer;
    const { id_token, refresh_token, ...rest } = Tokens.parse(await answer.json());
    ends.set(rest.access_token, now() + TOKEN_SECONDS * 1_000);
    return Response.json({
      ...rest,
      expires_in: TOKEN_SECONDS - 1,
      ...(code.offline ? { refresh_token } : {}),
      ...(code.scopes.includes("openid") ? { id_token: await idToken(decodeJwt(id_token), rest.access_token, code, tampered) } : {}),
    });
  }

  /** The emulator's ID token with what it lacks, for the scopes that were asked for, signed anew. */
  function idToken(theirs: JWTPayload, accessToken: string, code: Code, tampered: Tampering): Promise<string> {
    const { email, email_verified, hd, name, given_name, family_name, picture, ...rest } = theirs;
    const at = Math.floor(now() / 1000);
    const claims: JWTPayload = {
      ...rest,
      ...(code.scopes.includes("email") ? { email, email_verified, ...(hd ? { hd } : {}) } : {}),
      ...(code.scopes.includes("profile") ? { name, given_name, family_name, picture } : {}),
      azp: code.client.client_id,
      // OpenID Connect Core, 3.1.3.6: the left half of the hash.
      at_hash: createHash("sha256").update(accessToken).digest().subarray(0, 16).toString("base64url"),
      iat: at,
      exp: at + TOKEN_SECONDS,
    };
    const header = { alg: "RS256", kid: keys.kid, typ: "JWT" };
    return new SignJWT(tampered.claims?.(claims) ?? claims).setProtectedHeader(header).sign(tampered.foreignKey ? keys.foreign : keys.own);
  }

  return {
    ask,
    choose,
    exchange,
    /** Somebody cancels: where the browser goes. */
    decline: (asking: Asking) => back(asking, { error: "access_denied" }),
    /** What the emulator answers by itself, to a token that is still good. */
    async forward(request: Request): Promise<Response> {
      for (const [token, until] of ends) {
        if (until > now()) continue;
        ends.delete(token);
        emulator.tokens.delete(token);
      }
      return emulator.fetch(request);
    },
    /** The next call of the token endpoint is answered otherwise. */
    tamper: (what: Tampering) => void tampering.push(what),
  };
}

/** See `makeFlow`. */
export type Flow = ReturnType<typeof makeFlow>;

/** RFC 7636, 4.6; a verifier without a challenge is refused too: somebody took the challenge out (RFC 9700, 2.1.1). */
function proofMistake(verifier: string | null, challenge: string | null): string | null {
  if (challenge === null) return verifier === null ? null : "code_verifier or verifier is not needed.";
  if (verifier === null) return "Missing code verifier.";
  const fits = VERIFIER.test(verifier) && createHash("sha256").update(verifier).digest("base64url") === challenge;
  return fits ? null : "Invalid code verifier.";
}
