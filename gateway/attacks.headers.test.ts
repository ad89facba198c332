/** Attacks by header fields, in both directions, by their numbers in the attack suite. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { fieldsOf, single, valuesOf } from "./fields.ts";
import { PUBLIC, startWorld, type World } from "./testing.ts";

let world: World;
let cookie: string;
beforeAll(async () => {
  world = await startWorld();
  cookie = await world.signIn("vscode");
});
afterAll(() => world.close());

/** The fields that reach the upstream. */
async function arriving(...headers: string[]) {
  const answer = await world.ask({ target: "/vscode/", headers: [cookie, ...headers] });
  expect(answer.status).toBe(200);
  return fieldsOf(world.upstreams.vscode.lastFields);
}
/** What the browser gets of an upstream's answer. */
async function returning(headers: Record<string, string | string[]>, status = 200, target = "/vscode/a/b") {
  world.upstreams.vscode.answer = (_req, res) => void res.writeHead(status, headers).end("x");
  return world.ask({ target, headers: [cookie] });
}

test("50: what only a proxy may say does not arrive", async () => {
  const said = [
    "X-Forwarded-For: 1.2.3.4",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Proto: http",
    "X-Forwarded-Prefix: /x",
    "Forwarded: host=evil.example",
    "X-Real-IP: 1.2.3.4",
    "X-Errand-User: root",
    "X_Errand_User: root",
    "X_Forwarded_Host: evil.example",
    "X-Original-URL: /terminal/",
    "X-Rewrite-URL: /terminal/",
    "X-HTTP-Method-Override: DELETE",
    "X-HTTP-Method: DELETE",
    "X-Method-Override: DELETE",
    "Authorization: Basic evil",
    "Proxy-Authorization: Basic evil",
    "CF-Connecting-IP: 1.2.3.4",
    "True-Client-IP: 1.2.3.4",
    "HTTP2-Settings: x",
    "TE: trailers",
    "Expect: 200-ok",
  ];
  const fields = await arriving(...said);
  const values = fields.map(([, value]) => value).join("\n");
  expect(values).not.toMatch(/evil|1\.2\.3\.4|root|DELETE|\/terminal\/|trailers|200-ok/);
  expect(single(fields, "host")).toBe("gate.example");
  expect(single(fields, "x-forwarded-host")).toBe("gate.example");
  expect(single(fields, "x-forwarded-proto")).toBe("https");
  expect(fields.filter(([name]) => name.includes("_") || name.startsWith("x-errand"))).toEqual([]);
});

test("50: the upstream's own credential replaces the client's", async () => {
  const session = await world.signIn("opencode");
  expect(
    (await world.ask({ target: "/session", host: world.hostOf("opencode"), headers: [session, "Authorization: Bearer evil"] })).status,
  ).toBe(200);
  expect(valuesOf(fieldsOf(world.upstreams.opencode.lastFields), "authorization")).toEqual(["Basic aW5uZXI6c2VjcmV0"]);
});

test("51: naming fields in Connection takes none of ours away", async () => {
  const fields = await arriving(
    "Cookie: theirs=1",
    `Origin: ${PUBLIC}`,
    "X-Own: 1",
    "Connection: close, cookie, host, origin, x-forwarded-proto, x-forwarded-host, x-own",
  );
  expect(single(fields, "host")).toBe("gate.example");
  expect(single(fields, "x-forwarded-proto")).toBe("https");
  expect(single(fields, "cookie")).toBe("theirs=1");
  expect(single(fields, "origin")).toBe(PUBLIC);
  expect(single(fields, "x-own")).toBeUndefined();
});

test("52: our cookies don't arrive, foreign ones do", async () => {
  const fields = await arriving(
    "Cookie: a=1; __host-ERRAND-terminal-zzzzzzzz=x; errand=y; __Host-errand-vscode-otherses=z",
    "Cookie: b=2; __Secure-errand_worker=w; c=errand",
  );
  expect(valuesOf(fields, "cookie")).toEqual(["a=1; b=2; c=errand"]);
});

test("53: an upstream can set no cookie of ours and none for a domain", async () => {
  const answer = await returning({
    "set-cookie": [
      "good=1; Path=/",
      "__Host-errand-terminal-abcdefgh=x; Path=/; Secure",
      "__HOST-ERRAND-vscode-abcdefgh=x",
      "errand-owner=x; Path=/",
      "tossed=1; Domain=example",
      "tossed=1; path=/;DOMAIN = .example",
      "=__Host-errand-vscode-abcdefgh=x",
      "__Host-errand-vscode-abcdefgh",
      " __Host-errand-vscode-abcdefgh =x",
      "__Http-errand=x",
    ],
  });
  expect(answer.header("set-cookie")).toBe("good=1; Path=/");
});

test("54: redirects to elsewhere lose their Location", async () => {
  for (const location of [
    "//evil.example",
    "https://evil.example/x",
    "javascript:alert(1)",
    "/\\evil.example",
    "\\\\evil.example",
    "http://user@gate.example/",
    "https://gate.example.evil.example/",
    "http://127.0.0.1:1/",
    "data:text/html,x",
    "http://[::1]:22/",
  ]) {
    expect([location, (await returning({ location }, 302)).header("location")]).toEqual([location, undefined]);
  }
});

test("55: redirects to the upstream itself stay under its prefix", async () => {
  const { port } = world.upstreams.vscode;
  for (const [location, kept] of [
    [`http://127.0.0.1:${port}/x?y=1#z`, "/vscode/x?y=1#z"],
    [`http://localhost:${port}/x`, "/vscode/x"],
    [`${PUBLIC}/x`, "/vscode/x"],
    ["/terminal/", "/vscode/terminal/"],
    ["./?folder=/w", "/vscode/a/?folder=/w"],
    ["../../../x", "/vscode/x"],
    ["/.//evil.example", "/vscode//evil.example"],
  ] as const) {
    expect([location, (await returning({ location }, 302)).header("location")]).toEqual([location, kept]);
  }
});

test("56: an upstream can't speak for the whole origin", async () => {
  const answer = await returning({
    "access-control-allow-origin": "*",
    "access-control-allow-credentials": "true",
    "clear-site-data": '"*"',
    "strict-transport-security": "max-age=1",
    "alt-svc": 'h2="evil.example"',
    refresh: "0;url=https://evil.example",
    "service-worker-allowed": "/",
    "cache-control": "public, max-age=9",
    server: "inner/1.0",
    "www-authenticate": "Basic",
    "referrer-policy": "unsafe-url",
    "content-security-policy": "default-src *",
    connection: "x-inner",
    "x-inner": "1",
    "report-to": "{}",
    nel: "{}",
    "x-errand-user": "root",
  });
  for (const gone of [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "clear-site-data",
    "strict-transport-security",
    "alt-svc",
    "refresh",
    "server",
    "www-authenticate",
    "x-inner",
    "report-to",
    "nel",
    "x-errand-user",
  ]) {
    expect([gone, answer.header(gone)]).toEqual([gone, undefined]);
  }
  expect(answer.header("service-worker-allowed")).toBe("/vscode/");
  expect(answer.header("cache-control")).toBe("private, max-age=9");
  expect(answer.header("referrer-policy")).toBe("same-origin");
  expect(answer.header("x-content-type-options")).toBe("nosniff");
  expect(answer.header("cross-origin-resource-policy")).toBe("same-origin");
  expect(answer.header("x-robots-tag")).toBe("noindex");
  expect(answer.header("content-security-policy")).toBe("default-src * && frame-ancestors 'self'");
});
