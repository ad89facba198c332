/**
 * What the Worker's tests in workerd put around the real Worker and its real objects: a client that comes by loopback, a
 * backend and a model behind `fetch`, and a runner that says by the real protocol what a test tells it to.
 */
import { env, exports } from "cloudflare:workers";
import { expect, vi } from "vitest";
import { EnsureBody, type SandboxView } from "../../protocol/backend.ts";
import type { RunnerEvent } from "../../protocol/events.ts";
import type { Guest, Service } from "../../protocol/grant.ts";
import { type Command, RUNNER_PROTOCOL, type RunnerAnswer, ToRunner } from "../../protocol/runner.ts";
import type { Sites } from "../../protocol/sites.ts";

export const ORIGIN = env.PUBLIC_ORIGIN as string;
/** Where browsers reach the gateway of every sandbox. */
export const SITES: Sites = {
  ide: "http://box.localhost:19000",
  opencode: "http://opencode-box.localhost:19000",
  preview: "http://{port}-box.localhost:19000",
};

/** A request as a program on this machine sends it. */
export function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (!headers.has("host")) headers.set("host", new URL(ORIGIN).host);
  return exports.default.fetch(new Request(ORIGIN + path, { redirect: "manual", ...init, headers }));
}

/** A JSON body by POST. */
export const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  ask(path, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) });

type Answer = (request: Request) => Response | Promise<Response>;

export type World = {
  /** What was asked of the model's address: read where it arrived, since bodies can't cross from one object to another. */
  modelRequests: { url: string; headers: Headers; body: string }[];
  /** How the model answers next. */
  model: Answer;
  /** What was asked of GitHub's API, as `METHOD /path`, but for tokens. */
  gitHubCalls: string[];
  /** What GitHub's API answers, but for tokens. */
  gitHub: Answer;
  /** What was asked of Slack, by method and in the order of asking, and what it answers; null: it can't be reached. */
  slackCalls: { method: string; body: Record<string, unknown> }[];
  slack: ((method: string, body: Record<string, unknown>) => Record<string, unknown>) | null;
  /** Boot configurations by session, as the backend got them. */
  boots: Map<string, EnsureBody["config"]>;
  /** What the backend says in place of yes; undefined: yes. */
  backend: (request: Request) => Response | undefined;
};

/** Puts a backend and a model behind `fetch` of Worker and objects; every other address fails. */
export function world(): World {
  const self: World = {
    modelRequests: [],
    model: () => Response.json({}),
    gitHubCalls: [],
    gitHub: () => Response.json({ message: "Not Found" }, { status: 404 }),
    slackCalls: [],
    slack: null,
    boots: new Map(),
    backend: () => undefined,
  };
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const request = new Request(input as RequestInfo, init as RequestInit);
    const url = new URL(request.url);
    if (url.hostname === "model.test") {
      self.modelRequests.push({ url: request.url, headers: request.headers, body: await request.clone().text() });
      return self.model(request);
    }
    if (url.hostname === "github-api.test") {
      if (/^\/app\/installations\/\d+\/access_tokens$/.test(url.pathname))
        return Response.json({ token: "ghs_test", expires_at: new Date(Date.now() + 3600_000).toISOString() }, { status: 201 });
      self.gitHubCalls.push(`${request.method} ${url.pathname}`);
      return self.gitHub(request);
    }
    if (url.hostname === "slack.com" && self.slack) {
      const method = url.pathname.split("/").at(-1) ?? "";
      const body = slackBody(await request.clone().text());
      self.slackCalls.push({ method, body });
      return Response.json(self.slack(method, body));
    }
    if (url.hostname === "hooks.slack.com") {
      self.slackCalls.push({ method: "response_url", body: JSON.parse(await request.clone().text()) as Record<string, unknown> });
      return Response.json({ ok: true });
    }
    if (url.hostname === "backend.test") return backend(self, request);
    throw new Error(`nothing is at ${url.host}`);
  });
  return self;
}

/** A form of Slack's client, in which lists and objects are JSON. */
const slackBody = (form: string): Record<string, unknown> =>
  Object.fromEntries([...new URLSearchParams(form)].map(([name, value]) => [name, /^[[{]/.test(value) ? JSON.parse(value) : value]));

async function backend(self: World, request: Request): Promise<Response> {
  const [, session, generation] = /^\/v1\/sessions\/(\w+)\/generations\/(\d+)$/.exec(new URL(request.url).pathname) ?? [];
  if (!session || !generation) return new Response(null, { status: 204 });
  if (request.method === "PUT") self.boots.set(session, EnsureBody.parse(await request.clone().json()).config);
  const said = self.backend(request);
  if (said) return said;
  const view: SandboxView = {
    sandboxId: `sb-${generation}`,
    provider: "test",
    session,
    generation: Number(generation),
    state: "running",
    exitCode: null,
    reason: null,
    sites: SITES,
    createdAt: 1,
  };
  return Response.json(view, { status: request.method === "PUT" ? 201 : 200 });
}

/** `Omit` of each member of a union by itself. */
type Without<T, K extends string> = T extends unknown ? Omit<T, K> : never;

export type Runner = {
  say(...items: Without<RunnerEvent, "at">[]): void;
  commands: Command[];
  /** The commands' numbers. */
  seqs: number[];
  /** What it was told when it came. */
  welcome: Extract<ToRunner, { t: "welcome" }>;
  /** Asks who may still have open what they have open, as the gateway does every half minute. */
  askAbout(...guests: Guest[]): Promise<RunnerAnswer>;
  /** Tells that people use a service. */
  used(service: Service): void;
  close(): void;
};

/** Connects the runner of a session's newest sandbox through the Worker's own route. */
export async function connectRunner(self: World, session: string): Promise<Runner> {
  const config = await vi.waitFor(() => {
    const boot = self.boots.get(session);
    if (!boot) throw new Error("no sandbox was asked for");
    return boot;
  });
  const answer = await ask(`/sandbox/${session}/runner?generation=${config.generation}`, {
    headers: { upgrade: "websocket", authorization: `Bearer ${config.runnerToken}` },
  });
  expect(answer.status).toBe(101);
  const socket = answer.webSocket;
  if (!socket) throw new Error("no socket");
  const commands: Command[] = [];
  const seqs: number[] = [];
  let welcome: Runner["welcome"] | undefined;
  const answers = new Map<string, (answer: RunnerAnswer) => void>();
  const items: RunnerEvent[] = [];
  const send = (first: number) => socket.send(JSON.stringify({ t: "events", first, items: items.slice(first - 1) }));
  socket.addEventListener("message", ({ data }) => {
    const frame = ToRunner.parse(JSON.parse(data as string));
    if (frame.t === "welcome") welcome = frame;
    if (frame.t === "answer") answers.get(frame.id)?.(frame.answer);
    if (frame.t === "resend") send(frame.from);
    if (frame.t === "command") {
      commands.push(frame.command);
      seqs.push(frame.seq);
      socket.send(JSON.stringify({ t: "ack", commands: frame.seq }));
    }
  });
  socket.accept();
  socket.send(JSON.stringify({ t: "hello", protocol: RUNNER_PROTOCOL, generation: config.generation, commands: 0 }));
  return {
    commands,
    seqs,
    welcome: await vi.waitFor(() => {
      if (!welcome) throw new Error("the runner was not welcomed");
      return welcome;
    }),
    askAbout(...guests) {
      const id = crypto.randomUUID();
      const answered = new Promise<RunnerAnswer>((resolve) => answers.set(id, resolve));
      socket.send(JSON.stringify({ t: "ask", id, ask: { what: "guests", guests } }));
      return answered;
    },
    used: (service) => socket.send(JSON.stringify({ t: "used", services: [service] })),
    say(...more) {
      const first = items.length + 1;
      items.push(...more.map((item) => ({ at: Date.now(), ...item })));
      send(first);
    },
    close: () => socket.close(1000),
  };
}

/** A new session by the API, with its id. */
export async function newSession(text = "add a test"): Promise<string> {
  const answer = await post("/api/sessions", { text });
  expect(answer.status).toBe(201);
  const { id } = (await answer.json()) as { id: string };
  return id;
}
