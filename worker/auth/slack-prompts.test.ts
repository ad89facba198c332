import { expect, it } from "vitest";
import { settingsOf } from "../settings.ts";
import { slackPromptsOf } from "./providers.ts";
import { gatedRepository } from "./slack-prompts.ts";

const gitHub = {
  PUBLIC_ORIGIN: "https://errand.example",
  GITHUB_CLIENT_ID: "Iv1.a",
  GITHUB_CLIENT_SECRET: "s",
  TOKEN_KEYS: JSON.stringify({ current: "k1", keys: { k1: btoa("1".repeat(32)) } }),
};
const google = { ...gitHub, GITHUB_CLIENT_ID: "", GITHUB_CLIENT_SECRET: "", GOOGLE_CLIENT_ID: "g", GOOGLE_CLIENT_SECRET: "s" };

it.each([
  ["nothing", {}, "channel"],
  ["Google alone", google, "channel"],
  ["GitHub", gitHub, "linked"],
  ["GitHub, and whoever is in the channel", { ...gitHub, SLACK_PROMPTS: "channel" }, "channel"],
  ["links without sign-in, which then refuses", { SLACK_PROMPTS: "linked" }, "linked"],
  // What is lost of a sign-in must not let in everybody who is in a channel.
  ["GitHub without its secret", { ...gitHub, GITHUB_CLIENT_SECRET: "" }, "linked"],
  ["GitHub without its id", { ...gitHub, GITHUB_CLIENT_ID: "" }, "linked"],
  ["GitHub without the keys of tokens", { ...gitHub, TOKEN_KEYS: "" }, "linked"],
])("with %s set up it is decided who may ask", (_name, env, expected) => expect(slackPromptsOf(settingsOf(env))).toBe(expected));

it.each<[string, string | null, object, string | null]>([
  ["slack:T1:U1", "acme/sample", gitHub, "acme/sample"],
  ["slack:T1:U1", "https://github.com/acme/sample.git", gitHub, "acme/sample"],
  ["slack:T1:U1", "https://git.elsewhere.example/acme/sample", gitHub, null],
  ["slack:T1:U1", null, gitHub, null],
  ["slack:T1:U1", "acme/sample", { ...gitHub, SLACK_PROMPTS: "channel" }, null],
  ["github:1", "acme/sample", gitHub, null],
  ["user:abc", "acme/sample", gitHub, null],
  ["owner", "acme/sample", gitHub, null],
])("%s asking in %s with %j has to be admitted in %s", (person, repository, env, expected) =>
  expect(gatedRepository(person, repository, settingsOf(env))).toBe(expected),
);
