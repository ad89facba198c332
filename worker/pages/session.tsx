/** The page of one session: what was asked, what happens, and a place to say more. */
import type { NumberedEvent } from "../../protocol/events.ts";
import { runningTurn, type View } from "../../protocol/view.ts";
import type { Decision } from "../auth/rights.ts";
import type { AppContext } from "../routes/app.ts";
import type { ModelUse } from "../session/model-caps.ts";
import { SessionBlocks, titleOf } from "./blocks.tsx";
import { Bar, page } from "./document.tsx";
import type { Reach } from "./openings.tsx";
import { Steps } from "./steps.tsx";
import { useWords } from "./wording.ts";

/**
 * What the page shows. `steps`: events for the lists of steps; `from`: number of the first that was looked at; `to`: of the last. `use`: what the Worker
 * counted of the model.
 */
export type Shown = {
  session: string;
  view: View;
  n: number;
  steps: readonly NumberedEvent[];
  from: number;
  to: number;
  use: ModelUse | null;
  now: number;
};

/** The whole page. `prompting`: whether the person may say something here. `reach`: what of the sandbox they may open. */
export function sessionPage(c: AppContext, shown: Shown, prompting: Decision, reach: Reach): Response {
  const { session, view } = shown;
  const content = (
    <>
      <Bar>
        <span id="connection" class="quiet" role="status"></span>
      </Bar>
      <Main shown={shown} reach={reach} inPlace looking={!prompting.ok} />
      <footer class="composer">
        {prompting.ok ? <Composer session={session} /> : <p class="quiet">{prompting.why}</p>}
        <p id="outcome" class="quiet" role="status"></p>
      </footer>
    </>
  );
  return page(c, `${titleOf(view)} · errand`, content, { script: "session" });
}

function Composer(props: { session: string }) {
  return (
    <form method="post" action={`/s/${props.session}/say`} data-say id="composer">
      <input type="hidden" name="t" value="prompt" />
      <input type="hidden" name="id" value={crypto.randomUUID()} />
      <textarea
        name="text"
        rows={2}
        required
        maxlength={40_000}
        placeholder="Ask for more. It starts when the work before it is done."
        aria-label="Prompt"
      ></textarea>
      <button type="submit">Send</button>
    </form>
  );
}

/** The changing part alone, for the page's script. */
export function sessionFragment(c: AppContext, shown: Shown, reach: Reach): Response {
  c.header("cache-control", "no-store");
  return c.html((<Main shown={shown} reach={reach} inPlace={false} looking={false} />).toString());
}

/** `inPlace`: steps stand in their turns' lists; otherwise they come apart, for the script to append. `looking`: without buttons, which would be refused. */
function Main(props: { shown: Shown; reach: Reach; inPlace: boolean; looking: boolean }) {
  const { shown, reach, inPlace, looking } = props;
  const { session, view, n, steps, from, to, use, now } = shown;
  const running = runningTurn(view) !== undefined || view.sandbox.state === "starting";
  return (
    <main class={looking ? "looking" : ""} data-session={session} data-n={n} data-to={to} data-running={String(running)}>
      <SessionBlocks view={view} session={session} reach={reach} now={now} steps={inPlace ? steps : []} />
      {use === null || use.calls === 0 ? null : (
        <p class="quiet" id="use" data-block>
          {useWords(use)}
        </p>
      )}
      {inPlace && from > 1 ? (
        <p class="quiet">
          Steps before event {from} are not shown here; <a href={`/api/sessions/${session}/events?after=0`}>the log</a> has them.
        </p>
      ) : null}
      {inPlace ? null : (
        <template id="new-steps">
          <Steps events={steps} />
        </template>
      )}
    </main>
  );
}
