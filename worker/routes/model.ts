/**
 * The model route: what OpenCode in a sandbox calls instead of a provider. The sandbox holds only a token of its session
 * and generation; the provider's key is added here and never leaves the Worker. What a call uses is read from the answer as it passes. Errors have OpenAI's shape, since that
 * is what the caller reads.
 */
import { bodyLimit } from "hono/body-limit";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import * as z from "zod";
import type { ModelRefusal } from "../session/contract.ts";
import { type Agent, type AppContext, agentOf, routes, waitUntil } from "./app.ts";
import { CallUnderWay } from "./model-call.ts";
import { charactersIn, estimated, oneJson, streamAsIs, streamWithoutUsage } from "./model-usage.ts";

/** The largest request body taken: the platform's own limit for a message to an object. */
export const MAX_MODEL_BODY = 32 * 1024 * 1024;
/** How much of a provider's error is passed on, in characters. */
const MAX_PROVIDER_ERROR = 2_000;

/**
 * What of a call reaches the provider: that which says what is asked and how it is answered (OpenAI's chat completions, and what OpenCode's models
 * say of thinking). All else stays here: with such as `models`, `provider`, `plugins`, `service_tier` or `n` a sandbox would choose what is paid for.
 */
const Body = z.object({
  model: z.string(),
  messages: z.array(z.unknown()).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
  ...Object.fromEntries(
    `tools tool_choice parallel_tool_calls response_format temperature top_p top_k min_p max_tokens max_completion_tokens stop seed
    frequency_penalty presence_penalty repetition_penalty logit_bias reasoning reasoning_effort thinking enable_thinking chat_template_kwargs
    verbosity prompt_cache_key user`
      .split(/\s+/)
      .map((name) => [name, z.unknown().optional()]),
  ),
});

/** What ends a stream of events that was ended here: a stream that only stops may be taken for a whole answer. */
const CUT = new TextEncoder().encode(
  `data: ${JSON.stringify({ error: { message: "The call was ended: what it was for is over.", type: "errand_error", param: null, code: "call_ended" } })}\n\n`,
);

const openAiError = (c: AppContext, status: ContentfulStatusCode, code: string, message: string, more: Record<string, unknown> = {}) =>
  c.json({ error: { message, type: "errand_error", param: null, code, ...more } }, status);

/**
 * A text with no two digits side by side: between them stands a character of no width, which the runner takes out again. OpenCode 1.18.33 looks for 429, 500, 502 and
 * the like anywhere in a message and in the body it came in, and tries again for more than a minute where it finds one, as in “500,000 tokens”.
 */
const apart = (text: string): string => text.replace(/(?<=\d)(?=\d)/g, "\u200b");

/** A refusal for OpenCode. A cap that is reached is 402 and not 429: that ends the turn at once, while 429 is tried again for a minute or as long as told. */
function refused(c: AppContext, { status, code, why, action, cap }: ModelRefusal): Response {
  if (status === 429) c.header("retry-after", "5");
  return openAiError(c, status, code, apart(why), { ...(action ? { action: apart(action) } : {}), ...(cap ? { cap } : {}) });
}

/** The session's object and the token with which it is called; null: there is none. */
function caller(c: AppContext): { agent: () => Agent; token: string } | null {
  const token = /^Bearer (\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
  const first = agentOf(c.env, c.req.param("session") ?? "");
  if (!first || token === undefined) return null;
  return { agent: () => agentOf(c.env, c.req.param("session") ?? "") ?? first, token };
}

const noToken = (c: AppContext) => openAiError(c, 401, "invalid_token", "A model token of this session is needed.");

export const modelRoutes = routes()
  .get("/sandbox/:session/model/v1/models", async (c) => {
    const from = caller(c);
    if (!from) return noToken(c);
    const allowed = await from.agent().allowModelCall(from.token);
    if (!allowed.ok) return refused(c, allowed);
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
      const from = caller(c);
      if (!from) return noToken(c);
      const begun = await from.agent().beginModelCall(from.token);
      if (!begun.ok) return refused(c, begun);
      const call = new CallUnderWay(begun.call, from.agent, c.req.raw.signal);
      waitUntil(c, call.told);
      try {
        return await carry(c, call);
      } catch (error) {
        call.end(null);
        throw error;
      }
    },
  );

/** Calls the provider and passes its answer on. */
async function carry(c: AppContext, call: CallUnderWay): Promise<Response> {
  const unused = (answer: Response): Response => {
    call.end(null);
    return answer;
  };
  const { MODEL_URL, MODEL_NAME, MODEL_KEY } = c.var.settings;
  if (MODEL_URL === null || MODEL_NAME === null)
    return unused(openAiError(c, 503, "no_model", "No model is set. Set MODEL_URL, MODEL_NAME and, where one is needed, MODEL_KEY."));
  const body = Body.safeParse(await c.req.json().catch(() => undefined));
  if (!body.success) return unused(openAiError(c, 400, "invalid_request", "The body must be JSON with `model` and `messages`."));
  const { model: _named, stream, stream_options, ...content } = body.data;
  const characters = charactersIn(content);
  const headers = new Headers({ "content-type": "application/json", accept: c.req.header("accept") ?? "*/*" });
  if (MODEL_KEY !== null) headers.set("authorization", `Bearer ${MODEL_KEY}`);
  const asked = { ...body.data, model: MODEL_NAME, ...(stream ? { stream_options: { ...stream_options, include_usage: true } } : {}) };
  let answer: Response;
  try {
    answer = await fetch(`${MODEL_URL.replace(/\/+$/, "")}/chat/completions`, {
      method: "POST",
      headers,
      body: JSON.stringify(asked),
      redirect: "manual",
      // workerd notices that the client went once it writes to it: at the latest when the answer begins.
      signal: call.signal,
    });
  } catch (error) {
    if (call.signal.aborted) {
      // The provider has read it, and wants its money: who leaves before the answer has used the prompt.
      call.end(estimated(characters, 0));
      return openAiError(c, 410, "call_ended", "The call was ended: what it was for is over.");
    }
    // The text of a network error can hold the provider's address, which is the operator's business only.
    console.warn("model: no answer", error instanceof Error ? error.name : "unknown");
    return unused(openAiError(c, 502, "model_unreachable", "The model's address did not answer."));
  }
  if (answer.ok && answer.body) {
    const isStream = answer.headers.get("content-type")?.includes("text/event-stream") === true;
    const passing = !isStream ? oneJson() : stream_options?.include_usage === true ? streamAsIs() : streamWithoutUsage();
    return passOn(answer, call.pass(answer.body, passing, characters, isStream ? CUT : new Uint8Array()));
  }
  if (answer.status >= 300 && answer.status < 400) {
    await answer.body?.cancel();
    return unused(openAiError(c, 502, "model_redirect", `The model's address redirects (${answer.status}), which is not followed.`));
  }
  return unused(passOn(answer, withoutKey(await firstCharacters(answer, MAX_PROVIDER_ERROR), MODEL_KEY)));
}

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
