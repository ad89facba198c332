/**
 * What every provider is told about this machine, and the ports a sandbox has where it has a network of its own.
 */
import { z } from "zod";
import type { Ports } from "../boot/config.ts";
import type { SandboxHost } from "./local-sites.ts";

/** A plain byte forward: `127.0.0.1:<port>` in a sandbox leads to `host:targetPort` as seen from the host. */
export const HostForward = z.object({
  port: z.number().int().min(1).max(65_535),
  host: z.string().min(1),
  targetPort: z.number().int().min(1).max(65_535),
});
export type HostForward = z.infer<typeof HostForward>;

/** Where things are on the host. */
export type Places = {
  /** Sessions' folders and what is made once; belongs to one backend at a time. */
  data: string;
  /** The sandbox image's parts, with their report. */
  parts: string;
  /** The bundled programs for the inside: boot, gateway, runner and desktop, each `.mjs`. */
  runtime: string;
  /** The Worker's origin as reached from the host. */
  worker: URL;
  forwards: readonly HostForward[];
  /** What browsers call this machine. */
  host: SandboxHost;
};

/** The ports in a sandbox with a network namespace, and where it finds the Worker and the way out. */
export const FIXED = {
  ...{ opencode: 4096, vscode: 8080, desktop: 6080, terminal: 7681, terminalWatch: 7682, gateway: 9000 },
} as const satisfies Ports;
export const FIXED_DISPLAY = 99;
export const WORKER_PORT = 8787;
export const EGRESS_PORT = 3128;
/** Ports that a forward can't have. */
export const TAKEN_INSIDE: readonly number[] = [...Object.values(FIXED), WORKER_PORT, EGRESS_PORT];
