/**
 * What the runner is told about the boot: phases with their times and the state of each service, kept so that a runner
 * which starts later, or again, hears all of it.
 */
import type { ServiceName } from "../../protocol/events.ts";
import type { ToRunnerProcess } from "./ipc.ts";
import type { Unit, UnitName } from "./unit.ts";

/** How one unit stands. `reason` where it is not well. */
export type UnitState = { state: "starting" | "available" | "restarting" | "unavailable"; reason?: string };

/** The state of a service from those of the units it consists of: the worst of them. */
export function serviceState(states: readonly UnitState[]): UnitState {
  for (const state of ["unavailable", "restarting", "starting"] as const) {
    const found = states.find((one) => one.state === state);
    if (found) return found;
  }
  return { state: "available" };
}

/** Keeps the facts and passes each on, once, when it is new. */
export function factsFor(units: readonly Unit[], tell: (message: ToRunnerProcess) => void) {
  const phases = new Map<string, Extract<ToRunnerProcess, { t: "phase" }>>();
  const services = new Map<ServiceName, Extract<ToRunnerProcess, { t: "service" }>>();
  const states = new Map<UnitName, UnitState>(units.map((unit) => [unit.name, { state: "starting" }]));
  let opencode: "up" | "down" | null = null;

  function service(name: ServiceName, state: UnitState): void {
    const before = services.get(name);
    if (before?.state === state.state && before.reason === state.reason) return;
    const message = { t: "service", service: name, ...state } as const;
    services.set(name, message);
    tell(message);
    const now = state.state === "available" ? "up" : "down";
    if (name !== "opencode" || (opencode ?? "down") === now) return;
    opencode = now;
    tell({ t: "opencode", state: now });
  }

  return {
    /** A phase began (without `ms`) or ended. One that has ended stays as it was: a restart is not a boot. */
    phase(message: Omit<Extract<ToRunnerProcess, { t: "phase" }>, "t">): void {
      if (phases.get(message.phase)?.ms !== undefined) return;
      const fact = { t: "phase", ...message } as const;
      phases.set(message.phase, fact);
      tell(fact);
    },
    unit(unit: Unit, state: UnitState): void {
      states.set(unit.name, state);
      if (unit.service === null) return;
      const parts = units.filter((one) => one.service === unit.service);
      service(unit.service, serviceState(parts.map((one) => states.get(one.name) ?? { state: "starting" })));
    },
    service,
    /** All facts, oldest first, for a runner that knows none. */
    all(): ToRunnerProcess[] {
      return [...phases.values(), ...services.values(), ...(opencode ? [{ t: "opencode", state: opencode } as const] : [])];
    },
  };
}
