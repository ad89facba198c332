import { exports } from "cloudflare:workers";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { beforeEach, describe, expect, test } from "vitest";
import { GRANT_TYP, GrantClaims } from "../../protocol/grant.ts";
import { ask, connectRunner, newSession, ORIGIN, SITES, type World, world } from "../testing/world.ts";

let outside: World;
beforeEach(() => {
  outside = world();
});

const open = (id: string, service = "vscode", headers: Record<string, string> = {}, method = "GET") =>
  ask(`/s/${id}/open/${service}`, { method, headers: { accept: "text/html", ...headers } });

async function booted(): Promise<string> {
  const id = await newSession("look at the <parser>");
  const runner = await connectRunner(outside, id);
  runner.say(
    { type: "boot.phase", phase: "clone", ms: 900, ok: true },
    { type: "service.state", service: "vscode", state: "available" },
    { type: "service.state", service: "terminal", state: "unavailable", reason: "ttyd could not be built here" },
  );
  return id;
}

describe("who only looks gets nothing and wakes nothing", () => {
  test.each([
    ["HEAD", {}, "HEAD", 200],
    ["prefetch", { "sec-purpose": "prefetch" }, "GET", 403],
    ["prerender", { "sec-purpose": "prefetch;prerender" }, "GET", 403],
    ["old prefetch", { purpose: "prefetch" }, "GET", 403],
  ])("%s", async (_name, headers, method, status) => {
    const answer = await open("a".repeat(26), "vscode", headers, method);
    expect([answer.status, await answer.text()]).toEqual([status, ""]);
  });
});

describe("who may not, or asks for what is not there, gets a page", () => {
  test("somebody else", async () => {
    const answer = await open(await newSession(), "vscode", { "x-forwarded-for": "203.0.113.9" });
    expect(answer.status).toBe(401);
    expect(answer.headers.get("content-type")).toContain("text/html");
    expect(await answer.text()).toContain("Only the owner can open this");
  });

  test("somebody else's waiting page", async () => {
    const id = await newSession();
    expect((await ask(`/s/${id}/open/vscode/state`, { headers: { "sec-fetch-site": "cross-site" } })).status).toBe(401);
  });

  test("a frame of another site", async () => {
    const headers = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" };
    expect((await open(await newSession(), "vscode", headers)).status).toBe(401);
  });

  test.each(["a".repeat(26), "nonsense"])("session %s", async (id) => {
    expect((await open(id)).status).toBe(404);
  });

  test.each(["opencode", "__proto__", "VSCODE"])("service %s", async (service) => {
    expect((await open(await newSession(), service)).status).toBe(404);
  });
});

test("another loopback name is sent to the address that grants are made for", async () => {
  const request = new Request("http://localhost:8787/s/x/open/vscode?a=1", { redirect: "manual", headers: { host: "localhost:8787" } });
  const answer = await exports.default.fetch(request);
  expect([answer.status, answer.headers.get("location")]).toEqual([302, `${ORIGIN}/s/x/open/vscode?a=1`]);
});

describe("a click", () => {
  test("while the sandbox starts: a page that waits, names the session and its owner, and asks again", async () => {
    const id = await newSession("look at the <parser>");
    const answer = await open(id);
    const html = await answer.text();
    expect(answer.status).toBe(200);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(html).toContain("look at the &lt;parser&gt;");
    expect(html).toContain("for ada");
    expect(html).toContain('http-equiv="refresh"');
    expect(html).not.toContain("token");
    const state = await ask(`/s/${id}/open/vscode/state`);
    expect(await state.json()).toMatchObject({ state: "starting", phases: [] });
  });

  test("when it runs: a form that posts a grant of 60 s to the gateway", async () => {
    const id = await booted();
    await expect.poll(async () => (await (await ask(`/s/${id}/open/vscode/state`)).json()) as unknown).toEqual({ state: "ready" });
    const answer = await open(id, "vscode", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" });
    const html = await answer.text();
    const policy = answer.headers.get("content-security-policy") ?? "";
    expect(policy).toContain(`form-action ${SITES.ide};`);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(answer.headers.get("referrer-policy")).toBe("strict-origin");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(html).toContain(`action="${SITES.ide}/_errand/auth"`);
    expect(html).toContain("<noscript><button");
    expect(/nonce-([^']+)/.exec(policy)?.[1]).toBe(/<script nonce="([^"]+)"/.exec(html)?.[1]);
    const token = /name="token" value="([^"]+)"/.exec(html)?.[1] ?? "";
    const keys = (await (await ask("/.well-known/jwks.json")).json()) as JSONWebKeySet;
    expect(JSON.stringify(keys)).not.toContain('"d"');
    const { payload } = await jwtVerify(token, createLocalJWKSet(keys), { audience: id, issuer: ORIGIN, typ: GRANT_TYP });
    const claims = GrantClaims.parse(payload);
    expect([claims.svc, claims.sub, claims.exp - claims.iat]).toEqual(["vscode", "owner", 60]);
  });

  test("on a service that this sandbox has not: a page with the reason", async () => {
    const id = await booted();
    await expect.poll(async () => (await open(id, "terminal")).status).toBe(503);
    expect(await (await open(id, "terminal")).text()).toContain("ttyd could not be built here");
    expect((await ask(`/s/${id}/open/terminal/state`)).status).toBe(503);
  });
});
