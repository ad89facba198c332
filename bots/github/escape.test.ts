/** What text may become on GitHub is checked with a reader of Markdown that is not ours. */
import markdownIt, { type Token } from "markdown-it";
import { describe, expect, it } from "vitest";
import { random } from "../../test/seeded.ts";
import { code, fence, type Home, line, link, markdown, mention } from "./escape.ts";
import { keyIn, keyMark, tickedIn } from "./marker.ts";

const HOME: Home = { repository: "acme/sample", hosts: ["github.com", "www.github.com", "git.example:8443"] };
/** U+2060 made visible. */
const seen = (text: string) => text.replaceAll("\u2060", "¤");

const reader = markdownIt({ html: true, linkify: true });
const flat = (tokens: Token[]): Token[] => tokens.flatMap((token) => [token, ...flat(token.children ?? [])]);

/** What GitHub would act on in a text. Text outside code is put together as it is shown; GitHub looks for names and numbers in it, not within links. */
function deedsOf(text: string): string[] {
  const deeds: string[] = [];
  let links = 0;
  for (const token of flat(reader.parse(text, {}))) {
    if (token.type === "link_open") {
      links += 1;
      const { host, pathname } = URL.parse(String(token.attrGet("href")), "https://elsewhere.example") ?? { host: "", pathname: "" };
      const [, foreign] = /^\/([^/]+\/[^/]+)\/(?:issues|pull|commit|discussions)\/\w/.exec(pathname) ?? [];
      if (HOME.hosts.includes(host) && foreign !== undefined && foreign.toLowerCase() !== HOME.repository)
        deeds.push(`refers to ${foreign}`);
    }
    if (token.type === "link_close") links -= 1;
    if (token.type === "image") deeds.push("a picture");
    if (token.type.startsWith("html") && !/^<br>$/.test(token.content)) deeds.push(`HTML ${token.content}`);
    if (token.type !== "text" || links > 0) continue;
    for (const [found] of token.content.matchAll(/@[a-z\d]+|[\w.-]+\/[\w.-]+#\d+|(?<![\s(])\b[\w.-]+#\d+/gi)) deeds.push(found);
  }
  if (keyIn(text) !== null || tickedIn(text).length > 0) deeds.push("a mark of ours");
  return deeds;
}

describe("Markdown", () => {
  it.each([
    ["a mention", "Thanks @bob, @org/team and a@b.example", "Thanks @¤bob, @¤org/team and a@¤b.example"],
    ["a mention spelt otherwise", "\\@bob &#64;bob &commat;bob", "@¤bob &amp;#64;bob &amp;commat;bob"],
    ["code", "`@bob` and ``a ` @b``", "`@bob` and ``a ` @b``"],
    ["a backtick alone", "a ` b @bob", "a \\` b @¤bob"],
    ["code that would not end where it seems", "` x\n`@bob`", "\\` x\n`@bob`"],
    ["an address before code", "https://a.example/`b @bob`", "https://a.example/ `b @bob`"],
    ["code in the address of a link", "[a](foo`b) @bob `c", "[a](foo`b) @¤bob `c"],
    ["code over cells", "|a|b|\n|-|-|\n|`x|@bob`|<br>|", "|a|b|\n|-|-|\n|`x|@¤bob`|<br>|"],
    ["a line break outside of a table", "a<br>b", "a&lt;br>b"],
    ["own and other issues", "#12, acme/sample#3, victim/repo#4, bob#5", "#12, acme/sample#¤3, victim/repo#¤4, bob#¤5"],
    [
      "addresses",
      "https://github.com/acme/sample/issues/2 [x](https://GitHub.com/v/r/pull/3#x) www.github.com/v/r/issues/1",
      "https://github.com/acme/sample/issues/2 [x](https://redirect.github.com/v/r/pull/3#x) https://redirect.github.com/v/r/issues/1",
    ],
    ["addresses of another forge", "https://git.example:8443/v/r/issues/12", "https://git.example:8443/v/r/issues/%312"],
    ["an address with a name in it", "<https://medium.example/@bob>", "https://medium.example/%40bob"],
    ["tags", "</details><script>x</script>", "&lt;/details>&lt;script>x&lt;/script>"],
    ["comments", "<!-- errand:key=a:turn:1:progress -->", "&lt;!-- errand:key=a:turn:1:progress -->"],
    ["our marks in code", "`<!-- errand:stop -->` `<!-- other -->`", "`<¤!-- errand:stop -->` `<!-- other -->`"],
    ["pictures", "![p](https://x.example/y.png) wow!", "🖼 [p](https://x.example/y.png) wow!"],
    ["a fence in a list", "1. a\n   ```sh\n   npm i @x/y\n     b\n   ```\n2. b", "1. a\n\n```sh\nnpm i @x/y\n  b\n```\n\n2. b"],
    ["a fence after the mark of a list", "- ```ts\n  const a = '@b';\n  ```\n- c", "-\n\n```ts\nconst a = '@b';\n```\n\n- c"],
    ["a fence that never ends", "```\n@bob", "```\n@bob\n```"],
    ["a fence in a fence", "````md\n```\n@a\n```\n````", "````md\n```\n@a\n```\n````"],
    ["a fence of tildes", "~~~ a`b\n@x\n~~~\n@y", "```a\n@x\n```\n\n@¤y"],
    ["a fence in a quote", "> ```\n> @bob\n> ```", "> \\`\\`\\`\n> @¤bob\n> \\`\\`\\`"],
    ["tildes in a quote", "> ~~~\n> @bob", "> \\~\\~\\~\n> @¤bob"],
    ["struck out", "~~no~~ **yes** _so_ [a](https://b.example)", "~~no~~ **yes** _so_ [a](https://b.example)"],
    ["what is not seen", "a\u200bb\u202ec\r\nd", "abc\nd"],
    ["a secret", "token ghp_0123456789abcdefghijABCDEFGHIJ012345", "token [redacted]"],
  ])("%s", (_name, text, expected) => {
    const out = markdown(text, HOME);
    expect(seen(out)).toBe(expected);
    expect(deedsOf(out)).toEqual([]);
  });

  it("would be noticed if it let something through", () => {
    expect(deedsOf("@bob <b> victim/repo#1 [x](https://github.com/v/r/issues/1) ![p](https://x.example)").length).toBe(5);
    expect(deedsOf(keyMark("a"))).toContain("a mark of ours");
  });
});

const PIECES = [
  ..."` `` ``` ```` ~~~ ~~ @bob @bob @bob @a/b # #1 v/r#1 v/r \\ \\\\ & &#64;bob &lt; &amp; < > <b> </b> <!-- --> <br> <details> </details> [ ] ( ) ]( ][ ![ !".split(
    " ",
  ),
  ..."[a](b) [a](https://x.example) [a]: [^1] | |-|-| --- === - * + 1. 1) > >> _ __ ** *** : :// / // https:// www. http://x.example/ $ $$ ' \"".split(
    " ",
  ),
  "https://github.com/v/r/issues/1",
  "https://github.com/acme/sample/",
  "github.com/v/r/pull/2",
  "<!-- errand:stop -->",
  "- [x] x <!-- errand:take -->",
  "<https://x.example/@bob>",
  "<script>",
  "<?",
  "<![CDATA[",
  "\n",
  "\n",
  "\n\n",
  "\n    ",
  "\n  ",
  "\n- ",
  "\n> ",
  "\n```\n",
  "\n```js\n",
  "\n~~~\n",
  "\n|-|-|\n",
  "\n| ",
  "\t",
  " ",
  " ",
  "word",
  "\u200b",
  "\u2060",
  "é",
  "😀",
];

const FILES = "<details><summary>Files</summary>\n<ul>\n<li>a</li>\n</ul>\n</details>";

it("nothing that people or models write does anything on GitHub", () => {
  for (let seed = 1; seed <= 3_000; seed += 1) {
    const below = random(seed);
    const text = Array.from({ length: 2 + below(22) }, () => PIECES[below(PIECES.length)]).join("");
    const answer = markdown(text, HOME);
    const outs = [answer, line(text, 200, HOME), `- [ ] **${line(text, 60, HOME)}**`, `> ${line(text, 200, HOME)}`];
    const done = outs.flatMap((out) => deedsOf(out).map((deed) => `seed ${seed}: ${deed} by ${JSON.stringify(out)}`));
    if (done.length > 0) expect(done).toEqual([]);
    // What follows an answer stays what it is.
    const after = reader.render(`${answer}\n\n<details><summary>Files</summary>\n\n- a\n\n</details>`);
    if (!after.includes(FILES)) expect(after, `seed ${seed}: ${JSON.stringify(text)}`).toContain(FILES);
  }
}, 120_000);

it("makes one line, in which only code is Markdown", () => {
  const table: [string, string][] = [
    ["# fix *the* `cart.ts`\n@alice [x](y) 1|2 ~~~", "\\# fix \\*the\\* `cart.ts` @¤alice \\[x\\](y) 1\\|2 \\~\\~\\~"],
    ["1. x", "1\\. x"],
    ["- y", "\\- y"],
    ["#12 now", "#12 now"],
    ["```sh", "\\`\\`\\`sh"],
    ["x".repeat(200), `${"x".repeat(99)}…`],
  ];
  for (const [text, expected] of table) expect(seen(line(text, 100, HOME))).toBe(expected);
});

it("makes code, fences and links that end where they should", () => {
  expect(code("a`b\nc", 10)).toBe("`a'b c`");
  expect(code(" \u200b", 10)).toBe("");
  expect(fence("a\n````\nb", "ts x")).toBe("`````ts\na\n````\nb\n`````");
  expect(link("x", "https://a.example/(b)_c?d=@e")).toBe("[x](https://a.example/%28b%29%5Fc?d=%40e)");
  for (const url of [null, "javascript:alert(1)", "nothing", ""]) expect(link("x", url)).toBe("x");
});

it("mentions people of GitHub only, by their login", () => {
  expect(mention({ id: "github:1", name: "alice-b" })).toBe("@alice-b");
  expect(mention({ id: "github:1", name: "alice_acme" })).toBe("@alice_acme");
  for (const person of [
    { id: "github:1" },
    { id: "owner", name: "alice" },
    { id: "github:1", name: "a/b" },
    { id: "github:1", name: "a b" },
  ])
    expect(mention(person)).toBeUndefined();
});

it("takes no longer than its text", () => {
  const start = performance.now();
  for (const part of [
    ..."` `a ` @ < & \\ [ ]( [a](b) #1 // https:// www. ~ ~~~ ! | - * \n \n\n > <br> 1. ".split(" "),
    "`` ` ",
    "a`@b|",
    "```\n",
    "\n`",
    "- - ",
  ])
    if (part !== "") markdown(part.repeat(40_000 / part.length), HOME);
  expect(performance.now() - start).toBeLessThan(3_000);
});
