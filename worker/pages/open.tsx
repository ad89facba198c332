/** The pages between a link and a sandbox: waiting until it runs, then handing over the grant. */
import { GRANT_PATH } from "../../protocol/grant.ts";
import type { View } from "../../protocol/view.ts";
import type { AppContext } from "../routes/app.ts";
import { type LinkedService, SERVICE_TITLES } from "../routes/services.ts";
import { titleOf } from "./blocks.tsx";
import { Bar, page } from "./document.tsx";
import { Phases } from "./sandbox.tsx";
import { sandboxWords } from "./wording.ts";

function Whose(props: { view: View; session: string }) {
  const { view, session } = props;
  return (
    <p class="quiet">
      Session <a href={`/s/${session}`}>{titleOf(view)}</a>
      {view.repository ? ` · ${view.repository}` : ""}
      {view.who ? ` · for ${view.who.name ?? view.who.id}` : ""}
    </p>
  );
}

/** Shown while the sandbox starts; goes on by itself. */
export function waitingPage(c: AppContext, session: string, service: LinkedService, view: View, now: number): Response {
  const content = (
    <>
      <Bar />
      <main class="narrow" data-poll={`/s/${session}/open/${service}/state`}>
        <h1>{SERVICE_TITLES[service]} opens as soon as the sandbox runs</h1>
        <Whose view={view} session={session} />
        <p id="state" role="status">
          {sandboxWords(view.sandbox)}
        </p>
        <div id="phases">
          <Phases sandbox={view.sandbox} now={now} />
        </div>
        <noscript>
          <p class="quiet">This page asks again every two seconds.</p>
        </noscript>
      </main>
    </>
  );
  return page(c, `Opening ${SERVICE_TITLES[service]} · errand`, content, { script: "open", refreshSeconds: 2 });
}

/** Posts the grant to the gateway: in a form's body, so that no address, history or log holds it. */
export function handOverPage(c: AppContext, session: string, service: LinkedService, view: View, origin: string, token: string): Response {
  const content = (
    <>
      <Bar />
      <main class="narrow">
        <h1>Opening {SERVICE_TITLES[service]}</h1>
        <Whose view={view} session={session} />
        <form method="post" action={origin + GRANT_PATH}>
          <input type="hidden" name="token" value={token} />
          <noscript>
            <button type="submit">Open {SERVICE_TITLES[service]}</button>
          </noscript>
        </form>
      </main>
    </>
  );
  return page(c, `Opening ${SERVICE_TITLES[service]} · errand`, content, { script: "submit", formsTo: origin });
}
