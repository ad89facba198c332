/**
 * Where browsers on this machine reach a sandbox's gateway. Cookies know no ports, so every gateway has host names of its own, none of
 * which is the Worker's: its cookie never comes to a sandbox, nor one sandbox's to another.
 */
import type { Sites } from "../../protocol/sites.ts";

/**
 * What browsers on this machine call it. `localhost`: by names below it, which Chromium and Firefox take for this machine without asking
 * anybody (RFC 6761, 6.3). `127.0.0.1`: for browsers that look such names up in vain; then there is one origin, and neither OpenCode's
 * page nor previews, since what needs an origin of its own has none.
 */
export const SANDBOX_HOSTS = ["localhost", "127.0.0.1"] as const;
export type SandboxHost = (typeof SANDBOX_HOSTS)[number];

/** Characters of a session id that tell it from the others of one machine: 60 bits, and room for `opencode-` in a label of 63. */
const NAME_CHARACTERS = 12;

/** The origins of a gateway that is reached at one port of 127.0.0.1. */
export function localSites(session: string, port: number, host: SandboxHost): Sites {
  if (host === "127.0.0.1") return { ide: `http://127.0.0.1:${port}`, opencode: null, preview: null };
  const at = (label: string) => `http://${label}.localhost:${port}`;
  const name = session.slice(0, NAME_CHARACTERS);
  return { ide: at(name), opencode: at(`opencode-${name}`), preview: at(`{port}-${name}`) };
}
