/** Tokens: random, and known to us by their hash alone. */

/** So many random bytes. */
export type Random = (bytes: number) => Uint8Array;

/** The platform's randomness. */
export const random: Random = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** The form of a token: 32 bytes in hex. */
const TOKEN = /^[0-9a-f]{64}$/;
export const isToken = (text: string | undefined): text is string => text !== undefined && TOKEN.test(text);

/** A new token: 32 random bytes in hex. */
export const newToken = (from: Random = random): string => hex(from(32));

/** SHA-256 in hex. Of a token that is enough to know it by and tells nothing of it. */
export async function sha256(text: string): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}
