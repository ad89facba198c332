/** The services that links open. */

/** As they stand in addresses. */
export const LINKED_SERVICES = ["vscode", "desktop", "terminal"] as const;
export type LinkedService = (typeof LINKED_SERVICES)[number];

/** What people call each service. */
export const SERVICE_TITLES: Record<LinkedService, string> = { vscode: "VS Code", desktop: "Desktop", terminal: "Terminal" };
