/**
 * The agent's questions and permission asks as people see them. Pure.
 *
 * An ask's id says what it belongs to: `permission:<request>` or `question:<request>:<index>`. A request with several
 * questions becomes one ask after another; OpenCode gets all answers at once when the last one is answered.
 */
import type { Ask } from "../protocol/events.ts";
import type { PermissionReply } from "./opencode.ts";
import type { PermissionRequest, Question, QuestionRequest } from "./opencode-types.ts";

/** A request of the agent that waits for a person. `openedAt` in epoch ms. */
export type OpenAsk =
  | { kind: "permission"; request: string; session: string; openedAt: number; shown: PermissionRequest }
  | {
      kind: "question";
      request: string;
      session: string;
      openedAt: number;
      shown: QuestionRequest;
      answers: readonly (readonly string[])[];
    };

/** What a person said. */
export type PersonAnswer = { ask: string; choice?: string | undefined; text?: string | undefined; reject: boolean };

/** What an answer does: the next question of the same request, or something for OpenCode. */
export type Answered =
  | { does: "next"; ask: OpenAsk }
  | { does: "question"; request: string; answers: string[][] }
  | { does: "rejectQuestion"; request: string }
  | { does: "permission"; request: string; reply: PermissionReply };

/** The id under which people see the ask at this moment. */
export function askId(ask: OpenAsk): string {
  return ask.kind === "permission" ? `permission:${ask.request}` : `question:${ask.request}:${ask.answers.length}`;
}

/** The request an ask's id belongs to, or null for an id that is none of ours. */
export function requestOf(id: string): string | null {
  return /^(?:permission|question):([^:]+)(?::\d+)?$/.exec(id)?.[1] ?? null;
}

/** The ask as it is shown. `child`: it comes from a subagent. */
export function showAsk(ask: OpenAsk, child: boolean): Ask {
  return ask.kind === "permission" ? showPermission(ask.shown, askId(ask), child) : showQuestion(ask, askId(ask), child);
}

/** What an answer of a person means for the request. */
export function answerAsk(ask: OpenAsk, answer: PersonAnswer): Answered {
  if (ask.kind === "permission") return { does: "permission", request: ask.request, reply: permissionReply(answer) };
  if (answer.reject) return { does: "rejectQuestion", request: ask.request };
  const question = ask.shown.questions[ask.answers.length];
  const answers = [...ask.answers, question === undefined ? [] : questionAnswer(question, answer)];
  if (answers.length < ask.shown.questions.length) return { does: "next", ask: { ...ask, answers } };
  return { does: "question", request: ask.request, answers: answers.map((one) => [...one]) };
}

/** A rejection always carries words: without them OpenCode would end the turn. */
function permissionReply(answer: PersonAnswer): PermissionReply {
  const said = answer.text?.trim() ?? "";
  if (!answer.reject && (answer.choice === "once" || answer.choice === "always")) return { reply: answer.choice };
  return { reply: "reject", message: said === "" ? "The person did not allow this. Go on without it, or ask." : said };
}

function questionAnswer(question: Question, answer: PersonAnswer): string[] {
  const chosen = answer.choice === undefined ? undefined : (question.options[Number(answer.choice)]?.label ?? answer.choice);
  const said = answer.text?.trim() ?? "";
  const written = question.multiple === true ? said.split(/\s*[,;\n]\s*/).filter((one) => one !== "") : said === "" ? [] : [said];
  return chosen === undefined ? written : [chosen, ...written];
}

function showPermission(asked: PermissionRequest, id: string, child: boolean): Ask {
  const command = asked.metadata?.command;
  const what = typeof command === "string" ? command : asked.patterns.join(", ");
  const remembered = asked.always.length === 0 ? "" : ` (${asked.always.join(", ")})`;
  return {
    id,
    kind: "permission",
    title: cut(`${child ? "A subagent" : "The agent"} asks: may it use ${permissionName(asked.permission)}?`, 300),
    ...(what === "" ? {} : { detail: cut(what, 2_000) }),
    choices: [
      { id: "once", label: "Allow once" },
      { id: "always", label: "Allow for this session", description: cut(`Until the agent process restarts${remembered}`, 500) },
      { id: "reject", label: "Reject" },
    ],
    freeText: false,
  };
}

function permissionName(permission: string): string {
  const known: Record<string, string> = {
    bash: "the shell",
    edit: "editing",
    read: "reading",
    webfetch: "the network",
    external_directory: "a folder outside the workspace",
    doom_loop: "the same call again and again",
  };
  return known[permission] ?? `\`${permission}\``;
}

function showQuestion(ask: Extract<OpenAsk, { kind: "question" }>, id: string, child: boolean): Ask {
  const question = ask.shown.questions[ask.answers.length];
  const count = ask.shown.questions.length;
  const place = count > 1 ? `Question ${ask.answers.length + 1} of ${count}` : "";
  const several = question?.multiple === true ? "Several answers are possible: write them, separated by commas." : "";
  const detail = [place, child ? "Asked by a subagent." : "", several].filter((one) => one !== "").join(" · ");
  return {
    id,
    kind: "question",
    title: cut(question?.question || question?.header || "The agent has a question.", 2_000),
    ...(detail === "" ? {} : { detail }),
    choices: (question?.options ?? []).slice(0, 20).map((option, index) => ({
      id: String(index),
      label: cut(option.label, 300),
      ...(option.description === undefined || option.description === "" ? {} : { description: cut(option.description, 2_000) }),
    })),
    freeText: question?.custom !== false,
  };
}

function cut(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;
}
