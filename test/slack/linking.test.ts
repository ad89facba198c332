/** What only one person sees about linking, as Slack checks it, with hostile names. */
import { expect, it } from "vitest";
import { githubMissing, linkContent, linkWords } from "../../bots/slack/linking.ts";
import { complaintsAboutBlocks } from "../world/slack/blocks.ts";

const url = `https://errand.example/link/slack?code=${"a".repeat(64)}`;
const evil = "<!channel> <@U1> *x* <https://evil.example|here>\u202e`";

it.each([
  ["a link for a waiting request", linkContent({ url, repository: "acme/sample", minutes: 15 })],
  ["a link without one", linkContent({ url, repository: null, minutes: 15 })],
  ["a link for a repository with an odd name", linkContent({ url, repository: evil, minutes: 15 })],
  ["a missing account", githubMissing("https://errand.example/account")],
  ["a linked account", linkWords.linked(evil)],
  ["one that was linked", linkWords.already(evil)],
  ["a wrong number", linkWords.wrong(2)],
  ["the last wrong number", linkWords.wrong(0)],
  ...Object.entries(linkWords).flatMap(([name, words]) => (typeof words === "function" ? [] : [[name, words] as [string, typeof words]])),
])("%s is taken by Slack, mentions nobody and leads nowhere else", (_name, content) => {
  expect(complaintsAboutBlocks(content.blocks)).toEqual([]);
  const all = JSON.stringify(content);
  expect(all).not.toMatch(/<!|<@|<http|\u202e/);
  expect(content.text).not.toBe("");
  // The code stands in the button alone, where no notification repeats it.
  expect(content.text).not.toContain("code=");
});
