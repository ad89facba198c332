/** The page's script: sends what a person does, and puts in what the server says has changed. */
const q = (selector, root = document) => root.querySelector(selector);
let live;

/** "just now", "5 min ago", "14:05", "23 Nov, 14:05". */
function relative(at, now = Date.now()) {
  const minutes = Math.floor((now - at) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  const date = new Date(at);
  const clock = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (date.toDateString() === new Date(now).toDateString()) return clock;
  return `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${clock}`;
}

function showTimes(root = document) {
  for (const time of root.querySelectorAll("time[data-at]")) {
    const at = Number(time.dataset.at);
    time.textContent = relative(at);
    time.title = new Date(at).toLocaleString("en-GB");
  }
}

function fail(place, text) {
  if (!place) return;
  place.textContent = text;
  place.hidden = text === "";
}

function banner(text) {
  fail(q("[data-banner]"), text);
}

/** Posts a form's fields; the outcome is `{ ok }` or `{ ok: false, error }`. */
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
    return { ok: false, error: "Slack cannot be reached. Your text is kept; try again." };
  }
}

const atEnd = (pane) => pane.scrollHeight - pane.scrollTop - pane.clientHeight < 80;
const toEnd = (pane) => {
  if (pane) pane.scrollTop = pane.scrollHeight;
};

/** Puts the list of a pane in order, replacing only what changed. */
function patchPane(name, patch) {
  const pane = q(`[data-pane="${name}"]`);
  if (!pane || !patch) return;
  const stick = atEnd(pane);
  const old = new Map([...pane.children].filter((child) => child.dataset.key).map((child) => [child.dataset.key, child]));
  for (const child of [...pane.children]) if (!patch.order.includes(child.dataset.key)) child.remove();
  let before = null;
  for (const key of patch.order) {
    let child = old.get(key);
    if (!child) {
      child = document.createElement("div");
      child.dataset.key = key;
    }
    const text = patch.pieces[key];
    // A message that is being edited stays as it is until the edit ends.
    if (text !== undefined && !q("[data-editor]", child)) {
      const typed = [...child.querySelectorAll("[data-typed]")].map((field) => [field.dataset.typed, field.value]);
      const focused = child.contains(document.activeElement) ? document.activeElement.dataset.action : undefined;
      const menuOpen = q("details[open]", child) !== null;
      child.innerHTML = text;
      if (focused) q(`[data-action="${CSS.escape(focused)}"]`, child)?.focus();
      for (const [name, value] of typed) {
        const field = q(`[data-typed="${CSS.escape(name)}"]`, child);
        if (field) field.value = value;
      }
      if (menuOpen) q("details", child)?.setAttribute("open", "");
      showTimes(child);
    }
    const next = before ? before.nextElementSibling : pane.firstElementChild;
    if (next !== child) pane.insertBefore(child, next);
    before = child;
  }
  if (stick) toEnd(pane);
}

function listen() {
  live?.close();
  const { channel, thread } = q("[data-app]").dataset;
  live = new EventSource(`/live?${new URLSearchParams({ channel, thread })}`);
  live.addEventListener("open", () => banner(""));
  live.addEventListener("error", () => {
    banner("The connection to the local Slack is lost. Trying again…");
    // A server that answers "no such place" ends the stream for good: look whether it is back.
    if (live.readyState === EventSource.CLOSED) setTimeout(listen, 2_000);
  });
  live.addEventListener("patch", (event) => {
    const patch = JSON.parse(event.data);
    patchPane("channel", patch.channel);
    patchPane("thread", patch.thread);
    const status = q("[data-status]");
    if (status && patch.status !== undefined) status.innerHTML = patch.status;
  });
}

function arrive() {
  showTimes();
  for (const pane of document.querySelectorAll("[data-pane]")) toEnd(pane);
  for (const area of document.querySelectorAll("textarea")) grow(area);
  const { thread } = q("[data-app]").dataset;
  const area = q(thread ? ".thread textarea" : ".channel textarea");
  if (matchMedia("(hover: hover)").matches) {
    area?.focus();
    area?.setSelectionRange(area.value.length, area.value.length);
  }
  listen();
}

/** Goes to another place without loading the page anew, keeping what is written in the channel's composer. */
async function go(href, push = true) {
  const draft = q(".channel textarea")?.value;
  const channel = q("[data-app]").dataset.channel;
  try {
    const response = await fetch(href);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    q("[data-app]").replaceWith(document.adoptNode(q("[data-app]", page)));
    document.title = page.title;
    if (push) history.pushState(null, "", response.url);
    if (q("[data-app]").dataset.channel === channel && draft !== undefined) q(".channel textarea").value = draft;
    arrive();
  } catch {
    banner("The local Slack cannot be reached. Is errand still running?");
  }
}

function grow(area) {
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight, 240)}px`;
}

async function submit(form) {
  const area = q("textarea", form);
  const button = q("[type=submit]", form);
  const problem = q(".failed", form);
  if (button.disabled) return;
  if (area.value.trim() === "") return fail(problem, "");
  button.disabled = true;
  const mention = !q("[name=thread_ts]", form) && /(^|\s)@errand\b/i.test(area.value);
  const outcome = await send("/post", new FormData(form));
  button.disabled = false;
  if (!outcome.ok) return fail(problem, outcome.error);
  fail(problem, "");
  area.value = "";
  q("[name=client_msg_id]", form).value = crypto.randomUUID();
  grow(area);
  toEnd(q("[data-pane]", form.parentElement));
  // errand answers in a thread: show it, so that the answer is seen when it comes.
  if (mention && outcome.ts) await go(`/c/${q("[name=channel]", form).value}/t/${outcome.ts}`);
}

function edit(message) {
  const body = q(".body", message);
  const shown = body.innerHTML;
  const form = document.createElement("form");
  form.dataset.editor = "";
  form.className = "composer";
  const area = document.createElement("textarea");
  area.value = message.dataset.raw;
  area.setAttribute("aria-label", "Change the message");
  const bar = document.createElement("div");
  bar.className = "composer-bar";
  bar.innerHTML =
    '<span class="hint">Enter saves · Esc cancels</span><button type="button" class="button">Cancel</button><button type="submit" class="button primary">Save</button>';
  form.append(area, bar);
  body.replaceChildren(form);
  grow(area);
  area.focus();
  const close = () => {
    body.innerHTML = shown;
    showTimes(body);
  };
  q("[type=button]", form).addEventListener("click", close);
  form.addEventListener("keydown", (event) => event.key === "Escape" && close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    const { channel, ts } = message.dataset;
    const outcome = await send("/edit", { channel, ts, text: area.value });
    if (!outcome.ok) return fail(q(".failed", message), outcome.error);
    fail(q(".failed", message), "");
    close();
    listen();
  });
}

/** What stands in the fields of a message, by block and action. */
function typedIn(message) {
  const typed = {};
  for (const field of message.querySelectorAll("[data-typed]")) {
    typed[field.dataset.block] ??= {};
    typed[field.dataset.block][field.dataset.typed] = field.value;
  }
  return Object.keys(typed).length > 0 ? { typed: JSON.stringify(typed) } : {};
}

/** A person uses a button, or presses Enter in a field. */
async function press(target) {
  const message = target.closest("article");
  const { channel, ts } = message.dataset;
  const { action = target.dataset.typed, block, value = target.dataset.typed && target.value } = target.dataset;
  target.closest("details")?.removeAttribute("open");
  const link = target.tagName === "A";
  if (!link) target.disabled = true;
  const outcome = await send("/click", { channel, ts, action, block, ...(value === undefined ? {} : { value }), ...typedIn(message) });
  if (!link) target.disabled = false;
  const problem = q(".failed", message);
  fail(problem, outcome.ok ? "" : outcome.error);
}

document.addEventListener("click", async (event) => {
  const target = event.target.closest("[data-action],[data-go],[data-edit],[data-delete],[data-mention],[data-stop]");
  if (!target) return;
  const message = target.closest("article");
  if (target.dataset.action) return press(target);
  if ("go" in target.dataset) {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    return go(target.href);
  }
  if ("edit" in target.dataset) return edit(message);
  if ("delete" in target.dataset) {
    if (!confirm("Delete this message?")) return;
    const { channel, ts } = message.dataset;
    const outcome = await send("/delete", { channel, ts });
    if (!outcome.ok) fail(q(".failed", message), outcome.error);
    return;
  }
  if ("mention" in target.dataset) {
    const area = q("textarea", target.closest("form"));
    const before = area.value.slice(0, area.selectionStart);
    area.setRangeText(`${/\S$/.test(before) ? " " : ""}@errand `, area.selectionStart, area.selectionEnd, "end");
    area.focus();
    return;
  }
  if ("stop" in target.dataset) {
    target.disabled = true;
    const { channel, thread } = q("[data-app]").dataset;
    await send("/stop", { channel, thread_ts: thread });
  }
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-composer]")) return;
  event.preventDefault();
  submit(event.target);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.target.closest("[data-editor]")) {
    const close = q("[data-close]");
    if (close) go(close.href);
    return;
  }
  if (event.target.matches("[data-typed]") && event.key === "Enter" && !event.isComposing) return press(event.target);
  if (event.target.tagName !== "TEXTAREA" || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  event.target.form.requestSubmit();
});

document.addEventListener("input", (event) => {
  if (event.target.tagName === "TEXTAREA") grow(event.target);
});
addEventListener("popstate", () => go(location.href, false));
setInterval(showTimes, 20_000);
arrive();
