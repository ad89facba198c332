/** Attacks from one origin of a gateway on another, by who may only watch, and on ports that are nobody's preview. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Service } from "../protocol/grant.ts";
import { fieldsOf, single, valuesOf } from "./fields.ts";
import {
  type Ask,
  bytesOf,
  exchangeBytes,
  NAVIGATE,
  PUBLIC,
  parseAnswer,
  SESSION,
  SITES,
  startWorld,
  WORKER,
  type World,
} from "./testing.ts";

const SHAKE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="];
const RESERVED = 3_999;

let world: World;
let port: number;
let cookies: Record<Service, string>;
let watching: Record<"terminal" | "desktop", string>;
beforeAll(async () => {
  world = await startWorld({ reserved: [RESERVED] });
  port = world.upstreams.preview.port;
  const opened = async (service: Service) => [service, await world.signIn(service)] as const;
  cookies = Object.fromEntries(
    await Promise.all((["vscode", "desktop", "terminal", "opencode", "preview"] as const).map(opened)),
  ) as Record<Service, string>;
  watching = {
    terminal: await world.signIn("terminal", { sub: "bob", mode: "watch" }),
    desktop: await world.signIn("desktop", { sub: "bob", mode: "watch" }),
  };
});
afterAll(() => world.close());
beforeEach(() => {
  for (const upstream of Object.values(world.upstreams)) upstream.seen.length = 0;
});

const arrived = () => Object.entries(world.upstreams).flatMap(([name, { seen }]) => seen.map((line) => `${name}: ${line}`));
const statusOf = async (ask: Ask) => parseAnswer(await exchangeBytes(world.port, bytesOf(ask), 250)).status;
const originOf = (service: Service) => `https://${world.hostOf(service)}`;
/** The path under which a service has its first page, at its own host. */
const rootOf = (service: Service): Ask => ({
  host: world.hostOf(service),
  target: service === "opencode" || service === "preview" ? "/" : `/${service}/`,
});
const secretOf = (line: string) => line.slice(line.indexOf("=") + 1);

describe("who watches", () => {
  test.each(["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])("can't send by %s", async (method) => {
    for (const service of ["terminal", "desktop"] as const) {
      const headers = [watching[service], `Origin: ${PUBLIC}`];
      expect(await statusOf({ method, target: `/${service}/x`, headers, ...(method !== "OPTIONS" && { body: "x" }) })).toBe(403);
    }
    expect(arrived()).toEqual([]);
  });

  test("reads by GET and HEAD, of another terminal than who drives", async () => {
    for (const method of ["GET", "HEAD"]) expect(await statusOf({ method, target: "/terminal/", headers: [watching.terminal] })).toBe(200);
    expect(await statusOf({ target: "/terminal/", headers: [cookies.terminal] })).toBe(200);
    expect(arrived().sort()).toEqual(["terminal: GET /", "terminalWatch: GET /", "terminalWatch: HEAD /"]);
  });

  test("joins the terminal of watchers by WebSocket, never the one that takes input", async () => {
    const join = (cookie: string) => statusOf({ target: "/terminal/ws", headers: [...SHAKE, `Origin: ${PUBLIC}`, cookie] });
    expect([await join(watching.terminal), await join(cookies.terminal)]).toEqual([101, 101]);
    expect(arrived().sort()).toEqual(["terminal: GET /ws", "terminalWatch: GET /ws"]);
  });

  test("is said to watch to the desktop, whatever the request says of itself", async () => {
    const said = async (cookie: string, more: string[]) => {
      await statusOf({ target: "/desktop/websockify", headers: [...SHAKE, `Origin: ${PUBLIC}`, cookie, ...more] });
      return valuesOf(fieldsOf(world.upstreams.desktop.lastFields), "x-errand-mode");
    };
    for (const more of [[], ["X-Errand-Mode: drive"], ["x-errand-mode: drive", "X-Errand-Mode: drive"], ["X_Errand_Mode: drive"]])
      expect(await said(watching.desktop, more)).toEqual(["watch"]);
    expect(await said(watching.desktop, ["Connection: Upgrade, x-errand-mode"])).toEqual(["watch"]);
    expect(await said(cookies.desktop, ["X-Errand-Mode: watch"])).toEqual(["drive"]);
  });

  test("has nothing else: not by the cookie as it is, not by its value under another name", async () => {
    const short = SESSION.slice(0, 8);
    for (const service of ["vscode", "desktop", "opencode", "preview"] as const) {
      const name = `__Host-errand-${service}${service === "preview" ? `-${port}` : ""}-${short}`;
      for (const headers of [[watching.terminal], [`Cookie: ${name}=${secretOf(watching.terminal)}`]])
        expect([service, await statusOf({ ...rootOf(service), headers })]).toEqual([service, 401]);
    }
    expect(arrived()).toEqual([]);
  });

  test("gets no grant for what can't be watched", async () => {
    for (const service of ["vscode", "opencode", "preview"] as const) {
      const token = await world.mint({ svc: service, mode: "watch", ...(service === "preview" && { port }) });
      expect([service, (await world.redeem(token, { host: world.hostOf(service) })).status]).toEqual([service, 403]);
    }
    for (const mode of ["", "DRIVE", "admin", null, undefined, ["drive"]]) {
      expect([mode, (await world.redeem(await world.mint({ svc: "terminal", mode }))).status]).toEqual([mode, 403]);
    }
    const without = await startWorld();
    const { terminalWatch: _none, ...others } = Object.fromEntries(
      Object.entries(without.upstreams).map(([name, upstream]) => [name, { port: upstream.port }]),
    ) as Record<keyof World["upstreams"], { port: number }>;
    const bare = await startWorld({ upstreams: others });
    expect((await bare.redeem(await bare.mint({ svc: "terminal", mode: "watch" }))).status).toBe(403);
    expect((await bare.redeem(await bare.mint({ svc: "terminal" }))).status).toBe(303);
    await Promise.all([without.close(), bare.close()]);
  });

  test("and later drives, or the other way round, has the newer right alone", async () => {
    const drive = await world.signIn("terminal", { sub: "carol" });
    const watch = await world.signIn("terminal", { sub: "carol", mode: "watch" });
    // One name, so that a browser keeps one of them.
    expect(drive.split("=")[0]).toBe(watch.split("=")[0]);
    expect(await statusOf({ method: "POST", target: "/terminal/", headers: [watch, `Origin: ${PUBLIC}`], body: "x" })).toBe(403);
    expect(await statusOf({ target: "/terminal/", headers: [drive, watch] })).toBe(401);
  });
});

describe("one origin's right at another", () => {
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
    expect(await ask({ headers: [...SHAKE, origin] })).toBe(403);
    expect(await ask({ headers: [...SHAKE, origin, "Sec-Fetch-Mode: websocket", SITE] })).toBe(403);
    expect(await ask({ headers: [origin] })).toBe(403);
    expect(await ask({ headers: [SITE, "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script"] })).toBe(403);
    expect(await ask({ headers: [SITE, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"] })).toBe(403);
    expect(await ask({ method: "POST", headers: [origin, SITE], body: "x" })).toBe(403);
    expect(await ask({ method: "POST", headers: [origin, ...NAVIGATE], body: "x" })).toBe(403);
    expect(arrived()).toEqual([]);
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
});

describe("ports", () => {
  test("none of errand's is a preview, at the exchange and at use", async () => {
    const { vscode, terminal, terminalWatch, opencode, desktop } = world.upstreams;
    for (const taken of [RESERVED, world.port, ...[vscode, terminal, terminalWatch, opencode, desktop].map((upstream) => upstream.port)]) {
      const host = world.hostOf("preview", taken);
      expect((await world.redeem(await world.mint({ svc: "preview", port: taken }), { host })).status).toBe(403);
      const forged = `Cookie: __Host-errand-preview-${taken}-abcdefgh=${secretOf(cookies.preview)}`;
      for (const headers of [NAVIGATE, [forged], [...SHAKE, `Origin: https://${host}`, forged]])
        expect(await statusOf({ host, headers })).toBe(404);
    }
    expect(arrived()).toEqual([]);
  });

  test("a host with a port in an odd form is none of ours", async () => {
    for (const odd of [
      ...[
        "03000",
        "65536",
        "-1",
        "0",
        "",
        "3e3",
        "0x50",
        "+80",
        "8.0",
        "3000-3000",
        "3000,80",
        "\u0663\u0660",
        "\uff13",
        "%33000",
        "{port}",
      ],
      ...[`0${port}`, `${port}.`, `x ${port}`],
    ]) {
      const host = `${odd}-gate.example`;
      const bytes = Buffer.from(bytesOf({ host, headers: [cookies.preview] })).toString("latin1");
      // A host that is no host at all is refused before.
      expect([odd, [400, 421].includes(parseAnswer(await exchangeBytes(world.port, bytes)).status)]).toEqual([odd, true]);
    }
    expect(arrived()).toEqual([]);
  });

  test("a port's cookie is of that port alone", async () => {
    const other = createServer((_req, res) => res.end("other")).listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const elsewhere = (other.address() as AddressInfo).port;
    const host = world.hostOf("preview", elsewhere);
    const forged = `Cookie: __Host-errand-preview-${elsewhere}-abcdefgh=${secretOf(cookies.preview)}`;
    for (const headers of [[cookies.preview], [forged]]) expect(await statusOf({ host, headers })).toBe(401);
    const good = await world.signIn("preview", { port: elsewhere });
    expect((await world.ask({ host, headers: [good] })).body).toBe("other");
    expect((await world.ask({ host, headers: [`${good}; ${secretOf(cookies.preview)}`] })).body).toBe("other");
    other.close();
  });

  test("a grant has a port where it is a preview's, and only there", async () => {
    for (const claims of [
      ...[undefined, 0, -1, 65_536, 3.5, "3000", null, [3000]].map((bad) => ({ svc: "preview", port: bad })),
      { svc: "vscode", port: 3000 },
      { svc: "opencode", port: 4096 },
    ]) {
      for (const service of ["vscode", "opencode", "preview"] as const)
        expect((await world.redeem(await world.mint(claims), { host: world.hostOf(service) })).status).toBe(403);
    }
  });

  test("on one origin for all ports the newest cookie says which, and without one the Worker asks", async () => {
    const shared = await startWorld({ sites: { ...SITES, preview: "https://shared.example" } });
    const other = createServer((_req, res) => res.end("other")).listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const [one, two] = [shared.upstreams.preview.port, (other.address() as AddressInfo).port];
    const host = "shared.example";
    const first = (await shared.signIn("preview", { port: one })).slice("Cookie: ".length);
    const second = (await shared.signIn("preview", { port: two })).slice("Cookie: ".length);
    const bodyOf = async (cookie: string) => (await shared.ask({ host, headers: [`Cookie: ${cookie}`] })).body;
    expect([await bodyOf(first), await bodyOf(second)]).toEqual(["preview", "other"]);
    expect([await bodyOf(`${first}; ${second}`), await bodyOf(`${second}; ${first}`)]).toEqual(["other", "other"]);
    const again = (await shared.signIn("preview", { port: one })).slice("Cookie: ".length);
    expect(await bodyOf(`${second}; ${again}`)).toBe("preview");
    // A value under another port's name, planted twins, a reserved port's name.
    const planted = `__Host-errand-preview-${two}-abcdefgh=${secretOf(first)}`;
    expect(await bodyOf(planted)).toBe("Unauthorized\n");
    expect(await bodyOf(`${first}; ${first}`)).toBe("Unauthorized\n");
    expect((await shared.ask({ host, headers: [`Cookie: __Host-errand-preview-${shared.port}-abcdefgh=x`] })).status).toBe(404);
    const doorOf = async (cookie: string[]) => (await shared.ask({ host, headers: [...cookie, ...NAVIGATE] })).header("location");
    expect(await doorOf([])).toBe(`${WORKER}/s/${SESSION}`);
    expect(await doorOf([`Cookie: __Host-errand-preview-${two}-abcdefgh=over`])).toBe(`${WORKER}/s/${SESSION}/open/preview/${two}`);
    other.close();
    await shared.close();
  });
});

describe("a preview's requests", () => {
  const asUser = (ask: Ask): Ask => ({ host: world.hostOf("preview"), ...ask, headers: [cookies.preview, ...(ask.headers ?? [])] });

  test("arrive byte for byte, as if the browser had asked the dev server itself", async () => {
    const target = "/@fs/work/%2e%2e/a%2fb%25/..;/./x//y?path=../%00&z=/vscode/";
    const origin = originOf("preview");
    const headers = ["Authorization: Bearer theirs", `Origin: ${origin}`, "Cookie: a=1", "X-Forwarded-Host: evil.example"];
    expect(await statusOf(asUser({ method: "POST", target, headers, body: "x" }))).toBe(200);
    expect(arrived()).toEqual([`preview: POST ${target}`]);
    const fields = fieldsOf(world.upstreams.preview.lastFields);
    const seen = ["host", "origin", "authorization", "cookie", "x-forwarded-host"].map((name) => single(fields, name));
    expect(seen).toEqual([`localhost:${port}`, `http://localhost:${port}`, "Bearer theirs", "a=1", undefined]);
    await statusOf(asUser({}));
    const plain = fieldsOf(world.upstreams.preview.lastFields);
    expect(["host", "x-forwarded-host", "x-forwarded-proto", "x-errand-mode"].map((name) => single(plain, name))).toEqual([
      `localhost:${port}`,
      world.hostOf("preview"),
      "https",
      undefined,
    ]);
  });

  test("by WebSocket come with the dev server's own origin", async () => {
    expect(await statusOf(asUser({ target: "/?token=x", headers: [...SHAKE, `Origin: ${originOf("preview")}`] }))).toBe(101);
    const fields = fieldsOf(world.upstreams.preview.lastFields);
    expect([single(fields, "host"), single(fields, "origin")]).toEqual([`localhost:${port}`, `http://localhost:${port}`]);
  });

  test("keep to what a target is, and to what is errand's", async () => {
    const bad = [
      "//evil.example/",
      "*",
      "http://localhost:22/",
      `https://${world.hostOf("preview")}/`,
      "/\\evil.example",
      "/a#b",
      "/%00",
      "/%0d%0a",
    ];
    for (const target of bad) expect([target, await statusOf(asUser({ target }))]).toEqual([target, 400]);
    for (const target of ["/_errand", "/_errand/", "/_errand/x"])
      expect([target, await statusOf(asUser({ target }))]).toEqual([target, 404]);
    expect(await statusOf(asUser({ target: "/_errand/health" }))).toBe(200);
    expect(arrived()).toEqual([]);
  });

  test("are answered without what would reach beyond their origin", async () => {
    const { preview } = world.upstreams;
    const { answer: usual } = preview;
    preview.answer = (_req, res) =>
      void res
        .writeHead(302, {
          location: `http://localhost:${port}/next`,
          "set-cookie": ["a=1", "b=2; Domain=example", `__Host-errand-preview-${port}-abcdefgh=x; Path=/; Secure`, "errand=x"],
          "clear-site-data": '"cookies"',
          "strict-transport-security": "max-age=9; includeSubDomains",
          "access-control-allow-origin": "*",
          "service-worker-allowed": "https://gate.example/",
          "alt-svc": 'h3="evil.example:443"',
          "x-errand-user": "root",
        })
        .end();
    const answer = await world.ask(asUser({}));
    expect([answer.header("location"), answer.header("set-cookie")]).toEqual([`${originOf("preview")}/next`, "a=1"]);
    const gone = ["clear-site-data", "strict-transport-security", "access-control-allow-origin", "alt-svc", "x-errand-user"];
    expect(gone.map((name) => answer.header(name))).toEqual(gone.map(() => undefined));
    expect(answer.header("service-worker-allowed")).toBe("/");
    preview.answer = usual;
  });

  test("go to ::1 where nothing listens on 127.0.0.1", async () => {
    const six = createServer((req, res) => res.end(`six ${req.headers.host}`)).listen(0, "::1");
    await new Promise((resolve) => six.once("listening", resolve));
    const at = (six.address() as AddressInfo).port;
    const answer = await world.ask({ host: world.hostOf("preview", at), headers: [await world.signIn("preview", { port: at })] });
    expect(answer.body).toBe(`six localhost:${at}`);
    six.close();
    six.closeAllConnections();
  });

  test("to a port where nothing listens get a page that asks again, and don't count as use", async () => {
    const gone = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => gone.once("listening", resolve));
    const at = (gone.address() as AddressInfo).port;
    await new Promise((resolve) => gone.close(resolve));
    const other = await startWorld();
    const host = other.hostOf("preview", at);
    const cookie = await other.signIn("preview", { port: at });
    const page = await other.ask({ host, headers: [cookie, ...NAVIGATE] });
    expect([page.status, page.body.includes(`Nothing answers on port ${at}`)]).toEqual([503, true]);
    expect((await other.ask({ host, headers: [cookie] })).status).toBe(502);
    expect(
      parseAnswer(await exchangeBytes(other.port, bytesOf({ host, headers: [...SHAKE, `Origin: https://${host}`, cookie] }))).status,
    ).toBe(502);
    expect(other.reports.filter(({ t }) => t === "used")).toEqual([]);
    await other.close();
  });
});

test("OpenCode's page has its whole origin, but nothing that changes its credentials", async () => {
  const host = world.hostOf("opencode");
  const ask = (target: string, more: Ask = {}) => statusOf({ host, target, ...more, headers: [cookies.opencode, ...(more.headers ?? [])] });
  for (const target of ["/", "/assets/index-x.js", "/session/ses_1/message", "/global/event", "/L3dvcms/session"])
    expect(await ask(target)).toBe(200);
  expect(arrived().every((line) => line.startsWith("opencode: "))).toBe(true);
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
  expect(arrived()).toEqual([]);
});

test("an admin's session ends with the admin's power, one that is over opens nothing", async () => {
  const other = await startWorld();
  const now = Math.floor(other.clock.ms / 1000);
  expect((await other.redeem(await other.mint({ until: now - 1 }))).status).toBe(403);
  for (const until of ["soon", 1.5, null]) expect((await other.redeem(await other.mint({ until }))).status).toBe(403);
  const cookie = await other.signIn("vscode", { until: now + 60 });
  other.clock.ms = (now + 60) * 1_000 - 1;
  expect((await other.ask({ target: "/vscode/", headers: [cookie] })).status).toBe(200);
  other.clock.ms += 1;
  expect((await other.ask({ target: "/vscode/", headers: [cookie] })).status).toBe(401);
  await other.close();
});
