/** What people do to messages of ours: boxes they tick, text they change, buttons of our check runs. Pure. */

import type * as z from "zod";
import { base, type Delivery, gateOf, heard, ignored, pullsHere } from "./delivery.ts";
import type { Told, ToldChecks } from "./events.ts";
import { type Box, boxMark, keyIn, tickedIn } from "./marker.ts";
import { CHECK_ACTION } from "./status.ts";
import type { Verdict } from "./verdict.ts";
import { millis } from "./words.ts";

/** The turn that a message's key names. */
function turnIn(key: string): number | undefined {
  const turn = Number(/:turn:(\d{1,9}):/.exec(key)?.[1]);
  return Number.isSafeInteger(turn) && turn > 0 ? turn : undefined;
}

/**
 * A comment of ours was changed. A box that somebody ticked does what it says; any other change is taken back. Only what we wrote counts: what
 * the person changed besides is no mark of ours. `id` is the message's, as told when it was sent.
 */
export function ownEdited(told: Told["comment"] | Told["line"], number: number, id: string, delivery: Delivery): Verdict {
  if (told.sender.type !== "User") return ignored("our own comment, changed by no person");
  const from = told.changes?.body?.from;
  if (from == null) return ignored("the text did not change");
  const { comment } = told;
  // A tick that is refused must not stay, and one that was taken shows as what came of it.
  const common = { ...base(told, number, millis(comment.updated_at ?? comment.created_at), delivery), touched: id };
  const rest = { gate: gateOf(told) };
  const marksOf = (boxes: Box[]) => new Set(boxes.map(boxMark));
  const were = marksOf(tickedIn(from));
  const ticked = tickedIn(comment.body ?? "").find((box) => from.includes(boxMark(box)) && !were.has(boxMark(box)));
  const key = keyIn(from) ?? "";
  if (ticked?.kind === "stop") {
    const turn = turnIn(key);
    return heard({ kind: "stop", ...common, ...(turn === undefined ? {} : { turn }) }, rest);
  }
  const ask = /^[^:]+:ask:(.+)$/s.exec(key)?.[1];
  if (ticked?.kind === "choice" && ask) return heard({ kind: "answer", ...common, ask, choice: ticked.id }, rest);
  const offer = /^[^:]+:offer:(.+)$/s.exec(key)?.[1];
  if (ticked?.kind === "take" && offer) return heard({ kind: "take", ...common, offer }, rest);
  return heard({ kind: "restore", ...common }, rest);
}

type Run = z.output<(typeof ToldChecks)["check_run"]>;

/** A button of our check run, or its "Re-run". */
export function buttonPressed(told: Run, delivery: Delivery): Verdict {
  const { check_run: run, sender, requested_action: action } = told;
  // GitHub tells only the App that made the check run; a check run that names another App is not ours.
  if (run.app && String(run.app.id) !== delivery.self.appId) return ignored("a check run of another App");
  if (sender.type !== "User") return ignored("pressed by no person");
  // A commit can be in a pull request of another repository too, such as that of a fork's parent, which has other numbers.
  const number = pullsHere(run.pull_requests, told.repository)[0];
  if (number === undefined) return ignored("the check run names no pull request");
  // A press has no time of its own; the run's newest is the nearest before it.
  const common = base(told, number, run.completed_at ?? run.started_at ?? 0, delivery);
  const rest = { gate: gateOf(told) };
  const pressed = delivery.action === "rerequested" ? CHECK_ACTION.retry : action?.identifier;
  if (pressed === CHECK_ACTION.retry) return heard({ kind: "retry", ...common }, rest);
  if (pressed === CHECK_ACTION.fix) return heard({ kind: "take", ...common }, rest);
  if (pressed !== CHECK_ACTION.stop) return ignored(`a button that is not ours: ${String(pressed).slice(0, 40)}`);
  const turn = turnIn(run.external_id ?? "");
  return heard({ kind: "stop", ...common, ...(turn === undefined ? {} : { turn }) }, rest);
}
