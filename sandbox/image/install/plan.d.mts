export interface SystemState {
  /** Parts that are not there, with the packages that bring them. */
  missing: readonly { name: string; apt: readonly string[] }[];
  /** What ttyd is built with and needs at run time, or null when a good one is there. */
  ttyd: { build: readonly string[]; run: readonly string[] } | null;
  /** Whether this user can install: yes, apt is there but not the right to use it, or there is no apt. */
  access: "yes" | "no-right" | "no-apt";
  /** Of the packages in question, those that apt's sources have. */
  has: ReadonlySet<string>;
  /** Of the packages in question, those that are installed. */
  installed: ReadonlySet<string>;
}

export interface SystemPlan {
  /** To install for parts. */
  packages: string[];
  /** To install before ttyd is built. */
  buildPackages: string[];
  buildsTtyd: boolean;
  /** Why a part cannot be had and what to do, by its name. */
  reasons: Map<string, string>;
}

/** Which system packages to install, and what to tell a person about the rest. */
export function planSystem(state: SystemState): SystemPlan;
