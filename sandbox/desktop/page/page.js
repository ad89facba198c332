/**
 * The desktop in a browser: noVNC in a page of our own. It connects by itself, fits the X screen to the window, and comes back after a
 * cut. Who only looks on is told so; the bridge drops their input whatever the page does. All addresses are relative to the page, which
 * may lie under any path prefix.
 */
import RFB from "@novnc/novnc";
import { retryDelay } from "./backoff.js";
import { openClipboard } from "./clipboard.js";

/** A connection that stood this long was a good one: the next cut starts again with short waits. */
const GOOD_AFTER_MS = 5_000;

const screen = document.getElementById("screen");
const notice = document.getElementById("notice");
const text = document.getElementById("text");
const retry = document.getElementById("retry");
const viewOnly = document.getElementById("view-only");
const clipboard = openClipboard((text) => rfb?.clipboardPasteFrom(text));

let failures = 0;
let timer = 0;
let connectedAt = 0;
let isConnecting = false;
/** The connection, from the first try on; a new one each time. */
let rfb = null;

function show(message, { canRetry }) {
  text.textContent = message;
  retry.hidden = !canRetry;
  notice.hidden = false;
}

/** Why there is no connection, as far as the server says: the WebSocket's own failure tells a page nothing. */
async function reason() {
  try {
    const response = await fetch("healthz", { cache: "no-store", redirect: "manual" });
    if (response.status === 401 || response.status === 403 || response.type === "opaqueredirect") return "signed-out";
    if (response.status === 503) return "starting";
    return response.ok ? "cut" : "unreachable";
  } catch {
    return "unreachable";
  }
}

const REASONS = {
  cut: "The connection to the desktop was lost.",
  starting: "The desktop is not running yet; it is being started.",
  unreachable: "The sandbox cannot be reached. It may be asleep; opening the desktop from the chat again wakes it.",
};

async function connectLater() {
  failures += 1;
  const why = await reason();
  // The button may have been pressed while the answer was on its way.
  if (isConnecting) return;
  if (why === "signed-out") {
    show("Your access to this desktop has ended. Open it again from the chat.", { canRetry: true });
    return;
  }
  const delay = retryDelay(failures, Math.random());
  const at = Date.now() + delay;
  const tick = () => {
    const left = Math.ceil((at - Date.now()) / 1000);
    if (left <= 0) return connect();
    show(`${REASONS[why]} Trying again in ${left} s.`, { canRetry: true });
    timer = setTimeout(tick, Math.min(1000, at - Date.now()));
  };
  tick();
}

/** Whether this person may use the desktop, or null where the server does not say. */
async function mayDrive() {
  try {
    const response = await fetch("mode", { cache: "no-store", redirect: "manual" });
    return response.ok ? (await response.text()).trim() === "drive" : null;
  } catch {
    return null;
  }
}

async function connect() {
  clearTimeout(timer);
  if (isConnecting) return;
  isConnecting = true;
  if (failures === 0) show("Connecting to the desktop…", { canRetry: false });
  const isDriver = await mayDrive();
  if (isDriver === null) {
    isConnecting = false;
    return connectLater();
  }
  const address = new URL("websockify", window.location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  address.search = "";
  address.hash = "";
  rfb = new RFB(screen, address.href, { shared: true });
  rfb.viewOnly = !isDriver;
  viewOnly.hidden = isDriver;
  rfb.scaleViewport = true;
  rfb.resizeSession = true;
  rfb.background = "#16181d";
  rfb.addEventListener("connect", () => {
    connectedAt = Date.now();
    notice.hidden = true;
    clipboard.show(isDriver);
    rfb.focus();
  });
  rfb.addEventListener("clipboard", ({ detail }) => clipboard.received(detail.text));
  rfb.addEventListener("desktopname", ({ detail }) => {
    document.title = `${detail.name} – desktop`;
  });
  rfb.addEventListener("disconnect", () => {
    isConnecting = false;
    clipboard.show(false);
    if (connectedAt > 0 && Date.now() - connectedAt > GOOD_AFTER_MS) failures = 0;
    connectedAt = 0;
    connectLater();
  });
}

retry.addEventListener("click", connect);
window.addEventListener("online", () => {
  if (!notice.hidden) connect();
});
connect();
