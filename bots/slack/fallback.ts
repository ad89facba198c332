/** The same message for a Slack that does not know `plan` and `markdown` blocks. Pure. */
import { splitMarkdown } from "../split.ts";
import type { TaskStatus } from "../tasks.ts";
import { type Block, LIMIT, type SlackContent, section } from "./blocks.ts";

const ICON: Record<TaskStatus, string> = {
  pending: ":white_circle:",
  in_progress: ":large_blue_circle:",
  complete: ":white_check_mark:",
  error: ":x:",
};

/** Markdown's bold, headings and links in Slack's own notation; code blocks stay as they are. */
function mrkdwn(markdown: string): string {
  return markdown
    .split(/(^```[\s\S]*?^```)/m)
    .map((part, index) =>
      index % 2 === 1
        ? part.replace(/^```[^\n]*\n/, "```\n")
        : part
            .replace(/^#{1,6} +([^\n]+)$/gm, "*$1*")
            .replace(/\*\*([^*\n]+)\*\*/g, "*$1*")
            .replace(/\[([^\]\n]{1,300})\]\((https?:\/\/[^)\s<>|]{1,2000})\)/g, "<$2|$1>"),
    )
    .join("");
}

function plain(block: Block): Block[] {
  if (block.type === "plan") {
    const rows = [`*${block.title}*`, ...block.tasks.map((task) => `${ICON[task.status]} ${task.title}`)];
    return splitMarkdown(rows.join("\n"), LIMIT.section).pieces.map(section);
  }
  if (block.type !== "markdown") return [block];
  // The notation of links needs a little more room than Markdown's.
  return splitMarkdown(block.text, LIMIT.section - 200).pieces.map((piece) => section(mrkdwn(piece).slice(0, LIMIT.section)));
}

/** Whether a message has blocks that an older or restricted Slack may refuse. */
export const hasNewBlocks = ({ blocks }: SlackContent): boolean =>
  blocks.some((block) => block.type === "plan" || block.type === "markdown");

/** The message with sections in place of `plan` and `markdown` blocks. */
export function withoutNewBlocks({ text, blocks }: SlackContent): SlackContent {
  return { text, blocks: blocks.flatMap(plain).slice(0, LIMIT.blocks) };
}
