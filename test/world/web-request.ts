/** Lets a function of Web requests answer one of Node's server. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";

/** The request as a Web request, answered by `handler`; ends the connection without a word where that rejects. */
export async function answerBy(
  request: IncomingMessage,
  response: ServerResponse,
  handler: (request: Request) => Response | Promise<Response>,
): Promise<void> {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) if (value !== undefined) headers.set(name, String(value));
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const method = request.method ?? "GET";
  const body = method === "GET" || method === "HEAD" ? {} : { body: new Uint8Array(await buffer(request)) };
  const url = new URL(request.url ?? "/", `http://${request.headers.host}`);
  try {
    const answer = await handler(new Request(url, { method, headers, ...body, signal: gone.signal }));
    const content = Buffer.from(await answer.arrayBuffer());
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(content);
  } catch {
    response.destroy();
  }
}
