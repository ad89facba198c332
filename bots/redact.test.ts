import { describe, expect, it } from "vitest";
import { redact } from "./redact.ts";

const body = (length: number) => "aB3_".repeat(length).slice(0, length);
const jwt = `eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxMjMifQ.${body(86)}`;
const base64 = "MIIEpAIBAAKCAQEA7bq1oWl9aX3y/0+abcdefghijklmnopqrstuvwxyzABCDEFG".slice(0, 64);
const pem = (kind: string) => `-----BEGIN ${kind}-----\n${base64}\n${base64}\nQ0lm==\n-----END ${kind}-----`;

describe("redact", () => {
  const hidden: [string, string][] = [
    ["a short installation token", `ghs_${"a1".repeat(18)}`],
    ["an installation token of today, with dots and hyphens", `ghs_123456_${jwt}-tail`],
    ["a user token", `ghu_${"a1".repeat(18)}`],
    ["a classic token", `ghp_${"a1".repeat(18)}`],
    ["a fine-grained token", `github_pat_11ABC_${"x9".repeat(30)}`],
    ["an OpenAI key", `sk-proj-${body(40)}`],
    ["an Anthropic key", `sk-ant-api03-${body(80)}`],
    ["a Slack bot token", "xoxb-123456789012-abcdefGHIJ"],
    ["a Slack app token", "xapp-1-A0123456789-1234567890"],
    ["an AWS key id", "AKIAIOSFODNN7EXAMPLE"],
    ["a temporary AWS key id", "ASIAIOSFODNN7EXAMPLE"],
    ["a JSON Web Token", jwt],
    ["a PKCS#1 key", pem("RSA PRIVATE KEY")],
    ["a PKCS#8 key", pem("PRIVATE KEY")],
    ["a key on one line", pem("PRIVATE KEY").replaceAll("\n", "\\n")],
    ["an indented key", pem("PRIVATE KEY").replaceAll("\n", "\n        ")],
    ["a key cut before its end", pem("EC PRIVATE KEY").slice(0, -60)],
  ];
  it.each(hidden)("hides %s", (_name, secret) => {
    const out = redact(`before ${secret}\nafter`);
    expect(out).toMatch(/^before .*\[redacted\]/);
    expect(out).toContain("after");
    for (const piece of secret.split(/\n|\\n/).filter((row) => row.length > 16 && !row.startsWith("-----")))
      expect(out).not.toContain(piece);
  });

  it("hides what signs in within headers and addresses, and says where", () => {
    expect(redact("Authorization: Basic eC1hY2Nlc3MtdG9rZW46Z2hz")).toBe("Authorization: Basic [redacted]");
    expect(redact("'authorization': 'Bearer abcdefghijkl'")).toBe("'authorization': 'Bearer [redacted]'");
    expect(redact("git clone https://ada:hunter2@github.com/acme/sample")).toBe("git clone https://ada:[redacted]@github.com/acme/sample");
  });

  it("hides the values handed in, wherever they stand", () => {
    expect(redact("a=correct-horse b=correct-horse", ["correct-horse"])).toBe("a=[redacted] b=[redacted]");
    // A word is no secret.
    expect(redact("set it to true", ["true"])).toBe("set it to true");
  });

  const kept = [
    "task-implement-the-new-thing-2 and risk-assessment-of-everything-1",
    "sk-loading-spinner-component-thing",
    "commit 1f0e3dad99908345f7439f8ffabdffc4f1a3c2b1",
    "https://github.com/acme/sample/pull/3",
    "http://127.0.0.1:8787/s/abc",
    "eyJ is how they begin",
    "xoxo",
    "gh_not_a_token_at_all_really",
  ];
  it.each(kept)("keeps %s", (text) => expect(redact(text)).toBe(text));

  const hostile: [string, string][] = [
    ["beginnings of JWTs", "eyJ".repeat(22_000)],
    ["beginnings after hyphens", "-eyJaaaaaa".repeat(6_500)],
    ["long headers", `${"-eyJ".repeat(150)}.${"b".repeat(4_000)}!`.repeat(14)],
    ["PEM headers", "-----BEGIN A-----".repeat(3_800)],
    ["a PEM header and spaces", `-----BEGIN A-----${" ".repeat(65_000)}`],
    ["PEM headers and spaces", `-----BEGIN A-----${" ".repeat(80)}`.repeat(670)],
    ["a PEM header and words", `-----BEGIN A-----${"aaaaaaaaaaaaaaaa ".repeat(3_800)}-`],
    ["token prefixes", "ghs_".repeat(16_000)],
    ["addresses", "://a:".repeat(13_000)],
    ["sk-", "sk-".repeat(22_000)],
    ["one letter", "a".repeat(65_536)],
    ["spaces", " ".repeat(65_536)],
    ["headers", "authorization: ".repeat(4_400)],
  ];
  it.each(hostile)("is quick with 64 KiB of %s", (_name, text) => {
    const began = performance.now();
    redact(text);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});
