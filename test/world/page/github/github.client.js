/** The GitHub pages' script: sends what a person does, and puts in what has changed, leaving alone what the person is about. */
import { Idiomorph } from "idiomorph";

const q = (selector, root = document) => root.querySelector(selector);
const main = q("[data-main]");
let live;

/** "just now", "5 minutes ago", "14:05", "23 Nov, 14:05". */
function relative(at, now = Date.now()) {
  const minutes = Math.floor((now - at) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  const date = new Date(at);
  const clock = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (date.toDateString() === new Date(now).toDateString()) return clock;
  return `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${clock}`;
}

function showTimes() {
  for (const time of document.querySelectorAll("time[data-at]")) {
    const at = Number(time.dataset.at);
    const words = relative(at);
    if (time.textContent !== words) time.textContent = words;
    time.title = new Date(at).toLocaleString("en-GB");
  }
}

function fail(place, text) {
  if (!place) return;
  place.textContent = text;
  place.hidden = text === "";
}

const banner = (text) => fail(q("[data-banner]"), text);

function grow(area) {
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight + 2, 480)}px`;
}

/** What the person is about stays: typed text, open details, failures shown, and times in words. */
const callbacks = {
  beforeNodeMorphed(old, fresh) {
    if (!(old instanceof Element)) return true;
    if ("client" in old.dataset && "client" in (fresh.dataset ?? {})) return false;
    // A box that is being ticked shows what was clicked until that has worked or failed.
    if (old.matches("[data-tick][data-sending]")) return false;
    if (old.tagName === "TIME" && old.dataset.at === fresh.dataset?.at) return false;
    return !(old.matches("textarea, select, input:not([type=hidden], .task-item *)") && old.id === fresh.id && old.name === fresh.name);
  },
  beforeAttributeUpdated: (name, element) => !(name === "open" && element.tagName === "DETAILS"),
};

function put(text) {
  const focused = document.activeElement;
  const key = focused?.closest?.("form, article, tr, details")?.id;
  Idiomorph.morph(main, text, { morphStyle: "innerHTML", callbacks });
  if (focused && !focused.isConnected && key)
    q(`[id="${CSS.escape(key)}"]`)
      ?.querySelector("a, button, summary")
      ?.focus();
  showTimes();
}

function listen() {
  live?.close();
  if (!("live" in main.dataset)) return;
  const path = location.pathname + location.search;
  live = new EventSource(`/github/live?${new URLSearchParams({ path, as: main.dataset.as })}`);
  live.addEventListener("open", () => banner(""));
  live.addEventListener("main", (event) => put(JSON.parse(event.data)));
  live.addEventListener("error", () => {
    banner("The connection to the local GitHub is lost. Trying again…");
    // A server that answers "no such page" ends the stream for good: look whether it is back.
    if (live.readyState === EventSource.CLOSED) setTimeout(listen, 2_000);
  });
}

/** Shows a page at another address of the same conversation without loading it anew. */
async function show(href, push = true) {
  try {
    const response = await fetch(href);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    // As whom one reads is the document's: another tab may have changed it.
    if (q("[data-main]", page)?.dataset.as !== main.dataset.as) return location.assign(href);
    if (push) history.pushState(null, "", href);
    put(q("[data-main]", page).innerHTML);
    document.title = page.title;
    listen();
    return true;
  } catch {
    banner("The local GitHub cannot be reached. Is errand still running?");
    return false;
  }
}

/** Posts fields; the outcome is `{ ok, go? }` or `{ ok: false, error }`. */
async function send(path, fields) {
  try {
    const response = await fetch(path, {
      method: "POST",
      body: new URLSearchParams(fields),
      headers: { accept: "application/json" },
      keepalive: true,
    });
    return await response.json();
  } catch {
    return { ok: false, error: "The local GitHub cannot be reached. Your text is kept; try again." };
  }
}

async function submit(form, button) {
  if ("sending" in form.dataset) return;
  if (form.dataset.confirm && !confirm(form.dataset.confirm)) return;
  form.dataset.sending = "";
  // The same sending tried again is the same one for the server, until it has worked.
  form.dataset.once ??= crypto.randomUUID();
  const fields = new URLSearchParams(new FormData(form));
  if (button?.name) fields.set(button.name, button.value);
  fields.set("once", `${form.dataset.once}${button?.value ?? ""}`);
  const outcome = await send(form.getAttribute("action"), fields);
  delete form.dataset.sending;
  if (!outcome.ok) return fail(q(".failed", form), outcome.error);
  delete form.dataset.once;
  fail(q(".failed", form), "");
  if (outcome.go) return location.assign(outcome.go);
  for (const area of form.querySelectorAll("textarea")) {
    area.value = "";
    grow(area);
  }
  form.closest("details.ci")?.removeAttribute("open");
  await show(button?.dataset.close ?? location.href, "close" in (button?.dataset ?? {}));
}

async function tick(box) {
  const card = box.closest("[data-kind]");
  const repository = location.pathname.split("/").slice(2, 4).join("/");
  const { kind, id } = card.dataset;
  box.dataset.sending = "";
  box.disabled = true;
  const fields = { as: main.dataset.as, kind, id, index: box.dataset.tick, label: box.dataset.label, checked: box.checked ? "1" : "0" };
  const outcome = await send(`/github/${repository}/do/tick`, fields);
  box.disabled = false;
  delete box.dataset.sending;
  if (!outcome.ok) box.checked = !box.checked;
  fail(q(":scope > .failed", card), outcome.ok ? "" : outcome.error);
  if (outcome.ok) await show(location.href, false);
}

document.addEventListener("click", async (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.removeAttribute("open");
  const target = event.target.closest("[data-show],[data-mention]");
  if (!target || event.metaKey || event.ctrlKey || event.shiftKey) return;
  if ("mention" in target.dataset) {
    const area = q("textarea", target.closest("form"));
    const before = area.value.slice(0, area.selectionStart);
    area.setRangeText(`${/\S$/.test(before) ? " " : ""}@errand `, area.selectionStart, area.selectionEnd, "end");
    area.focus();
    return;
  }
  event.preventDefault();
  const { focus } = target.dataset;
  const href = target.getAttribute("href");
  await show(href);
  const to = focus ?? new URL(href, location.href).hash.slice(1);
  const place = to && document.getElementById(decodeURIComponent(to));
  const area = place && (place.matches("textarea") ? place : q("textarea", place));
  if (area) {
    grow(area);
    area.focus();
    area.scrollIntoView({ block: "nearest" });
  }
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-act]")) return;
  event.preventDefault();
  submit(event.target, event.submitter);
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-tick]")) tick(event.target);
});

document.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Escape") {
    const menu = event.target.closest("details.menu[open]");
    menu?.removeAttribute("open");
    if (menu) q("summary", menu).focus();
    else q("[data-cancel]", event.target.closest("form") ?? document.createElement("i"))?.click();
  }
  if (event.target.tagName !== "TEXTAREA" || event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  const { form } = event.target;
  form.requestSubmit(q("button.primary[type=submit]", form) ?? q("button[type=submit]", form));
});

document.addEventListener("input", (event) => {
  if (event.target.tagName === "TEXTAREA") grow(event.target);
});
addEventListener("popstate", () => show(location.href, false));
// A browser keeps six connections to a server at most: a page that nobody sees leaves its own to others.
document.addEventListener("visibilitychange", () => (document.hidden ? live?.close() : listen()));
setInterval(showTimes, 20_000);
showTimes();
listen();
