import { describe, expect, test } from "vitest";
import { blocksOf, RichText } from "./rich-text.tsx";

const html = (text: string) => (<RichText text={text} />).toString().replace(/^<div class="rich">|<\/div>$/g, "");

describe("blocks", () => {
  test.each([
    ["a\nb\n\nc", ["paragraph", "paragraph"]],
    ["# t\ntext\n- a\n- b\n1. c", ["heading", "paragraph", "list", "list"]],
    ["```js\n# not a heading\n```\nafter", ["code", "paragraph"]],
    ["```\nnever closed", ["code"]],
    ["- a\n\n- b", ["list"]],
    ["", []],
  ])("%j", (text, kinds) => expect(blocksOf(text).map((block) => block.kind)).toEqual(kinds));

  test("a text of nothing but code fences costs no more than its length", () => {
    const began = performance.now();
    expect(blocksOf("```\n".repeat(50_000))).toHaveLength(25_000);
    expect(performance.now() - began).toBeLessThan(500);
  });
});

describe("elements", () => {
  test.each([
    ["say `a < b` and **bold**", "<p>say <code>a &lt; b</code> and <strong>bold</strong></p>"],
    ["_a demonstration_, not `_x_` or a_b_c or __d__", "<p><em>a demonstration</em>, not <code>_x_</code> or a_b_c or __d__</p>"],
    ["<script>x</script>", "<p>&lt;script&gt;x&lt;/script&gt;</p>"],
    ["[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"],
    ["- a\n  b", "<ul><li>a\nb</li></ul>"],
    ["```\n<b>\n```", "<pre><code>&lt;b&gt;</code></pre>"],
  ])("%j", (text, expected) => expect(html(text)).toBe(expected));

  test("a link keeps its address and is cut off from the page", () => {
    expect(html('[a"b](https://example.com/?x=1&y="2)')).toContain('rel="noopener noreferrer nofollow"');
    expect(html('[a](https://example.com/"onx=1)')).not.toContain('"onx');
  });
});
