/**
 * The clipboard between the desktop and this device. By itself where the browser lets a page do so: what is copied on the desktop is
 * written to the device's clipboard, and what the device has goes to the desktop when somebody comes back to the window and has once
 * allowed that. Everywhere else by a small panel, which always works, on a phone too.
 */
const LIMIT = 1_000_000;

/**
 * @param {(text: string) => void} send gives text to the desktop's clipboard
 * @returns {{ received(text: string): void, show(isShown: boolean): void }} `received` takes what was copied on the desktop
 */
export function openClipboard(send) {
  const toggle = document.getElementById("clipboard-toggle");
  const panel = document.getElementById("clipboard");
  const field = document.getElementById("clipboard-text");
  const note = document.getElementById("clipboard-note");
  /** What both sides have, so that it is not sent round and round. */
  let known = "";
  /** What was copied on the desktop and is not on the device's clipboard yet. */
  let owed;

  function give(text) {
    if (text === known || text.length > LIMIT) return;
    known = text;
    owed = undefined;
    field.value = text;
    send(text);
  }

  function open(isOpen) {
    panel.hidden = !isOpen;
    toggle.setAttribute("aria-expanded", String(isOpen));
    note.textContent = "";
    if (isOpen) field.focus();
  }

  /** Runs what a browser may refuse; says so in the panel, with the way that is left. */
  async function attempt(work, done, refused) {
    try {
      await work();
      note.textContent = done;
    } catch {
      note.textContent = refused;
      field.focus();
      field.select();
    }
  }

  toggle.addEventListener("click", () => open(panel.hidden));
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    open(false);
    toggle.focus();
  });
  panel.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.length > LIMIT) {
      note.textContent = `That is too long: at most ${LIMIT.toLocaleString("en")} characters.`;
      return;
    }
    known = "";
    give(field.value);
    note.textContent = "It is on the desktop's clipboard.";
  });
  document.getElementById("clipboard-take").addEventListener("click", () =>
    attempt(
      async () => {
        known = "";
        give(await navigator.clipboard.readText());
      },
      "It is on the desktop's clipboard.",
      "The browser does not allow it. Paste the text here, then put it on the desktop's clipboard.",
    ),
  );
  document
    .getElementById("clipboard-copy")
    .addEventListener("click", () =>
      attempt(() => navigator.clipboard.writeText(field.value), "Copied.", "The browser does not allow it. Copy the text from here."),
    );

  /** Takes the device's clipboard without asking: only where the person has allowed it before. */
  async function takeSilently() {
    if (toggle.hidden) return;
    try {
      const { state } = await navigator.permissions.query({ name: "clipboard-read" });
      if (state === "granted") give(await navigator.clipboard.readText());
    } catch {
      // Browsers without this permission, or without focus by now: the panel is there.
    }
  }

  /** Writes what was copied on the desktop to the device's clipboard. Browsers refuse that without focus, or without a click shortly before: then the panel has it, and the next click or key tries again. */
  async function handOver(text) {
    owed = text;
    try {
      await navigator.clipboard.writeText(text);
      if (owed === text) owed = undefined;
    } catch {
      // It stays owed.
    }
  }
  const handOverOwed = () => owed !== undefined && handOver(owed);
  // What was copied on the desktop last is newer than what the device has: it must not be overwritten by that.
  window.addEventListener("focus", () => handOverOwed() || takeSilently());
  for (const name of ["pointerup", "keyup"]) window.addEventListener(name, handOverOwed, { capture: true });

  return {
    received(text) {
      if (text === known) return;
      known = text;
      field.value = text;
      handOver(text);
    },
    show(isShown) {
      toggle.hidden = !isShown;
      if (!isShown) open(false);
      else takeSilently();
    },
  };
}
