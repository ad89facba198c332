// The page that waits for a sandbox: asks every second how far it is, and loads itself again when there is something to open.
const main = /** @type {HTMLElement} */ (document.querySelector("main[data-poll]"));
const state = /** @type {HTMLElement} */ (document.getElementById("state"));
const phases = /** @type {HTMLElement} */ (document.getElementById("phases"));

/** @param {{ name: string, state: string, time: string, error: string | null }[]} lines */
function show(lines) {
  const list = document.createElement("ol");
  list.className = "phases";
  for (const line of lines) {
    const item = list.appendChild(document.createElement("li"));
    item.className = line.state;
    item.append(line.name, " ");
    for (const [name, text] of [
      ["quiet", line.time],
      ["error", line.error ?? ""],
    ]) {
      const part = item.appendChild(document.createElement("span"));
      part.className = name ?? "";
      part.textContent = ` ${text}`;
    }
  }
  phases.replaceChildren(list);
}

async function poll() {
  try {
    const response = await fetch(main.dataset.poll ?? "", { headers: { accept: "application/json" } });
    const body = await response.json();
    // Ready, never going to be, or waiting for something else: the page itself says what comes next.
    if (!response.ok || body.state !== main.dataset.state) return location.reload();
    state.textContent = body.words;
    show(body.phases);
  } catch {
    state.textContent = "No connection to errand; trying again …";
  }
  setTimeout(poll, 1_000);
}

setTimeout(poll, 1_000);
