/**
 * Messages between the supervisor and the gateway, over the Node IPC channel of the gateway's process. The channel is a
 * pipe between two processes, so the upstreams' passwords in `config` reach neither disk, environment nor command line.
 */
import { z } from "zod";
import { Service } from "../protocol/grant.ts";
import { checkTarget } from "./target.ts";

const origin = z.string().refine((text) => URL.canParse(text) && new URL(text).origin === text && /^https?:/.test(text), {
  error: "must be an origin such as https://host or http://127.0.0.1:8000, without path or trailing slash",
});

/** One public P-256 key (JWK with `kid`). A private part is an error, because whoever reads it can mint grants. */
export const GrantKey = z
  .object({ kid: z.string().min(1).max(200), kty: z.literal("EC"), crv: z.literal("P-256"), x: z.string(), y: z.string() })
  .extend({ d: z.undefined({ error: "must not be a private key: send the public JWK only" }).optional() });
export type GrantKey = z.infer<typeof GrantKey>;

const Upstream = z.object({
  /** Port on 127.0.0.1. */
  port: z.number().int().min(1).max(65_535),
  /** The whole value of the `Authorization` header that the upstream wants, such as `Basic …`. Secret. */
  authorization: z.string().min(1).optional(),
});

const landing = z.string().refine((text) => checkTarget(text).ok, { error: "must be a path and query such as /?folder=/work" });

export const GatewayConfig = z.object({
  /** Audience of the grants, and part of the cookies' names. */
  session: z.string().regex(/^[a-z0-9_-]{8,64}$/),
  /** Issuer of grants, the only origin that may hand one in, and where a person without a right is sent. */
  workerOrigin: origin,
  grantKeys: z.array(GrantKey).min(1),
  /** Where browsers reach this gateway, or null until it is known: then nothing but `/_errand/health` is answered. */
  publicOrigin: origin.nullable(),
  listen: z.object({
    /** 0 takes a free port; `listening` tells which. */
    port: z.number().int().min(0).max(65_535),
    host: z.literal("127.0.0.1"),
    /** UNIX socket to listen on as well, or null. */
    socket: z.string().nullable(),
  }),
  upstreams: z.record(Service, Upstream),
  /** Where a service is entered after the exchange, as path and query under its prefix, such as `/?folder=/work`. */
  landing: z.partialRecord(Service, landing).optional(),
  /** Allows a plain `http:` public origin, on a loopback name only. */
  local: z.boolean(),
});
export type GatewayConfig = z.infer<typeof GatewayConfig>;

/** What the supervisor says after `config`. */
export const GatewayUpdate = z.discriminatedUnion("t", [
  z.object({ t: z.literal("origin"), publicOrigin: origin }),
  /** Replaces all keys. */
  z.object({ t: z.literal("keys"), grantKeys: z.array(GrantKey).min(1) }),
  /**
   * Ends every session of a person (without `sub`: of everyone), with all open connections, and refuses grants issued until
   * now. `at` is that moment on the Worker's clock in epoch seconds; without it the gateway's own clock is taken.
   */
  z.object({ t: z.literal("revoke"), sub: z.string().min(1).optional(), at: z.number().int().optional() }),
  /**
   * Whether the sandbox still hears from the Worker, which is what brings revocations. After 15 minutes without, every
   * session ends. Until the first such message the gateway takes it that it does.
   */
  z.object({ t: z.literal("control"), connected: z.boolean() }),
]);
export type GatewayUpdate = z.infer<typeof GatewayUpdate>;

export const ToGateway = z.discriminatedUnion("t", [GatewayConfig.extend({ t: z.literal("config") }), ...GatewayUpdate.options]);
export type ToGateway = z.infer<typeof ToGateway>;

/** What the gateway says. Times are epoch ms. */
export type FromGateway =
  | { t: "listening"; port: number }
  /** Could not start or could not take a message, and why, without any secret. */
  | { t: "failed"; reason: string }
  /** Someone with a right used the service: at most one report per service in 30 s. */
  | { t: "used"; service: Service; at: number }
  /** A grant was exchanged for a session. */
  | { t: "open"; service: Service };

/**
 * Why this origin can't be served, or undefined. Plain HTTP is refused except for a loopback name in local mode: anywhere
 * else browsers drop `Secure` cookies, and the network could read what is shown.
 */
export function originProblem(publicOrigin: string, local: boolean): string | undefined {
  const url = new URL(publicOrigin);
  if (url.protocol === "https:") return undefined;
  const loopback = url.hostname === "127.0.0.1" || url.hostname === "localhost" || url.hostname.endsWith(".localhost");
  if (local && loopback) return undefined;
  return `public origin ${publicOrigin} is not https:, and plain http: is allowed only for 127.0.0.1 and localhost in local mode`;
}
