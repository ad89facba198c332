/**
 * Messages between the supervisor and the gateway, over the Node IPC channel of the gateway's process. The channel is a
 * pipe between two processes, so the upstreams' passwords in `config` reach neither disk, environment nor command line.
 */
import { z } from "zod";
import { type Guest, Port, Service } from "../protocol/grant.ts";
import { Origin, Sites } from "../protocol/sites.ts";
import { checkTarget } from "./target.ts";

/** One public P-256 key (JWK with `kid`). A private part is an error, because whoever reads it can mint grants. */
export const GrantKey = z
  .object({ kid: z.string().min(1).max(200), kty: z.literal("EC"), crv: z.literal("P-256"), x: z.string(), y: z.string() })
  .extend({ d: z.undefined({ error: "must not be a private key: send the public JWK only" }).optional() });
export type GrantKey = z.infer<typeof GrantKey>;

/** The whole value of the `Authorization` header that the upstream wants, such as `Basic …`. Secret. */
const authorization = z.string().min(1).optional();
const Upstream = z.union([
  /** On 127.0.0.1. */
  z.object({ port: Port, authorization }),
  /** A UNIX socket. */
  z.object({ socket: z.string().startsWith("/"), authorization }),
]);

const landing = z.string().refine((text) => checkTarget(text).ok, { error: "must be a path and query such as /?folder=/work" });

export const GatewayConfig = z.object({
  /** Audience of the grants, and part of the cookies' names. */
  session: z.string().regex(/^[a-z0-9_-]{8,64}$/),
  /** Issuer of grants, the only origin that may hand one in, and where a person without a right is sent. */
  workerOrigin: Origin,
  grantKeys: z.array(GrantKey).min(1),
  /** Where browsers reach this gateway, or null until it is known: then nothing but `/_errand/health` is answered. */
  sites: Sites.nullable(),
  listen: z.object({
    /** 0 takes a free port; `listening` tells which. */
    port: z.number().int().min(0).max(65_535),
    host: z.literal("127.0.0.1"),
    /** UNIX socket to listen on as well, or null. */
    socket: z.string().nullable(),
  }),
  /** `terminalWatch` is the terminal of watchers, which takes no input. Without it nobody can watch the terminal. */
  upstreams: z.object({ vscode: Upstream, desktop: Upstream, terminal: Upstream, opencode: Upstream, terminalWatch: Upstream.optional() }),
  /** Ports that no preview reaches, because they are not the agent's: all of errand's own. The gateway's and the upstreams' need not stand here. */
  reserved: z.array(Port),
  /** Where a service is entered after the exchange, as path and query under its prefix, such as `/?folder=/work`. Its root if not said. */
  landing: z.partialRecord(Service, landing).optional(),
  /** Allows plain `http:` origins, on loopback names only. */
  local: z.boolean(),
});
export type GatewayConfig = z.infer<typeof GatewayConfig>;

/** What the supervisor says after `config`. */
export const GatewayUpdate = z.discriminatedUnion("t", [
  /** Replaces all origins. What is open stays open, and is not reached by an old one any more. */
  z.object({ t: z.literal("sites"), sites: Sites }),
  /** Replaces all keys. */
  z.object({ t: z.literal("keys"), grantKeys: z.array(GrantKey).min(1) }),
  /**
   * Ends every session of a person (without `sub`: of everyone), with all open connections, and refuses grants issued until
   * now. `at` is that moment on the Worker's clock in epoch seconds; without it the gateway's own clock is taken.
   */
  z.object({ t: z.literal("revoke"), sub: z.string().min(1).optional(), at: z.number().int().optional() }),
  /**
   * The answer to the `guests` report of that id: who of them may no longer, by place in its list. Everybody else in it may, as
   * of the moment of the report. An answer to anything but the newest report, and a second one, is ignored.
   */
  z.object({ t: z.literal("guests"), id: z.number(), gone: z.array(z.number()), unsure: z.array(z.number()).optional() }),
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
  | { t: "open"; service: Service }
  /** Who has something open, each once, at most 500: asked every 30 s while there is anybody. Whom no answer covers for 15 minutes, is put out. */
  | { t: "guests"; id: number; guests: Guest[] };
