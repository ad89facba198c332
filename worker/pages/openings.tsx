/** What pages offer to open in a session's sandbox. */
import { visible } from "../../bots/visible.ts";
import type { View } from "../../protocol/view.ts";
import type { Decision } from "../auth/rights.ts";
import { isWatched, LINKED_SERVICES, linkPath, SERVICE_TITLES } from "../routes/services.ts";

/** What the person who looks at the page may do with the sandbox. */
export type Reach = { drive: Decision; watch: Decision };

const SERVICES = LINKED_SERVICES.map((service) => ({ service, port: null }) as const);

/** Ways to look on. */
export function LookOn(props: { session: string }) {
  return (
    <nav class="links">
      {SERVICES.filter(isWatched).map((one) => (
        <a class="button" href={linkPath(props.session, one)} target="_blank" rel="noopener">
          Look on: {SERVICE_TITLES[one.service]}
        </a>
      ))}
    </nav>
  );
}

/** What opens in the sandbox, for who may use it, and for who may look on; for the others why nothing does. */
export function Openings(props: { view: View; session: string; reach: Reach }) {
  const { view, session, reach } = props;
  if (!reach.drive.ok && !reach.watch.ok) return <p class="quiet">{reach.drive.why}</p>;
  if (!reach.drive.ok)
    return (
      <>
        <LookOn session={session} />
        <p class="quiet">{reach.drive.why}</p>
      </>
    );
  return (
    <>
      <nav class="links">
        {SERVICES.map((one) => (
          <a class="button" href={linkPath(session, one)} target="_blank" rel="noopener">
            {SERVICE_TITLES[one.service]}
          </a>
        ))}
      </nav>
      <Ports view={view} session={session} />
    </>
  );
}

/** What the agent serves. Titles are those of its pages. */
function Ports(props: { view: View; session: string }) {
  const { view } = props;
  // With its conversation a session's sandbox has ended.
  const ports = view.closed === null ? view.sandbox.ports : [];
  if (ports.length === 0) return null;
  return (
    <>
      <p class="quiet">Served in the sandbox:</p>
      <ul class="ports">
        {ports.map(({ port, title }) => (
          <li>
            <a href={linkPath(props.session, { service: "preview", port })} target="_blank" rel="noopener">
              Port {port}
            </a>
            {title === null ? null : <span class="quiet"> {visible(title)}</span>}
          </li>
        ))}
      </ul>
    </>
  );
}
