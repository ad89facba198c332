import { describe, expect, it } from "vitest";
import { takeOptions } from "../options.ts";
import { plainText } from "./heard.ts";

describe("plainText", () => {
  it.each([
    ["<@UBOT> fix it", "fix it"],
    ["<@UBOT|errand>: fix it", "fix it"],
    ["ask <@U2|bob> and <@U3>", "ask @bob and @U3"],
    ["in <#C1|general> and <#C2>", "in #general and #C2"],
    ["<!here> <!subteam^S1|@team> <!subteam^S2>", "@here @team @S2"],
    ["see <https://a.example/x|the page> and <https://b.example>", "see the page (https://a.example/x) and https://b.example"],
    ["at <http://acme.example|acme.example>", "at acme.example"],
    ["<http://evil.example/acme.example|acme.example>", "acme.example (http://evil.example/acme.example)"],
    ["<mailto:a@b.example|a@b.example>", "a@b.example"],
    ["if a &lt; b &amp;&amp; c &gt; d, &amp;lt;", "if a < b && c > d, &lt;"],
    ["&lt;@U2&gt; typed by hand", "<@U2> typed by hand"],
    ["<!date^1770000000^{date}|today>", "today"],
  ])("%s", (raw, expected) => expect(plainText(raw, "UBOT")).toBe(expected));
});

it("takes time linear in the text, whatever is in it", () => {
  const hostile = ["`", "``` ` ", "<@", "<@UBOT|", "repo=", " repo=a/", "&lt;", "<!", "` `` ``` "].map((part) =>
    part.repeat(Math.ceil(400_000 / part.length)),
  );
  for (const text of hostile) {
    const start = performance.now();
    takeOptions(plainText(text, "UBOT"));
    expect(performance.now() - start).toBeLessThan(1_500);
  }
});
