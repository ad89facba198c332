import * as oauth from "oauth4webapi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { completed } from "./keep.ts";
import { type Bench, startBench } from "./testing.ts";

const CALLBACK = "http://127.0.0.1:8787/auth/github/callback";
const clock = { at: Date.now() };
let bench: Bench;
beforeAll(async () => {
  bench = await startBench({ callbackUrls: [CALLBACK], now: () => clock.at, kept: true });
});
afterAll(() => bench.stop());

const server = () => {
  const issuer = bench.git.url;
  return { issuer, authorization_endpoint: `${issuer}/login/oauth/authorize`, token_endpoint: `${issuer}/login/oauth/access_token` };
};
const client = () => ({ client_id: bench.github.clientId });
const insecure = { [oauth.allowInsecureRequests]: true };
const secret = () => oauth.ClientSecretPost(bench.github.clientSecret);

/** What an App begins a sign-in with. */
async function begin(change: Record<string, string | null> = {}) {
  const [verifier, state] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState()];
  const query = new URLSearchParams({
    client_id: bench.github.clientId,
    redirect_uri: CALLBACK,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  });
  for (const [name, value] of Object.entries(change)) value === null ? query.delete(name) : query.set(name, value);
  return { query, verifier, state };
}

const post = (body: URLSearchParams, headers: Record<string, string> = {}) =>
  fetch(server().authorization_endpoint, { method: "POST", body, headers, redirect: "manual" });

/** Somebody presses a button on the page; gives where the browser goes. */
async function press(query: URLSearchParams, login: string): Promise<URL> {
  const body = new URLSearchParams({ query: query.toString(), login });
  const answer = await post(body);
  expect(answer.status).toBe(302);
  return new URL(answer.headers.get("location") ?? "");
}

async function signIn(login: string): Promise<Record<string, unknown>> {
  const { query, verifier, state } = await begin();
  const params = oauth.validateAuthResponse(server(), client(), await press(query, login), state);
  const answer = await oauth.authorizationCodeGrantRequest(server(), client(), secret(), params, CALLBACK, verifier, insecure);
  return { ...(await oauth.processAuthorizationCodeResponse(server(), client(), answer)) };
}
const tokenOf = async (login: string) => String((await signIn(login)).access_token);

/** One POST to the token endpoint, as plain as can be. */
async function exchange(fields: Record<string, string>, accept = "application/json") {
  const body = new URLSearchParams({ client_id: bench.github.clientId, client_secret: bench.github.clientSecret, ...fields });
  const answer = await fetch(server().token_endpoint, { method: "POST", body, headers: { accept } });
  expect(answer.status).toBe(200);
  return answer;
}
const errorOf = async (fields: Record<string, string>) => ((await (await exchange(fields)).json()) as { error?: string }).error;

async function api(token: string, path: string): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(bench.github.apiUrl + path, { headers: { authorization: `Bearer ${token}` } });
  return { status: answer.status, body: await answer.json() };
}
const statusOf = async (token: string, path: string) => (await api(token, path)).status;

/** What an App asks about a token, with its client secret. */
const about = (method: string, what: "token" | "grant", token: string, password = bench.github.clientSecret) => {
  const authorization = `Basic ${Buffer.from(`${bench.github.clientId}:${password}`).toString("base64")}`;
  const init = { method, headers: { authorization }, body: JSON.stringify({ access_token: token }) };
  return fetch(`${bench.github.apiUrl}/applications/${bench.github.clientId}/${what}`, init);
};

describe("the web flow", () => {
  test("a foreign client signs somebody in, with PKCE and state", async () => {
    const tokens = await signIn("ada");
    expect(tokens).toMatchObject({
      access_token: expect.stringMatching(/^ghu_\w{36}$/),
      refresh_token: expect.stringMatching(/^ghr_\w{76}$/),
      token_type: "bearer",
      expires_in: 28_800,
      scope: "",
    });
    expect(await api(String(tokens.access_token), "/user")).toMatchObject({ status: 200, body: { login: "ada", id: 58_100_001 } });
  });

  test("the page names the App and everyone one can be; other pages may lead to it, and post nothing", async () => {
    const { query } = await begin({ login: "grace" });
    const other = { "sec-fetch-site": "cross-site", origin: "http://evil.example" };
    const shown = await fetch(`${server().authorization_endpoint}?${query}`, { headers: { "sec-fetch-site": "cross-site" } });
    const body = new URLSearchParams({ query: query.toString(), login: "ada" });
    expect((await post(body, other)).status).toBe(403);
    expect((await fetch(server().token_endpoint, { method: "POST", headers: other })).status).toBe(404);
    const text = await shown.text();
    for (const name of ["ada", "grace", "mallory"]) expect(text).toContain(`value="${name}"`);
    expect(text).toContain("Authorize errand");
    expect(shown.headers.get("content-security-policy")).toContain("form-action 'self' http://127.0.0.1:8787;");
  });

  test("who cancels is sent back with the state and no code", async () => {
    const { query, state } = await begin();
    const url = await press(query, "");
    expect(Object.fromEntries(url.searchParams)).toMatchObject({ error: "access_denied", state });
    expect(url.searchParams.has("code")).toBe(false);
  });

  test.each<[string, Record<string, string | null>, number]>([
    ["another App", { client_id: "Iv1.other" }, 404],
    ["another address", { redirect_uri: "http://127.0.0.1:8787/elsewhere" }, 400],
    ["the address and more", { redirect_uri: `${CALLBACK}?next=1` }, 400],
    ["the address with a slash", { redirect_uri: `${CALLBACK}/` }, 400],
    ["the address by another name", { redirect_uri: CALLBACK.replace("127.0.0.1", "localhost") }, 400],
    ["a plain challenge", { code_challenge_method: "plain" }, 400],
    ["a challenge without its method", { code_challenge_method: null }, 400],
    ["a method without its challenge", { code_challenge: null }, 400],
    ["a challenge that is no hash", { code_challenge: "short" }, 400],
  ])("%s is refused on the page, and by what its form posts to", async (_name, change, status) => {
    const { query } = await begin(change);
    const shown = await fetch(`${server().authorization_endpoint}?${query}`);
    expect(shown.status).toBe(status);
    expect(await shown.text()).not.toContain("<form");
    const body = new URLSearchParams({ query: query.toString(), login: "ada" });
    expect((await post(body)).status).toBe(status);
  });

  test("somebody who is not there is nobody", async () => {
    const { query } = await begin();
    for (const login of ["nobody", "errand[bot]"]) {
      const body = new URLSearchParams({ query: query.toString(), login });
      expect((await post(body)).status).toBe(422);
    }
  });
});

describe("the token endpoint says no with 200 and a word", () => {
  const codeOf = async (change: Record<string, string | null> = {}) => {
    const begun = await begin(change);
    return { ...begun, code: (await press(begun.query, "ada")).searchParams.get("code") ?? "" };
  };

  test("a code is good once, for ten minutes, for its App, its address and its verifier", async () => {
    const used = await codeOf();
    const redirect_uri = CALLBACK;
    expect(await errorOf({ code: used.code, redirect_uri, code_verifier: used.verifier })).toBeUndefined();
    expect(await errorOf({ code: used.code, redirect_uri, code_verifier: used.verifier })).toBe("bad_verification_code");
    const late = await codeOf();
    clock.at += 10 * 60_000;
    expect(await errorOf({ code: late.code, code_verifier: late.verifier })).toBe("bad_verification_code");
    const elsewhere = await codeOf();
    const mismatch = { code: elsewhere.code, redirect_uri: "http://127.0.0.1:1/", code_verifier: elsewhere.verifier };
    expect(await errorOf(mismatch)).toBe("redirect_uri_mismatch");
    expect(await errorOf({ code: "nonsense", code_verifier: elsewhere.verifier })).toBe("bad_verification_code");
  });

  test("PKCE: without the verifier, with another, and a verifier where the challenge was taken out", async () => {
    const bare = await codeOf();
    expect(await errorOf({ code: bare.code })).toBe("bad_verification_code");
    expect(await errorOf({ code: bare.code, code_verifier: bare.verifier })).toBe("bad_verification_code");
    const other = await codeOf();
    expect(await errorOf({ code: other.code, code_verifier: oauth.generateRandomCodeVerifier() })).toBe("bad_verification_code");
    const stripped = await codeOf({ code_challenge: null, code_challenge_method: null });
    expect(await errorOf({ code: stripped.code, code_verifier: stripped.verifier })).toBe("bad_verification_code");
    const never = await codeOf({ code_challenge: null, code_challenge_method: null });
    expect(await errorOf({ code: never.code })).toBeUndefined();
  });

  test("a wrong secret, which does not use the code up; another way to ask; another form of answer", async () => {
    const { code, verifier } = await codeOf();
    expect(await errorOf({ code, code_verifier: verifier, client_secret: "wrong" })).toBe("incorrect_client_credentials");
    expect(await errorOf({ code, grant_type: "password" })).toBe("unsupported_grant_type");
    const form = new URLSearchParams(await (await exchange({ code, code_verifier: verifier }, "*/*")).text());
    expect(form.get("access_token")).toMatch(/^ghu_/);
  });

  test("whose primary address is not proven gets no token", async () => {
    const own = { email: "new@acme.example", primary: true, verified: false, visibility: null };
    bench.github.setEmails("grace", [own]);
    const begun = await begin();
    const code = (await press(begun.query, "grace")).searchParams.get("code") ?? "";
    expect(await errorOf({ code, code_verifier: begun.verifier })).toBe("unverified_user_email");
    bench.github.setEmails("grace", [{ ...own, email: "grace@acme.example", verified: true }]);
  });

  test("an outage of GitHub's reaches it as any other call", async () => {
    bench.github.faults.next("POST /login/oauth/access_token", { kind: "status", status: 503 });
    const answer = await fetch(server().token_endpoint, { method: "POST", body: new URLSearchParams() });
    expect(answer.status).toBe(503);
  });
});

describe("a token", () => {
  test("ends after eight hours; its refresh token works once, for six months, and ends the old pair", async () => {
    const first = await signIn("ada");
    clock.at += 28_800_000;
    expect(await statusOf(String(first.access_token), "/user")).toBe(401);
    const renew = (token: unknown) => oauth.refreshTokenGrantRequest(server(), client(), secret(), String(token), insecure);
    const second = await oauth.processRefreshTokenResponse(server(), client(), await renew(first.refresh_token));
    expect(await statusOf(second.access_token, "/user")).toBe(200);
    const refresh = (token: unknown) => errorOf({ grant_type: "refresh_token", refresh_token: String(token) });
    expect(await refresh(first.refresh_token)).toBe("bad_refresh_token");
    expect(await statusOf(second.access_token, "/user")).toBe(200);
    clock.at += 15_897_600_000;
    expect(await refresh(second.refresh_token)).toBe("bad_refresh_token");
    clock.at = Date.now();
  });

  test("can be checked, changed and ended by the App, and by nobody else", async () => {
    const token = await tokenOf("grace");
    expect((await about("POST", "token", token, "wrong")).status).toBe(401);
    expect(await (await about("POST", "token", token)).json()).toMatchObject({ user: { login: "grace" }, token });
    const fresh = String(((await (await about("PATCH", "token", token)).json()) as { token: string }).token);
    expect(await Promise.all([statusOf(token, "/user"), statusOf(fresh, "/user")])).toEqual([401, 200]);
    expect((await about("POST", "token", token)).status).toBe(404);
    expect((await about("DELETE", "token", fresh)).status).toBe(204);
    expect(await statusOf(fresh, "/user")).toBe(401);
    expect((await about("DELETE", "token", fresh)).status).toBe(404);
    const [one, two] = [await tokenOf("ada"), await tokenOf("ada")];
    expect((await about("DELETE", "grant", one)).status).toBe(204);
    expect(await Promise.all([one, two].map((each) => statusOf(each, "/user")))).toEqual([401, 401]);
  });

  test("does what both the person and the App may: hidden repositories only where the App is installed", async () => {
    const { github } = bench;
    const [ada, mallory] = [await tokenOf("ada"), await tokenOf("mallory")];
    expect(await statusOf(ada, "/repos/acme/ledger")).toBe(200);
    expect(await statusOf(mallory, "/repos/acme/ledger")).toBe(404);
    github.installationRepository("removed", "acme/ledger");
    expect(await statusOf(ada, "/repos/acme/ledger")).toBe(404);
    expect(await statusOf(github.tokenOf("ada"), "/repos/acme/ledger")).toBe(200);
    github.installationRepository("added", "acme/ledger");
    const clone = await bench.run(".", "ls-remote", bench.address("acme/ledger", ada));
    expect(clone.ok).toBe(true);
    const write = (token: string, repo: string) =>
      fetch(`${github.apiUrl}/repos/${repo}/issues`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}` },
        body: JSON.stringify({ title: "By an App" }),
      });
    expect((await write(ada, "acme/sample")).status).toBe(201);
    expect((await write(mallory, "mallory/sample")).status).toBe(403);
  });

  test("tells the App's installations that the person has a right in", async () => {
    expect(await api(await tokenOf("ada"), "/user/installations")).toMatchObject({
      body: { total_count: 1, installations: [{ id: bench.github.installationId, app_slug: "errand", account: { login: "acme" } }] },
    });
    expect(await api(await tokenOf("mallory"), "/user/installations")).toMatchObject({ body: { total_count: 0 } });
    const at = `/user/installations/${bench.github.installationId}/repositories`;
    const named = (await api(await tokenOf("grace"), at)).body as { repositories: { full_name: string }[] };
    expect(named.repositories.map((one) => one.full_name).sort()).toEqual(["acme/ledger", "acme/sample"]);
    expect(await statusOf(await tokenOf("mallory"), at)).toBe(404);
    expect(await statusOf(bench.github.tokenOf("ada"), "/user/installations")).toBe(403);
  });

  test("is still good after a restart", async () => {
    const token = await tokenOf("ada");
    const { clientSecret } = bench.github;
    await bench.restart();
    expect(bench.github.clientSecret).toBe(clientSecret);
    expect(await statusOf(token, "/user")).toBe(200);
  });
});

describe("who somebody is", () => {
  test("addresses say what was proven, and need the App's right", async () => {
    const token = await tokenOf("mallory");
    expect((await api(token, "/user/emails")).body).toEqual([
      { email: "mallory@elsewhere.example", primary: true, verified: true, visibility: "private" },
      { email: "mallory@acme.example", primary: false, verified: false, visibility: null },
    ]);
    expect((await api(token, "/user")).body).toMatchObject({ email: null });
    const app = bench.github.tables.apps.findOneBy("slug", "errand");
    const { emails: _, ...permissions } = app?.permissions ?? {};
    if (app) bench.github.tables.apps.update(app.id, { permissions });
    expect(await statusOf(token, "/user/emails")).toBe(403);
    if (app) bench.github.tables.apps.update(app.id, { permissions: app.permissions });
    expect(await statusOf("", "/user/emails")).toBe(401);
  });

  test.each([
    ["ada", { state: "active", role: "admin" }, { state: "active", role: "maintainer" }],
    ["grace", { state: "active", role: "member" }, null],
    ["mallory", { state: "pending", role: "member" }, { state: "pending", role: "member" }],
  ])("%s in the organisation and its team", async (login, org, team) => {
    const token = await tokenOf(login);
    expect(await api(token, "/user/memberships/orgs/acme")).toMatchObject({
      status: 200,
      body: { ...org, organization: { login: "acme" } },
    });
    const inTeam = await api(token, `/orgs/acme/teams/core/memberships/${login}`);
    expect(inTeam).toMatchObject(team ? { status: 200, body: team } : { status: 404 });
    expect(await statusOf(token, "/user/memberships/orgs/nowhere")).toBe(404);
  });

  test("memberships need the right that the organisation granted, and a person's token", async () => {
    const token = await tokenOf("ada");
    const { appInstallations } = bench.github.tables;
    const row = appInstallations.all()[0];
    const { members: _, ...permissions } = row?.permissions ?? {};
    if (row) appInstallations.update(row.id, { permissions });
    expect(await statusOf(token, "/user/memberships/orgs/acme")).toBe(403);
    if (row) appInstallations.update(row.id, { permissions: row.permissions });
    expect(await statusOf(token, "/user/memberships/orgs/acme")).toBe(200);
    expect(await statusOf(await bench.pushToken(), "/user/memberships/orgs/acme")).toBe(403);
    expect(await statusOf(await tokenOf("grace"), "/orgs/acme/memberships/ada")).toBe(200);
    expect(await statusOf(await tokenOf("mallory"), "/orgs/acme/memberships/ada")).toBe(404);
  });
});

test("what was kept before people could sign in is completed with the tables it lacks, and keeps its own", () => {
  const fresh = { collections: { users: ["ghost"], emails: [] }, data: {} };
  const kept = { collections: { users: ["ada"], issues: ["one"] }, data: { a: 1 } };
  expect(completed(kept, fresh)).toEqual({ collections: { users: ["ada"], issues: ["one"], emails: [] }, data: { a: 1 } });
  expect(completed("nonsense", fresh)).toBe("nonsense");
});
