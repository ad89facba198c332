/** The npm packages that may hold OpenCode's program for a machine, best first. */
export function opencodePackages(machine: { platform: string; arch: string; avx2: boolean; musl: boolean }): string[];
