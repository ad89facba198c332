/** Keys for HMAC-SHA-256, imported once per secret: an import costs more than a signature. WebCrypto only. */

/** Secrets whose keys are kept; a process has a handful. */
const KEPT = 16;
type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>;
const keys = new Map<string, Key>();

/** The key of a secret, good for signing and verifying. */
export async function hmacKey(secret: string): Promise<Key> {
  const known = keys.get(secret);
  if (known) return known;
  const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(secret), { name: "HMAC", hash: "SHA-256" }, false, [
    "sign",
    "verify",
  ]);
  // Only the key is kept, never its promise: in a Worker a promise of one request must not be waited for by another.
  if (keys.size >= KEPT) keys.clear();
  keys.set(secret, key);
  return key;
}
