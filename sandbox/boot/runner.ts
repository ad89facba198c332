/** What a runner's process is told first. */
import { PROVIDER } from "../image/opencode-config.ts";
import type { InsideConfig } from "./config.ts";
import { reservedPorts } from "./gateway.ts";
import type { RunnerConfig } from "./ipc.ts";

/** Its configuration. `password` is OpenCode's, `mark` that of a sandbox without a network of its own. */
export function runnerConfig(config: InsideConfig, password: string, mark: string | null): RunnerConfig {
  const { boot, paths, ports } = config;
  return {
    session: boot.session,
    generation: boot.generation,
    runnerToken: boot.runnerToken,
    workerUrl: config.workerUrl,
    workspace: paths.workspace,
    home: paths.home,
    run: paths.run,
    repository: boot.repository,
    base: boot.base,
    branch: boot.branch,
    head: boot.head,
    distrusted: boot.distrusted,
    publish: boot.publish,
    opencode: { url: `http://127.0.0.1:${ports.opencode}`, password },
    modelDefault: `${PROVIDER}/${boot.models[0]?.id ?? ""}`,
    pricedModels: boot.models.filter((model) => model.price !== null).map((model) => `${PROVIDER}/${model.id}`),
    bootedAt: config.startedAt,
    reservedPorts: reservedPorts(config),
    mark,
  };
}
