import assert from "node:assert/strict";
import { test } from "node:test";
import { count } from "../src/count.js";

const cases = [
  ["", { lines: 0, words: 0, characters: 0 }],
  ["one", { lines: 1, words: 1, characters: 3 }],
  ["one two\n", { lines: 1, words: 2, characters: 8 }],
  ["one\n\ntwo", { lines: 3, words: 2, characters: 8 }],
  ["🙂 ok\n", { lines: 1, words: 2, characters: 5 }],
];

for (const [text, expected] of cases) {
  test(`counts ${JSON.stringify(text)}`, () => assert.deepEqual(count(text), expected));
}
