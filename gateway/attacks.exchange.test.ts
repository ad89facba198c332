/** Attacks on the exchange of a grant, by their numbers in the attack suite. No refused one may set a cookie. */
import { createHmac, generateKeyPairSync } from "node:crypto";
import { type CryptoKey, exportSPKI, generateKeyPair, importJWK, SignJWT } from "jose";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { GRANT_PATH, GRANT_TYP } from "../protocol/grant.ts";
import { type Ask, bytesOf, claimsAt, exchangeBytes, parseAnswer, SESSION, startWorld, WORKER, type World } from "./testing.ts";

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());
beforeEach(() => {
  world.clock.ms = Date.now();
});

async function refused(token: string, more?: Ask, status = 403) {
  const answer = await world.redeem(token, more);
  expect([answer.status, answer.header("set-cookie"), answer.header("location")]).toEqual([status, undefined, undefined]);
  return answer;
}
async function accepted(token: string, more?: Ask) {
  const answer = await world.redeem(token, more);
  expect(answer.status).toBe(303);
  expect(answer.header("set-cookie")).toMatch(/^__Host-errand-vscode-abcdefgh=[\w-]{43}; /);
  return answer;
}
const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString("base64url");
const claims = () => claimsAt(world.clock.ms);
const form = (body: string, headers = [`Origin: ${WORKER}`, "Content-Type: application/x-www-form-urlencoded"]): Ask => ({ body, headers });

test("1: alg none", async () => {
  for (const alg of ["none", "None", "NONE"]) await refused(`${encode({ alg, kid: "k1", typ: GRANT_TYP })}.${encode(claims())}.`);
});

test("2, 3: HS256 keyed with the public key as SPKI or JWK text", async () => {
  const spki = await exportSPKI((await importJWK(world.publicJwk, "ES256")) as CryptoKey);
  for (const secret of [spki, spki.trim(), JSON.stringify(world.publicJwk)]) {
    const signed = `${encode({ alg: "HS256", kid: "k1", typ: GRANT_TYP })}.${encode(claims())}`;
    await refused(`${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`);
  }
});

test("4, 5: RS256 with an own key, the right algorithm with a foreign key", async () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  await refused(await new SignJWT(claims()).setProtectedHeader({ alg: "RS256", kid: "k1", typ: GRANT_TYP }).sign(rsa));
  await refused(await world.mint({}, {}, (await generateKeyPair("ES256")).privateKey));
});

test("6: unknown kid, kid of the prototype, kid as a path, no kid", async () => {
  for (const kid of ["k2", "__proto__", "constructor", "../../dev/null", ""]) await refused(await world.mint({}, { kid }));
  await refused(await new SignJWT(claims()).setProtectedHeader({ alg: "ES256", typ: GRANT_TYP }).sign(world.key));
});

test("7: a key embedded in the token or fetched from an address in it", async () => {
  const own = await generateKeyPair("ES256");
  await refused(await world.mint({}, { kid: "own", jwk: { ...world.publicJwk, kid: "own" } }, own.privateKey));
  const { vscode } = world.upstreams;
  await refused(await world.mint({}, { kid: "own", jku: `http://127.0.0.1:${vscode.port}/jwks` }, own.privateKey));
  expect(vscode.seen).toEqual([]);
});

test("8: unknown critical extension", async () => {
  const signed = `${encode({ alg: "ES256", kid: "k1", typ: GRANT_TYP, crit: ["x"], x: 1 })}.${encode(claims())}`;
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, world.key, Buffer.from(signed));
  await refused(`${signed}.${Buffer.from(signature).toString("base64url")}`);
});

test.each([
  ["9: other session", { aud: "other" }],
  ["9: list of audiences with ours", { aud: [SESSION] }],
  ["9: list of audiences with ours among others", { aud: [SESSION, "x"] }],
  ["9: no audience", { aud: undefined }],
  ["10: other issuer", { iss: "https://evil.example" }],
  ["10: no issuer", { iss: undefined }],
  ["11: no exp", { exp: undefined }],
  ["14: no jti", { jti: undefined }],
  ["14: object as jti", { jti: { a: "0123456789abcdef" } }],
  ["14: short jti", { jti: "short" }],
  ["14: no sub", { sub: undefined }],
  ["14: empty sub", { sub: "" }],
  ["15: unknown service", { svc: "root" }],
  ["15: service of the prototype", { svc: "__proto__" }],
  ["15: constructor as service", { svc: "constructor" }],
])("%s", async (_name, changed) => {
  await refused(await world.mint(changed));
});

test("11, 12: expired, a year of life, issued or valid only in future", async () => {
  const now = Math.floor(world.clock.ms / 1000);
  await refused(await world.mint({ iat: now - 200, exp: now - 100 }));
  await refused(await world.mint({ exp: now + 31_536_000 }));
  await refused(await world.mint({ exp: now + 121 }));
  await refused(await world.mint({ exp: now - 1 + 0.5 }));
  await refused(await world.mint({ iat: now + 600, exp: now + 660 }));
  await refused(await world.mint({ nbf: now + 600 }));
});

test("13: 25 s past the end is within tolerance, 40 s is not", async () => {
  const first = await world.mint();
  const second = await world.mint();
  world.clock.ms += 85_000;
  await accepted(first);
  world.clock.ms += 15_000;
  await refused(second);
});

test("16: a token of another kind", async () => {
  for (const typ of ["JWT", "errand-api+jwt", "application/jwt"]) await refused(await world.mint({}, { typ }));
  await refused(await new SignJWT(claims()).setProtectedHeader({ alg: "ES256", kid: "k1" }).sign(world.key));
});

test("17, 18: changed payload, cut signature, wrong number of parts, nothing", async () => {
  const [head = "", payload = "", signature = ""] = (await world.mint()).split(".");
  await refused(`${head}.${encode({ ...claims(), sub: "mallory" })}.${signature}`);
  for (const token of [
    `${head}.${payload}.${signature.slice(0, -4)}`,
    `${head}.${payload}.${signature}.x`,
    `${head}.${payload}.`,
    `${head}.${payload}`,
    "..",
    "",
    ".",
  ]) {
    await refused(token);
  }
  await refused("", form(""));
  const good = await world.mint();
  await refused("", form(`token=${good}&token=${good}`));
});

test("19: a body of 9 KB, announced or in chunks, and one that never ends", async () => {
  const token = await world.mint();
  await refused(token, form(`token=${token}&x=${"a".repeat(9_000)}`), 413);
  const headers = [`Origin: ${WORKER}`, "Content-Type: application/x-www-form-urlencoded", "Transfer-Encoding: chunked"];
  const chunk = `${(9_000).toString(16)}\r\n${"a".repeat(9_000)}\r\n0\r\n\r\n`;
  expect(parseAnswer(await exchangeBytes(world.port, bytesOf({ method: "POST", target: GRANT_PATH, headers }) + chunk)).status).toBe(413);
  await accepted(token);
});

test("20: a second use", async () => {
  const token = await world.mint();
  await accepted(token);
  await refused(token);
});

test("21: eight uses at once, one passes", async () => {
  const token = await world.mint();
  const statuses = await Promise.all(Array.from({ length: 8 }, async () => (await world.redeem(token)).status));
  expect(statuses.sort()).toEqual([303, 403, 403, 403, 403, 403, 403, 403]);
});

test("22: Origin evil, null, missing, twice, with a slash, of the gateway", async () => {
  const token = await world.mint();
  const type = "Content-Type: application/x-www-form-urlencoded";
  for (const origins of [
    ["https://evil.example"],
    ["null"],
    [],
    [WORKER, WORKER],
    [`${WORKER}/`],
    ["https://gate.example"],
    [`${WORKER}.evil.example`],
  ]) {
    await refused(token, { headers: [type, ...origins.map((origin) => `Origin: ${origin}`)] });
  }
  await accepted(token);
});

test("23: other content types", async () => {
  const token = await world.mint();
  for (const type of [
    ["Content-Type: application/json"],
    ["Content-Type: text/plain"],
    ["Content-Type: multipart/form-data; boundary=x"],
    [],
  ]) {
    await refused(token, { headers: [`Origin: ${WORKER}`, ...type] });
  }
  await refused(token, { headers: [`Origin: ${WORKER}`, "Content-Type: application/json"], body: JSON.stringify({ token }) });
  await accepted(token);
});

test("24: a grant in an address opens nothing and is not used up", async () => {
  const token = await world.mint();
  for (const request of [{}, { headers: ["Sec-Purpose: prefetch"] }, { method: "HEAD" }]) {
    const answer = await world.ask({ target: `${GRANT_PATH}?token=${token}`, ...request });
    expect([answer.status, answer.header("allow"), answer.header("set-cookie")]).toEqual([405, "POST", undefined]);
  }
  await accepted(token);
});

test("25, 26: no path in the grant leads elsewhere", async () => {
  for (const path of ["//evil.example", "/evil", "../..", "..\\..", "%2e%2e/", "a\r\nX: y", "https://evil.example", "@evil.example"]) {
    expect((await accepted(await world.mint({ path }))).header("location")).toBe("/vscode/");
  }
});

test("27: further fields of the form are ignored", async () => {
  const token = await world.mint();
  expect((await accepted("", form(`token=${token}&next=https%3A%2F%2Fevil.example&folder=/etc`))).header("location")).toBe("/vscode/");
});

test("28: a cookie chosen before is replaced by a fresh value", async () => {
  const headers = [`Origin: ${WORKER}`, "Content-Type: application/x-www-form-urlencoded", "Cookie: __Host-errand-vscode-abcdefgh=chosen"];
  const values = [await accepted(await world.mint(), { headers }), await accepted(await world.mint(), { headers })].map((answer) =>
    answer.header("set-cookie"),
  );
  expect(values[0]).not.toContain("chosen");
  expect(values[0]).not.toBe(values[1]);
  const { ask } = world;
  expect((await ask({ target: "/vscode/", headers: ["Cookie: __Host-errand-vscode-abcdefgh=chosen"] })).status).toBe(401);
});

test("29: issued before a revocation of its person, or of everyone", async () => {
  const other = await startWorld();
  const statusOf = async (token: string) => (await other.redeem(token)).status;
  const [alice, bob, carol] = await Promise.all(["alice", "bob", "carol"].map((sub) => other.mint({ sub })));
  other.gateway.update({ t: "revoke", sub: "alice" });
  expect([await statusOf(alice ?? ""), await statusOf(bob ?? "")]).toEqual([403, 303]);
  other.gateway.update({ t: "revoke" });
  expect(await statusOf(carol ?? "")).toBe(403);
  other.clock.ms += 1_000;
  expect(await statusOf(await other.mint())).toBe(303);
  await other.close();
});

test("29: the moment of a revocation on the Worker's clock", async () => {
  const now = Math.floor(world.clock.ms / 1000);
  const before = await world.mint({ sub: "dora", iat: now + 20 });
  world.gateway.update({ t: "revoke", sub: "dora", at: now + 21 });
  await refused(before);
});

test("30: headers of the exchange", async () => {
  const answer = await accepted(await world.mint());
  expect(answer.header("cache-control")).toBe("no-store");
  expect(answer.header("set-cookie")).toMatch(/^__Host-errand-vscode-abcdefgh=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Lax$/);
  expect(answer.header("location")).toBe("/vscode/");
});

test("84: no log line holds a token or a cookie", async () => {
  const token = await world.mint();
  const cookie = (await accepted(token)).header("set-cookie")?.split(/[=;]/)[1] ?? "none";
  await refused(token);
  const all = world.logs.join("\n");
  for (const secret of [token, token.split(".")[2] ?? "none", cookie]) expect(all).not.toContain(secret);
  expect(all).toContain('"event":"exchange"');
});
