import { expect, it } from "vitest";
import { SIGNATURE_WINDOW_MS, signRequest, verifyRequest } from "./signing.ts";

const request = { method: "PUT", target: "/v1/sessions/a/generations/1?x=1", body: '{"a":1}' };
const NOW = 1_800_000_000_000;
const secretOf = (id: string) => (id === "k1" ? "secret-one" : id === "k2" ? "secret-two" : undefined);
const sign = (secret = "secret-one", key = "k1") => signRequest(request, key, secret, NOW, "nonce-0123456789abcdef");
const verify = (headers: Record<string, string>, changed = request, now = NOW) =>
  verifyRequest(changed, (name) => headers[name], secretOf, now);

it("accepts what it signed, with either key, and tells the nonce", async () => {
  expect(await verify(await sign())).toBe("nonce-0123456789abcdef");
  expect(await verify(await sign("secret-two", "k2"))).toBe("nonce-0123456789abcdef");
});

it.each([
  ["another body", { ...request, body: '{"a":2}' }],
  ["another path", { ...request, target: "/v1/sessions/b/generations/1?x=1" }],
  ["another query", { ...request, target: "/v1/sessions/a/generations/1?x=2" }],
  ["another method", { ...request, method: "DELETE" }],
])("refuses %s", async (_name, changed) => expect(await verify(await sign(), changed)).toBeUndefined());

it("refuses another key, an unknown key id, an old or future time, and changed headers", async () => {
  expect(await verify(await sign("wrong"))).toBeUndefined();
  expect(await verify(await sign("secret-one", "k9"))).toBeUndefined();
  expect(await verify(await sign(), request, NOW + SIGNATURE_WINDOW_MS + 1_000)).toBeUndefined();
  expect(await verify(await sign(), request, NOW - SIGNATURE_WINDOW_MS - 1_000)).toBeUndefined();
  for (const header of ["x-errand-nonce", "x-errand-timestamp", "x-errand-signature"]) {
    const headers = await sign();
    expect(await verify({ ...headers, [header]: "0".repeat(64) }), header).toBeUndefined();
    delete headers[header];
    expect(await verify(headers), `${header} missing`).toBeUndefined();
  }
});
