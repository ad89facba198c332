/**
 * Claims of a grant: a short-lived single-use right to open one sandbox service, for one person.
 * Signed by the Worker with ES256; the sandbox holds only public keys.
 */
import * as z from "zod";

export const GRANT_ALG = "ES256";
export const GRANT_TYP = "errand-link+jwt";
/** How long a grant lives, in seconds: long enough for a redirect, too short to be passed on. */
export const GRANT_SECONDS = 60;
/** The longest life a verifier accepts, in seconds, whatever the grant says. */
export const GRANT_MAX_SECONDS = 120;
/** Clock difference tolerated between Worker and sandbox, in seconds. */
export const GRANT_TOLERANCE_SECONDS = 30;

/** The services a grant can open, and the path prefix of each at the gateway. */
export const ROUTES = { vscode: "/vscode", desktop: "/desktop", terminal: "/terminal", opencode: "/opencode" } as const;
export type Service = keyof typeof ROUTES;
export const Service = z.enum(["vscode", "desktop", "terminal", "opencode"]);

/** `iss` is the Worker's origin, `aud` the session id, `sub` the person, `svc` the service, `jti` 16 random bytes in hex. */
export const GrantClaims = z.object({
  iss: z.string(),
  aud: z.string(),
  sub: z.string().min(1).max(200),
  svc: Service,
  jti: z.string().min(16).max(100),
  iat: z.number().int(),
  exp: z.number().int(),
});
export type GrantClaims = z.infer<typeof GrantClaims>;

/** Where the gateway takes a grant (form field `token`, by POST only). */
export const GRANT_PATH = "/_errand/auth";
