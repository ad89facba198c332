/** Errors of the JSON routes: one shape, with a stable code for programs and a sentence for people. */
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { ZodError } from "zod";
import type { AppContext } from "./app.ts";

/** `{"error":{"code","message",…}}` with the status. `more` adds fields beside `code` and `message`. */
export function problem(
  c: AppContext,
  status: ContentfulStatusCode,
  code: string,
  message: string,
  more: Record<string, unknown> = {},
): Response {
  return c.json({ error: { code, message, ...more } }, status);
}

/** 400 for a body or query that did not parse: each wrong field and what is wrong with it. */
export function invalid(c: AppContext, error: ZodError): Response {
  const issues = error.issues.slice(0, 20).map((issue) => ({ field: issue.path.join(".") || "(body)", message: issue.message }));
  const message = issues.map((issue) => `${issue.field}: ${issue.message}`).join("; ");
  return problem(c, 400, "invalid", message, { issues });
}

/** 404 for a session that is not there. */
export const noSuchSession = (c: AppContext): Response =>
  problem(c, 404, "no_such_session", "There is no session under this id. GET /api/sessions lists the ones there are.");
