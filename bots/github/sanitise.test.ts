import { describe, expect, it } from "vitest";
import { clip, sanitise, visible } from "./sanitise.ts";

describe("sanitise takes out what does not show", () => {
  it.each([
    ["a <!-- hidden --> b", "a  b"],
    ["a\n<!--\nhidden\n\nhidden\n-->\nb", "a\n\nb"],
    ["a\n<!-- hidden without an end\nhidden", "a"],
    ["- <!-- hidden\n\nhidden --> shown", "-  shown"],
    ["> <!-- hidden\n> hidden -->\n> shown", "> \n> shown"],
    ["<!-- a --> shown <!-- b\nhidden\n\nhidden -->", "shown"],
    ["<div><!-- hidden\n\nhidden -->shown</div>", "<div>shown</div>"],
    ["<!-->shown", "shown"],
    ["<?hidden?>shown", "shown"],
    ["<!hidden>shown", "shown"],
    ["a <![CDATA[hidden]]> b", "a  b"],
    ['<img alt="hidden" src="https://a.example/x.png" data-x="hidden">', '<img src="https://a.example/x.png">'],
    ["<p title='hidden' aria-label=hidden hidden>shown</p>", "<p>shown</p>"],
    ['<img alt="a `b` hidden">', "<img>"],
    ["<details open><summary>shown</summary></details>", "<details><summary>shown</summary></details>"],
    ["![hidden](https://a.example/x.png)", "![](https://a.example/x.png)"],
    ["![hid [d] en](x.png)", "![](x.png)"],
    ["![hidden][ref]", "![][ref]"],
    ['[shown](https://a.example "hidden")', "[shown](https://a.example)"],
    ["[shown](<a/b c> 'hidden')", "[shown](<a/b c>)"],
    ["[//]: # (hidden)\nshown", "shown"],
    ['[hidden words]: https://a.example "hidden"\nshown', "shown"],
    ['see [docs]\n\n[docs]: https://a.example "hidden"', "see [docs]\n\n[docs]: https://a.example"],
    ["sho\u00ad\u200b\u200d\u2060\u2063\ufeff\u034f\u061c\u202e\u2066\u180ewn", "shown"],
    ["shown\u{e0068}\u{e0069}\u{e007f}\u{e0100}", "shown"],
    ["a\ufe00\ufe0fb", "ab"],
    ["\u0000a\u001b[31mb\u0085\tc", "a[31mb\tc"],
    ["&#105;gnore &#x74;his&#8203;", "ignore this"],
    ["a\r\nb\rc", "a\nb\nc"],
    ["half \ud83d a pair", "half  a pair"],
  ])("%j", (md, shown) => expect(sanitise(md)).toBe(shown));

  it("where it only looks like code", () => {
    for (const md of [
      "<!--\n```\nhidden\n```\n-->",
      "<div>\n```\n<!-- hidden -->\n```\n</div>",
      "<pre>\n\n```\n<!-- hidden -->\n```\n</pre>",
      "<pre>`<!-- hidden -->`</pre>",
      "- a\n  ```\n<!-- hidden -->",
      "a `b\n<!-- c` hidden -->",
      "- a `\n- <!-- hidden --> `",
      "<div>`<!-- hidden -->`</div>",
      '<div>`<b title="hidden">`</b></div>',
    ])
      expect(sanitise(md), md).not.toContain("hidden");
  });
});

describe("sanitise keeps what shows", () => {
  it.each([
    ["plain text, 1 < 2 && a > b"],
    ["Map<string, number> and a<b>"],
    ["```html\n<!-- kept -->\n<img alt='kept'>\n```"],
    ["1. do\n   ```html\n   <!-- kept -->\n   ```"],
    ["replace `<!-- kept -->` and `<img alt='kept'>`"],
    ["a `&#8203;` in code"],
    ["an unclosed <!-- is text"],
    ["❤️ 1️⃣ ✌🏽"],
    ["- [x] done\n- [ ] open"],
    ["[a](https://a.example/b_(c))"],
    ["<b>bold</b> and <br/>"],
  ])("%j", (md) => expect(sanitise(md)).toBe(md));
});

it("leaves text that is no Markdown as it is, but for what does not show", () =>
  expect(visible("-a <!-- b -->\r\n+c\u200b\u202e")).toBe("-a <!-- b -->\n+c"));

describe("clip", () => {
  it("says what it cut", () => {
    expect(clip("short", 10)).toBe("short");
    expect(clip("0123456789abc", 10)).toBe("0123456789\n[errand cut 3 of 13 characters here]");
    expect(clip("0123456789abc", 10, "end")).toBe("[errand cut 3 of 13 characters here]\n3456789abc");
  });
  it("cuts no character in two", () => expect(clip(`${"a".repeat(9)}😀b`, 10).isWellFormed()).toBe(true));
});
