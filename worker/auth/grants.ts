/** Grants: minted here with the Worker's private key, checked in the sandbox's gateway with the public one. */
import { importJWK, type JWK, SignJWT } from "jose";
import * as z from "zod";
import { GRANT_ALG, GRANT_SECONDS, GRANT_TYP, type Mode, type Service } from "../../protocol/grant.ts";
import type { Person } from "../../protocol/request.ts";

const PrivateKey = z.object({
  kty: z.literal("EC"),
  crv: z.literal("P-256"),
  x: z.string().min(1),
  y: z.string().min(1),
  d: z.string().min(1),
  kid: z.string().min(1),
});
type PrivateKey = z.infer<typeof PrivateKey>;

/** The signing key of the settings, or why it is not one. Never repeats the key's text. */
export function parseGrantKey(text: string | null): { key: PrivateKey } | { key: null; why: string } {
  if (text === null) return { key: null, why: "GRANT_KEY is not set, so links into sandboxes cannot be signed" };
  try {
    const parsed = PrivateKey.safeParse(JSON.parse(text));
    if (parsed.success) return { key: parsed.data };
    const fields = parsed.error.issues.map((issue) => issue.path.join(".") || "the whole").join(", ");
    return { key: null, why: `GRANT_KEY must be a private P-256 key in JWK form with a kid (wrong: ${fields})` };
  } catch {
    return { key: null, why: "GRANT_KEY must be a private P-256 key in JWK form with a kid (it is not JSON)" };
  }
}

/** The public half, as sandboxes and `/.well-known/jwks.json` get it. */
export function publicGrantKey(key: PrivateKey): JWK {
  return { kty: key.kty, crv: key.crv, x: key.x, y: key.y, kid: key.kid, alg: GRANT_ALG, use: "sig" };
}

/**
 * What a grant opens, for whom. `port`: of a preview. `sid`: the sign-in that it comes of, as lists name it; null for the machine's owner. `until`: what is
 * opened ends then at the latest, null: with the right. `now` and `until` in ms since 1970; `nonce` are 16 random bytes.
 */
export type GrantFor = {
  issuer: string;
  session: string;
  person: Person;
  service: Service;
  mode: Mode;
  port: number | null;
  sid: string | null;
  until: number | null;
  now: number;
  nonce: Uint8Array;
};

/** A grant of 60 s for one service of one session. It goes to the gateway in a form's body, never in an address. */
export async function mintGrant(key: PrivateKey, grant: GrantFor): Promise<string> {
  const at = Math.floor(grant.now / 1000);
  const { service, mode, port, sid, until } = grant;
  const claims = {
    ...{ svc: service, mode },
    ...(port === null ? {} : { port }),
    ...(sid === null ? {} : { sid }),
    ...(until === null ? {} : { until: Math.floor(until / 1000) }),
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: GRANT_ALG, typ: GRANT_TYP, kid: key.kid })
    .setIssuer(grant.issuer)
    .setAudience(grant.session)
    .setSubject(grant.person.id)
    .setJti(Array.from(grant.nonce, (byte) => byte.toString(16).padStart(2, "0")).join(""))
    .setIssuedAt(at)
    .setExpirationTime(at + GRANT_SECONDS)
    .sign(await importJWK(key, GRANT_ALG));
}
