/** What went wrong in a turn, in words for a person, with a stable code and what to do. Pure. */
import { z } from "zod";
import type { Failure } from "../protocol/events.ts";
import type { OpenCodeError } from "./opencode-types.ts";

const MESSAGE_LIMIT = 400;

/** Whether an error text says that the disk is full, in the words of the kernel, git, Node or SQLite. */
export function isDiskFull(text: string): boolean {
  return /ENOSPC|no space left on device|disk is full|disk full|disk quota exceeded/i.test(text);
}

/** The disk of the sandbox is full. */
export const DISK_FULL: Failure = {
  code: "disk_full",
  message: "The sandbox's disk is full, so the agent could not go on.",
  action: "Open the terminal, delete what is not needed, then send the request again.",
};

/** Three answers in a row ended without a reason: OpenCode would call the model again without end. */
export const RUNAWAY: Failure = {
  code: "model_no_finish",
  message: "The model's answers end without a reason, so the turn was stopped after three of them.",
  action: "Try again later, or choose another model.",
};

/** OpenCode died, or lost its work, twice in one turn. */
export const AGENT_DIED: Failure = {
  code: "agent_died",
  message: "The agent stopped in the middle of its work twice, so the turn was given up. Changes in the workspace are kept.",
  action: "Send the request again, perhaps in smaller steps.",
};

/** OpenCode does not answer any more, or never did. */
export function agentUnavailable(seconds: number): Failure {
  return {
    code: "agent_unavailable",
    message: `The agent process did not answer for ${seconds} s.`,
    action: "Send the request again; if it fails once more, start a new session.",
  };
}

/** The prompt was given to OpenCode but is not in its transcript. */
export function promptLost(why: string): Failure {
  return { code: "prompt_lost", message: cut(`The agent did not take the request: ${why}`), action: "Send the request again." };
}

/** The model gave neither text nor a tool call. */
export const EMPTY_ANSWER: Failure = {
  code: "empty_answer",
  message: "The model returned nothing.",
  action: "Ask again in other words, or choose another model.",
};

/** No sign of life for `minutes` while nothing that could be waited for was running. */
export function stuck(minutes: number): Failure {
  return {
    code: "stuck",
    message: `The agent gave no sign of life for ${minutes} minutes and was stopped.`,
    action: "Send the request again.",
  };
}

/** The failure behind an error of OpenCode. */
export function failureOf(error: OpenCodeError): Failure {
  const message = cut(firstLine(error.data.message ?? error.name));
  const status = error.data.statusCode;
  if (isDiskFull(error.data.message ?? "")) return DISK_FULL;
  const budget = budgetReached(error.data.responseBody);
  if (budget) return budget;
  switch (error.name) {
    case "ProviderAuthError":
      return { code: "model_auth", message: `The model refused the key: ${message}`, action: "Check the model's key in the settings." };
    case "ContextOverflowError":
      return {
        code: "context_overflow",
        message: `The conversation is too long for the model: ${message}`,
        action: "Start a new session, or ask for less at once.",
      };
    case "MessageOutputLengthError":
      return {
        code: "output_length",
        message: "The answer was longer than the model may write.",
        action: "Ask for a shorter answer, or for one part at a time.",
      };
    case "ContentFilterError":
      return {
        code: "content_filter",
        message: `The model's provider filtered the answer: ${message}`,
        action: "Ask in other words, or choose another model.",
      };
    case "APIError":
      return apiFailure(status, message);
    default:
      if (/model not found/i.test(message))
        return { code: "model_not_found", message, action: "Choose one of the models that are configured." };
      return {
        code: "agent_error",
        message: `The agent failed: ${message}`,
        action: "Send the request again; if it fails once more, start a new session.",
      };
  }
}

const BudgetReached = z.object({ error: z.object({ code: z.literal("budget_reached"), message: z.string(), action: z.string() }) });

/** The failure where the Worker itself refused a call, since a cap of the installation is reached: it says which, and what to do. */
function budgetReached(body: string | undefined): Failure | null {
  try {
    // Digits come apart, since OpenCode would take some numbers for a status; see the Worker's model route.
    const { code, message, action } = BudgetReached.parse(JSON.parse((body ?? "").replaceAll("\u200b", ""))).error;
    return { code, message: cut(message), action: cut(action) };
  } catch {
    return null;
  }
}

function apiFailure(status: number | undefined, message: string): Failure {
  const answered = status === undefined ? "did not answer properly" : `answered ${status}`;
  if (status === 401 || status === 403)
    return {
      code: "model_auth",
      message: `The model ${answered}: ${message}`,
      action: "Check the model's key and rights in the settings.",
    };
  if (status === 402)
    return { code: "model_budget", message: `The model ${answered}: ${message}`, action: "Raise the budget, then send the request again." };
  if (status === 429)
    return {
      code: "model_rate_limited",
      message: `The model ${answered} (too many requests): ${message}`,
      action: "Wait a while, then send the request again.",
    };
  if (status !== undefined && status >= 400 && status < 500)
    return { code: "model_rejected", message: `The model ${answered}: ${message}`, action: "Choose another model, or ask in another way." };
  return {
    code: "model_unavailable",
    message: `The model ${answered}, also after several tries: ${message}`,
    action: "Try again later, or choose another model.",
  };
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}

function cut(text: string): string {
  return text.length <= MESSAGE_LIMIT ? text : `${text.slice(0, MESSAGE_LIMIT - 1)}…`;
}
