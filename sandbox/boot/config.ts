/**
 * What the supervisor in a sandbox reads, as one JSON document on its standard input: the session's boot configuration
 * and where this provider put things. The pipe stays open: its end means that the backend is gone, and the sandbox ends.
 */
import { z } from "zod";
import { BootConfig } from "../../protocol/backend.ts";
import { Sites } from "../../protocol/sites.ts";

/** A TCP port inside that leads to a UNIX socket shared with the host; only where the sandbox has its own network. */
export const Forward = z.object({ port: z.number().int().min(1).max(65_535), socket: z.string() });
export type Forward = z.infer<typeof Forward>;

/** Null: a UNIX socket instead. */
const servicePort = z.number().int().nullable();

/**
 * A port on 127.0.0.1 for each part. Fixed in a network namespace (4096, 8080, 6080, 7681, 7682, 9000). Elsewhere every user of the machine could
 * reach the services there: they get sockets, and only OpenCode, which asks for a password, and the gateway have a free port.
 */
export const Ports = z.object({
  opencode: z.number().int(),
  vscode: servicePort,
  desktop: servicePort,
  terminal: servicePort,
  /** The terminal of those who look on. */
  terminalWatch: servicePort,
  gateway: z.number().int(),
});
export type Ports = z.infer<typeof Ports>;

export const InsideConfig = z.object({
  boot: BootConfig,
  /** When the backend began to start this sandbox, epoch ms. */
  startedAt: z.number().int().nonnegative(),
  ports: Ports,
  /** X display number, 99 unless the sandbox shares the host's network namespace. */
  display: z.number().int(),
  paths: z.object({
    /** HOME of the agent; kept over sleeping and waking. */
    home: z.string(),
    /** The repository's checkout, the same absolute path in every sandbox of a session. */
    workspace: z.string(),
    /** Sockets and other things of this generation only. */
    run: z.string(),
    /** Read-only: bundled supervisor, gateway, runner, desktop, and OpenCode's configuration folder. */
    runtime: z.string(),
    /** Read-only: installed parts, as sandbox/image/ lays them out. */
    parts: z.string(),
  }),
  /** The Worker's origin as reached from inside, for the runner and the model route. */
  workerUrl: z.string(),
  /** Where browsers reach the gateway, where known at the start. */
  sites: Sites.nullable(),
  /** UNIX socket on which the gateway also listens for the host's relay, or null. */
  gatewaySocket: z.string().nullable(),
  forwards: z.array(Forward),
  /** `http://127.0.0.1:<port>` of the egress proxy, or null for direct access. */
  egressProxy: z.string().nullable(),
});
export type InsideConfig = z.infer<typeof InsideConfig>;
