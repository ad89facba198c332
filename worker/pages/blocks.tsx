/**
 * A session as a flat list of blocks. Each has an id, so that the page's script can replace those that changed and leave
 * the rest, with what was typed into it, alone. Without the script the same blocks are the whole page.
 */
import type { Child } from "hono/jsx";
import { visible } from "../../bots/visible.ts";
import { closedWords } from "../../bots/words.ts";
import type { NumberedEvent } from "../../protocol/events.ts";
import { type AskView, answerOf, isOver, queuedTurns, type TurnView, type View } from "../../protocol/view.ts";
import { Offer, PullLine, Pushed } from "./forge.tsx";
import { Openings, type Reach } from "./openings.tsx";
import { Inline, RichText } from "./rich-text.tsx";
import { Sandbox } from "./sandbox.tsx";
import { NO_TURN, Steps } from "./steps.tsx";
import { duration } from "./time.ts";
import { personWords, TURN_WORDS, turnFigures } from "./wording.ts";

/** One block. */
export function Block(props: { id: string; class?: string; children?: Child }) {
  return (
    <section id={props.id} class={`block ${props.class ?? ""}`} data-block>
      {props.children}
    </section>
  );
}

const PLAN_MARK = { pending: "○", in_progress: "◐", completed: "✓", cancelled: "–" } as const;
const FILE_MARK = { added: "A", modified: "M", deleted: "D", renamed: "R" } as const;

function Plan(props: { turn: TurnView }) {
  return (
    <ul class="plan">
      {props.turn.plan.map((item) => {
        // Nothing of a turn that is over is in progress.
        const status = item.status === "in_progress" && isOver(props.turn.state) ? "pending" : item.status;
        return (
          <li class={status}>
            <span aria-hidden="true">{PLAN_MARK[status]}</span> <Inline text={item.text} />
            <span class="unseen"> ({status.replace("_", " ")})</span>
          </li>
        );
      })}
    </ul>
  );
}

function Files(props: { turn: TurnView }) {
  const { files, filesTotal } = props.turn;
  return (
    <details>
      <summary>{filesTotal === 1 ? "1 file changed on this branch" : `${filesTotal} files changed on this branch`}</summary>
      <ul class="files">
        {files.map((file) => (
          <li>
            <span class="quiet">{FILE_MARK[file.status]}</span> <code>{file.path}</code> <span class="added">+{file.additions}</span>{" "}
            <span class="removed">−{file.deletions}</span>
          </li>
        ))}
        {filesTotal > files.length ? <li class="quiet">and {filesTotal - files.length} more</li> : null}
      </ul>
    </details>
  );
}

/** What is asked is shown without characters that are not seen: a command must read as it will run, in no other direction. */
function AskBlock(props: { ask: AskView; session: string }) {
  const { ask, session } = props;
  const settled = ask.state !== "open";
  return (
    <>
      <h3>{ask.kind === "permission" ? "The agent asks for permission" : "The agent asks"}</h3>
      <p>{visible(ask.title)}</p>
      {ask.detail === undefined ? null : <pre>{visible(ask.detail)}</pre>}
      {settled ? (
        <p class="quiet">
          {ask.answer ?? "closed"}
          {ask.by ? ` · ${personWords(ask.by)}` : ""}
          {ask.expired ? " · nobody answered in time" : ""}
        </p>
      ) : (
        <form method="post" action={`/s/${session}/say`} data-say>
          <input type="hidden" name="t" value="answer" />
          <input type="hidden" name="ask" value={ask.id} />
          <div class="buttons">
            {ask.choices.map((choice) => (
              <button type="submit" name="choice" value={choice.id} title={choice.description}>
                {visible(choice.label)}
              </button>
            ))}
          </div>
          {ask.freeText ? (
            <div class="row">
              <input type="text" name="text" placeholder="or answer in your own words" aria-label="Answer" autocomplete="off" />
              <button type="submit">Answer</button>
            </div>
          ) : null}
        </form>
      )}
    </>
  );
}

function Now(props: { turn: TurnView; now: number }) {
  const { turn, now } = props;
  return (
    <>
      {turn.parts
        .filter((part) => !part.done && part.text !== "")
        .map((part) => (
          <div class="writing">{part.text}</div>
        ))}
      {turn.tools.map((tool) => (
        <p class="step">
          <span class="spinner" aria-hidden="true"></span> <Inline text={tool.title || tool.tool} />{" "}
          <span class="quiet">{duration(now - tool.startedAt)}</span>
        </p>
      ))}
      {turn.thinking ? <p class="quiet">thinking …</p> : null}
      {turn.retry ? <p class="notice">The model call failed and is tried again: {turn.retry.message}</p> : null}
    </>
  );
}

/** The blocks of one turn, in order. */
function Turn(props: { turn: TurnView; place: number | null; session: string; now: number; steps: readonly NumberedEvent[] }) {
  const { turn, place, session, now, steps } = props;
  const id = (name: string) => `t${turn.id}-${name}`;
  const over = isOver(turn.state);
  const answer = over ? answerOf(turn) : "";
  const writing = turn.thinking || turn.retry !== null || turn.tools.length > 0 || turn.parts.some((part) => !part.done);
  return (
    <>
      <Block id={id("prompt")} class="prompt">
        <p class="quiet">{personWords(turn.who)}</p>
        <p class="said">{turn.prompt}</p>
      </Block>
      {turn.plan.length > 0 ? (
        <Block id={id("plan")}>
          <Plan turn={turn} />
        </Block>
      ) : null}
      {turn.startedAt === null ? null : (
        <Block id={id("steps")}>
          <details class="transcript" open={!over} data-open={String(!over)}>
            <summary>What it did</summary>
            <ol data-steps={turn.id}>
              <Steps events={steps.filter(({ event }) => "turn" in event && event.turn === turn.id)} />
            </ol>
          </details>
        </Block>
      )}
      {!over && writing ? (
        <Block id={id("now")}>
          <Now turn={turn} now={now} />
        </Block>
      ) : null}
      {turn.asks.map((ask) => (
        <Block id={id(`ask-${ask.id}`)} class={`ask ${ask.state}`}>
          <AskBlock ask={ask} session={session} />
        </Block>
      ))}
      {answer === "" ? null : (
        <Block id={id("answer")} class="answer">
          <RichText text={answer} />
        </Block>
      )}
      {turn.filesTotal > 0 ? (
        <Block id={id("files")}>
          <Files turn={turn} />
        </Block>
      ) : null}
      {turn.pushed !== null || turn.pushFailure !== null ? (
        <Block id={id("pushed")}>
          <Pushed turn={turn} />
        </Block>
      ) : null}
      {turn.notices.length > 0 ? (
        <Block id={id("notices")}>
          {turn.notices.map((notice) => (
            <p class="notice">{notice}</p>
          ))}
        </Block>
      ) : null}
      {turn.failure ? (
        <Block id={id("failure")} class="failure">
          <p>{turn.failure.message}</p>
          {turn.failure.action ? <p class="quiet">{turn.failure.action}</p> : null}
        </Block>
      ) : null}
      <Block id={id("state")} class="state">
        <span class={`pill ${turn.state}`}>
          {turn.held !== null && !over ? "waiting for an account to be linked" : TURN_WORDS[turn.state]}
        </span>
        {place === null ? null : <span class="quiet"> {place === 1 ? "next" : `number ${place} in the queue`}</span>}
        <span class="quiet"> {turnFigures(turn, now).join(" · ")}</span>
      </Block>
      {/* Apart from the times beside it: a button that is replaced while it is pressed is not pressed. */}
      {over ? null : (
        <Block id={id("stop")}>
          <form method="post" action={`/s/${session}/say`} data-say>
            <input type="hidden" name="t" value="stop" />
            <input type="hidden" name="turn" value={String(turn.id)} />
            <button type="submit" class="small" disabled={turn.state === "stopping"}>
              {turn.state === "queued" ? "Withdraw" : "Stop"}
            </button>
          </form>
        </Block>
      )}
    </>
  );
}

function Head(props: { view: View; session: string; reach: Reach }) {
  const { view, session, reach } = props;
  return (
    <>
      <h1>{titleOf(view)}</h1>
      <p class="quiet">
        {view.repository ?? "no repository"}
        {view.branch === "" ? "" : ` · ${view.branch}`}
        {view.model === "" ? "" : ` · ${view.model}`}
        {view.who ? ` · for ${personWords(view.who)}` : ""}
      </p>
      <Openings view={view} session={session} reach={reach} />
    </>
  );
}

/** What a session is about: the first line of its first prompt, cut. */
export function titleOf(view: View): string {
  const line = view.turns[0]?.prompt.trim().split("\n")[0] ?? "";
  return line.length > 120 ? `${line.slice(0, 119)}…` : line || "Session";
}

/** All blocks of a session. `steps`: the events whose steps are put into their turns' lists. `now` in ms since 1970. */
export function SessionBlocks(props: { view: View; session: string; reach: Reach; now: number; steps: readonly NumberedEvent[] }) {
  const { view, session, reach, now, steps } = props;
  const queue = queuedTurns(view)
    .filter((turn) => turn.held === null)
    .map((turn) => turn.id);
  const closed = closedWords(view);
  return (
    <>
      <Block id="head" class="head">
        <Head view={view} session={session} reach={reach} />
      </Block>
      {view.pull === null ? null : (
        <Block id="pull" class="pull">
          <PullLine pull={view.pull} />
        </Block>
      )}
      {view.turns.map((turn) => (
        <Turn turn={turn} place={queue.includes(turn.id) ? queue.indexOf(turn.id) + 1 : null} session={session} now={now} steps={steps} />
      ))}
      {view.offers.map((offer) => (
        <Block id={`offer-${offer.id}`} class={`ask ${offer.state}`}>
          <Offer offer={offer} session={session} />
        </Block>
      ))}
      {closed === null ? null : (
        <Block id="closed">
          <p class="notice">{closed} Ask for more to begin again.</p>
        </Block>
      )}
      <Block id="notes">
        <ol data-steps={NO_TURN}>
          <Steps events={steps.filter(({ event }) => event.type === "note" && event.turn === null)} />
        </ol>
      </Block>
      <Block id="sandbox" class="sandbox">
        <Sandbox sandbox={view.sandbox} now={now} />
      </Block>
    </>
  );
}
