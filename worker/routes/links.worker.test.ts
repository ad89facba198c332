import { env, exports } from "cloudflare:workers";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GRANT_TYP, GrantClaims } from "../../protocol/grant.ts";
import { AS_ADMIN_MS } from "../auth/as-admin.ts";
import { fresh } from "../testing/deliveries.ts";
import { askAs, gitHubWith, sessionIn, someone } from "../testing/people.ts";
import { ask, connectRunner, newSession, ORIGIN, type Runner, SITES, type World, world } from "../testing/world.ts";

let outside: World;
beforeEach(() => {
  outside = world();
});

/** The claims of the grant that a page hands over, checked with the keys that everybody can get. */
async function grantIn(html: string, id: string): Promise<GrantClaims> {
  const token = /name="token" value="([^"]+)"/.exec(html)?.[1] ?? "";
  const keys = (await (await ask("/.well-known/jwks.json")).json()) as JSONWebKeySet;
  expect(JSON.stringify(keys)).not.toContain('"d"');
  const { payload } = await jwtVerify(token, createLocalJWKSet(keys), { audience: id, issuer: ORIGIN, typ: GRANT_TYP });
  return GrantClaims.parse(payload);
}

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

  test.each(["__proto__", "VSCODE", "preview", "preview/0", "preview/65536", "preview/03000", "preview/x", "preview/-1"])(
    "service %s",
    async (service) => {
      expect((await open(await newSession(), service)).status).toBe(404);
    },
  );
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
    const claims = await grantIn(html, id);
    expect(claims).toMatchObject({ svc: "vscode", mode: "drive", sub: "owner", exp: claims.iat + 60 });
    expect(claims).not.toHaveProperty("sid");
  });

  test("on a service that this sandbox has not: a page with the reason", async () => {
    const id = await booted();
    await expect.poll(async () => (await open(id, "terminal")).status).toBe(503);
    expect(await (await open(id, "terminal")).text()).toContain("ttyd could not be built here");
    expect((await ask(`/s/${id}/open/terminal/state`)).status).toBe(503);
  });
});

describe("what is served in the sandbox", () => {
  test("is waited for until it answers, and opens at its own origin", async () => {
    const id = await newSession();
    const runner = await connectRunner(outside, id);
    const state = async () => (await ask(`/s/${id}/open/preview/3000/state`)).json();
    expect(await state()).toMatchObject({ state: "starting" });
    runner.say({ type: "sandbox.ready", ms: 5 });
    await vi.waitFor(async () => expect(await state()).toMatchObject({ state: "silent" }));
    const waiting = await (await open(id, "preview/3000")).text();
    expect(waiting).toContain("Nothing answers on port 3000 yet");
    expect(waiting).toContain(`data-poll="/s/${id}/open/preview/3000/state" data-state="silent"`);
    expect(waiting).not.toContain("token");
    runner.say({ type: "port.opened", port: 3000, title: "Shop" });
    await vi.waitFor(async () => expect(await state()).toEqual({ state: "ready" }));
    const answer = await open(id, "preview/3000");
    expect(answer.headers.get("content-security-policy")).toContain("form-action http://3000-box.localhost:19000;");
    expect(await grantIn(await answer.text(), id)).toMatchObject({ svc: "preview", port: 3000, mode: "drive" });
    expect(await (await open(id, "preview/3001")).text()).toContain("Nothing answers on port 3001 yet");
    runner.say({ type: "port.closed", port: 3000 });
    await vi.waitFor(async () => expect(await state()).toMatchObject({ state: "silent" }));
    runner.close();
  });

  test("is at no address where the sandbox has none for it, and neither is OpenCode: a page says so", async () => {
    outside.backend = (request) =>
      Response.json(
        {
          ...{ sandboxId: "sb", provider: "test", session: new URL(request.url).pathname.split("/")[3], generation: 1, state: "running" },
          ...{ exitCode: null, reason: null, sites: { ide: "http://127.0.0.1:19001", opencode: null, preview: null }, createdAt: 1 },
        },
        { status: 201 },
      );
    const id = await newSession();
    const runner = await connectRunner(outside, id);
    runner.say({ type: "service.state", service: "opencode", state: "available" }, { type: "port.opened", port: 3000 });
    for (const service of ["opencode", "preview/3000"]) {
      const answer = await vi.waitFor(async () => {
        const last = await open(id, service);
        expect(last.status).toBe(503);
        return last;
      });
      expect(await answer.text()).toContain("It needs an address of its own");
    }
    runner.close();
  });

  test("OpenCode opens at its own origin", async () => {
    const id = await newSession();
    const runner = await connectRunner(outside, id);
    runner.say({ type: "service.state", service: "opencode", state: "available" });
    const html = await vi.waitFor(async () => {
      const last = await (await open(id, "opencode")).text();
      expect(last).toContain(`action="${SITES.opencode}/_errand/auth"`);
      return last;
    });
    expect(await grantIn(html, id)).toMatchObject({ svc: "opencode", mode: "drive" });
    runner.close();
  });
});

describe("who looks on", () => {
  let runner: Runner;
  let id: string;
  let github: ReturnType<typeof gitHubWith>;
  let repository: string;
  const told = async () =>
    (
      await env.DB.prepare("select detail from audit where action = 'link.opened' and target = ?")
        .bind(`session:${id}`)
        .all<{ detail: string }>()
    ).results.map(({ detail }) => JSON.parse(detail) as unknown);
  const permitted = async (permission: string) => {
    const person = await someone();
    github.repositories.get(repository)?.people.set(person.github?.login ?? "", permission);
    return person;
  };
  const services = ["vscode", "desktop", "terminal", "opencode"] as const;

  beforeEach(async () => {
    github = gitHubWith(outside);
    repository = `acme/r${fresh()}`;
    github.repositories.set(repository, { private: true, people: new Map() });
    id = await sessionIn(repository);
    runner = await connectRunner(outside, id);
    runner.say(...services.map((service) => ({ type: "service.state" as const, service, state: "available" as const })));
    await vi.waitFor(async () => expect((await (await ask(`/s/${id}/open/opencode/state`)).json()) as unknown).toEqual({ state: "ready" }));
  });
  afterEach(() => runner.close());

  test.each(["desktop", "terminal"])("may only read: the %s opens without input, and it is told", async (service) => {
    const reader = await permitted("read");
    const html = await (await askAs(reader, `/s/${id}/open/${service}`)).text();
    expect(html).toContain("You look on");
    const claims = await grantIn(html, id);
    expect(claims).toMatchObject({
      svc: service,
      mode: "watch",
      sub: `user:${reader.userId}`,
      sid: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    expect(claims).not.toHaveProperty("until");
    expect(await told()).toEqual([{ service, mode: "watch", by: "repository" }]);
  });

  test.each(["vscode", "opencode", "preview/3000"])("may only read: %s does not open", async (service) => {
    const answer = await askAs(await permitted("read"), `/s/${id}/open/${service}`);
    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain("You may look on, without input: at its desktop and its terminal.");
    expect(await told()).toEqual([]);
  });

  test("who may drive drives, and looks on if they ask to", async () => {
    const writer = await permitted("write");
    expect(await grantIn(await (await askAs(writer, `/s/${id}/open/terminal`)).text(), id)).toMatchObject({ mode: "drive" });
    expect(await grantIn(await (await askAs(writer, `/s/${id}/open/terminal?watch`)).text(), id)).toMatchObject({ mode: "watch" });
    expect((await askAs(writer, `/s/${id}/open/vscode?watch`)).status).toBe(400);
  });

  test("in a public repository it takes read access of one's own", async () => {
    github.repositories.set(repository, { private: false, people: new Map() });
    const [anybody, reader] = [await someone(), await permitted("read")];
    expect((await askAs(anybody, `/s/${id}`)).status).toBe(200);
    const refused = await askAs(anybody, `/s/${id}/open/terminal`);
    expect(refused.status).toBe(403);
    expect(await refused.text()).toContain("looking on takes read access of your own");
    expect(await grantIn(await (await askAs(reader, `/s/${id}/open/terminal`)).text(), id)).toMatchObject({ mode: "watch" });
  });

  test("an admin's power ends what it opened", async () => {
    const admin = await someone({ role: "admin" });
    expect((await askAs(admin, `/s/${id}/open/terminal`)).status).toBe(403);
    const html = await (await askAs(admin, `/s/${id}/open/terminal`, { headers: { "x-errand-as": "admin" } })).text();
    const { mode, until = 0 } = await grantIn(html, id);
    expect(mode).toBe("drive");
    expect(Math.abs(until - (Date.now() + AS_ADMIN_MS) / 1000)).toBeLessThan(10);
  });
});
