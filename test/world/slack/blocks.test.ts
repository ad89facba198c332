import { describe, expect, test } from "vitest";
import { complaintsAboutBlocks } from "./blocks.ts";

const text = (length: number) => ({ type: "mrkdwn", text: "x".repeat(length) });
const plain = (length: number) => ({ type: "plain_text", text: "x".repeat(length) });
const button = (more: object) => ({ type: "button", action_id: "a", text: plain(4), ...more });
const section = { type: "section", text: text(5) };
const card = (id: string, more: object = {}) => ({ type: "task_card", task_id: id, title: "A step", status: "pending", ...more });
const many = (count: number) => Array.from({ length: count }, () => section);

describe("blocks Slack takes", () => {
  test.each([
    ["50 blocks", many(50)],
    ["a section of 3,000", [{ type: "section", text: text(3_000) }]],
    ["a button label of 75", [{ type: "actions", elements: [button({ text: plain(75) })] }]],
    ["a button with an address", [{ type: "actions", elements: [button({ url: "http://127.0.0.1:8787/s/x/open/vscode" })] }]],
    ["a plan", [{ type: "plan", title: "Working", tasks: [card("1"), card("2", { status: "complete" })] }]],
    ["markdown of 12,000", [{ type: "markdown", text: "x".repeat(12_000) }]],
    ["header, divider and context", [{ type: "header", text: plain(9) }, { type: "divider" }, { type: "context", elements: [text(9)] }]],
  ])("%s", (_, blocks) => expect(complaintsAboutBlocks(blocks)).toEqual([]));
});

describe("blocks Slack refuses", () => {
  test.each([
    ["51 blocks", many(51), "/blocks"],
    ["no list", { type: "section" }, "/blocks"],
    ["an unknown type", [{ type: "sectoin", text: text(5) }], "/blocks/0/type"],
    [
      "a block id twice",
      [
        { ...section, block_id: "a" },
        { ...section, block_id: "a" },
      ],
      "/blocks/1/block_id",
    ],
    ["a section of 3,001", [{ type: "section", text: text(3_001) }], "/blocks/0/text/text"],
    ["an empty section", [{ type: "section", text: text(0) }], "/blocks/0/text/text"],
    ["a section without text", [{ type: "section" }], "/blocks/0"],
    ["a button label of 76", [{ type: "actions", elements: [button({ text: plain(76) })] }], "/blocks/0/elements/0/text/text"],
    ["a button label in mrkdwn", [{ type: "actions", elements: [button({ text: text(4) })] }], "/blocks/0/elements/0/text/type"],
    ["a button value of 2,001", [{ type: "actions", elements: [button({ value: "x".repeat(2_001) })] }], "/blocks/0/elements/0/value"],
    [
      "a button address that is none",
      [{ type: "actions", elements: [button({ url: "javascript:alert(1)" })] }],
      "/blocks/0/elements/0/url",
    ],
    ["a button style that is none", [{ type: "actions", elements: [button({ style: "green" })] }], "/blocks/0/elements/0/style"],
    ["an action id twice", [{ type: "actions", elements: [button({}), button({})] }], "/blocks/0/elements/1/action_id"],
    ["actions without elements", [{ type: "actions", elements: [] }], "/blocks/0/elements"],
    ["context of 11", [{ type: "context", elements: Array.from({ length: 11 }, () => text(3)) }], "/blocks/0/elements"],
    ["a header of 151", [{ type: "header", text: plain(151) }], "/blocks/0/text/text"],
    ["markdown of 12,001", [{ type: "markdown", text: "x".repeat(12_001) }], "/blocks/0/text"],
    ["two markdown blocks of 12,001", ["x".repeat(12_000), "x"].map((one) => ({ type: "markdown", text: one })), "/blocks"],
    ["a task id twice", [{ type: "plan", title: "W", tasks: [card("1"), card("1")] }], "/blocks/0/tasks/1/task_id"],
    ["a task that is completed", [{ type: "plan", title: "W", tasks: [card("1", { status: "completed" })] }], "/blocks/0/tasks/0/status"],
    ["a task's details in plain text", [{ type: "plan", title: "W", tasks: [card("1", { details: "x" })] }], "/blocks/0/tasks/0/details"],
    ["51 tasks", [{ type: "plan", title: "W", tasks: Array.from({ length: 51 }, (_, i) => card(String(i))) }], "/blocks/0/tasks"],
    ["a plan without a title", [{ type: "plan", tasks: [card("1")] }], "/blocks/0/title"],
    ["a plan beside a task card", [{ type: "plan", title: "W" }, card("1")], "/blocks"],
  ])("%s", (_, blocks, pointer) => {
    const complaints = complaintsAboutBlocks(blocks);
    expect(
      complaints.some((one) => one.endsWith(`[json-pointer:${pointer}]`)),
      complaints.join("\n"),
    ).toBe(true);
  });
});
