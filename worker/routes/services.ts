/** What links open in a sandbox. */
import { Port, Service, WATCHED } from "../../protocol/grant.ts";
import type { AppContext } from "./app.ts";

/** What people call each service. */
export const SERVICE_TITLES: Record<Exclude<Service, "preview">, string> = {
  vscode: "VS Code",
  desktop: "Desktop",
  terminal: "Terminal",
  opencode: "OpenCode",
};

/** The services that every sandbox has, in the order in which pages offer them. */
export const LINKED_SERVICES = ["vscode", "desktop", "terminal", "opencode"] as const satisfies (keyof typeof SERVICE_TITLES)[];

/** What a link names: a service, or what the agent serves on a port. */
export type Opened = { service: Exclude<Service, "preview">; port: null } | { service: "preview"; port: number };

/** What people call it. */
export const titleOfOpened = ({ service, port }: Opened): string => (service === "preview" ? `Port ${port}` : SERVICE_TITLES[service]);

/** The path of a link. */
export const linkPath = (session: string, { service, port }: Opened): string =>
  `/s/${session}/open/${service}${port === null ? "" : `/${port}`}`;

/** What the address of a request names; null: nothing that there is. */
export function openedBy(c: AppContext): Opened | null {
  const name = c.req.param("service");
  const digits = c.req.param("port");
  if (name === undefined) {
    const port = Port.safeParse(/^[1-9]\d{0,4}$/.test(digits ?? "") ? Number(digits) : undefined);
    return port.success ? { service: "preview", port: port.data } : null;
  }
  const service = Service.exclude(["preview"]).safeParse(name);
  return service.success ? { service: service.data, port: null } : null;
}

/** Whether the address asks to look on only. */
export const asksToWatch = (c: AppContext): boolean => c.req.query("watch") !== undefined;

/** Whether it can be looked at without being used. */
export const isWatched = (opened: Opened): boolean => WATCHED.has(opened.service);
