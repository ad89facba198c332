import { generateKeyPairSync } from "node:crypto";
import { jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { type GitHubAccess, type GitHubCache, gitHubApp } from "./client.ts";

const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
const START = Date.UTC(2026, 10, 23, 4);

/** A GitHub of few words: counts the tokens it mints and knows which of them it still takes. */
function world(more: Partial<GitHubAccess> = {}) {
  const calls: { what: string; authorization: string; agent: string; body: unknown }[] = [];
  const clock = { now: START };
  const refused = new Set<string>();
  let minted = 0;
  const cache: GitHubCache = new Map();
  const fake: typeof fetch = async (input, init) => {
    const url = new URL(String(input));
    const headers = new Headers(init?.headers);
    const authorization = headers.get("authorization") ?? "";
    const body: unknown = typeof init?.body === "string" && init.body !== "" ? JSON.parse(init.body) : null;
    calls.push({ what: `${init?.method} ${url.pathname}`, authorization, agent: headers.get("user-agent") ?? "", body });
    if (url.pathname === "/slow")
      await new Promise((_resolve, reject) => init?.signal?.addEventListener("abort", () => reject(init.signal?.reason)));
    if (refused.has(authorization)) return Response.json({ message: "Bad credentials" }, { status: 401 });
    if (url.pathname.endsWith("/access_tokens")) {
      return Response.json({ token: `ghs_${++minted}`, expires_at: new Date(clock.now + 3_600_000).toISOString() }, { status: 201 });
    }
    if (url.pathname === "/repos/acme/none/installation") return Response.json({ message: "Not Found" }, { status: 404 });
    if (url.pathname.endsWith("/installation")) return Response.json({ id: 7 });
    if (url.pathname === "/app/installations")
      return Response.json([
        { id: 6, suspended_at: "2026-01-01" },
        { id: 7, suspended_at: null },
      ]);
    if (url.pathname === "/users/errand%5Bbot%5D") return Response.json({ id: 4711, login: "errand[bot]" });
    return Response.json({ id: 1 });
  };
  const access = {
    appId: "123",
    slug: "errand",
    privateKey: pair.privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
    apiUrl: "https://api.test/",
    webUrl: "https://github.test/",
    fetch: fake,
    now: () => clock.now,
    cache,
    ...more,
  };
  return { app: gitHubApp(access), access, calls, clock, refused, cache };
}

describe("gitHubApp", () => {
  it("signs App tokens that allow for clocks that differ, and says who calls", async () => {
    const { app, calls } = world();
    await app.asApp().request("GET /app");
    const call = calls[0];
    const { payload, protectedHeader } = await jwtVerify(call?.authorization.replace("Bearer ", "") ?? "", pair.publicKey, {
      currentDate: new Date(START),
    });
    const seconds = START / 1000;
    expect([protectedHeader.alg, payload.iss, payload.iat, payload.exp]).toEqual(["RS256", "123", seconds - 60, seconds + 540]);
    expect(call?.agent).toMatch(/^errand /);
    expect(call?.what).toBe("GET /app");
  });

  it("mints when a call needs it, keeps the token, and mints the next before it ends", async () => {
    const { app, calls, clock } = world();
    const octokit = app.installation(7);
    expect(calls).toHaveLength(0);
    await octokit.request("GET /repos/{owner}/{repo}", { owner: "acme", repo: "sample" });
    await app.installation(7).request("GET /repos/{owner}/{repo}", { owner: "acme", repo: "sample" });
    expect(calls.map(({ authorization }) => authorization).filter((one) => one.startsWith("token"))).toEqual([
      "token ghs_1",
      "token ghs_1",
    ]);
    clock.now += 51 * 60_000;
    await octokit.request("GET /repos/{owner}/{repo}", { owner: "acme", repo: "sample" });
    expect(calls.at(-1)?.authorization).toBe("token ghs_2");
  });

  it("mints once more after a 401, and only once", async () => {
    const { app, calls, refused } = world();
    const octokit = app.installation(7);
    await octokit.request("GET /user");
    refused.add("token ghs_1");
    await octokit.request("GET /user");
    expect(calls.at(-1)?.authorization).toBe("token ghs_2");
    for (const token of ["ghs_2", "ghs_3", "ghs_4"]) refused.add(`token ${token}`);
    await expect(octokit.request("GET /user")).rejects.toMatchObject({ status: 401 });
    expect(calls.at(-1)?.authorization).toBe("token ghs_3");
  });

  it("keeps tokens of different rights apart, and gives a fresh one where asked for", async () => {
    const { app, calls } = world();
    const scope = { repositories: ["acme/sample"], permissions: { contents: "write" as const } };
    const first = await app.token(7, scope);
    expect(first).toEqual({ token: "ghs_1", expiresAt: START + 3_600_000 });
    expect(calls.at(-1)?.body).toEqual({ repositories: ["sample"], permissions: { contents: "write" } });
    expect((await app.token(7, scope)).token).toBe("ghs_1");
    expect((await app.token(7)).token).toBe("ghs_2");
    expect((await app.token(7, scope, true)).token).toBe("ghs_3");
    expect((await app.token(8, scope)).token).toBe("ghs_4");
  });

  it("shares what it learnt with others of the same App, as values", async () => {
    const { app, access, calls, cache } = world();
    await app.token(7);
    expect((await gitHubApp(access).token(7)).token).toBe("ghs_1");
    expect((await gitHubApp({ ...access, appId: "124" }).token(7)).token).toBe("ghs_2");
    expect(calls.filter(({ what }) => what.endsWith("/access_tokens"))).toHaveLength(2);
    for (const { value } of cache.values()) expect(typeof value).toBe("string");
  });

  it("finds the installation of a repository, and asks again where there is none", async () => {
    const { app, calls, clock } = world();
    expect([await app.installationOf("acme/sample"), await app.installationOf("Acme/Sample")]).toEqual([7, 7]);
    expect([await app.installationOf("acme/none"), await app.installationOf("acme/none")]).toEqual([null, null]);
    expect(calls).toHaveLength(3);
    clock.now += 6 * 60_000;
    await app.installationOf("acme/sample");
    expect(calls).toHaveLength(4);
  });

  it("finds its bot by an installation that is not suspended, and gives null where it can't", async () => {
    const { app, calls } = world();
    expect([await app.botId(), await app.botId()]).toEqual([4711, 4711]);
    expect(calls.filter(({ what }) => what.startsWith("GET /users/"))).toHaveLength(1);
    expect(await world({ privateKey: "none" }).app.botId()).toBeNull();
  });

  it("gives a call up in time", async () => {
    const { app } = world({ timeoutMs: 20 });
    await expect(app.asApp().request("GET /slow")).rejects.toMatchObject({ cause: { name: "TimeoutError" } });
  });
});
