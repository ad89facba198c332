import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "../src/run.js";

const read = () => "one two\nthree\n";

test("prints all three numbers", () => assert.equal(run([], read), "2 lines, 3 words, 14 characters\n"));
test("--lines prints the lines", () => assert.equal(run(["--lines"], read), "2\n"));
test("--words prints the words", () => assert.equal(run(["--words", "file.txt"], read), "3\n"));
test("--help tells how to use it", () => assert.match(run(["--help"], read), /^Usage: tally/));
test("an unknown option is refused", () => assert.throws(() => run(["--colour"], read), /unknown option --colour/));
