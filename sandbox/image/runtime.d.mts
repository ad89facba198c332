/**
 * Brings the folder of errand's own sandbox programs up to date; does nothing while no input changed.
 * @param options `out`: another folder than `dist/runtime`; `partial`: leave out programs whose source is missing
 * @throws when a program's source is missing and `partial` is not set, or esbuild finds an error
 */
export function buildRuntime(options?: {
  out?: string;
  partial?: boolean;
}): Promise<{ out: string; version: string; built: boolean; missing: string[] }>;
