/**
 * The real `emulate` GitHub, taken apart: its routes on an app of its own kind that we make, its store, and the place where
 * it hands out events. Making that app ourselves leaves out what `emulate` puts around the routes and GitHub does not have:
 * unknown tokens accepted as the first user, App tokens of any lifetime, a 403 after 5,000 calls.
 */
import { createEmulator } from "emulate";
import { z } from "zod";
import { type Collection, callable, type EmulatorStore, loadPart } from "../emulate.ts";
import type {
  App,
  Branch,
  CheckRun,
  CheckSuite,
  Collaborator,
  Comment,
  CommitStatus,
  Email,
  Installation,
  Issue,
  IssueEvent,
  Label,
  Membership,
  Minimized,
  Org,
  Pull,
  Reaction,
  Repo,
  Review,
  User,
} from "./records.ts";

/** The tables of the emulator that this world reads or writes directly, and those it adds. */
export interface GitHubTables {
  users: Collection<User>;
  orgs: Collection<Org>;
  repos: Collection<Repo>;
  collaborators: Collection<Collaborator>;
  issues: Collection<Issue>;
  pullRequests: Collection<Pull>;
  comments: Collection<Comment>;
  reviews: Collection<Review>;
  issueEvents: Collection<IssueEvent>;
  labels: Collection<Label>;
  branches: Collection<Branch>;
  checkRuns: Collection<CheckRun>;
  checkSuites: Collection<CheckSuite>;
  apps: Collection<App>;
  appInstallations: Collection<Installation>;
  reactions: Collection<Reaction>;
  statuses: Collection<CommitStatus>;
  minimized: Collection<Minimized>;
  emails: Collection<Email>;
  memberships: Collection<Membership>;
}

/** What the emulator's routes read of who is calling. */
export interface EmulatorCaller {
  app?: { appId: number; slug: string; name: string };
  user?: { login: string; id: number; scopes: string[]; installation?: EmulatorInstallation };
}

/** What an installation's token may do, in the emulator's words. */
export interface EmulatorInstallation {
  installationId: number;
  appId: number;
  accountId: number;
  accountType: "User" | "Organization";
  permissions: Record<string, string>;
  repositoryIds: number[];
  repositorySelection: "all" | "selected";
}

/** What the emulator keeps for one token. */
export type EmulatorToken = NonNullable<EmulatorCaller["user"]>;

interface Context {
  set(key: string, value: unknown): void;
  json(body: unknown, status: number): Response;
}
interface EmulatorApp {
  use(path: string, handler: (c: Context, next: () => Promise<void>) => Promise<void>): void;
  onError(handler: (error: unknown, c: Context) => Response): void;
  fetch(request: Request): Promise<Response>;
}
interface Webhooks {
  dispatch(event: string, action: string | undefined, payload: unknown, owner: string, repo?: string): Promise<void>;
}
interface Plugin {
  register(app: EmulatorApp, store: EmulatorStore, webhooks: Webhooks, baseUrl: string, tokens: Map<string, EmulatorToken>): void;
}

const Internals = z.object({
  githubPlugin: z.custom<Plugin>((value) => typeof value === "object" && value !== null && "register" in value),
  getGitHubStore:
    callable<(store: EmulatorStore) => Omit<GitHubTables, "reactions" | "statuses" | "minimized" | "emails" | "memberships">>(),
});
const Failure = z.object({ status: z.number(), message: z.string() });

/** What the emulator gives us to build on. `tokens` are those of installations that it minted. */
export interface Emulator {
  fetch: (request: Request) => Promise<Response>;
  store: EmulatorStore;
  tables: GitHubTables;
  tokens: Map<string, EmulatorToken>;
}

let turn: Promise<unknown> = Promise.resolve();

/**
 * Starts one emulated GitHub without a port. `baseUrl` is the address it writes into links, `caller` tells who makes the
 * call that is being served; `onEvent` hears every webhook it would send, and must return at once.
 */
export function createEmulatedGitHub(options: {
  baseUrl: string;
  caller: () => EmulatorCaller;
  onEvent: (event: string, payload: unknown) => void;
}): Promise<Emulator> {
  // The plugin object is changed while the emulator loads it, so starts in one process go one after another.
  const mine = turn.then(() => create(options));
  turn = mine.catch(() => undefined);
  return mine;
}

async function create(options: Parameters<typeof createEmulatedGitHub>[0]): Promise<Emulator> {
  const { githubPlugin, getGitHubStore } = Internals.parse(await loadPart("githubPlugin", "GitHub"));
  const register = githubPlugin.register;
  let made: Omit<Emulator, "tables"> | undefined;
  githubPlugin.register = (theirs, store, webhooks, baseUrl) => {
    // Its routes use paths that only its own kind of app understands.
    const app: EmulatorApp = Reflect.construct(theirs.constructor, []);
    app.onError((error, c) => {
      const known = Failure.safeParse(error instanceof Error ? { ...error, message: error.message } : error);
      if (!known.success) console.error("local GitHub:", error);
      return c.json({ message: known.success ? known.data.message : "Server Error" }, known.success ? known.data.status : 500);
    });
    app.use("*", async (c, next) => {
      const caller = options.caller();
      if (caller.app) c.set("authApp", caller.app);
      if (caller.user) c.set("authUser", caller.user);
      await next();
    });
    const tokens = new Map<string, EmulatorToken>();
    register.call(githubPlugin, app, store, webhooks, baseUrl, tokens);
    webhooks.dispatch = async (event, _action, payload) => options.onEvent(event, payload);
    made = { fetch: (request) => app.fetch(request), store, tokens };
  };
  try {
    const emulator = await createEmulator({ service: "github", port: 0, hostname: "127.0.0.1", baseUrl: options.baseUrl });
    // Its own listener has no routes; ours serves them.
    await emulator.close();
  } finally {
    githubPlugin.register = register;
  }
  if (!made) throw new Error("The emulator did not load its GitHub.");
  const { store } = made;
  const tables = {
    ...getGitHubStore(store),
    reactions: store.collection<Reaction>("errand.reactions", ["subject"]),
    statuses: store.collection<CommitStatus>("errand.statuses", ["repo_id", "sha"]),
    minimized: store.collection<Minimized>("errand.minimized", ["node_id"]),
    emails: store.collection<Email>("errand.emails", ["user_id"]),
    memberships: store.collection<Membership>("errand.memberships", ["org_id", "user_id"]),
  };
  return { ...made, tables };
}
