import { createLocalJWKSet, decodeJwt, exportJWK, generateKeyPair, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { GRANT_TYP, GrantClaims } from "../../protocol/grant.ts";
import { mintGrant, parseGrantKey, publicGrantKey } from "./grants.ts";

const { privateKey } = await generateKeyPair("ES256", { extractable: true });
const jwk = { ...(await exportJWK(privateKey)), kid: "k1" };
const now = 1_700_000_000_000;

test("a grant is verified by the public key and says what it opens", async () => {
  const { key } = parseGrantKey(JSON.stringify(jwk));
  if (!key) throw new Error("not a key");
  const token = await mintGrant(key, {
    issuer: "http://127.0.0.1:8787",
    session: "s",
    person: { id: "owner" },
    ...{ service: "vscode", mode: "drive", port: null, sid: null, until: null, now },
    nonce: new Uint8Array(16).fill(7),
  });
  const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet({ keys: [publicGrantKey(key)] }), {
    algorithms: ["ES256"],
    issuer: "http://127.0.0.1:8787",
    audience: "s",
    typ: GRANT_TYP,
    currentDate: new Date(now + 59_000),
  });
  expect(protectedHeader).toMatchObject({ alg: "ES256", kid: "k1" });
  expect(GrantClaims.parse(payload)).toEqual({
    iss: "http://127.0.0.1:8787",
    aud: "s",
    sub: "owner",
    svc: "vscode",
    mode: "drive",
    jti: "07".repeat(16),
    iat: now / 1000,
    exp: now / 1000 + 60,
  });
});

test.each([
  ["watching", { service: "terminal", mode: "watch" }, { svc: "terminal", mode: "watch" }],
  ["a preview", { service: "preview", port: 3000 }, { svc: "preview", mode: "drive", port: 3000 }],
  ["of a sign-in", { sid: "0123456789abcdef" }, { sid: "0123456789abcdef" }],
  ["an admin's, in seconds", { until: now + 900_500 }, { until: now / 1000 + 900 }],
] as const)("a grant says what it is: %s", async (_name, change, said) => {
  const { key } = parseGrantKey(JSON.stringify(jwk));
  if (!key) throw new Error("not a key");
  const given = { service: "vscode", mode: "drive", port: null, sid: null, until: null, now } as const;
  const rest = { issuer: "http://127.0.0.1:8787", session: "s", person: { id: "user:a" }, nonce: new Uint8Array(16) };
  expect(GrantClaims.parse(decodeJwt(await mintGrant(key, { ...rest, ...given, ...change })))).toMatchObject(said);
});

test("the public half holds no secret", () => {
  const { key } = parseGrantKey(JSON.stringify(jwk));
  expect(key && Object.keys(publicGrantKey(key))).not.toContain("d");
});

describe("a wrong key is said without its text", () => {
  test.each([
    ["unset", null],
    ["not JSON", "secret-text"],
    ["public only", JSON.stringify({ ...jwk, d: undefined })],
    ["another curve", JSON.stringify({ ...jwk, crv: "P-384" })],
    ["no kid", JSON.stringify({ ...jwk, kid: undefined })],
  ])("%s", (_name, text) => {
    const parsed = parseGrantKey(text);
    expect(parsed.key).toBeNull();
    if (parsed.key) throw new Error("a key");
    expect(parsed.why).toContain("GRANT_KEY");
    expect(parsed.why).not.toContain("secret-text");
    expect(parsed.why).not.toContain(jwk.d);
  });
});
