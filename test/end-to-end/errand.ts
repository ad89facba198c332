/** `errand start` as a person runs it, in a folder of its own and on free ports, with hands to use its Slack. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { WebClient } from "@slack/web-api";
import { type Browser, chromium } from "playwright-core";
import { TOKENS, WORKSPACE } from "../world/slack/workspace.ts";

export const root = resolve(import.meta.dirname, "../..");
export const MENTION = `<@${WORKSPACE.bot}>`;

/** Where screenshots are kept. */
export const ARTEFACTS = join(root, "artefacts");

/** A port with seven free ones after it. */
export async function freePorts(): Promise<number> {
  const free = (port: number) =>
    new Promise<boolean>((done) => {
      const server = createServer();
      server.once("error", () => done(false));
      server.listen(port, "127.0.0.1", () => server.close(() => done(true)));
    });
  for (let tries = 0; tries < 50; tries += 1) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const all = await Promise.all(Array.from({ length: 8 }, (_, offset) => free(first + offset)));
    if (all.every(Boolean)) return first;
  }
  throw new Error("no eight free ports in a row");
}

export class Errand {
  readonly data = mkdtempSync(join(tmpdir(), "errand-e2e-"));
  readonly output: string[] = [];
  readonly channel = WORKSPACE.channels.demo;
  port = 0;
  #child: ChildProcess | undefined;

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }
  get pageUrl(): string {
    return `http://127.0.0.1:${this.port + 1}/`;
  }

  /** The local Slack as a person; the colleague only where named. */
  slack(who: "you" | "colleague" = "you"): WebClient {
    return new WebClient(TOKENS[who], {
      slackApiUrl: `http://127.0.0.1:${this.port + 3}/api/`,
      retryConfig: { retries: 0 },
      timeout: 5_000,
    });
  }

  /** The process of `errand start`. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts it, through the command `by` where one is given, and waits for the address. Returns the ms that took. */
  async start(env: Record<string, string> = {}, by: readonly string[] = []): Promise<number> {
    if (this.port === 0) this.port = await freePorts();
    mkdirSync(ARTEFACTS, { recursive: true });
    const began = Date.now();
    const command = [...by, process.execPath, join(root, "cli/main.ts"), "start", "--port", String(this.port), "--data", this.data];
    const child = spawn(command[0] ?? "", command.slice(1), {
      cwd: root,
      env: { ...process.env, ...env, ERRAND_VERBOSE: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    const ready = new Promise<void>((done, fail) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream?.setEncoding("utf8").on("data", (chunk: string) => {
          this.output.push(chunk);
          if (chunk.includes("Ctrl-C ends everything")) done();
        });
      }
      child.once("exit", (code) =>
        fail(new Error(`errand ended with ${code} instead of starting:\n${this.output.join("").slice(-4_000)}`)),
      );
    });
    await ready;
    return Date.now() - began;
  }

  /** Presses Ctrl-C and waits for the end. Returns the exit code. */
  async stop(signal: NodeJS.Signals = "SIGINT"): Promise<number | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | null>((done) => child.once("exit", done));
    child.kill(signal);
    return ended;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.data, { recursive: true, force: true, maxRetries: 5 });
  }

  async say(text: string, thread?: string): Promise<string> {
    const posted = await this.slack().chat.postMessage({ channel: this.channel, text, ...(thread ? { thread_ts: thread } : {}) });
    return posted.ts ?? "";
  }

  /** The bot's messages of a thread, oldest first. `key` is errand's own name of the message, without the session. */
  async replies(thread: string): Promise<{ ts: string; key: string; session: string; all: string; edited: boolean }[]> {
    const { messages } = await this.slack().conversations.replies({
      channel: this.channel,
      ts: thread,
      include_all_metadata: true,
      limit: 200,
    });
    return (messages ?? [])
      .filter((message) => message.user === WORKSPACE.bot)
      .map((message) => {
        const [session = "", ...key] = String((message.metadata?.event_payload as { key?: string } | undefined)?.key ?? "").split(":");
        return {
          ts: message.ts ?? "",
          key: key.join(":"),
          session,
          all: `${message.text ?? ""}\n${JSON.stringify(message.blocks ?? [])}`,
          edited: message.edited !== undefined,
        };
      });
  }

  /** Waits for a message of errand's in the thread by its name, and that its content matches. */
  async message(
    thread: string,
    key: string | RegExp,
    content: RegExp = /./,
    ms = 90_000,
  ): ReturnType<Errand["replies"]> extends Promise<(infer M)[]> ? Promise<M> : never {
    const end = Date.now() + ms;
    let last = "";
    while (Date.now() < end) {
      const replies = await this.replies(thread).catch(() => []);
      last = replies.map((reply) => `${reply.key}: ${reply.all.slice(0, 600)}`).join("\n\n");
      const found = replies.find((reply) => (typeof key === "string" ? reply.key === key : key.test(reply.key)) && content.test(reply.all));
      if (found) return found;
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(
      `no message ${key} with ${content} within ${ms} ms. The thread:\n${last}\n\nThe log's end:\n${this.output.join("").slice(-3_000)}`,
    );
  }

  /** A person presses a button of a message. */
  async press(messageTs: string, actionId: string): Promise<void> {
    const body = new URLSearchParams({ channel: this.channel, ts: messageTs, action: actionId });
    const response = await fetch(`${this.pageUrl}click`, {
      method: "POST",
      body,
      headers: { origin: new URL(this.pageUrl).origin, accept: "application/json" },
    });
    if (!response.ok) throw new Error(`the click was answered with ${response.status}: ${await response.text()}`);
  }

  /** The view of a session, by the API. */
  async view(session: string): Promise<{
    turns: { id: number; state: string; acceptedAt: number | null; queuedAt: number }[];
    sandbox: { generation: number; state: string };
  }> {
    const response = await fetch(`${this.origin}/api/sessions/${session}`);
    return ((await response.json()) as { view: Awaited<ReturnType<Errand["view"]>> }).view;
  }
}

/** Chromium without a window and without calls home. Throws with what to install where there is none. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.ERRAND_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
