/** What a session has on its forge, as the pages show it: the pull request, what could not be pushed, what errand offers to do next. */
import { offerWords, pullWords, takeWords } from "../../bots/words.ts";
import type { Pull } from "../../protocol/events.ts";
import type { OfferView, TurnView } from "../../protocol/view.ts";
import { personWords } from "./wording.ts";

/** A link to elsewhere; the text alone where the address is none of the web. */
function Outside(props: { url: string | null; text: string }) {
  if (props.url === null || !/^https?:\/\//i.test(props.url)) return <>{props.text}</>;
  return (
    <a href={props.url} rel="noopener noreferrer" target="_blank">
      {props.text}
    </a>
  );
}

const CHECKS = { none: "", pending: "quiet", passing: "ok", failing: "error" } as const;

/** The pull request in one line: name, state, size, checks. */
export function PullLine(props: { pull: Pull }) {
  const { pull } = props;
  const { name, facts, checks, failing } = pullWords({ pull, current: true });
  return (
    <p>
      <Outside url={pull.url} text={name} /> <span class="quiet">{facts.join(" · ")}</span>
      {checks === "" ? null : (
        <>
          {" · "}
          <span class={CHECKS[pull.checks.state]}>{checks}</span>
          {failing.map((check, index) => (
            <>
              {index === 0 ? ": " : ", "}
              <Outside url={check.url} text={check.name} />
            </>
          ))}
        </>
      )}
    </p>
  );
}

/** Where a turn's work went: what was pushed, and what could not be and why. */
export function Pushed(props: { turn: TurnView }) {
  const { pushed, pushFailure } = props.turn;
  return (
    <>
      {pushed === null ? null : (
        <p class="quiet">
          Pushed to <code>{pushed.branch}</code> at <code>{pushed.commit.slice(0, 7)}</code>
          {pushed.commits > 0 ? ` · ${pushed.commits === 1 ? "1 commit" : `${pushed.commits} commits`}` : ""}
        </p>
      )}
      {pushFailure === null ? null : (
        <div class="notice">
          <p>Not pushed: {pushFailure.message}</p>
          {pushFailure.action ? <p class="quiet">{pushFailure.action}</p> : null}
        </div>
      )}
    </>
  );
}

/** An offer, with a button to take it while it is open. */
export function Offer(props: { offer: OfferView; session: string }) {
  const { offer, session } = props;
  const open = offer.state === "open" && !offer.auto;
  return (
    <>
      <h3>{offer.title}</h3>
      {offer.detail === null ? null : <p class="said">{offer.detail}</p>}
      {open ? (
        <form method="post" action={`/s/${session}/say`} data-say>
          <input type="hidden" name="t" value="take" />
          <input type="hidden" name="offer" value={offer.id} />
          <div class="buttons">
            <button type="submit">{takeWords(offer)}</button>
          </div>
        </form>
      ) : (
        <p class="quiet">
          {offerWords(offer)}
          {offer.state === "taken" && offer.by ? ` by ${personWords(offer.by)}` : ""}
        </p>
      )}
    </>
  );
}
