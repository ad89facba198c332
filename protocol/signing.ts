/**
 * How the SessionAgent signs requests to the backend: HMAC-SHA-256 over the whole request, with a time and a nonce, so
 * that a captured header opens nothing else. WebCrypto only: the same code runs in workerd and in Node.
 */
import { hmacKey } from "./hmac.ts";

/** Accepted difference between the two clocks, in ms. */
export const SIGNATURE_WINDOW_MS = 60_000;
/** How long a nonce must be remembered, in ms: longer than a signature can be valid. */
export const NONCE_MEMORY_MS = 2 * SIGNATURE_WINDOW_MS;

const utf8 = new TextEncoder();
const hex = (bytes: ArrayBuffer) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");

async function text(
  request: { method: string; target: string; body: string },
  timestamp: string,
  nonce: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const body = hex(await crypto.subtle.digest("SHA-256", utf8.encode(request.body)));
  return new Uint8Array(utf8.encode(["v1", request.method, request.target, timestamp, nonce, body].join("\n")));
}

/** Headers that sign a request. `target` is path and query as sent. */
export async function signRequest(
  request: { method: string; target: string; body: string },
  keyId: string,
  secret: string,
  now: number,
  nonce: string,
): Promise<Record<string, string>> {
  const timestamp = String(Math.floor(now / 1000));
  const mac = await crypto.subtle.sign("HMAC", await hmacKey(secret), await text(request, timestamp, nonce));
  return { "x-errand-key": keyId, "x-errand-timestamp": timestamp, "x-errand-nonce": nonce, "x-errand-signature": hex(mac) };
}

/**
 * Whether the headers sign this request with one of the keys, within the window. Returns the nonce, which the caller
 * must refuse to see twice within `NONCE_MEMORY_MS`, or undefined.
 */
export async function verifyRequest(
  request: { method: string; target: string; body: string },
  header: (name: string) => string | undefined,
  secretOf: (keyId: string) => string | undefined,
  now: number,
): Promise<string | undefined> {
  const timestamp = header("x-errand-timestamp") ?? "";
  const nonce = header("x-errand-nonce") ?? "";
  const signature = header("x-errand-signature") ?? "";
  const secret = secretOf(header("x-errand-key") ?? "");
  if (!secret || !/^\d{1,12}$/.test(timestamp) || !/^[\w-]{16,64}$/.test(nonce) || !/^[0-9a-f]{64}$/.test(signature)) return undefined;
  if (Math.abs(now - Number(timestamp) * 1000) > SIGNATURE_WINDOW_MS) return undefined;
  const mac = Uint8Array.from(signature.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  const good = await crypto.subtle.verify("HMAC", await hmacKey(secret), mac, await text(request, timestamp, nonce));
  return good ? nonce : undefined;
}
