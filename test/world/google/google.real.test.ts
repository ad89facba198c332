import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as oauth from "oauth4webapi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Google, startGoogle } from "./start.ts";

const CALLBACK = "http://127.0.0.1:8787/auth/google/callback";
const clock = { at: Date.now() };
const folder = mkdtempSync(join(tmpdir(), "errand-google-"));
const start = () => startGoogle({ dataDir: folder, redirectUris: [CALLBACK], now: () => clock.at });
const insecure = { [oauth.allowInsecureRequests]: true };
let google: Google;
let server: oauth.AuthorizationServer;
beforeAll(async () => {
  google = await start();
  const issuer = new URL(google.url);
  server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
});
afterAll(async () => {
  await google.stop();
  rmSync(folder, { recursive: true, force: true });
});
const client = () => ({ client_id: google.clientId, [oauth.clockTolerance]: 5 });

async function begin(change: Record<string, string | null> = {}) {
  const [verifier, state, nonce] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState(), oauth.generateRandomNonce()];
  const query = new URLSearchParams({
    ...{ client_id: google.clientId, redirect_uri: CALLBACK, response_type: "code", scope: "openid email profile", state, nonce },
    ...{ code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256" },
  });
  for (const [name, value] of Object.entries(change)) value === null ? query.delete(name) : query.set(name, value);
  return { query, verifier, state, nonce };
}
const open = (query: URLSearchParams) => fetch(`${server.authorization_endpoint}?${query}`, { redirect: "manual" });
const post = (query: URLSearchParams, email: string, headers: Record<string, string> = {}) => {
  const body = new URLSearchParams({ query: query.toString(), email });
  return fetch(String(server.authorization_endpoint), { method: "POST", body, headers, redirect: "manual" });
};
const choose = async (query: URLSearchParams, email: string) => new URL((await post(query, email)).headers.get("location") ?? "");

async function signIn(email: string, change: Record<string, string | null> = {}, auth = oauth.ClientSecretPost(google.clientSecret)) {
  const { query, verifier, state, nonce } = await begin(change);
  const params = oauth.validateAuthResponse(server, client(), await choose(query, email), state);
  const answer = await oauth.authorizationCodeGrantRequest(server, client(), auth, params, CALLBACK, verifier, insecure);
  const tokens = await oauth.processAuthorizationCodeResponse(server, client(), answer, { expectedNonce: nonce, requireIdToken: true });
  await oauth.validateApplicationLevelSignature(server, answer, insecure);
  return { tokens, claims: oauth.getValidatedIdTokenClaims(tokens) };
}

/** One POST to the token endpoint, as plain as can be; gives its error's words. */
async function errorOf(fields: Record<string, string>): Promise<string | undefined> {
  const own = { grant_type: "authorization_code", redirect_uri: CALLBACK, client_id: google.clientId, client_secret: google.clientSecret };
  const answer = await fetch(String(server.token_endpoint), { method: "POST", body: new URLSearchParams({ ...own, ...fields }) });
  const said = (await answer.json()) as { error?: string; error_description?: string };
  return said.error && `${answer.status} ${said.error}: ${said.error_description}`;
}
const codeOf = async (change: Record<string, string | null> = {}) => {
  const begun = await begin(change);
  return { ...begun, code: (await choose(begun.query, "ada@acme.example")).searchParams.get("code") ?? "" };
};

describe("OpenID Connect", () => {
  test("a foreign client finds its way, signs somebody in with PKCE and nonce, and checks the ID token", async () => {
    expect(server).toMatchObject({ issuer: google.url, code_challenge_methods_supported: ["S256"] });
    const { tokens, claims } = await signIn("ada@acme.example");
    expect(claims).toMatchObject({
      ...{ iss: google.url, aud: google.clientId, azp: google.clientId, sub: "109200000000000000001", name: "Ada" },
      ...{ email: "ada@acme.example", email_verified: true, hd: "acme.example", at_hash: expect.any(String) },
    });
    expect(tokens).not.toHaveProperty("refresh_token");
    const info = await oauth.userInfoRequest(server, client(), tokens.access_token, insecure);
    expect(await oauth.processUserInfoResponse(server, client(), claims?.sub ?? "", info)).toMatchObject({ email: "ada@acme.example" });
  });

  test("an address is said to be verified or not, and a Workspace is named only where there is one", async () => {
    expect((await signIn("boss@acme.example")).claims).toMatchObject({ email: "boss@acme.example", email_verified: false });
    const mallory = (await signIn("mallory@elsewhere.example")).claims;
    expect(mallory).toMatchObject({ email_verified: true });
    expect(mallory).not.toHaveProperty("hd");
  });

  test("scopes decide what is told, and access_type whether there is a refresh token", async () => {
    const bare = await signIn("ada@acme.example", { scope: "openid" });
    for (const name of ["email", "email_verified", "name", "hd"]) expect(bare.claims).not.toHaveProperty(name);
    const { tokens } = await signIn("ada@acme.example", { access_type: "offline" }, oauth.ClientSecretBasic(google.clientSecret));
    const auth = oauth.ClientSecretPost(google.clientSecret);
    const renewed = await oauth.refreshTokenGrantRequest(server, client(), auth, tokens.refresh_token ?? "", insecure);
    expect(await oauth.processRefreshTokenResponse(server, client(), renewed)).toMatchObject({ token_type: "bearer" });
  });

  test("an access token ends after an hour, or when it is revoked", async () => {
    const status = async (token: string) => (await oauth.userInfoRequest(server, client(), token, insecure)).status;
    const [one, two] = [(await signIn("ada@acme.example")).tokens.access_token, (await signIn("grace@acme.example")).tokens.access_token];
    await oauth.revocationRequest(server, client(), oauth.None(), one, insecure);
    expect([await status(one), await status(two)]).toEqual([401, 200]);
    clock.at += 3_600_000;
    expect(await status(two)).toBe(401);
    clock.at = Date.now();
  });

  test("the same people, client and key are there after a restart", async () => {
    const { clientSecret } = google;
    const before = (await signIn("grace@acme.example")).claims?.sub;
    const keys = await (await fetch(String(server.jwks_uri))).text();
    expect(keys).not.toMatch(/"(d|p|q|dp|dq|qi)"/);
    await google.stop();
    google = await startGoogle({ dataDir: folder, redirectUris: [CALLBACK], now: () => clock.at, port: Number(new URL(google.url).port) });
    expect(google.clientSecret).toBe(clientSecret);
    expect(await (await fetch(String(server.jwks_uri))).text()).toBe(keys);
    expect((await signIn("grace@acme.example")).claims?.sub).toBe(before);
  });
});

describe("the page", () => {
  test("shows everyone, or only the Workspace that was asked for; who cancels is sent back", async () => {
    const { query, state } = await begin();
    const shown = await open(query);
    expect(shown.headers.get("content-security-policy")).toContain("form-action 'self' http://127.0.0.1:8787;");
    const text = await shown.text();
    for (const name of ["ada@", "grace@", "mallory@", "boss@"]) expect(text).toContain(`value="${name}`);
    expect(await (await open((await begin({ hd: "acme.example" })).query)).text()).not.toContain("mallory@");
    expect(Object.fromEntries((await choose(query, "")).searchParams)).toEqual({ state, error: "access_denied" });
    expect((await post(query, "nobody@acme.example")).status).toBe(422);
    const silent = await open((await begin({ prompt: "none" })).query);
    expect(silent.headers.get("location")).toContain("error=interaction_required");
  });

  test.each<[string, Record<string, string | null>, RegExp]>([
    ["another client", { client_id: "other" }, /Error 401: invalid_client/],
    ["another address", { redirect_uri: "http://127.0.0.1:8787/" }, /redirect_uri_mismatch/],
    ["the address and more", { redirect_uri: `${CALLBACK}?next=1` }, /redirect_uri_mismatch/],
    ["the address with a slash", { redirect_uri: `${CALLBACK}/` }, /redirect_uri_mismatch/],
    ["no address", { redirect_uri: null }, /redirect_uri_mismatch/],
    ["the implicit flow", { response_type: "token" }, /invalid_request/],
    ["no scope", { scope: null }, /invalid_request/],
    ["a plain challenge", { code_challenge_method: "plain" }, /S256/],
    ["a method without its challenge", { code_challenge: null }, /S256/],
  ])("%s is refused, and by what its form posts to", async (_name, change, words) => {
    const { query } = await begin(change);
    const shown = await open(query);
    const text = await shown.text();
    expect([shown.status >= 400, text.includes("<form")]).toEqual([true, false]);
    expect(text).toMatch(words);
    const posted = await post(query, "ada@acme.example");
    expect([posted.status >= 400, posted.headers.get("location")]).toEqual([true, null]);
  });

  test("pages of other origins may lead to it, and post to nothing", async () => {
    const { query } = await begin();
    const other = { "sec-fetch-site": "cross-site", origin: "http://evil.example" };
    expect((await fetch(`${server.authorization_endpoint}?${query}`, { headers: { "sec-fetch-site": "cross-site" } })).status).toBe(200);
    expect((await post(query, "ada@acme.example", other)).status).toBe(403);
    expect((await fetch(String(server.token_endpoint), { method: "POST", headers: other })).status).toBe(403);
  });
});

describe("the token endpoint", () => {
  test("a code is good once, for ten minutes, at its address, with its verifier", async () => {
    const used = await codeOf();
    expect(await errorOf({ code: used.code, code_verifier: used.verifier })).toBeUndefined();
    expect(await errorOf({ code: used.code, code_verifier: used.verifier })).toBe("400 invalid_grant: Malformed auth code.");
    const late = await codeOf();
    clock.at += 600_000;
    expect(await errorOf({ code: late.code, code_verifier: late.verifier })).toMatch(/^400 invalid_grant/);
    clock.at = Date.now();
    const elsewhere = await codeOf();
    const moved = { code: elsewhere.code, code_verifier: elsewhere.verifier, redirect_uri: "http://127.0.0.1:1/" };
    expect(await errorOf(moved)).toBe("400 redirect_uri_mismatch: Bad Request");
  });

  test("PKCE: without the verifier, with another, and a verifier where the challenge was taken out", async () => {
    expect(await errorOf({ code: (await codeOf()).code })).toBe("400 invalid_grant: Missing code verifier.");
    const other = { code: (await codeOf()).code, code_verifier: oauth.generateRandomCodeVerifier() };
    expect(await errorOf(other)).toBe("400 invalid_grant: Invalid code verifier.");
    const stripped = await codeOf({ code_challenge: null, code_challenge_method: null });
    expect(await errorOf({ code: stripped.code, code_verifier: stripped.verifier })).toMatch(/^400 invalid_grant/);
  });

  test("a wrong secret, another client and another way to ask are refused", async () => {
    const { code, verifier } = await codeOf();
    expect(await errorOf({ code, code_verifier: verifier, client_secret: "wrong" })).toBe("401 invalid_client: Unauthorized");
    expect(await errorOf({ code, code_verifier: verifier, client_id: "other" })).toBe("401 invalid_client: Unauthorized");
    expect(await errorOf({ grant_type: "password" })).toMatch(/^400 unsupported_grant_type/);
    expect(await errorOf({ code, code_verifier: verifier })).toBeUndefined();
  });

  test.each([
    ["signed by another key", { foreignKey: true }],
    ["of another nonce", { claims: (claims: object) => ({ ...claims, nonce: "other" }) }],
    ["for another client", { claims: (claims: object) => ({ ...claims, aud: "other" }) }],
    ["that has ended", { claims: (claims: object) => ({ ...claims, exp: 1 }) }],
    ["and no answer at all", { status: 503 }],
  ])("can be made to give an ID token %s, which a client notices", async (_name, what) => {
    google.tamper(what);
    await expect(signIn("ada@acme.example")).rejects.toThrow();
    expect((await signIn("ada@acme.example")).claims?.email).toBe("ada@acme.example");
  });
});

test("a kept file that is not one of ours is named", async () => {
  const other = mkdtempSync(join(tmpdir(), "errand-google-"));
  writeFileSync(join(other, "google.json"), "{}");
  await expect(startGoogle({ dataDir: other, redirectUris: [] })).rejects.toThrow(/google\.json is not a Google this version can read/);
  rmSync(other, { recursive: true });
});
