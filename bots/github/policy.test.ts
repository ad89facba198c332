import { describe, expect, it } from "vitest";
import { DEFAULT_POLICY, parsePolicy } from "./policy.ts";

describe("parsePolicy", () => {
  const good: [string, string | null, object][] = [
    ["no file", null, DEFAULT_POLICY],
    ["an empty file", "\n", DEFAULT_POLICY],
    ["only a comment", "# nothing yet\n", DEFAULT_POLICY],
    ["both keys", "ci: auto\nready: false\n", { checks: "auto", ready: false }],
    ["off as a word", "ci: off", { checks: "off", ready: true }],
    ["off as YAML 1.1 has it", "ci: false", { checks: "off", ready: true }],
    ["JSON", '{"ci":"ask"}', DEFAULT_POLICY],
  ];
  it.each(good)("%s", (_name, text, policy) => expect(parsePolicy(text)).toEqual({ policy, wrong: null }));

  const wrong: [string, string, object, RegExp][] = [
    ["a value that is not known", "ci: always\nready: false", { checks: "ask", ready: false }, /`ci` has to be ask, auto or off/],
    ["a word for a boolean", "ready: maybe", DEFAULT_POLICY, /`ready` has to be true or false/],
    ["a key that is not known", "ci: auto\nchecks: off", { checks: "auto", ready: true }, /`checks` is not known/],
    ["a list", "- ci", DEFAULT_POLICY, /keys with values/],
    ["a word", "auto", DEFAULT_POLICY, /keys with values/],
    ["no YAML", "ci: [auto", DEFAULT_POLICY, /no YAML/],
    ["a key twice", "ci: auto\nci: off", DEFAULT_POLICY, /no YAML/],
    ["aliases", "a: &a [x]\nb: *a", DEFAULT_POLICY, /aliases/],
    ["lists in lists", "[".repeat(19_000), DEFAULT_POLICY, /nested too deeply/],
    ["maps in maps", "- ".repeat(9_000), DEFAULT_POLICY, /nested too deeply/],
    ["a long file", "a".repeat(30_000), DEFAULT_POLICY, /20,000/],
  ];
  it.each(wrong)("%s", (_name, text, policy, why) => {
    const parsed = parsePolicy(text);
    expect(parsed.policy).toEqual(policy);
    expect(parsed.wrong).toMatch(why);
  });

  it("is quick with aliases of aliases", () => {
    const bomb = [
      "a: &a [x,x,x,x,x,x,x,x]",
      ..."bcdefgh".split("").map((key, i) => `${key}: &${key} [${`*${"abcdefgh"[i]},`.repeat(9)}x]`),
    ];
    const began = performance.now();
    expect(parsePolicy(bomb.join("\n")).policy).toEqual(DEFAULT_POLICY);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});
