// The page with the number: asks every second and a half whether it has arrived in Slack, and loads itself again when something else is to be shown.
const main = /** @type {HTMLElement} */ (document.querySelector("main[data-poll]"));
const state = /** @type {HTMLElement} */ (document.getElementById("state"));
const waiting = state.textContent;

async function poll() {
  try {
    const response = await fetch(main.dataset.poll ?? "", { headers: { accept: "application/json" } });
    const body = await response.json();
    if (!response.ok || body.state !== "number") return location.reload();
    if (state.textContent !== waiting) state.textContent = waiting;
  } catch {
    state.textContent = "No connection to errand; trying again …";
  }
  setTimeout(poll, 1_500);
}

setTimeout(poll, 1_500);
