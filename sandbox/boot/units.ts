/**
 * The programs of a sandbox: command lines, environments, order, and when each counts as ready. Pure: what is installed comes
 * in as the parts' report, and what is missing comes out with its reason.
 */
import { join } from "node:path";
import type { Part, PartName } from "../image/report.ts";
import type { InsideConfig } from "./config.ts";
import { opencodeEnvironment } from "./environment.ts";
import { isListening, type Listening, listeningOf, listeningProblem } from "./listening.ts";
import { terminalUnits } from "./terminal.ts";
import type { Missing, Unit } from "./unit.ts";

export type Programs = { units: Unit[]; missing: Missing[] };

/**
 * Node's arguments for the gateway: a small young generation. What the gateway forwards dies at once, and with Node's default a busy one held about 350 MiB where it holds about 200 MiB with this (`npm run
 * bench -- gateway`).
 */
export const GATEWAY_NODE_ARGUMENTS = ["--max-semi-space-size=4"] as const;

/** Everything to run. `node` is the Node that runs this; `common` is the environment of all; `password` is OpenCode's. */
export function programs(options: {
  config: InsideConfig;
  parts: Record<PartName, Part>;
  common: Readonly<Record<string, string>>;
  node: string;
  password: string;
  authorization: string;
}): Programs {
  const { config, parts, common, node, password, authorization } = options;
  const { ports, paths } = config;
  const own = (name: "gateway" | "runner"): Unit => ({
    name,
    service: null,
    command: [node, ...(name === "gateway" ? GATEWAY_NODE_ARGUMENTS : []), join(paths.runtime, `${name}.mjs`)],
    cwd: paths.run,
    env: common,
    ipc: true,
    ready: name === "gateway" ? { by: "message" } : { by: "started" },
    readyMs: 20_000,
    after: [],
  });
  const all = [opencode(), terminal(), vscode(), desktop()];
  return { units: [own("gateway"), own("runner"), ...all.flatMap((one) => one.units)], missing: all.flatMap((one) => one.missing) };

  function opencode(): Programs {
    const { opencode: part } = parts;
    if (!part.available) return without("opencode", part.reason);
    const command: Unit["command"] = [
      part.path,
      "serve",
      "--hostname",
      "127.0.0.1",
      "--port",
      String(ports.opencode),
      "--print-logs",
      "--log-level",
      "WARN",
    ];
    const env = { ...common, ...opencodeEnvironment(config, password) };
    const ready = { by: "http", url: `http://127.0.0.1:${ports.opencode}/global/health`, authorization } as const;
    return only({
      name: "opencode",
      service: "opencode",
      command,
      cwd: paths.workspace,
      env,
      ipc: false,
      ready,
      readyMs: 90_000,
      after: [],
    });
  }

  function terminal(): Programs {
    const lacks =
      firstMissing(parts, ["ttyd", "tmux"]) ?? listeningProblem(listeningOf(config, "terminal"), listeningOf(config, "terminalWatch"));
    const { ttyd, tmux } = parts;
    if (lacks || !ttyd.available || !tmux.available) return without("terminal", lacks ?? "ttyd is missing");
    return { units: terminalUnits({ config, common, ttyd: ttyd.path, tmux: tmux.path }), missing: [] };
  }

  function vscode(): Programs {
    const where = listeningOf(config, "vscode");
    const lacks = firstMissing(parts, ["code-server", "node"]) ?? listeningProblem(where);
    const { "code-server": part, node: runtime } = parts;
    if (lacks || !part.available || !runtime.available) return without("vscode", lacks ?? "code-server is missing");
    const state = join(paths.home, ".local", "share", "code-server");
    const command: Unit["command"] = [
      ...([runtime.path, part.path, "--auth", "none", "--config", "/dev/null"] as const),
      ...("port" in where ? ["--bind-addr", `127.0.0.1:${where.port}`] : ["--socket", where.socket, "--socket-mode", "600"]),
      ...["--disable-telemetry", "--disable-update-check", "--disable-getting-started-override", "--disable-workspace-trust"],
      ...["--disable-proxy", "--app-name", "errand", "--user-data-dir", state, "--extensions-dir", join(state, "extensions")],
      ...["--reconnection-grace-time", "900", paths.workspace],
    ];
    const ready = "port" in where ? ({ by: "http", url: `http://127.0.0.1:${where.port}/healthz` } as const) : isListening(where);
    return only({
      name: "vscode",
      service: "vscode",
      command,
      cwd: paths.workspace,
      env: common,
      ipc: false,
      ready,
      readyMs: 60_000,
      after: ["agent"],
    });
  }

  function desktop(): Programs {
    const rfb = join(paths.run, "vnc.sock");
    const where = listeningOf(config, "desktop");
    const lacks = firstMissing(parts, ["Xvnc"]) ?? listeningProblem(where, { socket: rfb });
    const { Xvnc, openbox, xterm, xsetroot } = parts;
    if (lacks || !Xvnc.available) return without("desktop", lacks ?? "Xvnc is missing");
    const base = { cwd: paths.workspace, env: common, ipc: false, readyMs: 30_000 } as const;
    const xvnc: Unit["command"] = [
      ...([Xvnc.path, `:${config.display}`, "-geometry", "1280x800", "-depth", "24", "-SecurityTypes", "None", "-AlwaysShared"] as const),
      ...["-rfbunixpath", rfb, "-rfbunixmode", "0600", "-rfbport", "-1", "-desktop", "errand", "-nolisten", "tcp"],
    ];
    const paint = xsetroot.available ? `${xsetroot.path} -solid '#24303c'; ` : "";
    const units: Unit[] = [
      { ...base, name: "xvnc", service: "desktop", command: xvnc, ready: { by: "socket", path: rfb }, after: ["agent"] },
    ];
    if (openbox.available) {
      const command: Unit["command"] = ["/bin/sh", "-c", `${paint}exec ${openbox.path}`];
      units.push({ ...base, name: "openbox", service: null, command, ready: { by: "started" }, after: ["xvnc"] });
    }
    if (xterm.available) {
      const command: Unit["command"] = [
        xterm.path,
        "-title",
        "errand",
        "-geometry",
        "100x28+60+50",
        "-fa",
        "DejaVu Sans Mono",
        "-fs",
        "11",
        "-bg",
        "#10161c",
        "-fg",
        "#d8dee9",
      ];
      units.push({
        ...base,
        name: "xterm",
        service: null,
        command,
        ready: { by: "started" },
        after: [openbox.available ? "openbox" : "xvnc"],
      });
    }
    const bridge: Unit["command"] = [node, join(paths.runtime, "desktop.mjs")];
    const env = { ...common, ...desktopAt(where), ERRAND_RFB_SOCKET: rfb };
    units.push({
      ...base,
      name: "desktop",
      service: "desktop",
      command: bridge,
      env,
      ready: isListening(where),
      after: ["xvnc"],
    });
    return { units, missing: [] };
  }
}

const desktopAt = (where: Listening): Record<string, string> =>
  "port" in where ? { ERRAND_DESKTOP_PORT: String(where.port) } : { ERRAND_DESKTOP_SOCKET: where.socket };
const only = (unit: Unit): Programs => ({ units: [unit], missing: [] });
const without = (service: Missing["service"], reason: string): Programs => ({ units: [], missing: [{ service, reason }] });

function firstMissing(parts: Record<PartName, Part>, names: readonly PartName[]): string | null {
  for (const name of names) {
    const part = parts[name];
    if (!part.available) return `${name}: ${part.reason}`;
  }
  return null;
}
