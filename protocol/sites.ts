/**
 * Where browsers reach a sandbox's gateway: an origin for each degree of trust, all served by the one gateway, which tells them
 * apart by the host name. What shares an origin can read each other, so what the agent serves never shares one with the editor.
 */
import * as z from "zod";
import { ROUTES, type Service } from "./grant.ts";

const isOrigin = (text: string): boolean => URL.canParse(text) && new URL(text).origin === text && /^https?:/.test(text);

/** An origin such as `https://host` or `http://name.localhost:8000`, without path or trailing slash. */
export const Origin = z.string().refine(isOrigin, { error: "must be an origin such as https://host, without path or trailing slash" });

/** In a pattern this stands for the number of a port. */
const PORT = "{port}";
const pattern = z.string().refine((text) => isOrigin(text.replace(PORT, "3000")), {
  error: `must be an origin, in whose host ${PORT} may stand for a port`,
});

export const Sites = z.object({
  /** VS Code, desktop and terminal, told apart by path. */
  ide: Origin,
  /** OpenCode's own page, which works at the root of an origin only. Null: this provider has no host for it. */
  opencode: Origin.nullable(),
  /** What the agent serves. With `{port}` in it every port has an origin of its own; without, all share one. Null: none. */
  preview: pattern.nullable(),
});
export type Sites = z.infer<typeof Sites>;

/** The origin of a service, or null where there is none. `port` is for `preview`. */
export function originOf(sites: Sites, service: Service, port?: number): string | null {
  if (service === "opencode") return sites.opencode;
  if (service !== "preview") return sites.ide;
  return port === undefined ? null : (sites.preview?.replace(PORT, String(port)) ?? null);
}

/** The path under which a service lies at its origin, without a trailing slash; empty for those that have the whole origin. */
export const prefixOf = (service: Service): string => (service in ROUTES ? ROUTES[service as keyof typeof ROUTES] : "");
