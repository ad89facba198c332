import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { base32, isSessionId, parseThreadKey, sessionIdOf, threadKey } from "./thread.ts";

describe("thread keys", () => {
  it.each([
    ["slack:T01:C02:1700000000.000100", { surface: "slack", team: "T01", channel: "C02", ts: "1700000000.000100" }],
    ["github:42:7", { surface: "github", repository: "42", number: 7 }],
    ["page:abcdefgh", { surface: "page", id: "abcdefgh" }],
  ] as const)("%s", (key, thread) => {
    expect(parseThreadKey(key)).toEqual(thread);
    expect(threadKey(thread)).toBe(key);
  });

  it.each(["", "slack", "slack:T:C:", "slack:T:C:1.1:x", "github:x:1", "page:../..", "page:short"])("refuses %j", (key) => {
    expect(parseThreadKey(key)).toBeUndefined();
  });
});

describe("session ids", () => {
  it("are the first 128 bits of the HMAC, in base32 of RFC 4648", async () => {
    const mac = createHmac("sha256", "key").update("session:page:abcdefgh").digest().subarray(0, 16);
    const bits = Array.from(mac, (byte) => byte.toString(2).padStart(8, "0")).join("");
    const expected = (bits.match(/.{1,5}/g) ?? [])
      .map((five) => "abcdefghijklmnopqrstuvwxyz234567"[Number.parseInt(five.padEnd(5, "0"), 2)])
      .join("");
    expect(await sessionIdOf("page:abcdefgh", "key")).toBe(expected);
    expect(isSessionId(expected)).toBe(true);
  });

  it("differ by thread and by key", async () => {
    const ids = await Promise.all([
      sessionIdOf("page:abcdefgh", "a"),
      sessionIdOf("page:abcdefgh", "b"),
      sessionIdOf("page:abcdefgi", "a"),
    ]);
    expect(new Set(ids).size).toBe(3);
  });

  it("encodes the RFC's examples", () => {
    const encode = (text: string) => base32(new TextEncoder().encode(text));
    expect(["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(encode)).toEqual([
      "",
      "my",
      "mzxq",
      "mzxw6",
      "mzxw6yq",
      "mzxw6ytb",
      "mzxw6ytboi",
    ]);
  });
});
