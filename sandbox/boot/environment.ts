/** The environments of what runs in a sandbox. Secrets of errand are in none of them, except what OpenCode must hold. */
import { dirname, join } from "node:path";
import type { Part, PartName } from "../image/report.ts";
import type { InsideConfig } from "./config.ts";
import { SANDBOX_MARK } from "./marked.ts";

/** Variables of the supervisor that its children keep, where set: the mark of a sandbox, and an operator's proxy and certificates. */
export const KEPT = [
  ...[SANDBOX_MARK, "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"],
  ...["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "CURL_CA_BUNDLE"],
] as const;

type Environment = Record<string, string>;

/**
 * What every process gets: the agent's shell, the terminal, VS Code and errand's own programs alike. Tools find the programs
 * of the image first, and the way out by the proxy variables in both spellings (curl reads only the lower-case `http_proxy`).
 */
export function commonEnvironment(
  config: InsideConfig,
  parts: Record<PartName, Part>,
  own: Readonly<Record<string, string | undefined>>,
): Environment {
  const { home, run } = config.paths;
  const bins = [parts.node, parts.opencode, parts.ttyd, parts.rg].flatMap((part) => (part.available ? [dirname(part.path)] : []));
  const path = [...new Set([join(home, ".local", "bin"), ...bins, ...(own.PATH ?? "/usr/local/bin:/usr/bin:/bin").split(":")])].join(":");
  const kept = Object.fromEntries(KEPT.flatMap((name) => (own[name] === undefined ? [] : [[name, own[name]]])));
  const proxy = config.egressProxy;
  return {
    ...kept,
    PATH: path,
    HOME: home,
    USER: own.USER ?? "dev",
    LOGNAME: own.LOGNAME ?? own.USER ?? "dev",
    SHELL: "/bin/bash",
    LANG: "C.UTF-8",
    TERM: "xterm-256color",
    DISPLAY: `:${config.display}`,
    XDG_DATA_HOME: join(home, ".local", "share"),
    XDG_STATE_HOME: join(home, ".local", "state"),
    XDG_CACHE_HOME: join(home, ".cache"),
    XDG_CONFIG_HOME: join(home, ".config"),
    XDG_RUNTIME_DIR: join(run, "xdg"),
    GIT_TERMINAL_PROMPT: "0",
    NODE_USE_ENV_PROXY: "1",
    NO_PROXY: "localhost,127.0.0.1",
    no_proxy: "localhost,127.0.0.1",
    ...(proxy ? { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, http_proxy: proxy, https_proxy: proxy } : {}),
  };
}

/** Keeps OpenCode 1.18.33 from the network and from what a repository brings. A flag set to the empty string aborts its start, so each is 1. */
export const OPENCODE_FLAGS = {
  OPENCODE_DISABLE_PROJECT_CONFIG: "1",
  OPENCODE_DISABLE_MODELS_FETCH: "1",
  OPENCODE_DISABLE_AUTOUPDATE: "1",
  OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
  OPENCODE_DISABLE_SHARE: "1",
  OPENCODE_DISABLE_DEFAULT_PLUGINS: "1",
};

/**
 * What OpenCode gets on top. The
 * model token is for this generation's model route only; the agent may read it.
 */
export function opencodeEnvironment(config: InsideConfig, password: string): Environment {
  return {
    OPENCODE_CONFIG_DIR: join(config.paths.run, "opencode"),
    ...OPENCODE_FLAGS,
    OPENCODE_SERVER_PASSWORD: password,
    ERRAND_MODEL_TOKEN: config.boot.modelToken,
  };
}
