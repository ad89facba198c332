import { expect, it } from "vitest";
import type { About } from "../../protocol/request.ts";
import { apply, emptyView } from "../../protocol/view.ts";
import { branchName, placeOf, slug, unusedOptions } from "./beginning.ts";

const pull: NonNullable<About["pull"]> = {
  number: 7,
  url: "https://github.com/acme/sample/pull/7",
  title: "Faster sums",
  branch: "faster",
  base: "main",
  commit: "c0ffee",
  draft: false,
  fork: null,
  distrusted: false,
};
const about = (change: Partial<About> = {}): About => ({
  repository: "acme/sample",
  number: 7,
  title: "Faster sums",
  pull: null,
  ...change,
});
const defaults = { repository: "acme/default", base: "https://github.com" };

it.each([
  ["Fix the flaky checkout test", "fix-the-flaky-checkout-test"],
  ["Ärger mit „Umlauten“ & café", "arger-mit-umlauten-cafe"],
  ["日本語だけ", ""],
  ["../../etc/passwd; rm -rf", "etc-passwd-rm-rf"],
  ["a very long title that goes on and on and says nothing in the end", "a-very-long-title-that-goes-on-and-on"],
  ["x".repeat(100), "x".repeat(40)],
])("makes %j a part of a branch's name: %j", (text, expected) => expect(slug(text)).toBe(expected));

it.each([
  [{ number: 87, title: "Flaky test" }, 0, "errand/87-flaky-test-abcd"],
  [{ number: null, title: "日本語" }, 0, "errand/abcd"],
  [{ number: 87, title: "Flaky test" }, 1, "errand/87-flaky-test-abcd-2"],
])("names a branch for %j, %d before it: %s", (what, before, expected) => expect(branchName(what, "abcdefgh", before)).toBe(expected));

it.each([
  [
    "nothing named: the default repository",
    { text: "do it", options: {} },
    { repository: "acme/default", branch: "errand/do-it-abcd", pull: null },
  ],
  [
    "an issue: its repository",
    { text: "x", options: {}, about: about() },
    { repository: "acme/sample", branch: "errand/7-faster-sums-abcd" },
  ],
  ["a pull request: its branch", { text: "x", options: {}, about: about({ pull }) }, { branch: "faster", pull }],
  [
    "a fork's: a branch of the repository itself",
    { text: "x", options: {}, about: about({ pull: { ...pull, fork: "mallory/sample" } }) },
    { repository: "acme/sample", branch: "errand/7-faster-sums-abcd", pull: { fork: "mallory/sample" } },
  ],
  [
    "another repository named: not the pull request's",
    { text: "x", options: { repository: "acme/other" }, about: about({ pull }) },
    { repository: "acme/other", branch: "errand/7-faster-sums-abcd", pull: null },
  ],
  [
    "its own repository named: the same",
    { text: "x", options: { repository: "Acme/Sample" }, about: about({ pull }) },
    { branch: "faster" },
  ],
])("begins, %s", (_name, request, expected) => expect(placeOf(request, "abcdefgh", defaults)).toMatchObject(expected));

it.each([
  [{}, null, null],
  [{ model: "other" }, null, "`model=other` is not used"],
  [{ branch: "next" }, null, null],
  [{ branch: "next" }, "main", "began at `main`"],
  [{ branch: "next" }, "", "began empty"],
  [{ branch: "main" }, "main", null],
])("says what of %j changes nothing, begun at %j", (options, base, expected) => {
  const view = emptyView();
  apply(view, { n: 1, event: { type: "session.branch", at: 0, branch: "errand/x", base } });
  const said = unusedOptions(options, view);
  if (expected === null) expect(said).toBeNull();
  else expect(said).toContain(expected);
});
