/**
 * The load generator's connections: raw sockets that read into one buffer each, because a client library costs about as much as what is
 * measured here.
 */
import { connect, type Socket } from "node:net";

/** As much as the largest single read on loopback. */
const BUFFER_BYTES = 256 * 1024;
/** A load that does not end this long after it should, hangs, in ms. */
const PATIENCE_MS = 20_000;

/** A connection. `hear` is called with each read, and its buffer is overwritten by the next. */
export type Wire = { socket: Socket; hear: (bytes: Buffer) => void; gone: Promise<void> };

/** Connects to a port of 127.0.0.1. Rejects where nothing listens. */
export function openWire(port: number): Promise<Wire> {
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: "127.0.0.1",
      onread: {
        buffer,
        callback: (size) => {
          wire.hear(buffer.subarray(0, size));
          return true;
        },
      },
    });
    const gone = Promise.withResolvers<void>();
    const wire: Wire = { socket, hear: () => {}, gone: gone.promise };
    socket.setNoDelay(true);
    socket.once("connect", () => resolve(wire));
    socket.on("error", reject);
    socket.once("close", () => gone.resolve());
  });
}

/** How a load is ended: by time, and with an error as soon as one of its connections ends or what it hears makes no sense. */
export type Course = { until: number; fail: (why: string) => void };

/**
 * Runs `lane` on that many connections at once, each of which calls `done` after its last answer, and returns the milliseconds that it
 * took. Opening the connections is not counted.
 */
export async function drive(
  options: { port: number; connections: number; ms: number },
  prepare: (wire: Wire) => Promise<void>,
  lane: (wire: Wire, course: Course, done: () => void) => void,
): Promise<number> {
  const wires = await Promise.all(Array.from({ length: options.connections }, () => openWire(options.port)));
  let late: NodeJS.Timeout | undefined;
  try {
    await Promise.all(wires.map(prepare));
    const began = performance.now();
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string) => reject(new Error(why));
      const course = { until: began + options.ms, fail };
      let running = wires.length;
      late = setTimeout(
        () => fail(`${running} of ${wires.length} connections wait for an answer that does not come`),
        options.ms + PATIENCE_MS,
      );
      for (const wire of wires) {
        void wire.gone.then(() => fail("a connection was closed in the middle of a load"));
        lane(wire, course, () => {
          running -= 1;
          if (running === 0) resolve();
        });
      }
    });
    return performance.now() - began;
  } finally {
    clearTimeout(late);
    for (const { socket } of wires) socket.destroy();
    await Promise.all(wires.map(({ gone }) => gone));
  }
}
