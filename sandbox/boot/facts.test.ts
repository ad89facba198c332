import { describe, expect, it } from "vitest";
import { factsFor, serviceState, type UnitState } from "./facts.ts";
import type { ToRunnerProcess } from "./ipc.ts";
import type { Unit, UnitName } from "./unit.ts";

const unit = (name: UnitName, service: Unit["service"]): Unit => ({
  ...{ name, service, command: ["x"], cwd: "/", env: {}, ipc: false },
  ...{ ready: { by: "started" }, readyMs: 1, after: [] },
});

describe("serviceState", () => {
  const up: UnitState = { state: "available" };
  it.each([
    ["all well", [up, up], up],
    ["one starts", [up, { state: "starting" }], { state: "starting" }],
    ["one restarts", [{ state: "starting" }, { state: "restarting", reason: "r" }], { state: "restarting", reason: "r" }],
    ["one is given up", [{ state: "restarting" }, up, { state: "unavailable", reason: "u" }], { state: "unavailable", reason: "u" }],
  ] as [string, UnitState[], UnitState][])("%s", (_name, states, expected) => expect(serviceState(states)).toEqual(expected));
});

describe("factsFor", () => {
  function setUp() {
    const told: ToRunnerProcess[] = [];
    const units = [unit("opencode", "opencode"), unit("xvnc", "desktop"), unit("desktop", "desktop"), unit("openbox", null)];
    const [opencode, xvnc, desktop, openbox] = units as [Unit, Unit, Unit, Unit];
    return { told, facts: factsFor(units, (message) => told.push(message)), opencode, xvnc, desktop, openbox };
  }

  it("says that a service is available when all of its units are, and once", () => {
    const { told, facts, xvnc, desktop } = setUp();
    facts.unit(xvnc, { state: "available" });
    facts.unit(desktop, { state: "available" });
    facts.unit(desktop, { state: "available" });
    expect(told).toEqual([
      { t: "service", service: "desktop", state: "starting" },
      { t: "service", service: "desktop", state: "available" },
    ]);
  });

  it("says nothing of units that belong to no service", () => {
    const { told, facts, openbox } = setUp();
    facts.unit(openbox, { state: "unavailable", reason: "r" });
    expect(told).toEqual([]);
  });

  it("says whether OpenCode answers, from its first answer on", () => {
    const { told, facts, opencode } = setUp();
    for (const state of ["starting", "available", "restarting", "unavailable", "available"] as const) facts.unit(opencode, { state });
    expect(told.filter((message) => message.t === "opencode").map((message) => message.state)).toEqual(["up", "down", "up"]);
  });

  it("keeps the first end of a phase: a restart is not a boot", () => {
    const { told, facts } = setUp();
    facts.phase({ at: 1, phase: "vscode" });
    facts.phase({ at: 5, phase: "vscode", ms: 4, ok: true });
    facts.phase({ at: 9, phase: "vscode" });
    facts.phase({ at: 12, phase: "vscode", ms: 3, ok: true });
    expect(told).toHaveLength(2);
    expect(facts.all()).toEqual([{ t: "phase", at: 5, phase: "vscode", ms: 4, ok: true }]);
  });

  it("tells a later runner what counts now", () => {
    const { facts, opencode, xvnc } = setUp();
    facts.phase({ at: 1, phase: "opencode", ms: 2, ok: true });
    facts.unit(xvnc, { state: "available" });
    facts.unit(opencode, { state: "available" });
    facts.unit(opencode, { state: "restarting", reason: "killed" });
    expect(facts.all()).toEqual([
      { t: "phase", at: 1, phase: "opencode", ms: 2, ok: true },
      { t: "service", service: "desktop", state: "starting" },
      { t: "service", service: "opencode", state: "restarting", reason: "killed" },
      { t: "opencode", state: "down" },
    ]);
  });
});
