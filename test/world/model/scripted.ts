/** A model for tests that says what a script says, chosen by a marker in the last prompt. */
import { type ChatRequest, isTitleRequest, type Reply, titleOf, turnsOf } from "./chat.ts";
import type { ModelFault, Respond } from "./serve.ts";

/** One answer of a script. `faults` go wrong one after another, one a request, before the answer is given. */
export interface Step extends Reply {
  faults?: ModelFault[];
}

/** Scripts by marker: the prompt that contains the marker gets these steps, one an answer; after the last, a closing word. */
export type Scripts = Record<string, Step[] | ((request: ChatRequest) => Step)>;

/**
 * Makes the answers of a scripted model. The first marker found in the last prompt counts; a prompt without one gets
 * `otherwise` (default: it says so). Requests for a title get a short one.
 */
export function scriptedModel(options: { scripts: Scripts; otherwise?: Step }): Respond {
  const used = new Map<string, number>();
  return (request) => {
    if (isTitleRequest(request)) return { reply: { text: titleOf(request) } };
    const turn = turnsOf(request).at(-1);
    const marker = Object.keys(options.scripts).find((name) => turn?.prompt.includes(name));
    const script = marker === undefined ? undefined : options.scripts[marker];
    const at = turn?.answers ?? 0;
    const step =
      typeof script === "function" ? script(request) : (script?.[at] ?? (script ? { text: "The script is over." } : options.otherwise));
    if (!step) return { reply: { text: "This scripted model knows no such prompt." } };
    const { faults = [], ...reply } = step;
    const key = `${marker}:${at}:${request.messages.length}`;
    const nth = used.get(key) ?? 0;
    used.set(key, nth + 1);
    return { reply, fault: faults[nth] };
  };
}
