/** One server of this machine lets another answer a program's POST. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { isFromOtherPage } from "./loopback.ts";

const HEADERS = ["accept", "authorization", "content-type"];

/** Sends the request on to `target`, and its answer back. A page of another origin is refused. */
export async function handOn(request: IncomingMessage, response: ServerResponse, target: string): Promise<void> {
  if (isFromOtherPage(request.headers)) {
    response.writeHead(403, { "content-type": "text/plain" }).end("Only programs are served.\n");
    return;
  }
  const headers = Object.fromEntries(
    HEADERS.flatMap((name) => {
      const value = request.headers[name];
      return typeof value === "string" ? [[name, value]] : [];
    }),
  );
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const body = new Uint8Array(await buffer(request));
  const answer = await fetch(target, { method: "POST", headers, body, signal: gone.signal }).catch(() => null);
  if (!answer) {
    // It ended the connection without a word, and so does this one.
    response.destroy();
    return;
  }
  response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "text/plain", "cache-control": "no-store" });
  response.end(Buffer.from(await answer.arrayBuffer()));
}
