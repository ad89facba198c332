import { expect, test } from "vitest";
import { cloneUrl, isSameRepository } from "./repository.ts";

test.each([
  ["acme/app", null, "https://github.com/acme/app.git"],
  ["acme/app", "http://127.0.0.1:1", "http://127.0.0.1:1/acme/app.git"],
  ["https://git.example/acme/app", "http://127.0.0.1:1", "https://git.example/acme/app"],
])("%s with the base %s is cloned from %s", (name, base, url) => {
  expect(cloneUrl(name, base)).toBe(url);
});

test.each([
  ["acme/app", "acme/app", true],
  ["Acme/App", "acme/app", true],
  ["https://github.com/acme/app", "acme/app", true],
  ["https://github.com/acme/app.git/", "acme/app", true],
  ["acme/app", "acme/apps", false],
  ["https://git.example/acme/app", "acme/app", false],
  ["acme/app", null, false],
])("%s and %s are the same: %s", (one, other, same) => {
  expect(isSameRepository(one, other, null)).toBe(same);
});
