/** Attacks from one origin of a gateway on another. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Service } from "../protocol/grant.ts";
import { type Ask, HANDSHAKE, NAVIGATE, SESSION, startWorld, WORKER, type World } from "./testing.ts";

let world: World;
let port: number;
let cookies: Record<Service, string>;
beforeAll(async () => {
  world = await startWorld();
  port = world.upstreams.preview.port;
  const opened = async (service: Service) => [service, await world.signIn(service)] as const;
  cookies = Object.fromEntries(await Promise.all(Service.options.map(opened))) as Record<Service, string>;
});
afterAll(() => world.close());
beforeEach(() => {
  for (const upstream of Object.values(world.upstreams)) upstream.seen.length = 0;
});

const statusOf = (ask: Ask) => world.statusOf(ask);
const originOf = (service: Service) => `https://${world.hostOf(service)}`;
/** The path under which a service has its first page, at its own host. */
const rootOf = (service: Service): Ask => ({
  host: world.hostOf(service),
  target: service === "opencode" || service === "preview" ? "/" : `/${service}/`,
});

test("a cookie opens its own service at its own host, and nothing else anywhere", async () => {
  const services = Object.keys(cookies) as Service[];
  for (const owner of services) {
    for (const service of services) {
      for (const host of new Set(services.map((each) => world.hostOf(each)))) {
        const root = rootOf(service);
        const answer = await world.ask({ ...root, host, headers: [cookies[owner], "Accept: text/plain"] });
        // Where a path means another service, or nothing, there is no right to it either.
        const opens = host === world.hostOf(owner) && (root.target === rootOf(owner).target || !host.startsWith("gate."));
        expect([owner, host, root.target, answer.status === 200]).toEqual([owner, host, root.target, opens]);
        if (opens) expect(answer.body).toBe(owner);
      }
    }
  }
});

test("a grant is taken at its own origin alone, and not used up at another", async () => {
  for (const service of ["vscode", "opencode", "preview"] as const) {
    const token = await world.mint({ svc: service, ...(service === "preview" && { port }) });
    for (const other of ["vscode", "opencode", "preview"] as const) {
      if (other !== service) expect((await world.redeem(token, { host: world.hostOf(other) })).status).toBe(403);
    }
    if (service === "preview") expect((await world.redeem(token, { host: world.hostOf("preview", port + 1) })).status).toBe(403);
    expect((await world.redeem(token, { host: world.hostOf(service) })).status).toBe(303);
  }
});

test.each([
  ["a preview", "preview", "vscode"],
  ["a preview", "preview", "opencode"],
  ["the editor's page", "vscode", "preview"],
  ["OpenCode's page", "opencode", "vscode"],
  ["the editor's page", "vscode", "opencode"],
] as const)("a page of %s (%s) is a foreign one at %s, though it is the same site", async (_who, from, at) => {
  const origin = `Origin: ${originOf(from)}`;
  const root = rootOf(at);
  const ask = (more: Ask) => statusOf({ ...root, ...more, headers: [cookies[at], ...(more.headers ?? [])] });
  const SITE = "Sec-Fetch-Site: same-site";
  expect(await ask({ headers: [...HANDSHAKE, origin] })).toBe(403);
  expect(await ask({ headers: [...HANDSHAKE, origin, "Sec-Fetch-Mode: websocket", SITE] })).toBe(403);
  expect(await ask({ headers: [origin] })).toBe(403);
  expect(await ask({ headers: [SITE, "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script"] })).toBe(403);
  expect(await ask({ headers: [SITE, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"] })).toBe(403);
  expect(await ask({ method: "POST", headers: [origin, SITE], body: "x" })).toBe(403);
  expect(await ask({ method: "POST", headers: [origin, ...NAVIGATE], body: "x" })).toBe(403);
  expect(world.arrived()).toEqual([]);
});

test("without a session each origin leads to its own door", async () => {
  for (const [ask, door] of [
    [rootOf("opencode"), "open/opencode"],
    [{ host: world.hostOf("opencode"), target: "/vscode/?next=https://evil.example" }, "open/opencode"],
    [{ host: world.hostOf("preview", 5173), target: "/deep/%2e%2e/?a=1" }, "open/preview/5173"],
    [rootOf("desktop"), "open/desktop"],
  ] as const) {
    const answer = await world.ask({ ...ask, headers: NAVIGATE });
    expect([answer.status, answer.header("location")]).toEqual([302, `${WORKER}/s/${SESSION}/${door}`]);
  }
});

test("OpenCode's page has its whole origin, but nothing that changes its credentials", async () => {
  const host = world.hostOf("opencode");
  const ask = (target: string, more: Ask = {}) => statusOf({ host, target, ...more, headers: [cookies.opencode, ...(more.headers ?? [])] });
  for (const target of ["/", "/assets/index-x.js", "/session/ses_1/message", "/global/event", "/L3dvcms/session"])
    expect(await ask(target)).toBe(200);
  expect(world.arrived().every((line) => line.startsWith("opencode: "))).toBe(true);
  world.upstreams.opencode.seen.length = 0;
  const origin = [`Origin: https://${host}`];
  for (const target of [
    "/auth/openai",
    "/AUTH/openai",
    "/%61uth/openai",
    "/x/../auth/openai",
    "/auth//openai",
    "/provider/x/oauth/callback",
  ]) {
    const status = await ask(target, { method: "PUT", headers: origin, body: "{}" });
    expect([target, status]).toEqual([target, target.includes("..") ? 400 : 404]);
  }
  expect(world.arrived()).toEqual([]);
});
