/** What the supervisor runs: one process each, and how one sees that it can be used. */
import type { ServiceName } from "../../protocol/events.ts";

export const UNIT_NAMES = [
  ...(["gateway", "runner", "opencode", "vscode", "xvnc", "openbox", "xterm", "desktop"] as const),
  ...(["tmux", "terminal", "terminal-watch"] as const),
] as const;
export type UnitName = (typeof UNIT_NAMES)[number];

/** How one sees that a unit is ready. `message`: it says so over IPC. `started`: as soon as it runs. */
export type Ready =
  | { by: "http"; url: string; authorization?: string }
  | { by: "tcp"; port: number }
  | { by: "socket"; path: string }
  | { by: "message" }
  | { by: "started" };

export type Unit = {
  name: UnitName;
  /** The service that depends on it, or null. Of several units of a service all must be ready. */
  service: ServiceName | null;
  command: readonly [string, ...string[]];
  cwd: string;
  env: Readonly<Record<string, string>>;
  /** Whether it has an IPC channel. */
  ipc: boolean;
  ready: Ready;
  /** How long it may take to become ready, in ms; then it is killed and counts as crashed. */
  readyMs: number;
  /** What must be ready before it starts: units, or `agent`, which is when the runner says that the agent can take prompts. */
  after: readonly (UnitName | "agent")[];
};

/** A service that can't be had here, and why. */
export type Missing = { service: ServiceName; reason: string };
