/** Every route with everybody: who comes in, and that none stands outside this list. */
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import { sessionIdOf } from "../protocol/thread.ts";
import { app } from "./mounted.ts";
import type { Agent } from "./routes/app.ts";
import { fresh } from "./testing/deliveries.ts";
import { gitHubWith, type Someone, someone } from "./testing/people.ts";
import { ask, world } from "./testing/world.ts";

/**
 * What stands before a route. `open`: nothing, it says nothing about anyone. `own`: a signature or a token that is not a person's. `signed in`:
 * anybody who is recognised. The others are rights.
 */
type Door = "open" | "own" | "signed in" | "see" | "prompt" | "drive" | "watch" | "administer";

const DOORS: Record<string, Door> = {
  "GET /healthz": "open",
  "GET /assets/:file": "open",
  "GET /.well-known/jwks.json": "open",
  "GET /setup/github/installed": "open",
  "GET /sign-in": "open",
  "GET /auth/:provider": "open",
  "GET /auth/:provider/callback": "open",
  "POST /api/auth/exchange": "own",
  "POST /slack/events": "own",
  "POST /github/webhook": "own",
  "GET /sandbox/:session/runner": "own",
  "GET /sandbox/:session/model/v1/models": "own",
  "POST /sandbox/:session/model/v1/chat/completions": "own",
  "GET /auth/callback": "signed in",
  "POST /auth/:provider/link": "signed in",
  "GET /api/auth/me": "signed in",
  "GET /api/auth/sessions": "signed in",
  "DELETE /api/auth/sessions/:id": "signed in",
  "POST /api/auth/sign-out": "signed in",
  "POST /api/auth/sign-out-everywhere": "signed in",
  "GET /api/auth/keys": "signed in",
  "POST /api/auth/keys": "signed in",
  "DELETE /api/auth/keys/:id": "signed in",
  "GET /account/keys": "signed in",
  "POST /account/keys": "signed in",
  "POST /account/keys/:id/revoke": "signed in",
  "GET /account": "signed in",
  "GET /link/slack": "signed in",
  "POST /link/slack": "signed in",
  "GET /link/slack/state": "signed in",
  "POST /account/slack/unlink": "signed in",
  "POST /account/sign-out": "signed in",
  "POST /account/sign-out-everywhere": "signed in",
  "POST /account/sessions/:id/end": "signed in",
  "GET /": "signed in",
  "POST /": "signed in",
  "GET /api/sessions": "signed in",
  "POST /api/sessions": "signed in",
  "ALL /api/*": "signed in",
  "GET /s/:id": "see",
  "GET /s/:id/fragment": "see",
  "GET /api/sessions/:id": "see",
  "GET /api/sessions/:id/events": "see",
  "POST /s/:id/say": "prompt",
  "POST /api/sessions/:id/messages": "prompt",
  "GET /s/:id/open/:service": "drive",
  "GET /s/:id/open/:service/state": "drive",
  "GET /s/:id/open/preview/:port": "drive",
  "GET /s/:id/open/preview/:port/state": "drive",
  "POST /s/:id/as-admin": "administer",
  "GET /setup/github": "administer",
  "POST /setup/github": "administer",
  "GET /setup/github/created": "administer",
  "GET /admin/people": "administer",
  "POST /admin/people/:id": "administer",
  "POST /admin/people/:id/unlink": "administer",
  "POST /admin/invitations": "administer",
  "POST /admin/invitations/:id/withdraw": "administer",
  "GET /admin/audit": "administer",
  "GET /admin/audit.csv": "administer",
  "GET /api/admin/audit": "administer",
};

const json = (body: unknown): RequestInit => ({ headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
const form = (fields: Record<string, string>): RequestInit => ({
  headers: { "content-type": "application/x-www-form-urlencoded" },
  body: new URLSearchParams(fields).toString(),
});
/** What an address takes for some of what it can name: what can be looked at opens for who may only look on. */
const VARIANTS: Record<string, Door> = {
  "GET /s/:id/open/opencode": "drive",
  "GET /s/:id/open/vscode?watch": "drive",
  "GET /s/:id/open/desktop": "watch",
  "GET /s/:id/open/desktop/state": "watch",
  "GET /s/:id/open/desktop?watch": "watch",
  "GET /s/:id/open/terminal": "watch",
  "GET /s/:id/open/terminal?watch": "watch",
  "GET /s/:id/open/terminal/state?watch": "watch",
  "GET /s/:id/open/preview/3000?watch": "drive",
  "GET /s/:id/open/nothing": "drive",
};

/** What is sent where an empty request would not do. */
const SENT: Record<string, () => RequestInit> = {
  "POST /": () => form({ text: "look" }),
  "POST /api/sessions": () => json({ text: "look" }),
  "POST /s/:id/say": () => form({ t: "status-of-nothing" }),
  "POST /api/sessions/:id/messages": () => json({ t: "prompt", id: crypto.randomUUID(), text: "look" }),
  "POST /api/auth/exchange": () => json({ code: "0".repeat(64) }),
  "POST /s/:id/as-admin": () => form({ why: "a test" }),
};

const routes = [...new Set(app.routes.map(({ method, path }) => `${method} ${path}`))].filter((route) => route !== "ALL /*");

test("no route stands outside the list, and the list has none that is not there", () => {
  expect(routes.toSorted()).toEqual(Object.keys(DOORS).toSorted());
});

const PEOPLE = ["nobody", "stranger", "member", "reader", "writer", "admin", "owner"] as const;
type Name = (typeof PEOPLE)[number];
const all: readonly Name[] = PEOPLE;
const known = all.filter((name) => name !== "nobody");

/** Who comes in, by the kind of thread that the session was begun in. Its repository is private. */
const IN: Record<"github" | "slack", Record<Door, readonly Name[]>> = {
  github: {
    open: all,
    own: [],
    "signed in": known,
    see: ["reader", "writer", "owner"],
    prompt: ["writer", "owner"],
    drive: ["writer", "owner"],
    watch: ["reader", "writer", "owner"],
    administer: ["admin", "owner"],
  },
  slack: {
    open: all,
    own: [],
    "signed in": known,
    see: ["member", "writer", "owner"],
    prompt: ["writer", "owner"],
    drive: ["writer", "owner"],
    watch: ["member", "writer", "owner"],
    administer: ["admin", "owner"],
  },
};

let people: Record<Exclude<Name, "nobody" | "owner">, Someone>;
const sessions = { github: "", slack: "" };

const agent = (id: string): Agent => env.SESSIONS.getByName(id) as unknown as Agent;

/** A session in a thread, begun by one and joined by others, in a repository on the forge. */
async function begin(thread: string, repository: string, whos: readonly string[]): Promise<string> {
  const id = await sessionIdOf(thread, env.SESSION_KEY);
  for (const [index, who] of whos.entries()) {
    const deliveryId = `${thread}:${index}`;
    const accepted = await agent(id).accept({
      kind: "prompt",
      deliveryId,
      contentKey: deliveryId,
      thread,
      who: { id: who, name: who },
      at: Date.now(),
      text: "fix it",
      options: { repository },
      joins: false,
    });
    expect(accepted.status).toBe("accepted");
  }
  return id;
}

beforeAll(async () => {
  const outside = world();
  const { repositories } = gitHubWith(outside);
  people = {
    stranger: await someone(),
    member: await someone({ slack: true }),
    reader: await someone(),
    writer: await someone(),
    admin: await someone({ role: "admin" }),
  };
  const named = new Map<string, string>();
  const login = ({ github }: Someone) => github?.login ?? "";
  named.set(login(people.reader), "read").set(login(people.writer), "write").set(login(people.member), "none");
  repositories.set("acme/matrix", { private: true, people: named });
  sessions.github = await begin(`github:${fresh()}:7`, "acme/matrix", [`github:${people.writer.github?.id}`]);
  sessions.slack = await begin(`slack:T1:C1:${fresh()}.000100`, "acme/matrix", ["slack:T1:UOTHER", `slack:${people.member.slack}`]);
});

/** Asks as somebody; with a key of theirs where a scope is named. */
async function knock(route: string, name: Name, session: string, scope?: "read" | "prompt"): Promise<number> {
  const [method = "", pattern = ""] = route.split(" ");
  const path = pattern
    .replace(":id", session)
    .replace(":session", session)
    .replace(":service", "vscode")
    .replace(":port", "3000")
    .replace(":provider", "github")
    .replace(":file", "page.css")
    .replace("*", "nothing");
  const sent = SENT[route]?.() ?? {};
  const headers = new Headers(sent.headers);
  if (name === "nobody") headers.set("x-forwarded-for", "203.0.113.9");
  else if (name !== "owner") headers.set("authorization", `Bearer ${scope ? await people[name].key(scope) : await people[name].token()}`);
  const answer = await ask(path, { ...sent, method: method === "ALL" ? "GET" : method, headers });
  await answer.body?.cancel();
  return answer.status;
}

/** Where programs come in with a key; what stands behind counts as well. */
const FOR_KEYS = [
  "GET /api/sessions",
  "POST /api/sessions",
  "GET /api/auth/me",
  ...Object.keys(DOORS).filter((route) => route.includes(" /api/sessions/:id")),
];
/** Of each of these a key, with that scope. */
const KEYS = [
  { name: "writer", scope: "read" },
  { name: "writer", scope: "prompt" },
  { name: "reader", scope: "prompt" },
  { name: "admin", scope: "prompt" },
] as const;
/** Beginning a session is prompting it. */
const takesPrompt = (route: string, door: Door) => door === "prompt" || route === "POST /api/sessions";

describe.each(KEYS)("with a key of the $name to $scope", ({ name, scope }) => {
  test.each(Object.entries({ ...DOORS, ...VARIANTS }))("%s (%s)", async (route, door) => {
    const status = await knock(route, name, sessions.github, scope);
    const persons: readonly Name[] = IN.github[door];
    const inside = FOR_KEYS.includes(route) && persons.includes(name) && (scope === "prompt" || !takesPrompt(route, door));
    if (door === "own") expect([400, 401, 426, 429, 503]).toContain(status);
    else if (door === "open" || inside) expect([401, 403]).not.toContain(status);
    else expect(status).toBe(403);
    expect(status).not.toBe(500);
  });
});

describe.each(["github", "slack"] as const)("of a session in a thread of %s", (surface) => {
  describe.each(PEOPLE)("%s", (name) => {
    test.each(Object.entries(DOORS))("%s (%s)", async (route, door) => {
      const status = await knock(route, name, sessions[surface]);
      if (door === "own") expect([400, 401, 426, 429, 503]).toContain(status);
      else if (IN[surface][door].includes(name)) expect([401, 403]).not.toContain(status);
      else expect(status).toBe(name === "nobody" ? 401 : 403);
      expect(status).not.toBe(500);
    });
  });
});
