import { describe, expect, it } from "vitest";
import { codeSpans, saysLink, saysStatus, saysStop, takeOptions } from "./options.ts";

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

  it("leaves what is not to be chosen here", () =>
    expect(takeOptions("repo=a/b branch=c go", ["branch"])).toEqual({ text: "repo=a/b go", options: { branch: "c" } }));
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

it("knows the word that asks where things stand", () => {
  expect(["status", "Status?", "STATUS!"].map(saysStatus)).toEqual([true, true, true]);
  expect(["status of it", "", "statuses", "a status"].map(saysStatus)).toEqual([false, false, false, false]);
});

it("knows the word that stops", () => {
  expect(["stop", "Stop.", "STOP!!"].map(saysStop)).toEqual([true, true, true]);
  expect(["stop it", "", "nonstop", "stop?"].map(saysStop)).toEqual([false, false, false, false]);
});

it.each([
  ["link", { word: "link", number: null }],
  ["Link!", { word: "link", number: null }],
  ["unlink.", { word: "unlink", number: null }],
  ["link 123456", { word: "link", number: "123456" }],
  ["link 123 456", { word: "link", number: "123456" }],
  ["link 123-456", { word: "link", number: "123456" }],
  ["unlink 123456", null],
  ["link 12", null],
  ["link the pages", null],
  ["a link", null],
  [`link ${"1".repeat(60)}`, null],
])("hears in %j what is said about linking", (text, expected) => expect(saysLink(text)).toEqual(expected));
