/** Block Kit as HTML, as far as errand uses it. Pure. */
import type { Json } from "../slack/records.ts";
import { type Html, html, join, safeUrl } from "./html.ts";
import { markdown } from "./markdown.ts";
import { emoji, mrkdwn } from "./mrkdwn.ts";
import type { Names } from "./names.ts";

const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);
const list = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isJson) : []);
const string = (value: unknown) => (typeof value === "string" ? value : "");

function textObject(value: unknown, names: Names): Html {
  if (!isJson(value)) return html``;
  const text = string(value.text);
  return value.type === "mrkdwn" ? mrkdwn(text, names) : html`${text.replace(/:([a-z0-9_+-]+):/g, (_, name: string) => emoji(name))}`;
}

/** The data a click on an element sends. */
function clickData(element: Json, blockId: string): Html {
  const value = typeof element.value === "string" ? html` data-value="${element.value}"` : html``;
  return html` data-action="${string(element.action_id)}" data-block="${blockId}"${value}`;
}

function choices(element: Json, blockId: string, names: Names): Html {
  const options = list(element.options).map(
    (option) =>
      html`<button type="button" class="choice" data-action="${string(element.action_id)}" data-block="${blockId}" data-value="${string(option.value)}">${textObject(option.text, names)}</button>`,
  );
  const label = element.type === "overflow" ? html`<span aria-label="More">⋯</span>` : textObject(element.placeholder, names);
  return html`<details class="menu"><summary class="button">${label}</summary><div>${options}</div></details>`;
}

/** One element of an `actions` block or an accessory. Buttons with an address open it in a new tab and tell the app of the click. */
export function element(item: Json, blockId: string, names: Names): Html {
  const style = item.style === "primary" ? " primary" : item.style === "danger" ? " danger" : "";
  switch (item.type) {
    case "button": {
      const url = typeof item.url === "string" ? safeUrl(item.url) : undefined;
      const label = textObject(item.text, names);
      const data = clickData(item, blockId);
      if (url) return html`<a class="button${style}" href="${url}" target="_blank" rel="noopener noreferrer"${data}>${label}</a>`;
      return html`<button type="button" class="button${style}"${data}>${label}</button>`;
    }
    case "overflow":
    case "static_select":
      return choices(item, blockId, names);
    case "feedback_buttons": {
      const both = [item.positive_button, item.negative_button].filter(isJson);
      return join(
        both.map(
          (one) =>
            html`<button type="button" class="button" data-action="${string(item.action_id)}" data-block="${blockId}" data-value="${string(one.value)}">${textObject(one.text, names)}</button>`,
        ),
      );
    }
    case "image":
      return html`<span class="picture">${string(item.alt_text)}</span>`;
    default:
      return html`<span class="unknown">${string(item.type)}</span>`;
  }
}

const ICONS: Record<string, [string, string]> = {
  pending: ["○", "to do"],
  in_progress: ["", "in progress"],
  complete: ["✓", "done"],
  error: ["✕", "failed"],
};

function task(card: Json, names: Names): Html {
  const status = string(card.status) || "pending";
  const [icon, word] = ICONS[status] ?? ["○", status];
  const more = ["details", "output"].map((field) => card[field]).filter(isJson);
  const rest = more.length > 0 ? html`<div class="details">${more.map((one) => block(one, "", names))}</div>` : html``;
  return html`<li class="task ${status}"><span class="icon" role="img" aria-label="${word}">${icon}</span><div><span class="title">${string(card.title)}</span>${rest}</div></li>`;
}

function richElement(item: Json, names: Names): Html {
  const style = isJson(item.style) ? item.style : {};
  const wrap = (inner: Html): Html => {
    let out = inner;
    if (style.code) out = html`<code>${out}</code>`;
    if (style.bold) out = html`<strong>${out}</strong>`;
    if (style.italic) out = html`<em>${out}</em>`;
    if (style.strike) out = html`<s>${out}</s>`;
    return out;
  };
  switch (item.type) {
    case "text":
      return wrap(
        join(
          string(item.text)
            .split("\n")
            .map((line) => html`${line}`),
          "<br>",
        ),
      );
    case "link": {
      const url = safeUrl(string(item.url));
      const label = string(item.text) || string(item.url);
      return wrap(url ? html`<a href="${url}" target="_blank" rel="noopener noreferrer">${label}</a>` : html`${label}`);
    }
    case "user":
      return html`<span class="mention">@${names.users.get(string(item.user_id)) ?? string(item.user_id)}</span>`;
    case "channel":
      return html`<span class="mention">#${names.channels.get(string(item.channel_id)) ?? string(item.channel_id)}</span>`;
    case "emoji":
      return html`${emoji(string(item.name))}`;
    case "rich_text_section":
      return html`<p>${list(item.elements).map((one) => richElement(one, names))}</p>`;
    case "rich_text_preformatted":
      return html`<pre><code>${list(item.elements).map((one) => string(one.text))}</code></pre>`;
    case "rich_text_quote":
      return html`<blockquote>${list(item.elements).map((one) => richElement(one, names))}</blockquote>`;
    case "rich_text_list": {
      const items = list(item.elements).map((one) => html`<li>${list(one.elements).map((part) => richElement(part, names))}</li>`);
      return item.style === "ordered" ? html`<ol>${items}</ol>` : html`<ul>${items}</ul>`;
    }
    default:
      return html``;
  }
}

/** One block. A type this page does not know is named, so that nothing is left out unseen. */
export function block(item: Json, blockId: string, names: Names): Html {
  switch (item.type) {
    case "section": {
      const fields = list(item.fields).map((field) => html`<div>${textObject(field, names)}</div>`);
      const accessory = isJson(item.accessory) ? html`<div class="accessory">${element(item.accessory, blockId, names)}</div>` : html``;
      const body = item.text === undefined ? html`` : html`<div>${textObject(item.text, names)}</div>`;
      return html`<div class="section"><div>${body}${fields.length > 0 ? html`<div class="fields">${fields}</div>` : html``}</div>${accessory}</div>`;
    }
    case "markdown":
      return html`<div class="markdown">${markdown(string(item.text), names)}</div>`;
    case "header":
      return html`<h3>${textObject(item.text, names)}</h3>`;
    case "divider":
      return html`<hr>`;
    case "context":
      return html`<div class="context">${list(item.elements).map((one) => html`<span>${one.type === "image" ? string(one.alt_text) : textObject(one, names)}</span>`)}</div>`;
    case "actions":
    case "context_actions":
      return html`<div class="actions">${list(item.elements).map((one) => element(one, blockId, names))}</div>`;
    case "input": {
      const field = isJson(item.element) ? item.element : {};
      const hint = isJson(field.placeholder) ? string(field.placeholder.text) : "";
      const most = typeof field.max_length === "number" ? html` maxlength="${String(field.max_length)}"` : html``;
      return html`<div class="input"><label><span>${textObject(item.label, names)}</span><input type="text" autocomplete="off" placeholder="${hint}"${most} data-typed="${string(field.action_id)}" data-block="${blockId}"></label></div>`;
    }
    case "plan":
      return html`<div class="plan"><div class="plan-title">${string(item.title)}</div><ul class="tasks">${list(item.tasks).map((one) => task(one, names))}</ul></div>`;
    case "task_card":
      return html`<div class="plan"><ul class="tasks">${task(item, names)}</ul></div>`;
    case "rich_text":
      return html`<div class="rich">${list(item.elements).map((one) => richElement(one, names))}</div>`;
    case "alert":
      return html`<div class="alert ${string(item.level)}">${textObject(item.text, names)}</div>`;
    case "image":
      return html`<div class="picture">${string(item.alt_text)}</div>`;
    case "table": {
      const cell = (one: Json) => (one.type === "rich_text" ? block(one, "", names) : html`${string(one.text)}`);
      const rows = (Array.isArray(item.rows) ? item.rows : []).map(
        (row: unknown) => html`<tr>${list(row).map((one) => html`<td>${cell(one)}</td>`)}</tr>`,
      );
      return html`<div class="table"><table>${rows}</table></div>`;
    }
    default:
      return html`<div class="unknown">A block of type ${string(item.type)}, which this page cannot show</div>`;
  }
}

/** All blocks of a message. Blocks without an id get one from their place, as clicks expect. */
export function renderBlocks(items: Json[], names: Names): Html {
  return join(items.map((item, i) => block(item, typeof item.block_id === "string" ? item.block_id : `b${i}`, names)));
}
