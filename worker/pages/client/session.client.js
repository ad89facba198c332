// Keeps a session's page up to date. The server renders everything; a WebSocket (or, where there is none, an event stream)
// only says that something changed and how far the log is, so that the page resumes by number.

const REFRESH_MS = 400;
/** While something runs its times go on, events or not. */
const TICK_MS = 3_000;
const BACKOFF_MS = [500, 1_000, 2_000, 5_000, 10_000];
/** So many WebSockets that never opened make the page use the event stream. */
const FAILURES_BEFORE_STREAM = 2;
/** With this code the server closes the socket of somebody who may no longer see the session. */
const MAY_NOT = 4403;

const main = /** @type {HTMLElement} */ (document.querySelector("main[data-session]"));
const connection = /** @type {HTMLElement} */ (document.getElementById("connection"));
const outcome = /** @type {HTMLElement} */ (document.getElementById("outcome"));
const api = `/api/sessions/${main.dataset.session}`;

/** The highest event number heard of. */
let heard = Number(main.dataset.n);
/** The number up to which the lists of steps are complete. */
let stepsTo = Number(main.dataset.to);

/** What the server last sent of each block: the page's own copy changes when somebody opens a list or types. @type {Map<string, string>} */
const sources = new Map();
for (const block of main.querySelectorAll("[data-block]")) sources.set(block.id, block.outerHTML);

/** What somebody opened or folded stays so, until the server itself says otherwise by another `data-open`. @param {Element} current @param {Element} fresh */
function keepOpened(current, fresh) {
  const before = current.querySelectorAll("details");
  fresh.querySelectorAll("details").forEach((details, index) => {
    const old = before[index];
    if (old && old.dataset.open === details.dataset.open) details.open = old.open;
  });
}

/** A list of steps is never replaced, only added to; when its turn ends it folds. @param {Element} current @param {Element} fresh */
function keepSteps(current, fresh) {
  const old = current.querySelector("details");
  const now = fresh.querySelector("details");
  if (!old || !now || old.dataset.open === now.dataset.open) return;
  old.dataset.open = now.dataset.open ?? "";
  old.open = now.open;
}

/** @param {Element} fresh @param {Element | null} before */
function place(fresh, before) {
  const current = document.getElementById(fresh.id);
  const source = fresh.outerHTML;
  let block = current;
  if (!current) block = /** @type {HTMLElement} */ (document.importNode(fresh, true));
  else if (current.querySelector("[data-steps]")) keepSteps(current, fresh);
  else if (sources.get(fresh.id) !== source) {
    const copy = /** @type {HTMLElement} */ (document.importNode(fresh, true));
    keepOpened(current, copy);
    current.replaceWith(copy);
    block = copy;
  }
  sources.set(fresh.id, source);
  if (!block) return before;
  const next = before ? before.nextElementSibling : main.firstElementChild;
  if (next !== block) main.insertBefore(block, next);
  return block;
}

/** @param {Document} page */
function merge(page) {
  const fresh = page.querySelector("main");
  if (!fresh) return;
  const atEnd = window.innerHeight + window.scrollY >= document.body.scrollHeight - 80;
  const blocks = [...fresh.querySelectorAll("[data-block]")];
  const ids = new Set(blocks.map((block) => block.id));
  for (const block of [...main.querySelectorAll("[data-block]")]) if (!ids.has(block.id)) block.remove();
  /** @type {Element | null} */
  let before = null;
  for (const block of blocks) before = place(block, before);
  const steps = /** @type {HTMLTemplateElement | null} */ (page.getElementById("new-steps"));
  for (const step of /** @type {HTMLElement[]} */ ([...(steps?.content.children ?? [])])) {
    if (Number(step.dataset.n) > stepsTo)
      main.querySelector(`[data-steps="${step.dataset.turn}"]`)?.append(document.importNode(step, true));
  }
  stepsTo = Math.max(stepsTo, Number(fresh.dataset.to));
  heard = Math.max(heard, Number(fresh.dataset.n));
  main.dataset.running = fresh.dataset.running ?? "";
  // Many events came at once: the next part of the steps.
  if (stepsTo < Number(fresh.dataset.n)) changed();
  if (atEnd) window.scrollTo({ top: document.body.scrollHeight });
}

/** @type {number | undefined} */
let timer;
let busy = false;

/** Something changed: refresh soon, and not more often than every `REFRESH_MS`. */
function changed() {
  if (timer === undefined) timer = setTimeout(refresh, REFRESH_MS);
}

async function refresh() {
  timer = undefined;
  if (busy) return changed();
  busy = true;
  try {
    const response = await fetch(`/s/${main.dataset.session}/fragment?after=${stepsTo}`);
    if ([401, 403, 404].includes(response.status)) return location.reload();
    if (response.ok) merge(new DOMParser().parseFromString(await response.text(), "text/html"));
  } catch {
    // The connection's own retry refreshes again.
  } finally {
    busy = false;
  }
}

/** @param {string} text */
function receive(text) {
  const frame = JSON.parse(text);
  if (frame.t === "snapshot") heard = frame.n;
  if (frame.t === "events") heard = Math.max(heard, frame.events.at(-1)?.n ?? 0);
  if (frame.t === "error") outcome.textContent = frame.message;
  else changed();
}

let failures = 0;

function again() {
  const wait = BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)] ?? 10_000;
  failures += 1;
  connection.textContent = "reconnecting …";
  setTimeout(failures > FAILURES_BEFORE_STREAM ? stream : connect, wait * (0.5 + Math.random()));
}

function connected() {
  failures = 0;
  connection.textContent = "live";
  changed();
}

function connect() {
  const address = new URL(`${api}/events?after=${heard}`, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  socket.onopen = connected;
  socket.onmessage = ({ data }) => receive(data);
  // Who may no longer see the session is told so by the page itself.
  socket.onclose = ({ code }) => (code === MAY_NOT ? location.reload() : again());
}

function stream() {
  const source = new EventSource(`${api}/events?after=${heard}`);
  source.onopen = connected;
  source.onmessage = ({ data }) => receive(data);
  source.onerror = () => {
    connection.textContent = "reconnecting …";
    // Still connecting: the browser itself comes back with the last number it saw.
    if (source.readyState !== EventSource.CLOSED) return;
    failures = 0;
    again();
  };
}

/** The message a form stands for, without the fields that were left empty. @param {HTMLFormElement} form @param {HTMLElement | null} submitter */
function messageOf(form, submitter) {
  form.dataset.id ??= /** @type {HTMLInputElement | null} */ (form.querySelector("input[name=id]"))?.value || crypto.randomUUID();
  /** @type {Record<string, string | number>} */
  const message = { id: form.dataset.id };
  for (const [name, value] of new FormData(form, submitter)) {
    if (typeof value === "string" && value !== "" && name !== "id") message[name] = name === "turn" ? Number(value) : value;
  }
  // A button's choice is the answer; what stands half-written beside it is not.
  if (message.choice !== undefined) delete message.text;
  return message;
}

/** @param {HTMLFormElement} form @param {HTMLElement | null} submitter */
async function send(form, submitter) {
  if (form.dataset.sending) return;
  form.dataset.sending = "yes";
  outcome.textContent = "sending …";
  try {
    const response = await fetch(`${api}/messages`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(messageOf(form, submitter)),
    });
    const body = await response.json();
    outcome.textContent = body.error?.message ?? body.why ?? (body.status === "duplicate" ? "That was taken already." : "");
    if (!response.ok) return;
    // Taken: what is sent next is another message. After a failure the same id goes again, so that nothing is done twice.
    form.dataset.id = crypto.randomUUID();
    if (form.matches("#composer")) form.reset();
    changed();
  } catch {
    outcome.textContent = "Not sent: no connection. Send it again; it will not be done twice.";
  } finally {
    delete form.dataset.sending;
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || form.dataset.say === undefined) return;
  event.preventDefault();
  void send(form, event.submitter);
});

document.querySelector("#composer textarea")?.addEventListener("keydown", (event) => {
  if (!(event instanceof KeyboardEvent) || event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  /** @type {HTMLFormElement} */ (document.getElementById("composer")).requestSubmit();
});

setInterval(() => {
  if (main.dataset.running === "true" && document.visibilityState === "visible") changed();
}, TICK_MS);

connect();
