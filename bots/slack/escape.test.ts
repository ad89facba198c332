import { describe, expect, it } from "vitest";
import { visible } from "../visible.ts";
import { code, line, markdown, mention, plain, within } from "./escape.ts";

describe("escaping", () => {
  it("keeps within the limit without cutting an entity or a character", () => {
    expect(within("a < b & c", 100)).toBe("a &lt; b &amp; c");
    for (let max = 1; max < 40; max += 1) {
      const out = within("<&>😀é<&>😀é<&>", max);
      expect(out.length).toBeLessThanOrEqual(max);
      expect(out.replace(/&(?:lt|gt|amp);/g, "")).not.toMatch(/[&<>\p{Cs}]/u);
    }
  });

  it("strips what is not seen, and terminal colours", () => {
    expect(visible("a\u200bb\u202ec\u0007d\ue000\r\ne\tf")).toBe("abcd\ue000\ne\tf");
    expect(visible(`${String.fromCharCode(27)}[1;31mred${String.fromCharCode(27)}[0m\n[a](b)`)).toBe("red\n[a](b)");
  });

  it("shows no secret, wherever it would be cut", () => {
    const secret = `ghs_${"a1B2".repeat(12)}`;
    for (const shown of [
      within(`x ${secret}`, 30),
      line(`x ${secret}`, 200),
      plain(`x ${secret}`, 20),
      code(secret, 200),
      markdown(`x ${secret}`),
    ])
      expect(shown).not.toContain("ghs_a1B2");
  });

  it("makes one line and inline code", () => {
    expect(line(" a\n\n b ", 10)).toBe("a b");
    expect(plain("a <b> & c\nd", 20)).toBe("a ‹b› & c d");
    expect(plain("Run `npm test`", 20)).toBe("Run npm test");
    expect(plain("x".repeat(30), 20)).toBe(`${"x".repeat(19)}…`);
    expect(code("a`b<c>", 20)).toBe("`a'b&lt;c&gt;`");
    expect(code("\u200b", 20)).toBe("");
  });

  it("lets Markdown through but none of Slack's own tokens", () => {
    expect(markdown("**a** <!here> `x < y` > q\n[a](https://a.example/?b=1&c=2) &lt;")).toBe(
      "**a** &lt;!here> `x &lt; y` > q\n[a](https://a.example/?b=1&c=2) &amp;lt;",
    );
    expect(markdown("see <https://a.example/x>")).toBe("see https://a.example/x");
  });

  it("mentions people of a Slack, and nothing else", () => {
    expect(mention("slack:T1:U1")).toBe("<@U1>");
    for (const person of ["github:1", "owner", "slack:T1:!here", "slack:T1:S1", "slack:T1:U1>", null, undefined])
      expect(mention(person)).toBeUndefined();
  });
});
