/** Secrets at rest: AES-256-GCM under a named key, bound to what they are for. */
import type { TokenKeys } from "../settings.ts";
import type { Random } from "./token.ts";

/** What is kept of a secret. `sealed`: base64 of a 12-byte nonce, the ciphertext and its 16-byte tag. */
export type Sealed = { keyId: string; sealed: string };

/** NIST SP 800-38D 5.2.1.1: the length of nonce for which GCM needs no further hashing, in bytes. */
const NONCE = 12;

const keyOf = (bytes: Uint8Array<ArrayBuffer>) => crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);

const algorithm = (nonce: Uint8Array<ArrayBuffer>, purpose: string) => ({
  name: "AES-GCM",
  iv: nonce,
  additionalData: new TextEncoder().encode(purpose),
});

/** Encrypts under the current key. `purpose` is what the secret is for and whose it is: under another one it does not open. */
export async function seal(keys: TokenKeys, secret: string, purpose: string, random: Random): Promise<Sealed> {
  const bytes = keys.keys[keys.current];
  if (!bytes) throw new Error("the current key is not among the keys");
  const nonce = Uint8Array.from(random(NONCE));
  const text = await crypto.subtle.encrypt(algorithm(nonce, purpose), await keyOf(bytes), new TextEncoder().encode(secret));
  return { keyId: keys.current, sealed: btoa(String.fromCharCode(...nonce, ...new Uint8Array(text))) };
}

/** The secret; null where its key is not among ours any more, it is another purpose's, or it was changed. */
export async function unseal(keys: TokenKeys, kept: Sealed, purpose: string): Promise<string | null> {
  const bytes = Object.hasOwn(keys.keys, kept.keyId) ? keys.keys[kept.keyId] : undefined;
  if (!bytes) return null;
  try {
    const all = Uint8Array.from(atob(kept.sealed), (char) => char.charCodeAt(0));
    const text = await crypto.subtle.decrypt(algorithm(all.slice(0, NONCE), purpose), await keyOf(bytes), all.slice(NONCE));
    return new TextDecoder().decode(text);
  } catch {
    return null;
  }
}
