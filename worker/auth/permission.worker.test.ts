import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { gitHubApp } from "../../bots/github/client.ts";
import { fresh } from "../testing/deliveries.ts";
import { keepTokens } from "./oauth-tokens.ts";
import { type Asker, type Known, type PermissionCache, type PermissionPorts, permissionIn } from "./permission.ts";
import type { SignIn } from "./providers.ts";
import { random } from "./token.ts";

const API = "https://api.github.test";
const signIn: SignIn = {
  origin: "https://errand.example",
  keys: { current: "k1", keys: { k1: new Uint8Array(32).fill(1) } },
  rules: { githubOrganisations: [], githubTeams: [], emailDomains: [], open: false },
  github: { id: "Iv1.x", secret: "s", webUrl: "https://github.test", apiUrl: API },
  google: null,
};
const rights = (push: boolean, admin = false) => ({ admin, maintain: false, push, triage: true, pull: true });

let now: number;
let calls: string[];
/** What the person's own token gets, and what the App gets, by path. */
let own: (path: string) => Response;
let app: (path: string) => Response;
let cache: PermissionCache;

const away = () => Response.json({ message: "Bad Gateway" }, { status: 502 });
const missing = () => Response.json({ message: "Not Found" }, { status: 404 });

const answering: typeof fetch = async (input, init) => {
  const request = new Request(input as RequestInfo, init as RequestInit);
  const { pathname } = new URL(request.url);
  if (pathname.endsWith("/access_tokens"))
    return Response.json({ token: "ghs_x", expires_at: new Date(now + 3600_000).toISOString() }, { status: 201 });
  const mine = request.headers.get("authorization") === "Bearer ghu_mine";
  calls.push(`${mine ? "own" : "app"} ${pathname}`);
  return mine ? own(pathname) : app(pathname);
};

function portsWith(change: Partial<PermissionPorts> = {}): PermissionPorts {
  return {
    db: env.DB,
    signIn,
    app: gitHubApp({
      appId: "1",
      slug: "errand",
      privateKey: env.GITHUB_PRIVATE_KEY,
      apiUrl: API,
      webUrl: "https://github.test",
      fetch: answering,
      now: () => now,
      cache: new Map(),
    }),
    fetch: answering,
    now: () => now,
    random,
    sleep: async () => undefined,
    cache,
    ...change,
  };
}

/** Somebody with a GitHub account; with a token of their own unless it ended. */
async function asker(
  token: { expiresAt: number | null; refresh: string | null } | null = { expiresAt: null, refresh: null },
): Promise<Asker> {
  const id = fresh();
  const userId = `u${id}`;
  if (token)
    await keepTokens(portsWith({ signIn }) as Parameters<typeof keepTokens>[0], userId, "github", { access: "ghu_mine", ...token });
  return { userId, github: { subject: String(id), login: `person-${id}` } };
}

beforeEach(() => {
  now = Date.now();
  calls = [];
  cache = new Map();
  own = missing;
  app = missing;
});

describe("by the person's own token", () => {
  test.each<[string, () => Response, Known]>([
    ["may push", () => Response.json({ private: true, permissions: rights(true) }), { visibility: "private", permission: "write" }],
    [
      "administers",
      () => Response.json({ private: true, permissions: rights(true, true) }),
      { visibility: "private", permission: "admin" },
    ],
    ["reads", () => Response.json({ private: true, permissions: rights(false) }), { visibility: "private", permission: "read" }],
    ["a public one", () => Response.json({ private: false, permissions: rights(false) }), { visibility: "public", permission: "read" }],
    ["is shown nothing", missing, { visibility: "private", permission: "none" }],
    ["an outage", away, { visibility: "unknown", permission: "unknown" }],
    ["a refusal", () => Response.json({}, { status: 403 }), { visibility: "unknown", permission: "unknown" }],
    ["something else", () => Response.json({ hello: 1 }), { visibility: "unknown", permission: "unknown" }],
    ["no JSON", () => new Response("<html>"), { visibility: "unknown", permission: "unknown" }],
    [
      "a redirect to elsewhere",
      () => new Response(null, { status: 301, headers: { location: "https://evil.example/repos/acme/x" } }),
      { visibility: "unknown", permission: "unknown" },
    ],
  ])("%s", async (_name, answer, known) => {
    own = answer;
    expect(await permissionIn("acme/x", await asker(), portsWith())).toEqual(known);
    expect(calls).toEqual(["own /repos/acme/x"]);
  });

  test.each<[string, (path: string) => Response, string, string | null]>([
    ["a collaborator", () => new Response(null, { status: 204 }), "read", "/repos/acme/x/collaborators/"],
    ["nobody of its own", missing, "none", "/repos/acme/x/collaborators/"],
    ["an outage", away, "unknown", "/repos/acme/x/collaborators/"],
    ["an App that is not installed there", (path) => (path.endsWith("/installation") ? missing() : away()), "none", null],
  ])("of a public one GitHub says read to everybody, so it is asked whose it is: %s", async (_name, answer, permission, asked) => {
    own = () => Response.json({ private: false, permissions: { admin: false, push: false, pull: true } });
    app = (path) => (asked !== null && path.endsWith("/installation") ? Response.json({ id: 100 }) : answer(path));
    const person = await asker();
    expect(await permissionIn("acme/x", person, portsWith())).toEqual({ visibility: "public", permission });
    expect(calls.at(-1)).toBe(asked === null ? "app /repos/acme/x/installation" : `app ${asked}${person.github?.login}`);
  });

  test("a repository that was renamed is followed to its new address", async () => {
    own = (path) =>
      path === "/repos/acme/old"
        ? new Response(null, { status: 301, headers: { location: `${API}/repositories/7` } })
        : Response.json({ private: true, permissions: rights(true) });
    expect(await permissionIn("acme/old", await asker(), portsWith())).toEqual({ visibility: "private", permission: "write" });
  });
});

describe("by the App, about the account", () => {
  const appAnswers = (permission: Response, isPrivate = true) => {
    app = (path) => {
      if (path.endsWith("/installation")) return Response.json({ id: 100 });
      return path.endsWith("/permission") ? permission.clone() : Response.json({ private: isPrivate });
    };
  };
  const said = (permission: string, { github }: Asker) => Response.json({ permission, user: { id: Number(github?.subject) } });

  test.each([
    ["admin", "admin"],
    ["write", "write"],
    ["maintain", "write"],
    ["triage", "read"],
    ["read", "read"],
    ["none", "none"],
    ["owner-of-everything", "unknown"],
  ] as const)("%s is %s", async (permission, expected) => {
    const person = await asker(null);
    appAnswers(said(permission, person));
    expect(await permissionIn("acme/x", person, portsWith())).toEqual({ visibility: "private", permission: expected });
  });

  test.each([
    [204, "read"],
    [404, "none"],
  ] as const)("of a public one read counts for a collaborator only: %i is %s", async (status, expected) => {
    const person = await asker(null);
    appAnswers(said("read", person), false);
    const answers = app;
    app = (path) => (path.endsWith(`/collaborators/${person.github?.login}`) ? new Response(null, { status }) : answers(path));
    expect(await permissionIn("acme/x", person, portsWith())).toEqual({ visibility: "public", permission: expected });
  });

  test("a token that was taken back makes no difference: the account is asked about", async () => {
    const person = await asker();
    own = () => Response.json({ message: "Bad credentials" }, { status: 401 });
    appAnswers(said("write", person));
    expect(await permissionIn("acme/x", person, portsWith())).toMatchObject({ permission: "write" });
  });

  test.each([
    [403, { "x-ratelimit-remaining": "0" }],
    [403, { "retry-after": "60" }],
    [429, {}],
  ])("nor does a limit that the person used up, with which they would keep what they lost: %i %o", async (status, headers: HeadersInit) => {
    const person = await asker();
    own = () => Response.json({ message: "API rate limit exceeded" }, { status, headers });
    appAnswers(missing());
    expect(await permissionIn("acme/x", person, portsWith())).toEqual({ visibility: "private", permission: "none" });
  });

  test("a login that is somebody else's by now gives nothing", async () => {
    appAnswers(Response.json({ permission: "admin", user: { id: 1 } }));
    expect(await permissionIn("acme/x", await asker(null), portsWith())).toEqual({ visibility: "private", permission: "none" });
  });

  test("who is no collaborator has none; an outage is unknown", async () => {
    appAnswers(missing());
    expect(await permissionIn("acme/x", await asker(null), portsWith())).toEqual({ visibility: "private", permission: "none" });
    appAnswers(away());
    expect(await permissionIn("acme/x", await asker(null), portsWith())).toEqual({ visibility: "unknown", permission: "unknown" });
  });

  test("without an account the visibility is all that is known", async () => {
    appAnswers(missing(), false);
    expect(await permissionIn("acme/x", { userId: "google-only", github: null }, portsWith())).toEqual({
      visibility: "public",
      permission: "unknown",
    });
  });

  test("where the App is not installed, or not set up, nothing is known", async () => {
    const unknown = { visibility: "unknown", permission: "unknown" };
    expect(await permissionIn("acme/x", await asker(null), portsWith())).toEqual(unknown);
    expect(await permissionIn("acme/x", await asker(null), portsWith({ app: null, signIn: null }))).toEqual(unknown);
  });
});

describe("answers hold", () => {
  test("for a minute, by repository and account", async () => {
    const person = await asker();
    own = () => Response.json({ private: true, permissions: rights(true) });
    await permissionIn("acme/x", person, portsWith());
    own = missing;
    now += 59_000;
    expect(await permissionIn("ACME/x", person, portsWith())).toMatchObject({ permission: "write" });
    expect(await permissionIn("acme/other", person, portsWith())).toMatchObject({ permission: "none" });
    expect(await permissionIn("acme/x", await asker(), portsWith())).toMatchObject({ permission: "none" });
    now += 1_000;
    expect(await permissionIn("acme/x", person, portsWith())).toMatchObject({ permission: "none" });
  });

  test("but not what was not said, and not for whoever wants a fresh one", async () => {
    const person = await asker();
    own = away;
    await permissionIn("acme/x", person, portsWith());
    own = () => Response.json({ private: true, permissions: rights(true) });
    expect(await permissionIn("acme/x", person, portsWith())).toMatchObject({ permission: "write" });
    own = missing;
    now += 5_000;
    expect(await permissionIn("acme/x", person, portsWith({ maxAge: 5_000 }))).toMatchObject({ permission: "none" });
  });
});
