/** The App's private key as GitHub hands it out, made into what Web Crypto takes. */
import { type CryptoKey, importPKCS8 } from "jose";

/** The setting is not a key that can sign. The message is for an operator and holds nothing of the key. */
export class WrongKey extends Error {}

/** A length in DER: the short form, or the long form with up to four bytes (X.690, 8.1.3). */
function derLength(n: number): number[] {
  if (n < 128) return [n];
  const bytes: number[] = [];
  for (let rest = n; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [0x80 | bytes.length, ...bytes];
}

/** AlgorithmIdentifier of rsaEncryption with NULL parameters (RFC 8017, appendix C). */
const RSA = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/**
 * A private key as PKCS#8 PEM. Takes PKCS#1 ("RSA PRIVATE KEY", what GitHub's page downloads) and PKCS#8, with real line breaks or
 * with `\n` written out, as environment files keep them, and with or without quotes around. Throws `WrongKey`.
 */
export function toPkcs8Pem(setting: string): string {
  const pem = setting
    .trim()
    .replace(/^(["'])([\s\S]*)\1$/, "$2")
    .replace(/\\r|\r/g, "")
    .replace(/\\n/g, "\n")
    .trim();
  if (/^-----BEGIN PRIVATE KEY-----/.test(pem)) return pem;
  if (!/^-----BEGIN RSA PRIVATE KEY-----/.test(pem)) {
    throw new WrongKey(
      "GITHUB_PRIVATE_KEY is not a private key in PEM form. Set the whole file that GitHub gave, from -----BEGIN to -----END and its line.",
    );
  }
  const der = decode(pem);
  const inner = [0x02, 0x01, 0x00, ...RSA, 0x04, ...derLength(der.length), ...der];
  const whole = String.fromCharCode(0x30, ...derLength(inner.length), ...inner);
  return `-----BEGIN PRIVATE KEY-----\n${btoa(whole).replace(/.{64}/g, "$&\n").trimEnd()}\n-----END PRIVATE KEY-----\n`;
}

function decode(pem: string): Uint8Array {
  try {
    const text = atob(pem.replace(/-----[^-]*-----|\s/g, ""));
    if (text.length > 0) return Uint8Array.from(text, (character) => character.charCodeAt(0));
  } catch {
    // Said below, in the same words for every way of being broken.
  }
  throw new WrongKey("GITHUB_PRIVATE_KEY begins like a private key, but what follows cannot be read. Was a part of it lost in copying?");
}

/** The key that signs App tokens (RS256). Throws `WrongKey`. */
export async function signingKey(setting: string): Promise<CryptoKey> {
  const pem = toPkcs8Pem(setting);
  try {
    return await importPKCS8(pem, "RS256");
  } catch {
    throw new WrongKey(
      "GITHUB_PRIVATE_KEY is not an RSA private key. Make a new one on the App's page (General → Private keys) and set that.",
    );
  }
}
