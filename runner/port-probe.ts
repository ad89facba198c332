/** Asks whether something speaks HTTP. One request, and where it has a page a second one for its title. */
import { type IncomingMessage, request } from "node:http";
import { pageTitleOf } from "./page-title.ts";
import type { Listener } from "./ports.ts";

/** How long either request may take, in ms. */
export const PROBE_MS = 2_000;
/** Read of a page for its title, in bytes. */
const PAGE_BYTES = 64 * 1024;

/** What answered: a title where it has a page with one. Null: nothing that speaks HTTP did. */
export type Answer = { title: string | null };

/** Asks `/` of what listens there, by the name that a browser on the same machine would use. */
export async function probe({ port, by }: Pick<Listener, "port" | "by">, signal: AbortSignal): Promise<Answer | null> {
  for (const host of by === "both" ? ["127.0.0.1", "::1"] : [by]) {
    const head = await ask({ method: "HEAD", host, port, bytes: 0, signal });
    if (head === null) continue;
    if (head.status >= 300 || !/^text\/html\b/i.test(head.type)) return { title: null };
    const page = await ask({ method: "GET", host, port, bytes: PAGE_BYTES, signal });
    return { title: page === null ? null : pageTitleOf(page.body) };
  }
  return null;
}

type Asked = { method: "HEAD" | "GET"; host: string; port: number; bytes: number; signal: AbortSignal };

function ask({ method, host, port, bytes, signal }: Asked): Promise<{ status: number; type: string; body: string } | null> {
  return new Promise((done) => {
    const over = AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)]);
    const headers = { host: `localhost:${port}`, accept: "text/html,*/*;q=0.5", "user-agent": "errand", connection: "close" };
    let finish = () => done(null);
    const sent = request({ host, port, method, path: "/", headers, agent: false, signal: over }, (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      let size = 0;
      // What came until the end, the limit or the time is up is enough for a title.
      finish = () => {
        const body = Buffer.concat(chunks).subarray(0, bytes).toString("utf8");
        done({ status: response.statusCode ?? 0, type: response.headers["content-type"] ?? "", body });
        sent.destroy();
      };
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size >= bytes) finish();
      });
      for (const end of ["end", "error", "close"]) response.once(end, () => finish());
    });
    for (const end of ["error", "close"]) sent.once(end, () => finish());
    sent.end();
  });
}
