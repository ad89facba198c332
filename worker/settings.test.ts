import { expect, it } from "vitest";
import { settingsOf } from "./settings.ts";

it("takes what is empty as not set", () => {
  expect(settingsOf({ BACKEND_URL: " ", MODEL_PRICE: "" })).toMatchObject({ BACKEND_URL: null, MODEL_PRICE: null, MODEL_CONTEXT: 128_000 });
});

it("keeps of an address what names its place", () => {
  expect(settingsOf({ PUBLIC_ORIGIN: "https://errand.test/" }).PUBLIC_ORIGIN).toBe("https://errand.test");
});

it("fills in what a price leaves out", () => {
  expect(settingsOf({ MODEL_PRICE: '{"input":3,"output":15}' }).MODEL_PRICE).toEqual({ input: 3, output: 15, cacheRead: 0, cacheWrite: 0 });
});

it.each([
  ["MODEL_PRICE", "{input:3}"],
  ["MODEL_PRICE", '{"input":"3"}'],
  ["MODEL_CONTEXT", "many"],
  ["BACKEND_URL", "localhost"],
])("names %s when it is %s", (name, value) => {
  expect(() => settingsOf({ [name]: value })).toThrow(new RegExp(`^wrong settings: ${name}`));
});
