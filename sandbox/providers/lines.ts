/** Lines of a stream that somebody else writes: of bounded length, since a line without an end would else be kept in memory for ever. */
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/** Calls `onLine` with each line of at most `max` characters, without its end. Longer ones are dropped. */
export function readLines(stream: Readable, max: number, onLine: (line: string) => void): void {
  const utf8 = new StringDecoder("utf8");
  let begun = "";
  let dropping = false;
  stream.on("data", (chunk: Buffer) => {
    const parts = utf8.write(chunk).split(/\r?\n/);
    for (const [index, part] of parts.entries()) {
      if (index > 0) {
        if (!dropping) onLine(begun);
        begun = "";
        dropping = false;
      }
      dropping ||= begun.length + part.length > max;
      begun = dropping ? "" : begun + part;
    }
  });
}
