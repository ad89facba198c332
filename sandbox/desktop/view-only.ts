/**
 * What a browser may say to the X server when its person only looks on: a pure filter over the client's side of the remote framebuffer
 * protocol (RFC 6143; numbers without a section from the rfbproto community wiki). It passes whole messages of kinds that change
 * nothing but the own picture, drops input, and ends the connection at whatever it does not know: since only whole messages of known
 * length come out, what a malicious client makes of the lengths, the server never reads input in it.
 */

/** How far a stream is read. Kept by the caller from chunk to chunk. */
export type Reading = {
  readonly phase: "version" | "security" | "init" | "messages";
  /** The beginning of something of which more is to come; at most the longest message that is passed, 2 KiB. */
  readonly held: Buffer;
  /** Bytes of a dropped message that are still to come. */
  readonly skip: number;
};
export const START: Reading = { phase: "version", held: Buffer.alloc(0), skip: 0 };

/** What is passed on, and how far it was read then; or why this is not taken. */
export type Taken = { ok: true; reading: Reading; pass: Buffer } | { ok: false; why: string };

/** The protocol's versions in which the client chooses the security type (7.1.1). */
const VERSIONS = ["RFB 003.008\n", "RFB 003.007\n"];
/** Security type “None” (7.2.1), the only one without further bytes of the client. */
const NO_SECURITY = 1;
/** ClientInit (7.3.1): whoever looks on shares the desktop, whatever it asks for. */
const SHARED = Buffer.from([1]);
/** ExtendedMouseButtons: a server that knows it lets the client send pointer events of another length. */
const EXTENDED_BUTTONS = -316;

/** Encodings a client may name, far more than there are: what is held of a message is copied with every chunk. */
const MOST_ENCODINGS = 512;

type Message = { length: number; pass: Buffer | null };

/** Reads one more chunk, however the stream is cut. */
export function take(reading: Reading, chunk: Buffer): Taken {
  let { phase, skip } = reading;
  let rest = reading.held.length === 0 ? chunk : Buffer.concat([reading.held, chunk]);
  const pass: Buffer[] = [];
  for (;;) {
    const skipped = Math.min(skip, rest.length);
    skip -= skipped;
    rest = rest.subarray(skipped);
    const next = rest.length === 0 ? null : phase === "messages" ? message(rest) : handshake(phase, rest);
    // A copy: a view would keep the whole chunk.
    if (next === null) return { ok: true, reading: { phase, held: Buffer.from(rest), skip }, pass: Buffer.concat(pass) };
    if (typeof next === "string") return { ok: false, why: next };
    if (next.pass !== null) pass.push(next.pass);
    if (phase !== "messages") phase = phase === "version" ? "security" : phase === "security" ? "init" : "messages";
    skip = next.length;
  }
}

/** One step of the handshake; null where its end has not come yet. */
function handshake(phase: "version" | "security" | "init", rest: Buffer): Message | string | null {
  if (phase === "version") {
    if (rest.length < 12) return null;
    const version = rest.subarray(0, 12);
    return VERSIONS.includes(version.toString("latin1"))
      ? { length: 12, pass: version }
      : "a version of the protocol other than 3.7 and 3.8";
  }
  if (phase === "init") return { length: 1, pass: SHARED };
  return rest[0] === NO_SECURITY ? { length: 1, pass: rest.subarray(0, 1) } : "a security type other than none";
}

/** The next message; null where its end (or, of a dropped one, its length) has not come yet. */
function message(rest: Buffer): Message | string | null {
  const whole = (length: number): Message | null => (rest.length < length ? null : { length, pass: rest.subarray(0, length) });
  const dropped = (length: number): Message => ({ length, pass: null });
  const kind = rest[0];
  switch (kind) {
    // SetPixelFormat (7.5.1)
    case 0:
      return whole(20);
    // SetEncodings (7.5.2)
    case 2:
      if (rest.length < 4) return null;
      if (rest.readUInt16BE(2) > MOST_ENCODINGS) return "too many encodings";
      return encodings(whole(4 + 4 * rest.readUInt16BE(2)));
    // FramebufferUpdateRequest (7.5.3)
    case 3:
      return whole(10);
    // EnableContinuousUpdates
    case 150:
      return whole(10);
    // ClientFence, with at most 64 bytes of payload
    case 248:
      return rest.length < 9 ? null : whole(9 + rest.readUInt8(8));
    // KeyEvent (7.5.4)
    case 4:
      return dropped(8);
    // PointerEvent (7.5.5)
    case 5:
      return dropped(6);
    // ClientCutText (7.5.6), of negative length where it is of the extended clipboard
    case 6:
      return rest.length < 8 ? null : dropped(8 + Math.abs(rest.readInt32BE(4)));
    // SetDesktopSize
    case 251:
      return rest.length < 8 ? null : dropped(8 + 16 * rest.readUInt8(6));
    // QEMU's: of its kinds only the key event
    case 255:
      if (rest.length < 2) return null;
      return rest[1] === 0 ? dropped(12) : `a message of type 255.${rest[1]}`;
    default:
      return `a message of type ${kind}`;
  }
}

/** SetEncodings without what would change the length of another message. */
function encodings(message: Message | null): Message | null {
  if (message?.pass == null) return message;
  const { pass } = message;
  const kept: Buffer[] = [];
  for (let at = 4; at < pass.length; at += 4) if (pass.readInt32BE(at) !== EXTENDED_BUTTONS) kept.push(pass.subarray(at, at + 4));
  const head = Buffer.from(pass.subarray(0, 4));
  head.writeUInt16BE(kept.length, 2);
  return { length: message.length, pass: Buffer.concat([head, ...kept]) };
}
