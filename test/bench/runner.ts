/** Plays a session's runner: the frames of protocol/runner.ts over a real WebSocket. */
import type WebSocket from "ws";
import type { RunnerEvent } from "../../protocol/events.ts";
import { type FromRunner, RUNNER_PROTOCOL, type ToRunner } from "../../protocol/runner.ts";
import { freshSocket } from "./socket.ts";

export class Runner {
  readonly socket: WebSocket;
  /** Number of the last event sent. */
  sent = 0;
  /** Highest number the SessionAgent has acknowledged. */
  acknowledged = 0;
  /** Turns whose prompt has come. */
  readonly prompts: number[] = [];
  #commands = 0;
  #welcome = false;
  /** Events not acknowledged yet, oldest first. */
  readonly #kept: RunnerEvent[] = [];
  /** What the SessionAgent said instead of going on. */
  #refused: string | undefined;
  #wake: () => void = () => undefined;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data) => this.#hear(JSON.parse(String(data)) as ToRunner));
  }

  /** Connects as the runner of the first generation does, without compression, and greets. Waits while the sandbox is not wanted yet (409). */
  static async connect(origin: string, session: string, token: string): Promise<Runner> {
    const url = `${origin.replace("http", "ws")}/sandbox/${session}/runner?generation=1`;
    const runner = new Runner(await freshSocket(url, { headers: { authorization: `Bearer ${token}` }, compress: false }));
    runner.#send({ t: "hello", protocol: RUNNER_PROTOCOL, generation: 1, commands: 0 });
    await runner.until(() => runner.#welcome);
    return runner;
  }

  #send(frame: FromRunner): void {
    this.socket.send(JSON.stringify(frame));
  }

  #hear(frame: ToRunner): void {
    if (frame.t === "welcome") {
      this.#welcome = true;
      this.sent = frame.received;
      this.acknowledged = frame.received;
    } else if (frame.t === "ack") {
      this.#kept.splice(0, frame.events - this.acknowledged);
      this.acknowledged = frame.events;
    } else if (frame.t === "resend") this.#again(frame.from);
    else if (frame.t === "command") {
      this.#commands = frame.seq;
      if (frame.command.do === "prompt") this.prompts.push(frame.command.turn);
      this.#send({ t: "ack", commands: this.#commands });
    } else if (frame.t === "bye") this.#refused = JSON.stringify(frame);
    this.#wake();
  }

  /** Sends again what may not have arrived. */
  #again(from: number): void {
    const items = this.#kept.slice(from - this.acknowledged - 1);
    if (items.length > 0) this.#send({ t: "events", first: from, items });
  }

  /** Sends events in one frame. */
  events(items: RunnerEvent[]): void {
    this.#kept.push(...items);
    this.#send({ t: "events", first: this.sent + 1, items });
    this.sent += items.length;
  }

  /** Waits until something heard makes it true. Throws after 30 s. */
  async until(true_: () => boolean): Promise<void> {
    const late = Date.now() + 30_000;
    while (!true_()) {
      if (this.#refused !== undefined) throw new Error(`the SessionAgent said ${this.#refused}`);
      if (Date.now() > late) throw new Error("the SessionAgent did not answer the runner within 30 s");
      await new Promise<void>((done) => {
        const timer = setTimeout(done, 1_000);
        this.#wake = () => {
          clearTimeout(timer);
          done();
        };
      });
    }
  }

  /** The sandbox is ready, and the agent has taken the first prompt. */
  async begin(): Promise<void> {
    await this.until(() => this.prompts.length > 0);
    const at = Date.now();
    this.events([
      { type: "sandbox.ready", at, ms: 900 },
      { type: "turn.accepted", at, turn: 1 },
    ]);
    await this.until(() => this.acknowledged === this.sent);
  }

  /** Sends frames with at most `window` of them unacknowledged; the last event of each frame must be one that is stored. */
  async pour(frames: readonly RunnerEvent[][], window: number): Promise<void> {
    const ends: number[] = [];
    for (const frame of frames) {
      this.events(frame);
      ends.push(this.sent);
      const oldest = ends.at(-window);
      if (oldest !== undefined) await this.until(() => this.acknowledged >= oldest);
    }
    await this.until(() => this.acknowledged === this.sent);
  }

  close(): void {
    this.socket.terminate();
  }
}
