/** Slack's checks of Block Kit, as far as errand uses it. What Slack would refuse, this refuses. Limits from Slack's block reference. Pure. */
import type { Json } from "./records.ts";

const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);

/** Collects complaints in Slack's own wording, with a JSON pointer to the place. */
class Complaints {
  readonly list: string[] = [];
  add(what: string, at: string) {
    this.list.push(`[ERROR] ${what} [json-pointer:${at}]`);
  }
}

type Check = (block: Json, at: string, out: Complaints) => void;

function checkText(value: unknown, at: string, max: number, out: Complaints, types: readonly string[] = ["mrkdwn", "plain_text"]) {
  if (!isJson(value)) return out.add("missing required field: text", at);
  if (!types.includes(String(value.type))) return out.add(`must be one of: ${types.join(", ")}`, `${at}/type`);
  if (typeof value.text !== "string" || value.text.length === 0) return out.add("must be more than 0 characters", `${at}/text`);
  if (value.text.length > max) out.add(`must be less than ${max + 1} characters`, `${at}/text`);
}

function checkString(value: unknown, at: string, max: number, out: Complaints, required = false) {
  if (value === undefined) return required ? out.add("missing required field", at) : undefined;
  if (typeof value !== "string" || (required && value.length === 0)) return out.add("must be a string of more than 0 characters", at);
  if (value.length > max) out.add(`must be less than ${max + 1} characters`, at);
}

function checkList(value: unknown, at: string, max: number, out: Complaints): unknown[] {
  if (!Array.isArray(value) || value.length === 0) {
    out.add("must contain at least 1 item", at);
    return [];
  }
  if (value.length > max) out.add(`no more than ${max} items allowed`, at);
  return value;
}

const HTTP_URL = /^https?:\/\/[^\s]+$/;

function checkElement(element: unknown, at: string, out: Complaints) {
  if (!isJson(element)) return out.add("must be an object", at);
  checkString(element.action_id, `${at}/action_id`, 255, out);
  switch (element.type) {
    case "button":
      checkText(element.text, `${at}/text`, 75, out, ["plain_text"]);
      checkString(element.value, `${at}/value`, 2_000, out);
      checkString(element.url, `${at}/url`, 3_000, out);
      if (typeof element.url === "string" && !HTTP_URL.test(element.url)) out.add("invalid url", `${at}/url`);
      if (element.style !== undefined && !["primary", "danger"].includes(String(element.style))) {
        out.add("must be one of: primary, danger", `${at}/style`);
      }
      return;
    case "overflow":
      for (const [i, option] of checkList(element.options, `${at}/options`, 5, out).entries()) {
        checkText(isJson(option) ? option.text : undefined, `${at}/options/${i}/text`, 75, out);
      }
      return;
    case "static_select":
      for (const [i, option] of checkList(element.options, `${at}/options`, 100, out).entries()) {
        checkText(isJson(option) ? option.text : undefined, `${at}/options/${i}/text`, 75, out, ["plain_text"]);
      }
      return;
    case "checkboxes":
    case "radio_buttons":
    case "datepicker":
    case "plain_text_input":
    case "feedback_buttons":
    case "icon_button":
      return;
    default:
      out.add(`unsupported type: ${String(element.type)}`, `${at}/type`);
  }
}

const TASK_STATUS = ["pending", "in_progress", "complete", "error"];

const checkTaskCard: Check = (block, at, out) => {
  checkString(block.task_id, `${at}/task_id`, 255, out, true);
  checkString(block.title, `${at}/title`, 256, out, true);
  if (block.status !== undefined && !TASK_STATUS.includes(String(block.status))) {
    out.add(`must be one of: ${TASK_STATUS.join(", ")}`, `${at}/status`);
  }
  for (const field of ["details", "output"] as const) {
    const value = block[field];
    if (value !== undefined && !(isJson(value) && value.type === "rich_text")) out.add("must be a rich_text block", `${at}/${field}`);
  }
};

const checkElements =
  (max: number): Check =>
  (block, at, out) => {
    const seen = new Set<unknown>();
    for (const [i, element] of checkList(block.elements, `${at}/elements`, max, out).entries()) {
      checkElement(element, `${at}/elements/${i}`, out);
      const id = isJson(element) ? element.action_id : undefined;
      if (id !== undefined && seen.has(id)) out.add("`action_id` already exists for another element", `${at}/elements/${i}/action_id`);
      seen.add(id);
    }
  };

const CHECKS: Record<string, Check> = {
  section(block, at, out) {
    if (block.text === undefined && block.fields === undefined) out.add("must have one of: text, fields", at);
    if (block.text !== undefined) checkText(block.text, `${at}/text`, 3_000, out);
    if (block.fields !== undefined) {
      for (const [i, field] of checkList(block.fields, `${at}/fields`, 10, out).entries())
        checkText(field, `${at}/fields/${i}`, 2_000, out);
    }
    if (block.accessory !== undefined && !(isJson(block.accessory) && block.accessory.type === "image")) {
      checkElement(block.accessory, `${at}/accessory`, out);
    }
  },
  markdown(block, at, out) {
    checkString(block.text, `${at}/text`, 12_000, out, true);
  },
  header(block, at, out) {
    checkText(block.text, `${at}/text`, 150, out, ["plain_text"]);
  },
  divider() {},
  context(block, at, out) {
    for (const [i, element] of checkList(block.elements, `${at}/elements`, 10, out).entries()) {
      if (isJson(element) && element.type === "image") continue;
      checkText(element, `${at}/elements/${i}`, 2_000, out);
    }
  },
  actions: checkElements(25),
  context_actions: checkElements(5),
  input(block, at, out) {
    checkText(block.label, `${at}/label`, 2_000, out, ["plain_text"]);
    checkElement(block.element, `${at}/element`, out);
  },
  task_card: checkTaskCard,
  plan(block, at, out) {
    checkString(block.title, `${at}/title`, 256, out, true);
    const seen = new Set<unknown>();
    const tasks = block.tasks === undefined ? [] : checkList(block.tasks, `${at}/tasks`, 50, out);
    for (const [i, task] of tasks.entries()) {
      if (!isJson(task) || task.type !== "task_card") {
        out.add("must be a task_card", `${at}/tasks/${i}`);
        continue;
      }
      checkTaskCard(task, `${at}/tasks/${i}`, out);
      if (seen.has(task.task_id)) out.add("`task_id` already exists for another task", `${at}/tasks/${i}/task_id`);
      seen.add(task.task_id);
    }
  },
  rich_text(block, at, out) {
    if (!Array.isArray(block.elements)) out.add("missing required field: elements", at);
  },
  image(block, at, out) {
    checkString(block.alt_text, `${at}/alt_text`, 2_000, out, true);
    if (block.image_url === undefined && block.slack_file === undefined) out.add("must have one of: image_url, slack_file", at);
  },
  alert(block, at, out) {
    checkText(block.text, `${at}/text`, 3_000, out);
  },
  table(block, at, out) {
    for (const [i, row] of checkList(block.rows, `${at}/rows`, 100, out).entries()) {
      if (!Array.isArray(row) || row.length > 20) out.add("no more than 20 cells allowed", `${at}/rows/${i}`);
    }
  },
};

/**
 * What Slack would complain about in a message's blocks; empty when it would take them. At most 50 blocks, each `block_id`
 * once, a known type, and the sizes and required fields of the types errand uses.
 */
export function complaintsAboutBlocks(blocks: unknown): string[] {
  const out = new Complaints();
  if (!Array.isArray(blocks)) return ["[ERROR] must be an array [json-pointer:/blocks]"];
  if (blocks.length > 50) out.add("no more than 50 items allowed", "/blocks");
  const ids = new Set<unknown>();
  let markdown = 0;
  for (const [i, block] of blocks.entries()) {
    const at = `/blocks/${i}`;
    if (!isJson(block)) {
      out.add("must be an object", at);
      continue;
    }
    checkString(block.block_id, `${at}/block_id`, 255, out);
    if (block.block_id !== undefined && ids.has(block.block_id)) out.add("`block_id` already exists for another block", `${at}/block_id`);
    ids.add(block.block_id);
    if (block.type === "markdown" && typeof block.text === "string") markdown += block.text.length;
    const check = CHECKS[String(block.type)];
    if (check) check(block, at, out);
    else out.add(`unsupported type: ${String(block.type)}`, `${at}/type`);
  }
  if (markdown > 12_000) out.add("markdown blocks must be less than 12001 characters together", "/blocks");
  const types = new Set(blocks.map((block) => (isJson(block) ? block.type : undefined)));
  if (types.has("plan") && types.has("task_card")) out.add("plan and task_card cannot be in one message", "/blocks");
  return out.list;
}
