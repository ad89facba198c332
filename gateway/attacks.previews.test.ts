/** Attacks on previews: ports that are nobody's, ports in odd forms, and what a preview's server may hear and say. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { fieldsOf, single } from "./fields.ts";
import {
  type Ask,
  bytesOf,
  exchangeBytes,
  HANDSHAKE,
  NAVIGATE,
  parseAnswer,
  SESSION,
  SITES,
  startWorld,
  WORKER,
  type World,
} from "./testing.ts";

const RESERVED = 3_999;

let world: World;
let port: number;
let cookie: string;
beforeAll(async () => {
  world = await startWorld({ reserved: [RESERVED] });
  port = world.upstreams.preview.port;
  cookie = await world.signIn("preview");
});
afterAll(() => world.close());
beforeEach(() => {
  for (const upstream of Object.values(world.upstreams)) upstream.seen.length = 0;
});

const statusOf = (ask: Ask) => world.statusOf(ask);
const secretOf = (line: string) => line.slice(line.indexOf("=") + 1);
const origin = () => `https://${world.hostOf("preview")}`;

describe("ports", () => {
  test("none of errand's is a preview, at the exchange and at use", async () => {
    const { vscode, terminal, terminalWatch, opencode, desktop } = world.upstreams;
    for (const taken of [RESERVED, world.port, ...[vscode, terminal, terminalWatch, opencode, desktop].map((upstream) => upstream.port)]) {
      const host = world.hostOf("preview", taken);
      expect((await world.redeem(await world.mint({ svc: "preview", port: taken }), { host })).status).toBe(403);
      const forged = `Cookie: __Host-errand-preview-${taken}-abcdefgh=${secretOf(cookie)}`;
      for (const headers of [NAVIGATE, [forged], [...HANDSHAKE, `Origin: https://${host}`, forged]])
        expect(await statusOf({ host, headers })).toBe(404);
    }
    expect(world.arrived()).toEqual([]);
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
      const bytes = Buffer.from(bytesOf({ host, headers: [cookie] })).toString("latin1");
      // A host that is no host at all is refused before.
      expect([odd, [400, 421].includes(parseAnswer(await exchangeBytes(world.port, bytes)).status)]).toEqual([odd, true]);
    }
    expect(world.arrived()).toEqual([]);
  });

  test("a port's cookie is of that port alone", async () => {
    const other = createServer((_req, res) => res.end("other")).listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const elsewhere = (other.address() as AddressInfo).port;
    const host = world.hostOf("preview", elsewhere);
    const forged = `Cookie: __Host-errand-preview-${elsewhere}-abcdefgh=${secretOf(cookie)}`;
    for (const headers of [[cookie], [forged]]) expect(await statusOf({ host, headers })).toBe(401);
    const good = await world.signIn("preview", { port: elsewhere });
    expect((await world.ask({ host, headers: [good] })).body).toBe("other");
    expect((await world.ask({ host, headers: [`${good}; ${secretOf(cookie)}`] })).body).toBe("other");
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
  const asUser = (ask: Ask): Ask => ({ host: world.hostOf("preview"), ...ask, headers: [cookie, ...(ask.headers ?? [])] });

  test("arrive byte for byte, as if the browser had asked the dev server itself", async () => {
    const target = "/@fs/work/%2e%2e/a%2fb%25/..;/./x//y?path=../%00&z=/vscode/";
    const headers = ["Authorization: Bearer theirs", `Origin: ${origin()}`, "Cookie: a=1", "X-Forwarded-Host: evil.example"];
    expect(await statusOf(asUser({ method: "POST", target, headers, body: "x" }))).toBe(200);
    expect(world.arrived()).toEqual([`preview: POST ${target}`]);
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
    expect(await statusOf(asUser({ target: "/?token=x", headers: [...HANDSHAKE, `Origin: ${origin()}`] }))).toBe(101);
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
    expect(world.arrived()).toEqual([]);
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
    expect([answer.header("location"), answer.header("set-cookie")]).toEqual([`${origin()}/next`, "a=1"]);
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
      parseAnswer(await exchangeBytes(other.port, bytesOf({ host, headers: [...HANDSHAKE, `Origin: https://${host}`, cookie] }))).status,
    ).toBe(502);
    expect(other.reports.filter(({ t }) => t === "used")).toEqual([]);
    await other.close();
  });
});
