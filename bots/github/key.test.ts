import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import { signingKey, toPkcs8Pem, WrongKey } from "./key.ts";

const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
const pkcs1 = pair.privateKey.export({ type: "pkcs1", format: "pem" }).toString();
const pkcs8 = pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString();

describe("signingKey", () => {
  const forms: [string, string][] = [
    ["PKCS#1, as GitHub gives it", pkcs1],
    ["PKCS#8", pkcs8],
    ["PKCS#1 with line breaks written out", pkcs1.replaceAll("\n", "\\n")],
    ["PKCS#8 with line breaks written out and quotes", `"${pkcs8.replaceAll("\n", "\\n")}"`],
    ["Windows line ends and spaces around", `\n  ${pkcs1.replaceAll("\n", "\r\n")}  `],
  ];
  it.each(forms)("takes %s", async (_name, setting) => {
    const key = await signingKey(setting);
    const data = new TextEncoder().encode("errand");
    const signature = new Uint8Array(await crypto.subtle.sign("RSASSA-PKCS1-v1_5", key, data));
    expect(verify("sha256", data, createPublicKey(pair.privateKey), signature)).toBe(true);
  });

  it("makes of PKCS#1 what OpenSSL makes of it", () => expect(toPkcs8Pem(pkcs1).trim()).toBe(pkcs8.trim()));

  const wrong: [string, string][] = [
    ["nothing", ""],
    ["a path", "/home/ada/errand.pem"],
    ["a public key", createPublicKey(pair.privateKey).export({ type: "spki", format: "pem" }).toString()],
    ["a key without its middle", pkcs1.replace(/\n[A-Za-z0-9+/=\n]+\n/, "\n")],
    ["a key that was cut", pkcs8.slice(0, 400)],
    ["another kind of key", generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString()],
  ];
  it.each(wrong)("says what is wrong with %s, and nothing of it", async (_name, setting) => {
    const error = await signingKey(setting).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(WrongKey);
    const message = error instanceof Error ? error.message : "";
    expect(message).toContain("GITHUB_PRIVATE_KEY");
    for (const row of setting.split("\n").filter((one) => one.length > 20 && !one.startsWith("-----"))) expect(message).not.toContain(row);
  });
});
