/** The origins of a gateway, read once: which of them a `Host` names, and whether they can be told apart and served at all. */
import type { Service } from "../protocol/grant.ts";
import { originOf, type Sites } from "../protocol/sites.ts";

/** What a request is for, by its `Host`. `port` is null where all ports of previews share the origin: then the cookie decides. */
export type Place = { site: "ide" | "opencode"; origin: URL } | { site: "preview"; origin: URL; port: number | null };

export interface Origins {
  /** The place of a `Host` header, compared byte for byte; undefined where it is none of ours. */
  placeOf(host: string): Place | undefined;
  /** Whether grants for this service (and port) are handed in at this place, which is the one that serves it. */
  serves(place: Place, service: Service, port: number | undefined): boolean;
}

/** A port as it stands in a host name: without leading zeros, ASCII digits only. */
const PORT = /^[1-9][0-9]{0,4}$/;

/** Reads origins. Throws, naming what is wrong, where they can't be served (`sitesProblem`). */
export function readSites(sites: Sites, local: boolean): Origins {
  const problem = sitesProblem(sites, local);
  if (problem) throw new Error(problem);
  const ide = new URL(sites.ide);
  const opencode = sites.opencode === null ? undefined : new URL(sites.opencode);

  const placeOf = (host: string): Place | undefined => {
    if (host === ide.host) return { site: "ide", origin: ide };
    if (opencode && host === opencode.host) return { site: "opencode", origin: opencode };
    return sites.preview === null ? undefined : previewAt(sites.preview, host);
  };
  return {
    placeOf,
    serves: (place, service, port) => originOf(sites, service, port) === place.origin.origin,
  };
}

/** Where the pattern puts the port, found by what stands before and after it in the authority. */
function previewAt(pattern: string, host: string): Place | undefined {
  const [scheme = "", authority = ""] = pattern.split("//");
  const [before = "", after] = authority.split("{port}");
  if (after === undefined) return host === authority ? { site: "preview", origin: new URL(pattern), port: null } : undefined;
  if (!host.startsWith(before) || !host.endsWith(after) || host.length <= before.length + after.length) return undefined;
  const digits = host.slice(before.length, host.length - after.length);
  if (!PORT.test(digits) || Number(digits) > 65_535) return undefined;
  // With a number at its end a host name is an IPv4 address, and another one than it says.
  const origin = `${scheme}//${host}`;
  return URL.canParse(origin) && new URL(origin).host === host
    ? { site: "preview", origin: new URL(origin), port: Number(digits) }
    : undefined;
}

/**
 * Why these origins can't be served, or undefined. Plain HTTP is refused except for loopback names in local mode: anywhere else
 * browsers drop `Secure` cookies, and the network could read what is shown. No host may stand for two of them, by any port:
 * what the agent serves would then share an origin with the editor.
 */
export function sitesProblem(sites: Sites, local: boolean): string | undefined {
  const preview = originOf(sites, "preview", 3000);
  for (const origin of [sites.ide, sites.opencode, preview]) {
    const problem = origin === null ? undefined : originProblem(origin, local);
    if (problem) return problem;
  }
  // Browsers leave a scheme's own port out of Host and Origin, so one of these ports would have no name.
  if (sites.preview?.includes(":{port}")) return `the preview origin ${sites.preview} must have {port} in its host name, not as its port`;
  const hosts = [sites.ide, sites.opencode].filter((origin) => origin !== null).map((origin) => new URL(origin).host);
  if (new Set(hosts).size < hosts.length)
    return `${sites.ide} and ${sites.opencode} have the same host: each service's origin needs its own`;
  const shared = sites.preview === null ? undefined : hosts.find((host) => previewAt(sites.preview ?? "", host));
  if (shared) return `the preview origin ${sites.preview} can be ${shared}, which is another service's: previews need hosts of their own`;
  return undefined;
}

function originProblem(origin: string, local: boolean): string | undefined {
  const url = new URL(origin);
  if (url.protocol === "https:") return undefined;
  const loopback = url.hostname === "127.0.0.1" || url.hostname === "localhost" || url.hostname.endsWith(".localhost");
  if (local && loopback) return undefined;
  return `origin ${origin} is not https:, and plain http: is allowed only for 127.0.0.1 and localhost names in local mode`;
}
