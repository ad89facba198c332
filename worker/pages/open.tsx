/** The pages between a link and a sandbox: waiting until there is something to open, then handing over the grant. */
import { GRANT_PATH, type Mode } from "../../protocol/grant.ts";
import type { View } from "../../protocol/view.ts";
import type { AppContext } from "../routes/app.ts";
import { linkPath, type Opened, titleOfOpened } from "../routes/services.ts";
import { titleOf } from "./blocks.tsx";
import { Bar, page } from "./document.tsx";
import { Phases } from "./sandbox.tsx";
import { personWords, sandboxWords } from "./wording.ts";

/** What is being opened, of which session, and how far it goes. */
export type Opens = { session: string; view: View; opened: Opened; mode: Mode };

function Whose(props: { opens: Opens }) {
  const { view, session, opened, mode } = props.opens;
  return (
    <>
      <p class="quiet">
        Session <a href={`/s/${session}`}>{titleOf(view)}</a>
        {view.repository ? ` · ${view.repository}` : ""}
        {view.who ? ` · for ${personWords(view.who)}` : ""}
      </p>
      {mode === "watch" ? <p>You look on: what you type or point at in the {titleOfOpened(opened).toLowerCase()} does nothing.</p> : null}
    </>
  );
}

/** Shown while there is nothing to open yet; goes on by itself. `state`: the sandbox starts, or nothing answers on the port. */
export function waitingPage(c: AppContext, opens: Opens, state: "starting" | "silent", now: number): Response {
  const { session, view, opened, mode } = opens;
  const title = titleOfOpened(opened);
  const path = linkPath(session, opened);
  const content = (
    <>
      <Bar />
      <main class="narrow" data-poll={`${path}/state${mode === "watch" ? "?watch" : ""}`} data-state={state}>
        {state === "silent" ? (
          <>
            <h1>Nothing answers on port {opened.port} yet</h1>
            <Whose opens={opens} />
            <p>
              As soon as something in this sandbox serves a page on port {opened.port}, it opens here. If it was there before, it has ended.
            </p>
          </>
        ) : (
          <>
            <h1>{title} opens as soon as the sandbox runs</h1>
            <Whose opens={opens} />
          </>
        )}
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
  return page(c, `Opening ${title} · errand`, content, { script: "open", refreshSeconds: 2 });
}

/** Posts the grant to the gateway: in a form's body, so that no address, history or log holds it. `origin`: the service's own. */
export function handOverPage(c: AppContext, opens: Opens, origin: string, token: string): Response {
  const title = titleOfOpened(opens.opened);
  const content = (
    <>
      <Bar />
      <main class="narrow">
        <h1>Opening {title}</h1>
        <Whose opens={opens} />
        <form method="post" action={origin + GRANT_PATH}>
          <input type="hidden" name="token" value={token} />
          <noscript>
            <button type="submit">{opens.mode === "watch" ? `Look on at ${title}` : `Open ${title}`}</button>
          </noscript>
        </form>
      </main>
    </>
  );
  return page(c, `Opening ${title} · errand`, content, { script: "submit", formsTo: origin });
}
