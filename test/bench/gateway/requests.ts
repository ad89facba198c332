/** HTTP loads: the same request again and again on kept connections. */
import { type Aim, fetchHead } from "./head.ts";
import { drive } from "./wire.ts";

export type Answered = {
  count: number;
  /** Bytes with the heads. */
  bytes: number;
  ms: number;
  /** Milliseconds of each request, in no order. */
  times: number[];
};

/** Asks on `connections` connections for `ms` milliseconds, one request under way on each. Throws at the first answer that is not a 200. */
export async function ask(aim: Aim, options: { connections: number; ms: number }): Promise<Answered> {
  const request = fetchHead(aim);
  const times: number[] = [];
  let bytes = 0;
  const ms = await drive(
    { ...options, port: aim.port },
    async () => {},
    (wire, { until, fail }, done) => {
      let sentAt = performance.now();
      let left = 0;
      wire.hear = (chunk) => {
        if (left === 0) {
          const size = sizeOf(chunk);
          if (typeof size === "string") return fail(size);
          left = size;
        }
        bytes += chunk.length;
        left -= chunk.length;
        if (left < 0) return fail("an answer is longer than it said");
        if (left > 0) return;
        const now = performance.now();
        times.push(now - sentAt);
        if (now >= until) return done();
        sentAt = now;
        wire.socket.write(request);
      };
      wire.socket.write(request);
    },
  );
  return { count: times.length, bytes, ms, times };
}

/** Bytes of the whole answer that begins here, or why that can't be told. */
function sizeOf(chunk: Buffer): number | string {
  const end = chunk.indexOf("\r\n\r\n");
  if (end < 0) return "an answer's head came in pieces";
  const head = chunk.toString("latin1", 0, end);
  if (!head.startsWith("HTTP/1.1 200 ")) return `answered with: ${head.split("\r\n", 1)[0]}`;
  const length = /^content-length: ?(\d+)$/im.exec(head)?.[1];
  return length === undefined ? "an answer without a length" : end + 4 + Number(length);
}
