/** WebSockets of the benchmark's own clients. */
import WebSocket from "ws";

/**
 * An open socket, compressing as browsers do unless told not to; with `until`, one that has heard a frame of which it is
 * true. A refusal other than 409 and 404 (not yet wanted, not yet there) is an error; those are tried again for 10 s.
 */
export async function freshSocket(
  url: string,
  options: { headers?: Record<string, string>; compress?: boolean; until?: (frame: string) => boolean } = {},
): Promise<WebSocket> {
  const late = Date.now() + 10_000;
  for (;;) {
    const socket = new WebSocket(url, { headers: options.headers ?? {}, perMessageDeflate: options.compress ?? true });
    const status = await new Promise<number>((done, fail) => {
      const { until } = options;
      if (until) socket.on("message", (data) => until(String(data)) && done(101));
      else socket.once("open", () => done(101));
      socket.once("unexpected-response", (request, response) => {
        response.resume();
        request.destroy();
        done(response.statusCode ?? 0);
      });
      socket.once("error", fail);
    });
    if (status === 101) return socket;
    if ((status !== 409 && status !== 404) || Date.now() > late)
      throw new Error(`${new URL(url).pathname} refused the WebSocket with ${status}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** Sends a text back and forth `count` times, at most `window` under way. */
export async function echo(socket: WebSocket, text: string, count: number, window: number): Promise<void> {
  let sent = 0;
  let heard = 0;
  await new Promise<void>((done) => {
    const more = () => {
      for (; sent < count && sent - heard < window; sent += 1) socket.send(text);
    };
    const hear = () => {
      heard += 1;
      if (heard < count) return more();
      socket.off("message", hear);
      done();
    };
    socket.on("message", hear);
    more();
  });
}
