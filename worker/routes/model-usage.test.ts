import { describe, expect, test } from "vitest";
import { charactersIn, oneJson, type Passing, streamAsIs, streamWithoutUsage } from "./model-usage.ts";

const utf8 = new TextEncoder();
const chunk = (content: string, more: object = {}) =>
  `data: ${JSON.stringify({ choices: [{ delta: { content } }], usage: null, ...more })}\n\n`;
const USAGE = { prompt_tokens: 120, completion_tokens: 7, total_tokens: 127, prompt_tokens_details: { cached_tokens: 100 } };
const USED = `data: ${JSON.stringify({ choices: [], usage: USAGE })}\n\n`;
const DONE = "data: [DONE]\n\n";

/** What goes on when the text comes in pieces of so many bytes, and what is counted. */
function through(passing: Passing, text: string, size: number) {
  const bytes = utf8.encode(text);
  const on: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) on.push(passing.take(bytes.slice(at, at + size)));
  on.push(passing.end());
  return {
    on: Buffer.concat(on).toString(),
    used: passing.used(400),
  };
}

const told = { prompt: 120, cached: 100, completion: 7, estimated: false };
/** 400 characters of prompt, and of the answer what stands in the deltas. */
const guessed = (characters: number) => ({ prompt: 100, cached: 0, completion: Math.ceil(characters / 4), estimated: true });

describe.each([1, 2, 3, 7, 64, 100_000])("in pieces of %i bytes", (size) => {
  test("a stream passes as it is, and its usage is read", () => {
    const text = `: keep-alive\n\n${chunk("Grüße, 世界")}${chunk("🙂")}${USED}${DONE}`;
    expect(through(streamAsIs(), text, size)).toEqual({ on: text, used: told });
  });

  test("an event that only the Worker asked for does not go on", () => {
    const text = `: keep-alive\n\n${chunk("Grüße, 世界")}${chunk("🙂")}`;
    expect(through(streamWithoutUsage(), `${text}${USED}${DONE}`, size)).toEqual({ on: `${text}${DONE}`, used: told });
  });

  test("lines may end with CR LF, and the last not at all", () => {
    const text = `${chunk("a")}${USED}data: [DONE]`.replaceAll("\n", "\r\n");
    expect(through(streamAsIs(), text, size)).toEqual({ on: text, used: told });
    const without = `${chunk("a")}data: [DONE]`.replaceAll("\n", "\r\n");
    expect(through(streamWithoutUsage(), text, size)).toEqual({ on: without, used: told });
  });

  test.each([streamAsIs, streamWithoutUsage])("a stream without usage is estimated: %o", (make) => {
    const text = `${chunk("12345678")}${chunk("90")}${DONE}`;
    expect(through(make(), text, size)).toEqual({ on: text, used: guessed(10) });
  });

  test("the one JSON of an answer", () => {
    const text = JSON.stringify({ choices: [{ message: { content: "hi" } }], usage: USAGE });
    expect(through(oneJson(), text, size)).toEqual({ on: text, used: told });
  });
});

test.each([
  ["tells with every chunk how much it is so far", `${chunk("a", { usage: { prompt_tokens: 1, completion_tokens: 1 } })}${USED}`, told],
  [
    "tells in the last choice",
    chunk("a", { choices: [{ delta: {}, usage: { prompt_tokens: 5, completion_tokens: 2, cached_tokens: 3 } }] }),
    { prompt: 5, cached: 3, completion: 2, estimated: false },
  ],
  [
    "tells under its own name",
    chunk("a", { x_groq: { usage: { prompt_tokens: 5, completion_tokens: 2 } } }),
    { prompt: 5, cached: 0, completion: 2, estimated: false },
  ],
  [
    "says that more was cached than asked",
    chunk("", { usage: { prompt_tokens: 5, completion_tokens: 2, prompt_cache_hit_tokens: 9 } }),
    { prompt: 5, cached: 5, completion: 2, estimated: false },
  ],
  ["tells nonsense", chunk("abcd", { usage: { prompt_tokens: -5, completion_tokens: "many" } }), guessed(4)],
  ["sends what is no JSON", `data: {"usage": {\n\n${chunk("abcd")}`, guessed(4)],
  ["sends a line without end", `data: ${"x".repeat(1_100_000)}`, guessed(0)],
  ["calls a tool", chunk("", { choices: [{ delta: { tool_calls: [{ function: { name: "ls", arguments: "{}" } }] } }] }), guessed(4)],
])("a provider that %s", (_what, text, expected) => {
  expect(through(streamAsIs(), text, 1_000)).toEqual({ on: text, used: expected });
  expect(through(streamWithoutUsage(), text, 1_000).used).toEqual(expected);
});

test("a line that is too long is passed over, and the next is read", () => {
  const text = `data: ${"x".repeat(1_100_000)}\n\n${USED}`;
  expect(through(streamAsIs(), text, 50_000)).toEqual({ on: text, used: told });
});

test("an answer that is no JSON is estimated by its length", () => {
  expect(through(oneJson(), "<html>", 10)).toEqual({ on: "<html>", used: guessed(6) });
});

test("so is one that is too long to read, and one that is left in its middle", () => {
  const long = JSON.stringify({ choices: [{ logprobs: "x".repeat(8_000_000), message: { content: "hi" } }], usage: USAGE });
  expect(through(oneJson(), long, 1_000_000).used).toEqual(guessed(long.length));
  const left = oneJson();
  left.take(utf8.encode('{"choices":[{"message":{"content":"hi'));
  expect(left.used(400)).toEqual(guessed(37));
});

test("a picture counts as one, whatever its data", () => {
  const url = `data:image/png;base64,${"A".repeat(90_000)}`;
  expect(charactersIn([{ content: [{ text: "12345" }, { image_url: { url } }] }])).toBe(4_005);
});

test("text that only looks like a picture's address counts whole", () => {
  expect(charactersIn([{ content: `data:image/png,${"A".repeat(90_000)}` }, { content: [{ text: `data:${"A".repeat(95)}` }] }])).toBe(
    90_115,
  );
});
