/**
 * The model route: what OpenCode in a sandbox calls instead of a provider. The sandbox holds only a token of its session
 * and generation; the provider's key is added here and never leaves the Worker. Errors have OpenAI's shape, since that
 * is what the caller reads.
 */
import { bodyLimit } from "hono/body-limit";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import * as z from "zod";
import { type AppContext, agentOf, routes } from "./app.ts";

/** The largest request body taken: the platform's own limit for a message to an object. */
export const MAX_MODEL_BODY = 32 * 1024 * 1024;
/** How much of a provider's error is passed on, in characters. */
const MAX_PROVIDER_ERROR = 2_000;

const Body = z.looseObject({ model: z.string(), messages: z.array(z.unknown()).min(1) });

const openAiError = (c: AppContext, status: ContentfulStatusCode, code: string, message: string) =>
  c.json({ error: { message, type: "errand_error", param: null, code } }, status);

const CODE_OF = { 401: "invalid_token", 410: "generation_ended", 429: "budget_reached" } as const;

/** An answer that ends the call here, or null where the token may call the model. */
async function refusal(c: AppContext): Promise<Response | null> {
  const token = /^Bearer (\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
  const agent = agentOf(c.env, c.req.param("session") ?? "");
  if (!agent || token === undefined) return openAiError(c, 401, "invalid_token", "A model token of this session is needed.");
  const allowed = await agent.allowModelCall(token);
  return allowed.ok ? null : openAiError(c, allowed.status, CODE_OF[allowed.status], allowed.why);
}

export const modelRoutes = routes()
  .get("/sandbox/:session/model/v1/models", async (c) => {
    const refused = await refusal(c);
    if (refused) return refused;
    const id = c.var.settings.MODEL_NAME;
    return c.json({ object: "list", data: id === null ? [] : [{ id, object: "model", created: 0, owned_by: "errand" }] });
  })
  .post(
    "/sandbox/:session/model/v1/chat/completions",
    bodyLimit({
      maxSize: MAX_MODEL_BODY,
      onError: (c) => openAiError(c, 413, "too_large", `A request may have at most ${MAX_MODEL_BODY} bytes.`),
    }),
    async (c) => {
      const refused = await refusal(c);
      if (refused) return refused;
      const { MODEL_URL, MODEL_NAME, MODEL_KEY } = c.var.settings;
      if (MODEL_URL === null || MODEL_NAME === null)
        return openAiError(c, 503, "no_model", "No model is set. Set MODEL_URL, MODEL_NAME and, where one is needed, MODEL_KEY.");
      const body = Body.safeParse(await c.req.json().catch(() => undefined));
      if (!body.success) return openAiError(c, 400, "invalid_request", "The body must be JSON with `model` and `messages`.");
      const headers = new Headers({ "content-type": "application/json", accept: c.req.header("accept") ?? "*/*" });
      if (MODEL_KEY !== null) headers.set("authorization", `Bearer ${MODEL_KEY}`);
      let answer: Response;
      try {
        answer = await fetch(`${MODEL_URL.replace(/\/+$/, "")}/chat/completions`, {
          method: "POST",
          headers,
          body: JSON.stringify({ ...body.data, model: MODEL_NAME }),
          redirect: "manual",
          // workerd notices that the client went once it writes to it: at the latest when the answer begins.
          signal: c.req.raw.signal,
        });
      } catch (error) {
        // The text of a network error can hold the provider's address, which is the operator's business only.
        console.warn("model: no answer", error instanceof Error ? error.name : "unknown");
        return openAiError(c, 502, "model_unreachable", "The model's address did not answer.");
      }
      if (answer.ok) return passOn(answer, answer.body);
      if (answer.status >= 300 && answer.status < 400) {
        await answer.body?.cancel();
        return openAiError(c, 502, "model_redirect", `The model's address redirects (${answer.status}), which is not followed.`);
      }
      return passOn(answer, withoutKey(await firstCharacters(answer, MAX_PROVIDER_ERROR), MODEL_KEY));
    },
  );

/** The provider's answer with only the headers a client needs. */
function passOn(answer: Response, body: ReadableStream | string | null): Response {
  const headers = new Headers({ "cache-control": "no-store" });
  for (const name of ["content-type", "retry-after"]) {
    const value = answer.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  return new Response(body, { status: answer.status, headers });
}

async function firstCharacters(answer: Response, limit: number): Promise<string> {
  let text = "";
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (let chunk = await reader?.read(); chunk && !chunk.done && text.length < limit; chunk = await reader?.read()) text += chunk.value;
  await reader?.cancel();
  return text.slice(0, limit);
}

/** Providers quote the key they refuse; what is quoted in full is cut out. */
function withoutKey(text: string, key: string | null): string {
  return key === null || key.length < 8 ? text : text.replaceAll(key, "[key]");
}
