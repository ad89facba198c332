import { describe, expect, it } from "vitest";
import { PART_NAMES, type Part, type PartName } from "../image/report.ts";
import { bootConfig } from "../testing.ts";
import type { InsideConfig } from "./config.ts";
import { commonEnvironment, opencodeEnvironment } from "./environment.ts";
import { bootFiles } from "./files.ts";
import { programs } from "./units.ts";

const config: InsideConfig = {
  boot: bootConfig({
    generation: 3,
    runnerToken: "the-runner-token",
    modelToken: "the-model-token",
    workerOrigin: "https://errand.example",
    models: [{ id: "main", name: "Main", context: 1, output: 1, price: null }],
  }),
  startedAt: 0,
  ports: { opencode: 4096, vscode: 8080, desktop: 6080, terminal: 7681, terminalWatch: 7682, gateway: 9000 },
  display: 99,
  paths: { home: "/home/dev", workspace: "/workspace/repo", run: "/run/errand", runtime: "/opt/runtime", parts: "/opt/parts" },
  workerUrl: "http://127.0.0.1:8787",
  sites: null,
  gatewaySocket: null,
  forwards: [],
  egressProxy: "http://127.0.0.1:3128",
};
const all = Object.fromEntries(
  PART_NAMES.map((name) => [name, { available: true, path: `/opt/parts/${name}/bin/${name}`, version: "1" }]),
) as Record<PartName, Part>;
const lacking = (...names: PartName[]) => ({
  ...all,
  ...Object.fromEntries(names.map((name) => [name, { available: false, reason: "no apt here" } as const])),
});
const make = (parts: Record<PartName, Part>) =>
  programs({
    config,
    parts,
    common: commonEnvironment(config, parts, { PATH: "/usr/bin" }),
    node: "/node",
    password: "the-password",
    authorization: "Basic x",
  });

it("gives services without a port a socket, each of its own", () => {
  const ports = { ...config.ports, vscode: null, desktop: null, terminal: null, terminalWatch: null };
  const common = commonEnvironment(config, all, {});
  const { units } = programs({ config: { ...config, ports }, parts: all, common, node: "/node", password: "p", authorization: "Basic x" });
  const ready = Object.fromEntries(units.map((unit) => [unit.name, unit.ready]));
  const at = (name: string) => ({ by: "socket", path: `/run/errand/${name}.sock` });
  expect(ready).toMatchObject({
    ...{ vscode: at("vscode"), desktop: at("desktop"), terminal: at("terminal"), "terminal-watch": at("terminalWatch") },
  });
  expect(units.flatMap(({ command }) => command).filter((word) => word.includes("127.0.0.1") || word === "null")).toEqual(["127.0.0.1"]);
});

describe("programs", () => {
  it("runs everything when everything is there", () => {
    const { units, missing } = make(all);
    expect(missing).toEqual([]);
    expect(units.map((unit) => unit.name).sort()).toEqual([
      "desktop",
      "gateway",
      "openbox",
      "opencode",
      "runner",
      "terminal",
      "terminal-watch",
      "tmux",
      "vscode",
      "xterm",
      "xvnc",
    ]);
  });

  it.each([
    [["ttyd"], "terminal", "ttyd: no apt here"],
    [["tmux"], "terminal", "tmux: no apt here"],
    [["Xvnc"], "desktop", "Xvnc: no apt here"],
    [["code-server"], "vscode", "code-server: no apt here"],
    [["opencode"], "opencode", "no apt here"],
  ] as [PartName[], string, string][])("does without %s and says why", (names, service, reason) => {
    const { units, missing } = make(lacking(...names));
    expect(missing).toEqual([{ service, reason }]);
    expect(units.filter((unit) => unit.service === service)).toEqual([]);
  });

  it("shows a desktop without window manager or first window", () => {
    const { units, missing } = make(lacking("openbox"));
    expect(missing).toEqual([]);
    expect(units.find((unit) => unit.name === "xterm")?.after).toEqual(["xvnc"]);
  });

  it("listens on loopback only, at the ports it was given", () => {
    const lines = make(all)
      .units.map((unit) => unit.command.join(" "))
      .join("\n");
    expect(lines).toMatch(/serve --hostname 127\.0\.0\.1 --port 4096/);
    expect(lines).toMatch(/--bind-addr 127\.0\.0\.1:8080/);
    expect(lines).toMatch(/-i 127\.0\.0\.1 -p 7681/);
    expect(lines).toMatch(/-i 127\.0\.0\.1 -p 7682/);
    expect(lines).toMatch(/-rfbport -1/);
  });

  it("has no secret on a command line, and none in an environment but what OpenCode must hold", () => {
    for (const unit of make(all).units) {
      expect(unit.command.join(" ")).not.toMatch(/the-/);
      const environment = JSON.stringify(unit.env);
      expect(environment).not.toContain("the-runner-token");
      if (unit.name !== "opencode") expect(environment, unit.name).not.toMatch(/the-model-token|the-password/);
    }
  });

  it("says so when the desktop's socket would have too long a path", () => {
    const deep = { ...config, paths: { ...config.paths, run: `/${"r".repeat(120)}` } };
    const { missing } = programs({ config: deep, parts: all, common: {}, node: "/node", password: "p", authorization: "a" });
    expect(missing).toMatchObject([{ service: "desktop", reason: expect.stringContaining("too long") }]);
  });
});

describe("environments", () => {
  it("lead out through the proxy, never for loopback", () => {
    const common = commonEnvironment(config, all, { PATH: "/usr/bin" });
    expect(common).toMatchObject({
      HTTPS_PROXY: "http://127.0.0.1:3128",
      http_proxy: "http://127.0.0.1:3128",
      NO_PROXY: "localhost,127.0.0.1",
      NODE_USE_ENV_PROXY: "1",
    });
    expect(common).toMatchObject({ DISPLAY: ":99", GIT_TERMINAL_PROMPT: "0", HOME: "/home/dev" });
    expect(common.PATH?.split(":").slice(0, 2)).toEqual(["/home/dev/.local/bin", "/opt/parts/node/bin"]);
  });
  it("keep an operator's proxy where there is none of ours, and nothing else of the surroundings", () => {
    const direct = { ...config, egressProxy: null };
    const common = commonEnvironment(direct, all, {
      PATH: "/bin",
      HTTPS_PROXY: "http://corp:1",
      AWS_SECRET_ACCESS_KEY: "x",
      OPENCODE_CONFIG: "y",
    });
    expect(common.HTTPS_PROXY).toBe("http://corp:1");
    expect(Object.keys(common).filter((name) => /AWS|OPENCODE/.test(name))).toEqual([]);
  });
  it("give OpenCode no empty flag, which would abort its start", () => {
    expect(Object.values(opencodeEnvironment(config, "p")).every((value) => value.length > 0)).toBe(true);
  });
});

describe("bootFiles", () => {
  it("point OpenCode at this session's model route, without the token", () => {
    const file = bootFiles(config, "rules").find((one) => one.path === "/run/errand/opencode/opencode.json");
    expect(file?.text).toContain(`http://127.0.0.1:8787/sandbox/${config.boot.session}/model/v1`);
    expect(
      bootFiles(config, "rules")
        .map((one) => one.text)
        .join(),
    ).not.toMatch(/the-/);
  });
  it("replace nothing that lies in the home", () => {
    for (const file of bootFiles(config, "rules")) expect(file.seed, file.path).toBe(file.path.startsWith("/home/dev/"));
  });
});
