import { expect, it } from "vitest";
import { githubOf, settingsOf } from "./settings.ts";

it("takes what is empty as not set", () => {
  expect(settingsOf({ BACKEND_URL: " ", MODEL_PRICE: "" })).toMatchObject({
    BACKEND_URL: null,
    MODEL_PRICE: null,
    MODEL_CONTEXT: 128_000,
    MODEL_CALLS_PER_TURN: 1_000,
    MODEL_TOKENS_PER_DAY: null,
  });
});

it("keeps of an address what names its place", () => {
  expect(settingsOf({ PUBLIC_ORIGIN: "https://errand.test/" }).PUBLIC_ORIGIN).toBe("https://errand.test");
});

it("fills in what a price leaves out", () => {
  expect(settingsOf({ MODEL_PRICE: '{"input":3,"output":15}' }).MODEL_PRICE).toEqual({ input: 3, output: 15, cacheRead: 0, cacheWrite: 0 });
});

it("keeps the path of GitHub's addresses, without a slash at the end", () => {
  const settings = settingsOf({ GITHUB_API_URL: "https://github.example/api/v3/", GITHUB_WEB_URL: "https://github.example" });
  expect(settings).toMatchObject({ GITHUB_API_URL: "https://github.example/api/v3", GITHUB_WEB_URL: "https://github.example" });
});

const app = { GITHUB_APP_ID: "7", GITHUB_APP_SLUG: "errand", GITHUB_PRIVATE_KEY: "pem", GITHUB_WEBHOOK_SECRET: "s" };

it("has GitHub whole, not at all, or says what is missing", () => {
  expect(githubOf(settingsOf(app))).toEqual({
    ok: true,
    appId: "7",
    slug: "errand",
    privateKey: "pem",
    webhookSecret: "s",
    apiUrl: null,
    webUrl: "https://github.com",
  });
  expect(githubOf(settingsOf({}))).toMatchObject({ ok: false, half: false });
  expect(githubOf(settingsOf({ ...app, GITHUB_WEBHOOK_SECRET: "" }))).toEqual({
    ok: false,
    half: true,
    missing: ["GITHUB_WEBHOOK_SECRET"],
  });
});

it("takes bots by login and id", () => {
  expect(settingsOf({ GITHUB_ALLOWED_BOTS: '[{"login":"a[bot]","id":3}]' }).GITHUB_ALLOWED_BOTS).toEqual([{ login: "a[bot]", id: 3 }]);
  expect(settingsOf({}).GITHUB_ALLOWED_BOTS).toEqual([]);
});

it.each([
  ["GITHUB_APP_ID", "errand"],
  ["GITHUB_APP_SLUG", "my errand"],
  ["GITHUB_API_URL", "api.github.com"],
  ["GITHUB_WEB_URL", "ftp://github.example"],
  ["GITHUB_ALLOWED_BOTS", "a[bot]"],
  ["GITHUB_ALLOWED_BOTS", '[{"login":"a[bot]"}]'],
  ["MODEL_PRICE", "{input:3}"],
  ["MODEL_PRICE", '{"input":"3"}'],
  ["MODEL_CONTEXT", "many"],
  ["SLACK_PROMPTS", "all"],
  ["MODEL_CALLS_PER_TURN", "0"],
  ["MODEL_TOKENS_PER_DAY", "a lot"],
  ["BACKEND_URL", "localhost"],
])("names %s when it is %s", (name, value) => {
  expect(() => settingsOf({ [name]: value })).toThrow(new RegExp(`^wrong settings: ${name}`));
});
