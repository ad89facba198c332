/** What a sandbox is told at its start, for tests. */
import type { BootConfig } from "../protocol/backend.ts";

/** A session's id. */
export const SESSION = "abcdefghijklmnopqrstuvwxyz";

/** The configuration of a session without a repository, in its first generation. */
export function bootConfig(more: Partial<BootConfig> = {}): BootConfig {
  return {
    session: SESSION,
    generation: 1,
    runnerToken: "secret-runner",
    modelToken: "secret-model",
    workerOrigin: "http://127.0.0.1:1",
    grantKeys: [{}],
    repository: null,
    base: null,
    branch: "b",
    head: null,
    distrusted: false,
    publish: false,
    models: [{ id: "m", name: "m", context: 1, output: 1, price: null }],
    ...more,
  };
}
