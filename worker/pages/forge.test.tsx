import { expect, test } from "vitest";
import { FAILING, gitHubView, offered, pulled, taken, unpushed, working } from "../../test/github/views.ts";
import { SessionBlocks } from "./blocks.tsx";
import type { Reach } from "./openings.tsx";

const reach: Reach = { drive: { ok: true, by: "owner" }, watch: { ok: true, by: "owner" } };

const page = (...story: Parameters<typeof gitHubView>) =>
  (<SessionBlocks view={gitHubView(...working, ...story)} session="s" reach={reach} now={4} steps={[]} />).toString();

test("the pull request stands on the page, with what its checks say", () => {
  const shown = page(...pulled({ checks: FAILING }));
  expect(shown).toContain('<a href="https://github.com/acme/sample/pull/124" rel="noopener noreferrer" target="_blank">#124 Let the retry');
  expect(shown).toContain("draft · +32 −4 in 2 files");
  expect(shown).toContain('<span class="error">checks fail</span>');
  expect(shown).toContain(">test (node 20)</a>, lint");
  expect(shown).toContain("<code>9f86d08</code> · 2 commits");
  expect(page(...pulled({ url: "javascript:alert(1)" }))).not.toContain("javascript:");
  expect(page()).not.toContain('id="pull"');
});

test("what could not be pushed is said, with what to do", () => {
  expect(page(...unpushed)).toContain("<p>Not pushed: GitHub does not let the errand App change files under .github/workflows/.</p>");
  expect(page(...unpushed)).toContain("Apply that part by hand");
});

test("an offer has a button until it is taken", () => {
  expect(page(...offered)).toContain('name="offer" value="fix:9f86d08"');
  expect(page(...offered, ...taken)).not.toContain('name="offer"');
  expect(page(...offered, ...taken)).toContain("Taken by bob");
});

test("a session that has ended says so", () => {
  expect(page({ type: "session.closed", how: "merged", who: null })).toContain("The pull request was merged, so this session has ended.");
  expect(page()).not.toContain('id="closed"');
});
