/** Whether a call that failed can have reached anybody. Pure. */

/** Connection errors after which nothing can have arrived: no address, nobody there, no handshake. Names are Node's and undici's. */
const NOT_CONNECTED = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "CERT_HAS_EXPIRED",
]);

function codesOf(error: unknown, depth = 0): string[] {
  if (!(error instanceof Error) || depth > 4) return [];
  const own = "code" in error && typeof error.code === "string" ? [error.code] : [];
  const inner = error instanceof AggregateError ? error.errors.flatMap((one) => codesOf(one, depth + 1)) : [];
  return [...own, ...inner, ...codesOf(error.cause, depth + 1)];
}

/** The code of the error, where it and all that caused it say that nobody was reached; null where the call may have arrived. */
export function unreachedBy(error: unknown): string | null {
  const codes = codesOf(error);
  return codes.every((code) => NOT_CONNECTED.has(code)) ? (codes[0] ?? null) : null;
}
