import { describe, expect, test } from "vitest";
import { githubMarkdown, tasksOf, tickTask } from "./markdown.ts";

const where = { repository: "acme/sample", origin: "http://127.0.0.1:1", mayTick: false };
const shown = (text: string, more: Partial<typeof where> = {}) => githubMarkdown(text, { ...where, ...more }).text.replace(/\n/g, "");

describe("text", () => {
  test.each([
    ["**b** ~~s~~ `c`", "<p><strong>b</strong> <s>s</s> <code>c</code></p>"],
    ["a\nb", "<p>a<br>b</p>"],
    [
      "for @ada, not me@ada.example",
      '<p>for <span class="mention">@ada</span>, not <a href="mailto:me@ada.example" target="_blank" rel="noopener noreferrer nofollow">me@ada.example</a></p>',
    ],
    ["@errand[bot] and @-x", '<p><span class="mention">@errand[bot]</span> and @-x</p>'],
    [
      "see #12 and other/one#3",
      '<p>see <a href="/github/acme/sample/issues/12">#12</a> and <a href="/github/other/one/issues/3">other/one#3</a></p>',
    ],
    [
      "`#12 @ada` a#12 [#12 @ada](http://127.0.0.1:1/github)",
      '<p><code>#12 @ada</code> a#12 <a href="http://127.0.0.1:1/github" rel="noopener noreferrer nofollow">#12 @ada</a></p>',
    ],
    ["![a <b>](https://a.example/x.png)", '<p><span class="picture">🖼 a &lt;b&gt;</span></p>'],
    ["<img src=x alt='the plan' onerror=alert(1)>", '<p><span class="picture">🖼 the plan</span></p>'],
    [
      "> [!WARNING]\n> Careful **now**",
      '<div class="alert alert-warning"><p class="alert-title">Warning</p><p>Careful <strong>now</strong></p></div>',
    ],
    ["> [!NOTE]\n>\n> - a", '<div class="alert alert-note"><p class="alert-title">Note</p><ul><li>a</li></ul></div>'],
    ["> [!ODD]\n> x", "<blockquote><p>[!ODD]<br>x</p></blockquote>"],
    [
      "|a|b|\n|:-:|-:|\n|1|2|",
      '<div class="table"><table><thead><tr><th class="center">a</th><th class="right">b</th></tr></thead><tbody><tr><td class="center">1</td><td class="right">2</td></tr></tbody></table></div>',
    ],
    [
      "```suggestion\na < b\n```",
      '<div class="suggestion"><p>Suggested change</p><pre><code class="language-suggestion">a &lt; b</code></pre></div>',
    ],
  ])("%s", (text, expected) => expect(shown(text)).toBe(expected));
});

describe("hidden comments", () => {
  test.each([
    ["a <!-- hidden --> b", "<p>a  b</p>"],
    ["a\n<!-- errand:key=1 -->", "<p>a</p>"],
    ["<!-- one\n\ntwo -->\nb", "<p>b</p>"],
    ["<!-- a --> @after <b>", "<p>@after &lt;b&gt;</p>"],
    ["<!-- never ended\n\nsecret", ""],
    ["a <!-- never ended", "<p>a &lt;!-- never ended</p>"],
    ["`<!-- shown -->`", "<p><code>&lt;!-- shown --&gt;</code></p>"],
    ["<details><!-- x --><summary>s</summary>\n\na\n</details>", "<details><summary>s</summary><p>a</p></details>"],
  ])("%s", (text, expected) => expect(shown(text)).toBe(expected));
});

describe("HTML", () => {
  test.each([
    [
      "<details open>\n<summary><b>More</b> @ada</summary>\n\n**x**\n\n</details>",
      "<details open><summary><b>More</b> @ada</summary><p><strong>x</strong></p></details>",
    ],
    ["a<br/>b <sub>s</sub> <kbd>Ctrl</kbd>", "<p>a<br>b <sub>s</sub> <kbd>Ctrl</kbd></p>"],
    ["<details>\n<summary>a", "<details><summary>a</summary></details>"],
    ["</details></summary>\n\nx", "<p>x</p>"],
    [
      "> <details>\n> <summary>a</summary>\n\nout\n\n</details>",
      "<blockquote><details><summary>a</summary></details></blockquote><p>out</p>",
    ],
    ["- <sub>a\n- b</sub>", "<ul><li><sub>a</sub></li><li>b</li></ul>"],
    ["<sub onclick=alert(1)>a</sub>", "<p>&lt;sub onclick=alert(1)&gt;a</p>"],
    ["<details ontoggle=alert(1) open>\n\nx", "&lt;details ontoggle=alert(1) open&gt;<p>x</p>"],
    ["<details><script>alert(1)</script>", "<details>&lt;script&gt;alert(1)&lt;/script&gt;</details>"],
    ["<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"],
    ["<svg/onload=alert(1)>", "<p>&lt;svg/onload=alert(1)&gt;</p>"],
    ['"><iframe src=javascript:alert(1)>', "<p>&quot;&gt;&lt;iframe src=javascript:alert(1)&gt;</p>"],
    ["[x](javascript:alert(1)) [y](data:text/html,x)", "<p>[x](javascript:alert(1)) [y](data:text/html,x)</p>"],
    ['```"><script>\nx\n```', '<pre><code class="language-&quot;&gt;&lt;script&gt;">x</code></pre>'],
    ["</article></main>", "<p>&lt;/article&gt;&lt;/main&gt;</p>"],
  ])("%s", (text, expected) => expect(shown(text)).toBe(expected));

  test.each(["<", "<!--", "<details>", "</details>", "- [ ] x\n", "> ", "`", "[", "<sub>", "@a ", "<img ", "*_"])(
    "64 KiB of %j are shown in less than three seconds",
    (piece) => {
      const start = performance.now();
      shown(piece.repeat(65_536 / piece.length));
      expect(performance.now() - start).toBeLessThan(3_000);
    },
  );
});

describe("task lists", () => {
  const text = "- [x] one\r\n- [ ] **two**\r\n\r\n1. [ ] three\r\n\r\n> * [ ] two of [ ] them\r\n\r\n`- [ ] no`\r\n";

  test("boxes are shown, and can be ticked by those who may", () => {
    expect(shown("- [x] a <b>")).toBe(
      '<ul><li class="task-item"><input type="checkbox" autocomplete="off" aria-label="a &lt;b&gt;" checked disabled> a <b></b></li></ul>',
    );
    expect(shown('- [ ] "a"', { mayTick: true })).toContain('data-tick="0" data-label="&quot;a&quot;"');
    expect(shown("- [ ]\n- [y] a\n- [x]b")).not.toContain("<input");
    expect(tasksOf(text)).toEqual([
      { label: "one", checked: true, line: 0 },
      { label: "**two**", checked: false, line: 1 },
      { label: "three", checked: false, line: 3 },
      { label: "two of [ ] them", checked: false, line: 5 },
    ]);
  });
  test.each([
    [{ index: 0, label: "one", checked: false }, "- [x] one", "- [ ] one"],
    [{ index: 1, label: "**two**", checked: true }, "- [ ] **two**", "- [x] **two**"],
    [{ index: 2, label: "three", checked: true }, "1. [ ] three", "1. [x] three"],
    [{ index: 3, label: "two of [ ] them", checked: true }, "* [ ] two of", "* [x] two of"],
  ])("%j changes its own box only", (tick, before, after) => expect(tickTask(text, tick)).toBe(text.replace(before, after)));
  test("a box that has moved is found by its text; one that is gone, or not to be told apart, is not", () => {
    expect(tickTask("- [ ] new\n- [ ] one", { index: 0, label: "one", checked: true })).toBe("- [ ] new\n- [x] one");
    expect(tickTask("- [ ] new", { index: 0, label: "one", checked: true })).toBeUndefined();
    expect(tickTask("- [ ] a\n- [ ] one\n- [ ] one", { index: 0, label: "one", checked: true })).toBeUndefined();
  });
});
