/** Attacks by HTTP, with and without a session, by their numbers in the attack suite. */
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type Ask,
  bytesOf,
  exchangeBytes,
  NAVIGATE,
  PUBLIC,
  parseAnswer,
  SESSION,
  startWorld,
  type Upstream,
  WORKER,
  type World,
} from "./testing.ts";

let world: World;
let cookie: string;
let vscode: Upstream;
const usual: Partial<Pick<Upstream, "answer" | "join">> = {};

beforeAll(async () => {
  world = await startWorld();
  vscode = world.upstreams.vscode;
  Object.assign(usual, { answer: vscode.answer, join: vscode.join });
  cookie = await world.signIn("vscode");
});
afterAll(() => world.close());
beforeEach(() => {
  Object.assign(vscode, usual);
  for (const upstream of Object.values(world.upstreams)) upstream.seen.length = 0;
});

const nothingArrived = () => expect(Object.values(world.upstreams).flatMap((upstream) => upstream.seen)).toEqual([]);
/** Raw bytes, and the status of the answer. */
const statusOf = async (bytes: string) => parseAnswer(await exchangeBytes(world.port, bytes)).status;
const asUser = (request: Ask = {}): Ask => ({ target: "/vscode/", ...request, headers: [cookie, ...(request.headers ?? [])] });
const ask = async (request: Ask) => (await world.ask(request)).status;

describe("without a session", () => {
  test("31: a navigation is sent to the fixed address of the Worker", async () => {
    const answer = await world.ask({ target: "/vscode/?next=https://evil.example", headers: NAVIGATE });
    expect([answer.status, answer.header("location"), answer.header("cache-control")]).toEqual([
      302,
      `${WORKER}/s/${SESSION}/open/vscode`,
      "no-store",
    ]);
    nothingArrived();
  });

  test("32: anything else is 401", async () => {
    expect(await ask({ target: "/vscode/" })).toBe(401);
    expect(await ask({ target: "/vscode/", headers: ["Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"] })).toBe(401);
    expect(await ask({ target: "/vscode/", method: "POST", headers: [`Origin: ${PUBLIC}`, ...NAVIGATE], body: "x" })).toBe(401);
    for (const target of ["/desktop/", "/terminal/", "/terminal/token"]) expect(await ask({ target })).toBe(401);
    for (const service of ["opencode", "preview"] as const) {
      for (const target of ["/", "/session", "/global/health", "/assets/x.js", "/vscode/"])
        expect(await ask({ target, host: world.hostOf(service) })).toBe(401);
    }
    nothingArrived();
  });

  test("33: a random cookie, a grant as cookie", async () => {
    for (const value of [randomBytes(32).toString("base64url"), await world.mint(), "", '""']) {
      expect(await ask({ target: "/vscode/", headers: [`Cookie: __Host-errand-vscode-abcdefgh=${value}`] })).toBe(401);
    }
    nothingArrived();
  });

  test("34: two cookies of our name, in any order and any number of fields", async () => {
    const bad = "__Host-errand-vscode-abcdefgh=x";
    const good = cookie.slice("Cookie: ".length);
    for (const headers of [
      [`Cookie: ${good}; ${bad}`],
      [`Cookie: ${bad}; ${good}`],
      [`Cookie: ${good}; ${good}`],
      [`Cookie: ${good}`, `Cookie: ${bad}`],
    ]) {
      expect(await ask({ target: "/vscode/", headers })).toBe(401);
    }
    expect(await ask({ target: "/vscode/", headers: [`Cookie: a=1; ${good}; b=2`] })).toBe(200);
  });

  test("35: a service's cookie, or its value under another name, at another service", async () => {
    const value = cookie.split("=")[1];
    const short = SESSION.slice(0, 8);
    expect(await ask({ target: "/terminal/", headers: [cookie] })).toBe(401);
    expect(await ask({ target: "/terminal/", headers: [`Cookie: __Host-errand-terminal-${short}=${value}`] })).toBe(401);
    expect(await ask({ target: "/vscode/", headers: [`Cookie: __host-errand-vscode-${short}=${value}`] })).toBe(401);
    expect(await ask({ target: "/vscode/", headers: [`Cookie: errand-vscode-${short}=${value}`] })).toBe(401);
    nothingArrived();
  });

  test("49: each request on one connection is judged by itself", async () => {
    const first = bytesOf(asUser({ headers: ["Connection: keep-alive"] }));
    const raw = await exchangeBytes(world.port, first + bytesOf({ target: "/vscode/" }));
    expect(raw.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 401"]);
  });

  test("64: health says ok and no more; what is not there is 404 before any right is asked for", async () => {
    const answer = await world.ask({ target: "/_errand/health" });
    expect([answer.status, answer.body]).toEqual([200, "ok"]);
    expect(await ask({ target: "/_errand/health", host: `127.0.0.1:${world.port}` })).toBe(200);
    for (const target of ["/", "/favicon.ico", "/_errand", "/_errand/", "/_errand/health/", "/_errand/healthz", "/assets/index.js"])
      expect(await ask({ target })).toBe(404);
  });
});

describe("targets, methods and hosts", () => {
  test.each([
    [
      "36",
      400,
      ["/vscode/../terminal/", "/vscode/..", "/vscode/./x", "/vscode/%2e%2e/terminal/", "/vscode/.%2e/terminal/", "/vscode/%2E./terminal/"],
    ],
    [
      "36",
      400,
      [
        "/vscode/..%2fterminal/",
        "/vscode/..\\terminal/",
        "/vscode/%252e%252e/",
        "/vscode/..;/terminal/",
        "/vscode/a;/../terminal/",
        "/vscode/.;x/",
      ],
    ],
    [
      "37",
      400,
      ["//terminal/", "*", "http://gate.example/vscode/", "https://gate.example/terminal/", "//gate.example/vscode/", "/\\terminal/"],
    ],
    [
      "38",
      400,
      [
        "/vscode/%00",
        "/vscode/%zz",
        "/vscode/%",
        "/vscode/%4",
        "/vscode%2f",
        "/vscode/a%0d%0ab",
        "/vscode/%5cx",
        "/vscode/#x",
        "/vscode/\u00e9",
      ],
    ],
    [
      "39",
      404,
      [
        "/VSCODE/",
        "/vscodeX",
        "/vscode-x/",
        "/vscode.",
        "/vscode;/",
        "/Terminal/",
        "/vscode//terminal/",
        "/opencode/",
        "/opencode/session",
        "/preview/",
        "/_errand/x",
      ],
    ],
  ])("%s: answered %d, upstreams hear nothing", async (_number, status, targets) => {
    for (const target of targets) expect([target, await ask(asUser({ target }))]).toEqual([target, status]);
    nothingArrived();
  });

  test("36: the same in a query is data, and arrives byte for byte", async () => {
    expect(await ask(asUser({ target: "/vscode/a%20b;c?path=%2Fetc%2F..&x=../y" }))).toBe(200);
    expect(vscode.seen).toEqual(["GET /a%20b;c?path=%2Fetc%2F..&x=../y"]);
  });

  test("40: the bare prefix gets its slash", async () => {
    for (const [target, location] of [
      ["/vscode", "/vscode/"],
      ["/terminal?a=1", "/terminal/?a=1"],
    ] as const) {
      const answer = await world.ask({ target });
      expect([answer.status, answer.header("location")]).toEqual([308, location]);
    }
  });

  test("41: CONNECT, TRACE, HTTP/2 preface, other and unknown methods", async () => {
    expect(await statusOf("CONNECT 127.0.0.1:4096 HTTP/1.1\r\nHost: gate.example\r\n\r\n")).toBe(0);
    expect(await statusOf("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")).toBe(400);
    for (const method of ["TRACE", "PROPFIND", "PURGE", "FOO", "get"])
      expect([method, await ask(asUser({ method }))]).toEqual([method, 405]);
    nothingArrived();
  });

  test("42, 81: Host missing, wrong, rebound, of the listener, with a user", async () => {
    expect(await ask(asUser({ host: null }))).toBe(400);
    expect(await statusOf(`GET /vscode/ HTTP/1.0\r\n${cookie}\r\n\r\n`)).toBe(400);
    const wrong = [
      "evil.example",
      `127.0.0.1:${world.port}`,
      `localhost:${world.port}`,
      "user@gate.example",
      "gate.example:443",
      "gate.example.",
      "gate.example.evil.example",
      "",
    ];
    for (const host of wrong) expect([host, await ask(asUser({ host }))]).toEqual([host, 421]);
    expect(await ask({ target: "/_errand/health", host: "rebound.evil.example" })).toBe(421);
    nothingArrived();
  });

  test("43: two Host headers, in both orders", async () => {
    for (const [host, second] of [
      ["gate.example", "evil.example"],
      ["evil.example", "gate.example"],
      ["gate.example", "gate.example"],
    ] as const) {
      expect(await ask(asUser({ host, headers: [`Host: ${second}`] }))).toBe(400);
    }
    nothingArrived();
  });
});

describe("where a request comes from", () => {
  test("57: subresources and frames of other pages", async () => {
    const foreign = [
      ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"],
      ["Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Origin: https://sibling.example"],
      ["Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"],
      ["Sec-Fetch-Site: same-origin, cross-site"],
      ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"],
      ["Origin: https://evil.example"],
      ["Origin: null"],
      [`Origin: ${PUBLIC}`, "Origin: https://evil.example"],
    ];
    for (const headers of foreign) expect([headers, await ask(asUser({ headers }))]).toEqual([headers, 403]);
    expect(await ask(asUser({ method: "HEAD", headers: NAVIGATE }))).toBe(403);
    nothingArrived();
  });

  test("58: a link on another page is a link", async () => {
    expect(await ask(asUser({ headers: NAVIGATE }))).toBe(200);
  });

  test("59: changing methods need our own Origin", async () => {
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      for (const headers of [
        ["Origin: https://evil.example"],
        ["Origin: null"],
        [],
        ["Origin: http://gate.example"],
        ["Origin: https://gate.example:8443"],
      ]) {
        expect(await ask(asUser({ method, headers, body: "x" }))).toBe(403);
      }
    }
    nothingArrived();
    expect(await ask(asUser({ method: "POST", headers: [`Origin: ${PUBLIC}`], body: "x" }))).toBe(200);
  });

  test("60: a preflight is answered without leave", async () => {
    vscode.answer = (_req, res) => res.writeHead(204, { "access-control-allow-origin": "*", "access-control-allow-methods": "*" }).end();
    const preflight = ["Origin: https://evil.example", "Access-Control-Request-Method: POST"];
    for (const headers of [preflight, [cookie, ...preflight]]) {
      const answer = await world.ask({ method: "OPTIONS", target: "/vscode/", headers });
      expect(answer.raw.toLowerCase()).not.toContain("access-control");
      expect([401, 403]).toContain(answer.status);
    }
  });
});

describe("what passes through", () => {
  test("63: an upstream that is down", async () => {
    const other = await startWorld();
    const session = await other.signIn("desktop");
    other.upstreams.desktop.server.close();
    const answer = await other.ask({ target: "/desktop/x", headers: [session] });
    expect([answer.status, answer.body]).toEqual([502, "Bad Gateway\n"]);
    const page = await other.ask({ target: "/desktop/", headers: [session, ...NAVIGATE] });
    expect([page.status, page.header("retry-after")]).toEqual([503, "1"]);
    expect(page.body).toContain('http-equiv="refresh"');
    expect(answer.raw + page.raw).not.toContain("127.0.0.1");
    await other.close();
  });

  test("63: an upstream that breaks off", async () => {
    vscode.answer = (req) => void req.socket.destroy();
    expect(await ask(asUser())).toBe(502);
    vscode.answer = (req, res) => {
      res.writeHead(200, { "content-length": "10" }).write("half");
      setTimeout(() => req.socket.destroy(), 50);
    };
    expect((await world.ask(asUser())).body).toBe("half");
  });

  test("65: the first event of a stream comes at once", async () => {
    vscode.answer = (_req, res) => void res.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
    const begun = Date.now();
    const socket = connect(world.port, "127.0.0.1");
    socket.write(bytesOf(asUser()));
    await new Promise<void>((resolve) => socket.on("data", (chunk) => chunk.includes("data: 1") && resolve()));
    // 200 ms is the aim; the tests share their machine.
    expect(Date.now() - begun).toBeLessThan(1_000);
    socket.destroy();
  });
});
