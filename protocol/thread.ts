/**
 * Thread keys: where a conversation lives on a surface, as text, and the session id made from one.
 * The key is what two webhooks about the same conversation agree on, so it must be computable from the payload alone.
 */
import { hmacKey } from "./hmac.ts";

/** The place of a conversation on a surface, taken apart. */
export type Thread =
  | { surface: "slack"; team: string; channel: string; ts: string }
  | { surface: "github"; repository: string; number: number }
  | { surface: "page"; id: string };

const SLACK = /^slack:([A-Z0-9]+):([A-Z0-9]+):(\d+\.\d+)$/;
const GITHUB = /^github:(\d+):(\d+)$/;
const PAGE = /^page:([a-z0-9]{8,64})$/;

/** The text form of a thread: `slack:<team>:<channel>:<ts>`, `github:<repository id>:<number>` or `page:<id>`. */
export function threadKey(thread: Thread): string {
  switch (thread.surface) {
    case "slack":
      return `slack:${thread.team}:${thread.channel}:${thread.ts}`;
    case "github":
      return `github:${thread.repository}:${thread.number}`;
    case "page":
      return `page:${thread.id}`;
  }
}

/** The parts of a thread key, or undefined where the text is not one. */
export function parseThreadKey(key: string): Thread | undefined {
  const slack = SLACK.exec(key);
  if (slack?.[1] && slack[2] && slack[3]) return { surface: "slack", team: slack[1], channel: slack[2], ts: slack[3] };
  const github = GITHUB.exec(key);
  if (github?.[1] && github[2]) return { surface: "github", repository: github[1], number: Number(github[2]) };
  const page = PAGE.exec(key);
  if (page?.[1]) return { surface: "page", id: page[1] };
  return undefined;
}

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/** Lower-case RFC 4648 base32 without padding. */
export function base32(bytes: Uint8Array): string {
  let out = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      out += ALPHABET[(value >>> (bits - 5)) & 31];
      bits -= 5;
    }
    value &= (1 << bits) - 1;
  }
  if (bits > 0) out += ALPHABET[(value << (5 - bits)) & 31];
  return out;
}

/**
 * The session id of a thread: the first 128 bits of HMAC-SHA-256 over the thread key, in base32 (26 characters).
 * Keyed, so that a link does not tell the channel; deterministic, so that two mentions at once meet in one object.
 */
export async function sessionIdOf(key: string, secret: string): Promise<string> {
  const utf8 = new TextEncoder();
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", await hmacKey(secret), utf8.encode(`session:${key}`)));
  return base32(mac.subarray(0, 16));
}

/** Whether a text has the form of a session id. */
export function isSessionId(text: string): boolean {
  return /^[a-z2-7]{26}$/.test(text);
}
