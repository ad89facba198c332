/** WebSocket loads, as raw frames: echoes, and opening handshakes. */
import { type Aim, upgradeHead } from "./head.ts";
import type { Answered } from "./requests.ts";
import { drive, openWire, type Wire } from "./wire.ts";

/** Opens the WebSocket on a connection. Rejects where it is refused. */
function shake(wire: Wire, head: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    wire.hear = (chunk) => {
      const said = chunk.toString("latin1");
      if (said.startsWith("HTTP/1.1 101 ") && said.endsWith("\r\n\r\n")) resolve();
      else reject(new Error(`the WebSocket was refused: ${said.split("\r\n", 1)[0]}`));
    };
    void wire.gone.then(() => reject(new Error("the connection was closed during the handshake")));
    wire.socket.write(head);
  });
}

/** Bytes of a frame's head in one direction: the client's has a mask of four bytes. RFC 6455 section 5.2. */
const lengthOf = (size: number) => (size < 126 ? 2 : size < 65_536 ? 4 : 10);

/** A binary frame of a client. Its mask is zero: masking and unmasking cost the same with any. */
function frameOf(size: number): Buffer {
  const head = Buffer.alloc(lengthOf(size) + 4);
  head[0] = 0x82;
  if (size < 126) head[1] = 0x80 | size;
  else if (size < 65_536) {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(size, 2);
  } else {
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(BigInt(size), 2);
  }
  return Buffer.concat([head, Buffer.alloc(size, "m")]);
}

/** Has messages of `size` bytes echoed on `connections` connections for `ms` milliseconds, `window` of them under way on each. */
export async function echo(aim: Aim, options: { connections: number; size: number; window: number; ms: number }): Promise<Answered> {
  const head = upgradeHead(aim);
  const frame = frameOf(options.size);
  const back = lengthOf(options.size) + options.size;
  const times: number[] = [];
  let bytes = 0;
  const ms = await drive(
    { ...options, port: aim.port },
    (wire) => shake(wire, head),
    (wire, { until }, done) => {
      const sentAt: number[] = [];
      const send = () => {
        sentAt.push(performance.now());
        wire.socket.write(frame);
      };
      let heard = 0;
      wire.hear = (chunk) => {
        bytes += chunk.length;
        heard += chunk.length;
        for (; heard >= back; heard -= back) {
          const now = performance.now();
          times.push(now - (sentAt.shift() ?? now));
          if (now < until) send();
          else if (sentAt.length === 0) done();
        }
      };
      for (let sent = 0; sent < options.window; sent += 1) send();
    },
  );
  return { count: times.length, bytes, ms, times };
}

/** Opens WebSockets for `ms` milliseconds, one after the other in each of `lanes`, and closes each once it is open. */
export async function handshakes(aim: Aim, options: { lanes: number; ms: number }): Promise<Answered> {
  const head = upgradeHead(aim);
  const times: number[] = [];
  const closing: Promise<void>[] = [];
  const began = performance.now();
  const lane = async () => {
    for (let now = began; now < began + options.ms; ) {
      const wire = await openWire(aim.port);
      await shake(wire, head);
      wire.socket.end();
      closing.push(wire.gone);
      times.push(performance.now() - now);
      now = performance.now();
    }
  };
  await Promise.all(Array.from({ length: options.lanes }, lane));
  const ms = performance.now() - began;
  await Promise.all(closing);
  return { count: times.length, bytes: 0, ms, times };
}
