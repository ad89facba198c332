import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { importKeys } from "./grant.ts";
import { GatewayConfig, ToGateway } from "./ipc.ts";

const { x = "", y = "", d = "" } = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });
const key = { kid: "k1", kty: "EC", crv: "P-256", x, y, alg: "ES256", use: "sig" };
const good = {
  session: "abcdefghijklmnopqrstuvwxyz",
  workerOrigin: "https://worker.example",
  grantKeys: [key],
  sites: null,
  listen: { port: 9000, host: "127.0.0.1", socket: null },
  upstreams: {
    vscode: { port: 8080 },
    desktop: { port: 6080 },
    terminal: { port: 7681 },
    opencode: { port: 4096, authorization: "Basic x" },
  },
  reserved: [8080, 9000],
  landing: { vscode: "/?folder=/work" },
  local: false,
};

test("a good configuration", () => {
  expect(GatewayConfig.parse(good).landing).toEqual({ vscode: "/?folder=/work" });
  expect(ToGateway.parse({ t: "config", ...good }).t).toBe("config");
  expect(importKeys(GatewayConfig.parse(good).grantKeys).size).toBe(1);
});

test.each([
  ["a private key", { grantKeys: [{ ...key, d }] }, "private"],
  ["no key", { grantKeys: [] }, "grantKeys"],
  ["a key of another kind", { grantKeys: [{ ...key, kty: "oct", k: "c2VjcmV0" }] }, "kty"],
  ["a key without a name", { grantKeys: [{ ...key, kid: undefined }] }, "kid"],
  ["another interface", { listen: { ...good.listen, host: "0.0.0.0" } }, "host"],
  ["an origin with a path", { workerOrigin: "https://worker.example/" }, "origin"],
  ["an origin that is no web address", { workerOrigin: "file:///etc" }, "origin"],
  ["a landing elsewhere", { landing: { vscode: "//evil.example" } }, "path and query"],
  ["a landing with a line break", { landing: { vscode: "/\r\nSet-Cookie: a" } }, "path and query"],
  ["a missing upstream", { upstreams: { vscode: { port: 1 } } }, "desktop"],
  ["a reserved port that is none", { reserved: [0] }, "reserved"],
  [
    "an origin of previews with a path",
    { sites: { ide: "https://a.example", opencode: null, preview: "https://{port}.example/" } },
    "sites",
  ],
  ["a session that is no cookie name", { session: "a; b=c; d" }, "session"],
])("%s is refused", (_name, changed, says) => {
  const parsed = GatewayConfig.safeParse({ ...good, ...changed });
  expect(parsed.success).toBe(false);
  expect(JSON.stringify(parsed.error?.issues)).toContain(says);
});
