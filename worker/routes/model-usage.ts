/**
 * Reads what a call of the model used out of the provider's answer while it passes: from the stream's own `usage`, or from the one JSON. Nothing waits for it. Pure.
 */
import * as z from "zod";
import type { CallUsage } from "../session/contract.ts";

/** The longest line of a stream that is looked at, and the longest JSON answer, in characters: what is longer passes unread. */
const MAX_LINE = 1_000_000;
const MAX_JSON = 8_000_000;
/** Characters to a token where nobody tells: what tokenizers make of English and code, roughly. */
const CHARACTERS_A_TOKEN = 4;
/** What a picture counts for where nobody tells, in characters: its data says nothing about its tokens. */
const PICTURE_CHARACTERS = 4_000;

const count = z.number().min(0).max(1e9).transform(Math.round);
const Usage = z.object({
  prompt_tokens: count,
  completion_tokens: count.catch(0),
  prompt_tokens_details: z.object({ cached_tokens: count }).optional().catch(undefined),
  // DeepSeek and Moonshot tell what was cached under names of their own.
  prompt_cache_hit_tokens: count.optional().catch(undefined),
  cached_tokens: count.optional().catch(undefined),
});
/** Where providers put it: at the top (OpenAI), in the choice (Moonshot), or under their own name (Groq). */
const Chunk = z.object({
  usage: Usage.optional().catch(undefined),
  choices: z
    .array(z.object({ usage: Usage.optional().catch(undefined), delta: z.unknown().optional(), message: z.unknown().optional() }))
    .optional()
    .catch(undefined),
  x_groq: z
    .object({ usage: Usage.optional().catch(undefined) })
    .optional()
    .catch(undefined),
});

type Counted = { prompt: number; cached: number; completion: number };
type Read = { usage: Counted | null; characters: number; onlyUsage: boolean };

/** How much text stands in a value, in characters. Only the address of a picture is one: text that begins like it is text. */
export function charactersIn(value: unknown, address = false): number {
  if (typeof value === "string") return address && value.startsWith("data:image/") ? PICTURE_CHARACTERS : value.length;
  if (typeof value !== "object" || value === null) return 0;
  let all = 0;
  for (const [name, each] of Object.entries(value)) {
    const picture = name === "image_url" && typeof each === "object" && each !== null && "url" in each;
    all += picture ? charactersIn(each.url, true) : charactersIn(each);
  }
  return all;
}

/** What a call used of which the provider told nothing, by the characters that went either way. */
export const estimated = (promptCharacters: number, answerCharacters: number): CallUsage => ({
  prompt: Math.ceil(promptCharacters / CHARACTERS_A_TOKEN),
  cached: 0,
  completion: Math.ceil(answerCharacters / CHARACTERS_A_TOKEN),
  estimated: true,
});

function read(json: string): Read | null {
  let parsed: z.infer<typeof Chunk> | undefined;
  try {
    parsed = Chunk.safeParse(JSON.parse(json)).data;
  } catch {
    return null;
  }
  if (!parsed) return null;
  const { usage = parsed.x_groq?.usage, choices = [] } = parsed;
  const told = usage ?? choices.find((choice) => choice.usage)?.usage;
  const characters = choices.reduce((all, { delta, message }) => all + charactersIn(delta) + charactersIn(message), 0);
  if (!told) return { usage: null, characters, onlyUsage: false };
  const cached = told.prompt_tokens_details?.cached_tokens ?? told.prompt_cache_hit_tokens ?? told.cached_tokens ?? 0;
  const counted = { prompt: told.prompt_tokens, cached: Math.min(cached, told.prompt_tokens), completion: told.completion_tokens };
  return { usage: counted, characters, onlyUsage: choices.length === 0 };
}

/** An answer on its way: everything goes through `take` and then `end`, which give back what goes on to the client. */
export type Passing = { take(bytes: Uint8Array): Uint8Array; end(): Uint8Array; used(promptCharacters: number): CallUsage };

const NOTHING = new Uint8Array();
/** Characters of the longest blank line that ends an event. */
const LONGEST_BLANK = 4;
const dataOf = (line: string): string | null => /^data: ?(.*)$/s.exec(line)?.[1] ?? null;

class Count {
  #told: Counted | null = null;
  #characters = 0;

  add(json: string): Read | null {
    const one = read(json);
    // Some tell with every chunk how much it is so far: the last word counts.
    this.#told = one?.usage ?? this.#told;
    this.#characters += one?.characters ?? 0;
    return one;
  }

  used(promptCharacters: number): CallUsage {
    return this.#told ? { ...this.#told, estimated: false } : estimated(promptCharacters, this.#characters);
  }
}

/** A stream of events that goes on as it comes, byte for byte. */
export function streamAsIs(): Passing {
  const counted = new Count();
  const decoder = new TextDecoder();
  let rest = "";
  let skipping = false;
  const look = (text: string) => {
    // What stays has no line end: of a long line only what is new is looked at.
    const lines = text.split(/\r\n|\n|\r/);
    lines[0] = rest + (lines[0] ?? "");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const data = skipping ? null : dataOf(line);
      skipping = false;
      if (data !== null) counted.add(data);
    }
    if (rest.length <= MAX_LINE) return;
    rest = "";
    skipping = true;
  };
  return {
    take(bytes) {
      look(decoder.decode(bytes, { stream: true }));
      return bytes;
    },
    end() {
      look(`${decoder.decode()}\n`);
      return NOTHING;
    },
    used: (characters) => counted.used(characters),
  };
}

/**
 * A stream of events of which the one that tells the usage was asked for by the Worker alone: it does not go on. An event goes on when its end has come, which
 * is when a client can first make something of it.
 */
export function streamWithoutUsage(): Passing {
  const counted = new Count();
  const [decoder, encoder] = [new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }), new TextEncoder()];
  const blank = /\r\n\r\n|\n\n|\r\r/g;
  let rest = "";
  const go = (text: string, last: boolean): Uint8Array => {
    // An end may have begun before: of a long event only what is new is looked at.
    blank.lastIndex = Math.max(0, rest.length - LONGEST_BLANK + 1);
    rest += text;
    let on = "";
    for (let end = blank.exec(rest); end; end = blank.exec(rest)) {
      const event = rest.slice(0, blank.lastIndex);
      rest = rest.slice(event.length);
      blank.lastIndex = 0;
      const data = event
        .split(/\r\n|\n|\r/)
        .map(dataOf)
        .filter((line) => line !== null);
      const one = data.length > 0 ? counted.add(data.join("\n")) : null;
      if (!one?.onlyUsage) on += event;
    }
    if (last || rest.length > MAX_LINE) {
      on += rest;
      rest = "";
    }
    return encoder.encode(on);
  };
  return {
    take: (bytes) => go(decoder.decode(bytes, { stream: true }), false),
    end: () => go(decoder.decode(), true),
    used: (characters) => counted.used(characters),
  };
}

/** An answer that is one JSON. One that is too long to read, or is left in its middle, is estimated by its length: nobody gets past a cap by that. */
export function oneJson(): Passing {
  const counted = new Count();
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  let whole = false;
  const add = (more: string) => {
    length += more.length;
    if (length <= MAX_JSON) text += more;
  };
  return {
    take(bytes) {
      add(decoder.decode(bytes, { stream: true }));
      return bytes;
    },
    end() {
      add(decoder.decode());
      whole = length <= MAX_JSON && counted.add(text) !== null;
      return NOTHING;
    },
    used: (characters) => (whole ? counted.used(characters) : estimated(characters, length)),
  };
}
