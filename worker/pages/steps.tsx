/** What the agent did, from the log: one line a step. */
import type { NumberedEvent } from "../../protocol/events.ts";
import { Inline, RichText } from "./rich-text.tsx";
import { duration } from "./time.ts";

/** Stands for the turn of notes that belong to none. */
export const NO_TURN = 0;

/** Finished steps, texts and notes among the events, as lines of the turn they belong to: the script moves each into its turn's list. */
export function Steps(props: { events: readonly NumberedEvent[] }) {
  return (
    <>
      {props.events.map(({ n, event }) => {
        if (event.type === "text.done" && event.text.trim() !== "") {
          return (
            <li data-n={n} data-turn={event.turn}>
              <RichText text={event.text} />
            </li>
          );
        }
        if (event.type === "note") {
          return (
            <li data-n={n} data-turn={event.turn ?? NO_TURN} class="notice">
              {event.text}
            </li>
          );
        }
        if (event.type !== "tool.finished") return null;
        const title = (
          <>
            <span class={event.ok ? "ok" : "error"}>{event.ok ? "✓" : "✗"}</span> <Inline text={event.title || event.tool} />{" "}
            <span class="quiet">
              {duration(event.ms)}
              {event.exit ? ` · exit ${event.exit}` : ""}
            </span>
          </>
        );
        return (
          <li data-n={n} data-turn={event.turn}>
            {event.output ? (
              <details>
                <summary>{title}</summary>
                <pre>{event.output}</pre>
              </details>
            ) : (
              title
            )}
          </li>
        );
      })}
    </>
  );
}
