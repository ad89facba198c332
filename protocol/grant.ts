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

/** What a grant can open: the sandbox's own services, and what the agent serves on a port. */
export const Service = z.enum(["vscode", "desktop", "terminal", "opencode", "preview"]);
export type Service = z.infer<typeof Service>;

/** The path prefix of each service that shares the gateway's first origin; the others have an origin of their own (sites.ts). */
export const ROUTES = { vscode: "/vscode", desktop: "/desktop", terminal: "/terminal" } as const;

/** Looking on without input, or using it. */
export const Mode = z.enum(["watch", "drive"]);
export type Mode = z.infer<typeof Mode>;

/** What can be looked at without being used: the others are nothing without input, or have no way to hold it back. */
export const WATCHED: ReadonlySet<Service> = new Set(["desktop", "terminal"]);

/** A port that the agent may serve on. */
export const Port = z.number().int().min(1).max(65_535);

/** `iss` is the Worker's origin, `aud` the session id, `sub` the person, `jti` 16 random bytes in hex. */
export const GrantClaims = z
  .object({
    iss: z.string(),
    aud: z.string(),
    sub: z.string().min(1).max(200),
    svc: Service,
    mode: Mode,
    /** What the agent serves there; for `preview` alone. */
    port: Port.optional(),
    /** The sign-in that it comes of, as lists name it; absent for the machine's owner. */
    sid: z.string().min(1).max(100).optional(),
    /** What is opened by it ends at this time at the latest, in seconds since 1970: an admin's power is for a while only. */
    until: z.number().int().optional(),
    jti: z.string().min(16).max(100),
    iat: z.number().int(),
    exp: z.number().int(),
  })
  .refine(({ svc, port }) => (svc === "preview") === (port !== undefined), { path: ["port"], error: "is for a preview, which needs one" })
  .refine(({ svc, mode }) => mode === "drive" || WATCHED.has(svc), { path: ["mode"], error: "this service cannot be watched" });
export type GrantClaims = z.infer<typeof GrantClaims>;

/** Somebody with something open in a sandbox: what the Worker is asked about again as long as it is open. */
export const Guest = z.object({ sub: GrantClaims.shape.sub, sid: GrantClaims.shape.sid, mode: Mode, admin: z.boolean() });
export type Guest = z.infer<typeof Guest>;

/** Where the gateway takes a grant (form field `token`, by POST only), on every origin of its. */
export const GRANT_PATH = "/_errand/auth";
