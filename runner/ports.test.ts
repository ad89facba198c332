import { expect, test } from "vitest";
import { listeners } from "./ports.ts";

const HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const row = (local: string, state: string, inode: string) =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 00000000acc7eb60 100 0 0 10 0`;

test.each([
  ["127.0.0.1", "0100007F:0BB8", "127.0.0.1", 3_000],
  ["every address", "00000000:1F90", "127.0.0.1", 8_080],
  ["::1", "00000000000000000000000001000000:0050", "::1", 80],
  ["every address, of both kinds", "00000000000000000000000000000000:FFFF", "both", 65_535],
  ["127.0.0.1 in an IPv6 socket", "0000000000000000FFFF00000100007F:0BB8", "127.0.0.1", 3_000],
])("%s is listened on", (_, local, by, port) =>
  expect(listeners(`${HEAD}\n${row(local, "0A", "123")}\n`)).toEqual([{ port, by, inode: "123" }]),
);

test.each([
  ["a connection", row("0100007F:0BB8", "01", "123")],
  ["a connection that waits for its end", row("0100007F:0BB8", "06", "0")],
  ["an address of another interface", row("0A00020F:0BB8", "0A", "123")],
  ["another loopback address", row("0200007F:0BB8", "0A", "123")],
  ["no port", row("0100007F:0000", "0A", "123")],
  ["a line that was cut", row("0100007F:0BB8", "0A", "123").slice(0, 60)],
  ["another text", "no such file"],
  ["nothing", ""],
])("%s is not a listener", (_, line) => expect(listeners(`${HEAD}\n${line}`)).toEqual([]));
