/** Whether something in a session's sandbox can be opened now. Pure. */
import type { Service } from "../../protocol/grant.ts";
import { originOf, type Sites } from "../../protocol/sites.ts";
import type { View } from "../../protocol/view.ts";
import type { Opening } from "./contract.ts";

/** `sites`: how browsers reach the gateway; null while it is not known, or the sandbox is not connected. */
export function openingOf(view: View, sites: Sites | null, service: Service, port?: number): Opening {
  if (sites === null) return { state: "starting", view };
  const origin = originOf(sites, service, port);
  if (origin === null) {
    return { state: "unavailable", reason: "It needs an address of its own, and where this sandbox runs there is none to be had." };
  }
  if (service === "preview") {
    if (view.sandbox.ports.some((served) => served.port === port)) return { state: "ready", origin };
    return { state: view.sandbox.state === "ready" ? "silent" : "starting", view };
  }
  const { state, reason = null } = view.sandbox.services[service] ?? {};
  if (state === "available") return { state: "ready", origin };
  if (state === "unavailable") return { state: "unavailable", reason: reason ?? "It could not be started." };
  return { state: "starting", view };
}
