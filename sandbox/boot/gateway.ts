/** What the supervisor and the gateway say to each other, from this side (the other is gateway/ipc.ts). */
import { z } from "zod";
import type { BootConfig } from "../../protocol/backend.ts";
import { Guest, Service } from "../../protocol/grant.ts";
import type { Sites } from "../../protocol/sites.ts";
import type { InsideConfig } from "./config.ts";
import { listeningOf } from "./listening.ts";

/** What of the gateway's messages matters here. */
export const FromGateway = z.discriminatedUnion("t", [
  z.object({ t: z.literal("listening") }),
  z.object({ t: z.literal("failed"), reason: z.string() }),
  /** Somebody with a right used it; at most one report a service in 30 s. */
  z.object({ t: z.literal("used"), service: Service }),
  /** Who has something open: may they still? */
  z.object({ t: z.literal("guests"), id: z.number(), guests: z.array(Guest).min(1).max(500) }),
]);

/** What the Worker may change while a sandbox runs. */
export type Changing = { sites: Sites | null; grantKeys: BootConfig["grantKeys"] };

/** Ports on loopback that are none of the agent's: errand's own, the ways out, and the Worker's where it is on this loopback. */
export function reservedPorts({ ports, forwards, workerUrl }: Pick<InsideConfig, "ports" | "forwards" | "workerUrl">): number[] {
  const worker = new URL(workerUrl);
  const isHere = /^(127\.|localhost$)/.test(worker.hostname);
  const own = Object.values(ports).filter((port) => port !== null);
  return [...new Set([...own, ...forwards.map(({ port }) => port), ...(isHere ? [Number(worker.port || 80)] : [])])];
}

/** The first message to a gateway's process. `authorization` is OpenCode's: the gateway shows it, nobody else has it. */
export function gatewayConfig(config: InsideConfig, now: Changing, authorization: string): object {
  const { boot, ports, paths } = config;
  return {
    t: "config",
    session: boot.session,
    workerOrigin: boot.workerOrigin,
    ...now,
    listen: { port: ports.gateway, host: "127.0.0.1", socket: config.gatewaySocket },
    upstreams: {
      vscode: listeningOf(config, "vscode"),
      desktop: listeningOf(config, "desktop"),
      terminal: listeningOf(config, "terminal"),
      terminalWatch: listeningOf(config, "terminalWatch"),
      opencode: { port: ports.opencode, authorization },
    },
    reserved: reservedPorts(config),
    landing: {
      vscode: `/?folder=${encodeURIComponent(paths.workspace).replaceAll("%2F", "/")}`,
      // The page of OpenCode 1.18.33 begins a session in that folder there; at its root one has to look for the folder first.
      opencode: `/${Buffer.from(paths.workspace).toString("base64url")}/session`,
    },
    local: new URL(boot.workerOrigin).protocol === "http:" || now.sites?.ide.startsWith("http:") === true,
  };
}
