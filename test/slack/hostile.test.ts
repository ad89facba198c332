/** Whatever people, models and tools say: what is rendered is taken by Slack, pings nobody and hides nothing. */
import { describe, expect, it } from "vitest";
import { withoutNewBlocks } from "../../bots/slack/fallback.ts";
import { renderSlack } from "../../bots/slack/render.ts";
import { splitMarkdown, tailOfMarkdown } from "../../bots/split.ts";
import type { Message } from "../../bots/surface.ts";
import { isOver, type TurnState, type TurnView, type View } from "../../protocol/view.ts";
import { FAILING, offered, pulled, unpushed } from "../github/views.ts";
import { random } from "../seeded.ts";
import { complaintsAboutBlocks } from "../world/slack/blocks.ts";
import { accepted, asking, booting, finished, LINKS, opened, planned, START, viewOf, WHO } from "./views.ts";

const PIECES = [
  "<!channel>",
  "<!here|here>",
  "<!everyone>",
  "<!subteam^S123|@all>",
  "<@U0EVIL>",
  "<#C1|x>",
  "<https://evil.example|https://good.example>",
  "@channel @here",
  "&lt;!channel&gt;",
  "&amp;lt;!here&gt;",
  "&",
  "<",
  ">",
  "```",
  "``",
  "`",
  "~~~\n",
  "\n\n",
  "\n",
  "**",
  "# ",
  "> ",
  "|a|b|\n",
  "\u200b",
  "\u202eevil",
  "\u2066",
  "\ufeff",
  "\u0000",
  "\u0007",
  "\u001b[31mred\u001b[0m",
  "\u00ad",
  "\ud800",
  "😀",
  "👩‍👩‍👧",
  "é",
  "שלום",
  "x".repeat(300),
  "wörd ",
  "a b c ",
  "\r\n",
  "$x",
  "<",
  "<!date^1^{date}|x>",
  "[a](https://evil.example/?a=1&b=<!here>)",
  "<!",
  "!channel>",
];

/** Replaces every text in a value by a hostile one; numbers, states and kinds stay. */
const KEEP = new Set(["state", "status", "kind", "version", "id", "thread", "contentKey"]);
function spoil<T>(value: T, text: () => string, key = ""): T {
  if (typeof value === "string") return (KEEP.has(key) ? value : text()) as T;
  if (Array.isArray(value)) return value.map((item) => spoil(item, text, key)) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, spoil(item, text, name)])) as T;
}

const STATES: TurnState[] = ["queued", "starting", "working", "waiting", "stopping", "done", "failed", "stopped", "withdrawn"];

function hostileView(seed: number): View {
  const below = random(seed);
  const text = () => {
    const length = [1, 3, 10, 60][below(4)] ?? 1;
    const once = Array.from({ length }, () => PIECES[below(PIECES.length)]).join("");
    return below(12) === 0 ? once.repeat(200).slice(0, 150_000) : once;
  };
  const view = viewOf(...opened(), ...booting, ...accepted, ...planned, ...asking, ...pulled({ checks: FAILING }), ...unpushed, ...offered);
  const [turn] = view.turns;
  if (!turn) throw new Error("no turn");
  const many = <T>(item: T, most: number): T[] => Array.from({ length: below(most) }, () => structuredClone(item));
  Object.assign(turn, {
    plan: many({ text: "", status: "pending" }, 100).map((item) => ({
      ...item,
      status: ["pending", "in_progress", "completed", "cancelled"][below(4)],
    })),
    parts: many({ id: "p", text: "", done: false }, 12),
    tools: many({ id: "t", title: "", tool: "", startedAt: START }, 20).map((tool, n) => ({ ...tool, id: `t${n}` })),
    files: many({ path: "", status: "modified", additions: 1, deletions: 1 }, 500),
    filesTotal: below(2_000),
    notices: many("", 6),
    retry: below(2) ? { message: "", nextAt: START + below(1e6) } : null,
    failure: below(2) ? { code: "", message: "", action: "" } : null,
    steps: below(5_000),
    lastStep: "",
    cost: [null, 0, 0.00001, 12.5][below(4)] ?? null,
  } satisfies Partial<Record<keyof TurnView, unknown>>);
  view.sandbox.phases = many({ name: "", startedAt: START, ms: below(2) ? 1e5 : null, error: below(3) ? null : "" }, 20);
  view.sandbox.services = {
    vscode: { state: "unavailable", reason: "" },
    desktop: { state: "unavailable", reason: "" },
    terminal: { state: "available", reason: null },
  };
  view.sandbox.ports = many({ port: 3000, title: "" }, 20).map((served, n) => ({ ...served, port: 3000 + n }));
  for (const one of turn.asks) {
    one.detail = "";
    one.choices = Array.from({ length: below(21) }, (_, n) => ({ id: `c${n}${"x".repeat(below(195))}`, label: "", description: "" }));
    one.state = (["open", "settled", "closed"] as const)[below(3)] ?? "open";
    one.settledAt = START;
    one.answer = "";
  }
  turn.state = STATES[below(STATES.length)] ?? "working";
  turn.endedAt = isOver(turn.state) ? START + below(1e8) : null;
  return spoil(view, text);
}

const ALLOWED = new RegExp(
  `^<(?:@${WHO.id.split(":")[2]}|!date\\^\\d+\\^\\{time\\}\\|\\d\\d:\\d\\d UTC|${LINKS.session}\\|[A-Za-z ]+|${LINKS.preview}\\d+\\|[^<>|]+)>$`,
);

/** All texts in which Slack reads its own notation. */
function readTexts(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(readTexts);
  if (typeof value !== "object" || value === null) return [];
  if ("type" in value && value.type === "rich_text") return [];
  return Object.values(value).flatMap(readTexts);
}
const everyText = (value: unknown): string[] =>
  typeof value === "string" ? [value] : typeof value === "object" && value !== null ? Object.values(value).flatMap(everyText) : [];

function check(content: ReturnType<typeof renderSlack>) {
  expect(complaintsAboutBlocks(content.blocks)).toEqual([]);
  expect(content.text.length).toBeGreaterThan(0);
  expect(content.text.length).toBeLessThan(4_000);
  const raw = new Set(
    content.blocks.flatMap((block) =>
      block.type === "markdown" ? [block.text] : block.type === "plan" || block.type === "actions" ? readTexts(block) : [],
    ),
  );
  // One look at all of them: there are thousands, and each look of its own costs more than the rendering.
  const texts = readTexts(content);
  expect(texts.flatMap((text) => text.match(/<[^<>\n]{0,300}>?/g) ?? []).filter((token) => !ALLOWED.test(token))).toEqual([]);
  // An entity cut in two would show as garbage. Markdown, titles and labels keep a bare `&`.
  expect(texts.filter((text) => !raw.has(text) && /&(?:l|g|am?|lt|gt|amp)?(?:…|$)/.test(text))).toEqual([]);
  expect(everyText(content).filter((text) => /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}]/u.test(text))).toEqual([]);
}

describe("hostile and huge content", () => {
  const seeds = Array.from({ length: 150 }, (_, seed) => seed + 1);
  it.each(seeds)("seed %i", (seed) => {
    const view = hostileView(seed);
    const messages: Message[] = [
      { kind: "progress", turn: 1, view, links: LINKS, now: START + seed * 1_000_003 },
      { kind: "final", turn: 1, view, links: LINKS },
      { kind: "ask", turn: 1, ask: "per_1", view, links: LINKS },
      { kind: "ask", turn: 1, ask: "unknown", view, links: LINKS },
      { kind: "offer", offer: "fix:9f86d08", view, links: LINKS },
      { kind: "overview", view, links: LINKS, now: START + seed * 1_000_003 },
      { kind: "progress", turn: 99, view, links: LINKS, now: START },
      { kind: "note", code: "x", text: view.turns[0]?.prompt ?? "", mention: WHO.id },
    ];
    for (const message of messages) {
      const content = renderSlack(message);
      check(content);
      expect(complaintsAboutBlocks(withoutNewBlocks(content).blocks)).toEqual([]);
      const state = view.turns[0]?.state;
      if (state && isOver(state) && message.kind === "progress") expect(JSON.stringify(content.blocks)).not.toContain('"in_progress"');
    }
  });

  it("leaves out links that Slack would not take", () => {
    const links = { ...LINKS, vscode: "javascript:alert(1)", desktop: `https://x.example/${"x".repeat(3_000)}`, terminal: "" };
    const content = renderSlack({ kind: "progress", turn: 1, view: viewOf(...opened()), links, now: START });
    check(content);
    expect(JSON.stringify(content)).not.toContain("javascript:");
  });

  it("renders a huge answer in time", () => {
    for (const part of ["`", "```\n", "~~~\n```\n", "<", "&lt;", "\n\n", "word ", "\u001b[", "**"]) {
      const view = viewOf(...opened(), ...booting, ...accepted, ...finished);
      const [turn] = view.turns;
      if (turn) turn.parts = [{ id: "p", text: part.repeat(100_000 / part.length), done: true }];
      const start = performance.now();
      const content = renderSlack({ kind: "final", turn: 1, view, links: LINKS });
      expect(performance.now() - start).toBeLessThan(500);
      check(content);
    }
  });
});

describe("splitMarkdown", () => {
  const samples: [string, string][] = [
    ["paragraphs", "One two three.\n\n".repeat(60)],
    ["a long paragraph", "word ".repeat(500)],
    ["a fence", `Before\n\n\`\`\`ts\n${"line();\n".repeat(100)}\`\`\`\n\nAfter`],
    ["a fence that never ends", `\`\`\`\n${"line();\n".repeat(100)}`],
    ["a fence in a fence", `\`\`\`\`md\n\`\`\`ts\n${"x\n".repeat(200)}\`\`\`\n\`\`\`\`\n\ntext`],
    ["one line without spaces", "x".repeat(2_000)],
    ["emoji", "😀".repeat(900)],
  ];
  it.each(samples)("keeps pieces short and fences whole: %s", (_name, text) => {
    const { pieces, whole } = splitMarkdown(text, 300);
    expect(whole).toBe(true);
    for (const piece of pieces) {
      expect(piece.length).toBeLessThanOrEqual(300);
      expect(piece).not.toMatch(/\p{Cs}/u);
      const outer = text.startsWith("````") ? /^`{4,}/gm : /^(?:`{3,}|~{3,})/gm;
      expect((piece.match(outer) ?? []).length % 2, piece).toBe(0);
    }
    const letters = (all: string) => all.replace(/[^\p{L}\p{So}]/gu, "");
    const without = (all: string) => letters(all.replace(/^(`{3,}|~{3,}).*$/gm, ""));
    expect(without(pieces.join("\n"))).toBe(without(text));
  });

  it("says that it left out the end", () => {
    expect(splitMarkdown("One.\n\nTwo.\n\nThree.", 100).whole).toBe(true);
    expect(splitMarkdown("a".repeat(250), 100, 1)).toEqual({ pieces: ["a".repeat(100)], whole: false });
  });

  it("keeps the end of a text", () => {
    expect(tailOfMarkdown("short", 100)).toBe("short");
    expect(tailOfMarkdown(`${"a ".repeat(100)}end`, 20)).toBe("…\na a a a a a a a end");
  });
});
