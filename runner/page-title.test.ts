import { expect, test } from "vitest";
import { pageTitleOf } from "./page-title.ts";

test.each([
  ["<html><head><title>Vite + React</title>", "Vite + React"],
  ['<TITLE data-x="1">\n  Two\n lines </TITLE>', "Two lines"],
  ["<title>a &amp; b &lt;c&gt; &#8364; &#x41; &unknown;</title>", "a & b <c> € A &unknown;"],
  ["<title>&#xD800;&#0;&#x202e;&#9;x\u2066y</title>", "xy"],
  [`<title>${"ü".repeat(300)}</title>`, "ü".repeat(200)],
  [`<title>${"😀".repeat(300)}</title>`, "😀".repeat(100)],
  ["<title>cut", "cut"],
  ["<title> </title>", null],
  ["<titles>no</titles>", null],
  ["no page", null],
])("the title of %s", (html, title) => expect(pageTitleOf(html)).toBe(title));
