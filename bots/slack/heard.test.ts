import { describe, expect, it } from "vitest";
import { codeSpans, plainText, saysStop, takeOptions } from "./heard.ts";

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

describe("takeOptions", () => {
  it.each([
    ["fix it repo=acme/api", "fix it", { repository: "acme/api" }],
    ["repo=acme/api branch=feature/x model=gpt-5 fix it", "fix it", { repository: "acme/api", branch: "feature/x", model: "gpt-5" }],
    ["repo=acme/api, fix it", "fix it", { repository: "acme/api" }],
    ["repo=https://github.com/acme/api.git go", "go", { repository: "https://github.com/acme/api.git" }],
    ["repo=a/b then repo=c/d", "then", { repository: "c/d" }],
    ["set `repo=x/y` in the config", "set `repo=x/y` in the config", {}],
    ["```\nbranch=x\n``` and branch=y", "```\nbranch=x\n``` and", { branch: "y" }],
    ["an open ` tick branch=y", "an open ` tick", { branch: "y" }],
    ["repo=nonsense stays", "repo=nonsense stays", {}],
    ["myrepo=a/b stays", "myrepo=a/b stays", {}],
    ["branch= stays", "branch= stays", {}],
    ["line one\nrepo=a/b\nline two", "line one\n\nline two", { repository: "a/b" }],
  ])("%s", (text, rest, options) => expect(takeOptions(text)).toEqual({ text: rest, options }));
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

it("finds code between equal runs of backticks", () => {
  const code = (text: string) =>
    codeSpans(text)
      .filter((part) => part.code)
      .map((part) => part.text);
  expect(code("a `b` ``c ` d`` e `f")).toEqual(["`b`", "``c ` d``"]);
  expect(
    codeSpans("a `b` c")
      .map((part) => part.text)
      .join(""),
  ).toBe("a `b` c");
});

it("knows the word that stops", () => {
  expect(["stop", "Stop.", "STOP!!"].map(saysStop)).toEqual([true, true, true]);
  expect(["stop it", "", "nonstop", "stop?"].map(saysStop)).toEqual([false, false, false, false]);
});
