// Buttons that copy a text of the page: the one whose id `data-copy` names.
const SAID_MS = 2_000;

/** @param {HTMLElement} text */
function select(text) {
  getSelection()?.selectAllChildren(text);
}

for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("button[data-copy]"))) {
  const before = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = /** @type {HTMLElement} */ (document.getElementById(button.dataset.copy ?? ""));
    try {
      await navigator.clipboard.writeText(text.textContent ?? "");
      button.textContent = "Copied";
    } catch {
      // Not allowed here, or not over this address: the person copies what is selected.
      select(text);
      button.textContent = "Selected: press Ctrl-C";
    }
    setTimeout(() => {
      button.textContent = before;
    }, SAID_MS);
  });
}
