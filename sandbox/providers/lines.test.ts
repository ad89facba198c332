import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { readLines } from "./lines.ts";

/** What comes of these pieces, one after another. */
async function linesOf(pieces: (string | Buffer)[], max = 10): Promise<string[]> {
  const stream = new PassThrough();
  const lines: string[] = [];
  readLines(stream, max, (line) => lines.push(line));
  for (const piece of pieces) stream.write(piece);
  stream.end();
  await new Promise((done) => stream.once("end", done));
  return lines;
}

test.each<[string, (string | Buffer)[], string[]]>([
  ["whole lines", ["one\ntwo\n"], ["one", "two"]],
  ["a line in pieces", ["o", "n", "e\n"], ["one"]],
  ["line ends of Windows", ["one\r\ntwo\r\n"], ["one", "two"]],
  ["a character in pieces", [Buffer.from([0xc3]), Buffer.from([0xa4, 0x0a])], ["ä"]],
  ["a line that is too long, then others", ["x".repeat(11), "\none\n"], ["one"]],
  ["one of the greatest length", ["0123456789\n"], ["0123456789"]],
  ["one too long in pieces", ["012345", "67890", "more\n", "two\n"], ["two"]],
  ["an end without a line break", ["one\ntwo"], ["one"]],
])("%s", async (_name, pieces, lines) => {
  expect(await linesOf(pieces)).toEqual(lines);
});

test("a line without an end is not kept", async () => {
  const stream = new PassThrough();
  const lines: string[] = [];
  readLines(stream, 1_000, (line) => lines.push(line));
  const chunk = Buffer.alloc(1024 * 1024, "x");
  const before = process.memoryUsage().rss;
  for (let written = 0; written < 256; written += 1) if (!stream.write(chunk)) await new Promise((done) => stream.once("drain", done));
  expect(process.memoryUsage().rss - before).toBeLessThan(128 * 1024 * 1024);
  stream.write("\nafter\n");
  await new Promise((done) => setImmediate(done));
  expect(lines).toEqual(["after"]);
});
