/** A scripted model on loopback: OpenAI-compatible, streaming, its answers chosen by a marker in the last user message. */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** One answer of the model. */
export type ScriptedStep = {
  text?: string;
  /** Milliseconds between the words of `text`. */
  pace?: number;
  reasoning?: string;
  tools?: { name: string; input: Record<string, unknown> }[];
  /** Answers with this status instead; `retry-after-ms` is 50. */
  status?: number;
  /** Breaks the connection after the text. */
  cut?: boolean;
  /** Ends the stream without a reason. */
  endless?: boolean;
};

/** What the model does for prompts that hold a marker: one step for each call; a function gets the number of the call. */
export type Script = ScriptedStep[] | ((call: number) => ScriptedStep);

type ChatMessage = { role: string; content: unknown };

/** Starts the model. `calls` counts the requests for a marker; `seen` holds the texts of all last user messages. */
export async function startModel(scripts: Record<string, Script>) {
  const calls = new Map<string, number>();
  const seen: string[] = [];
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { messages } = JSON.parse(body) as { messages: ChatMessage[] };
    const texts = messages.filter((message) => message.role === "user").map((message) => textOf(message.content));
    seen.push(texts.at(-1) ?? "");
    const marker = texts.toReversed().flatMap((text) => Object.keys(scripts).filter((key) => text.includes(key)))[0];
    const script = marker === undefined ? undefined : scripts[marker];
    const call = calls.get(marker ?? "") ?? 0;
    calls.set(marker ?? "", call + 1);
    const step = script === undefined ? { text: "No script." } : typeof script === "function" ? script(call) : (script[call] ?? { text: "The script is over." });
    await play(step, `${marker}-${call}`, response);
  }

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    calls: (marker: string) => calls.get(marker) ?? 0,
    seen,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function play(step: ScriptedStep, id: string, response: ServerResponse): Promise<void> {
  if (step.status !== undefined) {
    response.writeHead(step.status, { "content-type": "application/json", "retry-after-ms": "50" });
    response.end(JSON.stringify({ error: { message: `scripted status ${step.status}`, type: "server_error" } }));
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  const send = (choice: object | null, usage?: object) => {
    const choices = choice === null ? [] : [{ index: 0, finish_reason: null, ...choice }];
    response.write(`data: ${JSON.stringify({ id, object: "chat.completion.chunk", created: 0, model: "main", choices, usage })}\n\n`);
  };
  send({ delta: { role: "assistant", content: "" } });
  if (step.reasoning !== undefined) send({ delta: { reasoning_content: step.reasoning } });
  for (const word of step.text?.split(/(?<= )/) ?? []) {
    send({ delta: { content: word } });
    if (step.pace !== undefined) await new Promise((done) => setTimeout(done, step.pace));
  }
  if (step.cut === true) return void response.destroy();
  for (const [index, tool] of (step.tools ?? []).entries()) {
    send({ delta: { tool_calls: [{ index, id: `call_${id}_${index}`, type: "function", function: { name: tool.name, arguments: JSON.stringify(tool.input) } }] } });
  }
  if (step.endless !== true) {
    send({ delta: {}, finish_reason: step.tools === undefined ? "stop" : "tool_calls" });
    send(null, { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 });
  }
  response.end("data: [DONE]\n\n");
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  return Array.isArray(content) ? content.map((part: { text?: string }) => part.text ?? "").join("\n") : "";
}
