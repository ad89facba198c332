/**
 * Server-sent events made from a session's WebSocket, for clients that can't have one. Each event's data is one frame of
 * protocol/client.ts as it came; its id is the highest event number in it, so `Last-Event-ID` resumes.
 */
import * as z from "zod";

/** How often a comment keeps the connection open through proxies, in ms. */
export const KEEP_ALIVE_MS = 15_000;
/** A client this many characters behind is let go; it comes back and resumes by number. */
export const MAX_BEHIND = 4_000_000;
/** How long a client waits before it comes back, in ms. */
const RETRY_MS = 1_000;

const Numbered = z.union([
  z.object({ t: z.literal("snapshot"), n: z.number() }).transform((frame) => frame.n),
  z.object({ t: z.literal("events"), events: z.array(z.object({ n: z.number() })).min(1) }).transform((frame) => frame.events.at(-1)?.n),
]);

/** One frame as a server-sent event. Frames are JSON on one line, so one `data` line holds them. */
export function sseMessage(frame: string): string {
  let n: number | undefined;
  try {
    n = Numbered.safeParse(JSON.parse(frame)).data;
  } catch {
    // What is not JSON has no number; it is passed on so that the client can say what came.
  }
  const data = frame.replaceAll(/\r\n|\r|\n/g, "\ndata: ");
  return `${n === undefined ? "" : `id: ${n}\n`}data: ${data}\n\n`;
}

/** An event stream of everything the socket says. Ends when either side goes; the other is closed then. */
export function eventStream(socket: WebSocket): Response {
  const utf8 = new TextEncoder();
  let keepAlive: ReturnType<typeof setInterval> | undefined;
  let over = false;
  const end = (tell: () => void) => {
    if (over) return;
    over = true;
    clearInterval(keepAlive);
    tell();
  };
  const closeSocket = (code: number, reason: string) => {
    try {
      socket.close(code, reason);
    } catch {
      // Already closed by the other side.
    }
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const send = (text: string) => {
          if (over) return;
          if ((controller.desiredSize ?? 0) <= 0) {
            end(() => controller.close());
            closeSocket(1013, "too far behind");
            return;
          }
          controller.enqueue(utf8.encode(text));
        };
        send(`retry: ${RETRY_MS}\n\n`);
        socket.addEventListener("message", ({ data }) => {
          if (typeof data === "string") send(sseMessage(data));
        });
        socket.addEventListener("close", () => end(() => controller.close()));
        socket.addEventListener("error", () => end(() => controller.close()));
        socket.accept();
        keepAlive = setInterval(() => send(": still here\n\n"), KEEP_ALIVE_MS);
      },
      cancel() {
        end(() => closeSocket(1000, "the client went"));
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: MAX_BEHIND }),
  );
  return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store" } });
}
