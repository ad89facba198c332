/** Grants: whether one is genuine, and whether it may still be used. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { errors, jwtVerify } from "jose";
import { GRANT_ALG, GRANT_MAX_SECONDS, GRANT_TOLERANCE_SECONDS, GRANT_TYP, GrantClaims } from "../protocol/grant.ts";
import type { GrantKey } from "./ipc.ts";

/** Public keys by their `kid`. A Map, so that `__proto__` is a name like any other. */
export type GrantKeys = ReadonlyMap<string, KeyObject>;

/** Imports public keys. Throws where one is not a point of P-256. */
export function importKeys(jwks: readonly GrantKey[]): GrantKeys {
  return new Map(jwks.map(({ kid, kty, crv, x, y }) => [kid, createPublicKey({ key: { kty, crv, x, y }, format: "jwk" })]));
}

/** `reason` is for the log: it never holds the token or a part of it. */
export type Verified = { ok: true; claims: GrantClaims } | { ok: false; reason: string };

/**
 * Whether the token is a grant of this issuer for this session, signed by a known key and within its time. One algorithm, the
 * key by `kid` alone, and no claim that is read before it is checked. `now` is epoch ms.
 */
export async function verifyGrant(
  token: string,
  expected: { keys: GrantKeys; issuer: string; session: string; now: number },
): Promise<Verified> {
  try {
    const { payload } = await jwtVerify(
      token,
      ({ kid }) => {
        const key = expected.keys.get(kid ?? "");
        if (!key) throw new errors.JWKSNoMatchingKey();
        return key;
      },
      {
        algorithms: [GRANT_ALG],
        typ: GRANT_TYP,
        issuer: expected.issuer,
        audience: expected.session,
        requiredClaims: ["sub", "jti", "exp", "iat", "svc"],
        maxTokenAge: GRANT_MAX_SECONDS,
        clockTolerance: GRANT_TOLERANCE_SECONDS,
        currentDate: new Date(expected.now),
      },
    );
    const claims = GrantClaims.safeParse(payload);
    if (!claims.success) return { ok: false, reason: `claims: ${claims.error.issues.map((issue) => issue.path.join(".")).join(", ")}` };
    const life = claims.data.exp - claims.data.iat;
    if (life <= 0 || life > GRANT_MAX_SECONDS) return { ok: false, reason: "exp is not within the longest life after iat" };
    return { ok: true, claims: claims.data };
  } catch (error) {
    if (error instanceof errors.JOSEError) return { ok: false, reason: error.code };
    // What is not signed base64url JSON fails outside of jose's own checks; any such failure is a refusal too.
    return { ok: false, reason: error instanceof Error ? error.name : "unreadable" };
  }
}

/** Longest time for which a grant can be presented after it was issued, in seconds: after that `verifyGrant` refuses by itself. */
const MEMORY_SECONDS = GRANT_MAX_SECONDS + 2 * GRANT_TOLERANCE_SECONDS;

/** What was used up and taken back. In memory: it needs to outlive the longest life of a grant, no more. */
export interface Ledger {
  /** Uses up a verified grant, in one step: of any number of attempts at most one gets undefined, the others a reason. `now` is epoch ms. */
  burn(claims: GrantClaims, now: number): string | undefined;
  /** Refuses grants of a person (without `sub`: of everyone) issued up to `at`, epoch seconds, that are not used yet. */
  revoke(sub: string | undefined, at: number): void;
}

export function createLedger(): Ledger {
  const used = new Map<string, number>();
  const revoked = new Map<string, number>();
  let allRevoked = Number.NEGATIVE_INFINITY;

  const forget = (entries: Map<string, number>, before: number) => {
    for (const [key, at] of entries) if (at < before) entries.delete(key);
  };

  return {
    burn(claims, now) {
      const seconds = now / 1000;
      forget(used, seconds - MEMORY_SECONDS);
      forget(revoked, seconds - MEMORY_SECONDS);
      if (used.has(claims.jti)) return "used before";
      if (claims.iat <= Math.max(allRevoked, revoked.get(claims.sub) ?? Number.NEGATIVE_INFINITY)) return "revoked";
      used.set(claims.jti, Math.max(claims.exp, seconds));
      return undefined;
    },
    revoke(sub, at) {
      if (sub === undefined) allRevoked = Math.max(allRevoked, at);
      else revoked.set(sub, Math.max(at, revoked.get(sub) ?? at));
    },
  };
}
