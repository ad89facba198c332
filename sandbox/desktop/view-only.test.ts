import { describe, expect, test } from "vitest";
import { type Reading, START, take } from "./view-only.ts";

const bytes = (...parts: (number | string | number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : Buffer.from([part].flat()))));
const int32 = (value: number) => {
  const four = Buffer.alloc(4);
  four.writeInt32BE(value);
  return [...four];
};
const filled = (length: number, value = 7) => Array.from({ length }, () => value);

const HANDSHAKE = bytes("RFB 003.008\n", 1, 1);
/** What changes only the own picture. */
const PASSED: Record<string, Buffer> = {
  "pixel format": bytes(0, filled(19)),
  "no encodings": bytes(2, 0, 0, 0),
  encodings: bytes(2, 0, 0, 3, int32(16), int32(-308), int32(-1_063_131_698)),
  "update request": bytes(3, 1, filled(8, 4)),
  "continuous updates": bytes(150, 1, filled(8, 5)),
  "fence without payload": bytes(248, 0, 0, 0, filled(4), 0),
  "fence with payload": bytes(248, 0, 0, 0, filled(4), 3, 4, 5, 6),
};
/** Input. What is in them looks like messages that pass, or like other input. */
const DROPPED: Record<string, Buffer> = {
  "key press": bytes(4, 1, 0, 0, 0, 0, 0, 97),
  "key with a type in it": bytes(4, filled(7, 3)),
  pointer: bytes(5, 1, 0, 10, 0, 20),
  "no text": bytes(6, 0, 0, 0, int32(0)),
  text: bytes(6, 0, 0, 0, int32(5), "hello"),
  "text with a key in it": bytes(6, 0, 0, 0, int32(8), 4, 1, 0, 0, 0, 0, 0, 97),
  "extended clipboard": bytes(6, 0, 0, 0, int32(-6), 1, 0, 0, 1, 4, 4),
  "large text": bytes(6, 0, 0, 0, int32(3_000), filled(3_000, 3)),
  "desktop size without screens": bytes(251, 0, 4, 0, 3, 0, 0, 0),
  "desktop size": bytes(251, 0, 4, 0, 3, 0, 2, 0, filled(32, 4)),
  "extended key": bytes(255, 0, 0, 1, filled(8, 5)),
};

/** Everything that passes of a stream cut as said, or why it was not taken. */
function through(chunks: readonly Buffer[]): Buffer | string {
  let reading: Reading = START;
  const pass: Buffer[] = [];
  for (const chunk of chunks) {
    const taken = take(reading, chunk);
    if (!taken.ok) return taken.why;
    reading = taken.reading;
    pass.push(taken.pass);
  }
  return Buffer.concat(pass);
}
const afterHandshake = (...messages: Buffer[]) => {
  const seen = through([HANDSHAKE, ...messages]);
  return typeof seen === "string" ? seen : seen.subarray(HANDSHAKE.length);
};

describe("for somebody who looks on", () => {
  test.each(Object.entries(PASSED))("%s passes", (_, message) => expect(afterHandshake(message)).toEqual(message));
  test.each(Object.entries(DROPPED))("%s is dropped", (_, message) => {
    const next = PASSED["update request"] ?? Buffer.alloc(0);
    expect(afterHandshake(message, next)).toEqual(next);
  });

  test.each([
    ["an unknown message", [bytes(250, 0, 1, 2)], "a message of type 250"],
    ["audio", [bytes(255, 1, 0, 0)], "a message of type 255.1"],
    ["more encodings than there are", [bytes(2, 0, 2, 1)], "too many encodings"],
    ["file transfer", [bytes(7, filled(11))], "a message of type 7"],
  ])("%s ends it", (_, messages, why) => expect(afterHandshake(...messages)).toBe(why));

  test.each([
    ["an older version, in which the server chooses", bytes("RFB 003.003\n"), /3\.7 and 3\.8/],
    ["no version", bytes("GET / HTTP/1"), /3\.7 and 3\.8/],
    ["a password", bytes("RFB 003.008\n", 2), /security type/],
  ])("%s ends it", (_, start, why) => expect(through([start])).toMatch(why));

  test("shares the desktop though it asks to have it alone", () =>
    expect(through([bytes("RFB 003.007\n", 1, 0)])).toEqual(bytes("RFB 003.007\n", 1, 1)));

  test("is not told of pointer events of another length", () =>
    expect(afterHandshake(bytes(2, 0, 0, 3, int32(16), int32(-316), int32(-308)))).toEqual(bytes(2, 0, 0, 2, int32(16), int32(-308))));

  test("what passes is the same however the stream is cut", () => {
    const mixed = Object.values(PASSED).flatMap((message, index) => [message, Object.values(DROPPED)[index] ?? message]);
    const stream = Buffer.concat([HANDSHAKE, ...mixed, ...Object.values(DROPPED)]);
    const whole = through([stream]);
    expect(whole).toEqual(through([...stream].map((byte) => Buffer.from([byte]))));
    // A linear congruential generator: the same cuts in every run.
    let seed = 1;
    for (let round = 0; round < 60; round += 1) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < stream.length; ) {
        seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
        const size = 1 + (seed % (round % 2 === 0 ? 7 : 900));
        chunks.push(stream.subarray(at, at + size));
        at += size;
      }
      expect(through(chunks)).toEqual(whole);
    }
  });

  test("whatever is sent, what passes holds no input", () => {
    let seed = 42;
    const random = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed / 2_147_483_648;
    };
    const known = [0, 2, 3, 4, 5, 6, 150, 248, 251, 255];
    let passed = 0;
    for (let round = 0; round < 1_000; round += 1) {
      let reading: Reading = { ...START, phase: "messages" };
      const pass: Buffer[] = [];
      for (let left = 400; left > 0; left -= 1) {
        const byte = random() < 0.95 ? (known[Math.floor(random() * known.length)] ?? 0) : Math.floor(random() * 20);
        const taken = take(reading, Buffer.from([byte]));
        if (!taken.ok) break;
        reading = taken.reading;
        pass.push(taken.pass);
      }
      const kinds = kindsIn(Buffer.concat(pass));
      passed += kinds.length;
      expect(kinds.filter((kind) => ![0, 2, 3, 150, 248].includes(kind))).toEqual([]);
    }
    expect(passed).toBeGreaterThan(500);
  });

  test("holds no more than one message, and of a dropped one nothing", () => {
    const taken = take({ ...START, phase: "messages" }, bytes(6, 0, 0, 0, int32(2_000_000_000), filled(1_000)));
    expect(taken).toMatchObject({ ok: true, reading: { skip: 2_000_000_000 - 1_000 } });
    if (taken.ok) expect([taken.reading.held.length, taken.pass.length]).toEqual([0, 0]);
  });
});

/** The kinds of messages that a server reads in what passed, by its own lengths. */
function kindsIn(stream: Buffer): number[] {
  const kinds: number[] = [];
  for (let at = 0; at < stream.length; ) {
    const kind = stream.readUInt8(at);
    kinds.push(kind);
    const length = { 0: 20, 2: 4, 3: 10, 4: 8, 5: 6, 6: 8, 150: 10, 248: 9, 251: 8, 255: 12 }[kind];
    if (length === undefined) throw new Error(`the server would read a message of type ${kind}`);
    at += length;
    if (kind === 2) at += 4 * stream.readUInt16BE(at - 2);
    if (kind === 248) at += stream.readUInt8(at - 1);
  }
  return kinds;
}
