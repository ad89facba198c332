/**
 * Carries the remote framebuffer protocol (RFB) between a browser's WebSocket and the X server's UNIX socket: byte for byte for who
 * uses the desktop, without input for who looks on.
 */
import { connect } from "node:net";
import type { WebSocket } from "ws";
import type { Mode } from "../../protocol/grant.ts";
import { START, take } from "./view-only.ts";

/** While more than this waits to be sent to the browser, nothing more is read from the X server. Bytes. */
const MOST_WAITING = 1024 * 1024;

/**
 * WebSocket close codes (RFC 6455, 7.4.1, and the registry's 1014): the X server ended the connection, or could not be reached; or
 * somebody who looks on sent what is not for them.
 */
export const CLOSED_BY_DESKTOP = 1001;
export const NO_DESKTOP = 1014;
export const NOT_FOR_WATCHERS = 1008;

/**
 * Bridges until either side ends, then ends the other. A slow side makes the other wait: neither is read faster than it is drained.
 * The bridge keeps no more than about a mebibyte each way.
 */
export function bridge(browser: WebSocket, rfbSocket: string, mode: Mode): void {
  const desktop = connect(rfbSocket);
  let isOpen = false;
  let reading = START;

  desktop.on("connect", () => {
    isOpen = true;
  });
  desktop.on("data", (chunk) => {
    browser.send(chunk, { binary: true }, () => {
      if (desktop.isPaused() && browser.bufferedAmount <= MOST_WAITING) desktop.resume();
    });
    if (browser.bufferedAmount > MOST_WAITING) desktop.pause();
  });
  desktop.on("error", () => {
    // "close" follows, and says to the browser whether there ever was a connection.
  });
  desktop.on("close", () => {
    if (isOpen) browser.close(CLOSED_BY_DESKTOP, "the desktop ended the connection");
    else browser.close(NO_DESKTOP, "the desktop is not running");
  });

  browser.on("message", (data) => {
    const bytes = Buffer.isBuffer(data) ? data : Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
    const input = mode === "drive" ? bytes : withoutInput(bytes);
    if (input.length === 0 || desktop.write(input)) return;
    browser.pause();
    desktop.once("drain", () => browser.resume());
  });
  browser.on("error", () => desktop.destroy());
  browser.on("close", () => desktop.destroy());

  function withoutInput(bytes: Buffer): Buffer {
    const taken = take(reading, bytes);
    if (taken.ok) {
      reading = taken.reading;
      return taken.pass;
    }
    desktop.destroy();
    browser.close(NOT_FOR_WATCHERS, `not for who looks on: ${taken.why}`);
    return Buffer.alloc(0);
  }
}

/** Whether an X server answers at a UNIX socket with its protocol greeting within `timeoutMs`. */
export function answers(rfbSocket: string, timeoutMs: number): Promise<boolean> {
  return new Promise((done) => {
    const desktop = connect(rfbSocket);
    const finish = (is: boolean) => {
      desktop.destroy();
      done(is);
    };
    desktop.setTimeout(timeoutMs, () => finish(false));
    desktop.once("data", (chunk) => finish(chunk.toString("latin1").startsWith("RFB ")));
    desktop.once("error", () => finish(false));
    desktop.once("close", () => finish(false));
  });
}
