/** The sandbox as the pages show it: its state, how it boots, what runs in it. */
import type { SandboxView } from "../../protocol/view.ts";
import { phaseLines, sandboxWords } from "./wording.ts";

const STATE_OF_SERVICE = { starting: "starting", available: "ready", restarting: "restarting", unavailable: "unavailable" } as const;

/** Boot phases with their times. */
export function Phases(props: { sandbox: SandboxView; now: number }) {
  return (
    <ol class="phases">
      {phaseLines(props.sandbox, props.now).map((phase) => (
        <li class={phase.state}>
          <span>{phase.name}</span> <span class="quiet">{phase.time}</span>
          {phase.error === null ? null : <span class="error"> {phase.error}</span>}
        </li>
      ))}
    </ol>
  );
}

/** All of it, folded once it is ready. */
export function Sandbox(props: { sandbox: SandboxView; now: number }) {
  const { sandbox, now } = props;
  const services = Object.entries(sandbox.services);
  const settled = sandbox.state === "ready" || sandbox.state === "none";
  return (
    <details open={!settled} data-open={String(!settled)}>
      <summary>
        <span class={`dot ${sandbox.state}`}></span> {sandboxWords(sandbox)}
        {sandbox.generation > 1 ? <span class="quiet"> · start number {sandbox.generation} of this session</span> : null}
      </summary>
      {sandbox.failure ? (
        <p class="error">
          {sandbox.failure.message} {sandbox.failure.action ?? ""}
        </p>
      ) : null}
      <Phases sandbox={sandbox} now={now} />
      {services.length === 0 ? null : (
        <ul class="services">
          {services.map(([name, service]) => (
            <li>
              <span class={`dot ${service.state}`}></span> {name} <span class="quiet">{STATE_OF_SERVICE[service.state]}</span>
              {service.reason === null ? null : <span class="quiet"> · {service.reason}</span>}
            </li>
          ))}
        </ul>
      )}
    </details>
  );
}
