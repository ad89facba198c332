/** The WebSockets of a session's object: which are let in, and how their close is answered. */
import type { RunnerLink } from "./runner-link.ts";
import type { SandboxCare } from "./sandbox-care.ts";
import { readViewer, type Viewers } from "./viewers.ts";

/**
 * Answers an upgrade: `/runner?generation=` with the runner's token, `/viewer?after=` (the Worker has checked the right, and says whose to check
 * again).
 */
export async function upgrade(request: Request, parts: { care: SandboxCare; link: RunnerLink; viewers: Viewers }): Promise<Response> {
  const { care, link, viewers } = parts;
  const url = new URL(request.url);
  if (url.pathname === "/viewer") {
    const after = url.searchParams.get("after");
    if (after !== null && !/^\d{1,15}$/.test(after)) return new Response("after must be an event number", { status: 400 });
    return viewers.connect(after === null ? undefined : Number(after), readViewer(url.searchParams));
  }
  if (url.pathname !== "/runner") return new Response("not found", { status: 404 });
  const generation = Number(url.searchParams.get("generation"));
  const token = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
  if (!Number.isSafeInteger(generation) || !(await care.isToken("runner", generation, token)))
    return new Response("wrong token", { status: 401 });
  if (!care.isHeard(generation)) return new Response("this generation has ended", { status: 409 });
  return link.connect(generation);
}

/** Closes from this side too: the runtime does not answer the close of a hibernating socket by itself. */
export function closeBack(socket: WebSocket, code: number): void {
  try {
    // 1005 and 1006 must not be sent.
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
  } catch {
    // Closed both ways already.
  }
}
