/** Pages for what went wrong: what it was, and what to do. */
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Refusal } from "../auth/identity.ts";
import type { AppContext } from "../routes/app.ts";
import { Bar, page } from "./document.tsx";

/** A page with a heading and a few sentences. */
export function problemPage(c: AppContext, status: ContentfulStatusCode, heading: string, ...sentences: string[]): Response {
  const content = (
    <>
      <Bar />
      <main class="narrow">
        <h1>{heading}</h1>
        {sentences.map((sentence) => (
          <p>{sentence}</p>
        ))}
        <p class="quiet">{`${status} · ${c.req.path}`}</p>
      </main>
    </>
  );
  return page(c, `${heading} · errand`, content, { status });
}

/** 401: who may open this, and how. */
export function accessPage(c: AppContext, refusal: Refusal): Response {
  const origin = c.var.settings.PUBLIC_ORIGIN;
  const how =
    refusal.code === "no_sign_in"
      ? "Until sign-in is set up, only the owner of the machine that runs errand can open its pages, on that machine."
      : `Open ${origin}${c.req.path} in a browser on the machine that runs errand, without a proxy or tunnel in between.`;
  return problemPage(c, 401, "Only the owner can open this", refusal.message, how);
}

/** 404 for a session that is not there. */
export function noSessionPage(c: AppContext): Response {
  return problemPage(c, 404, "There is no such session", "The link may be cut short, or the session was made by another installation.");
}
