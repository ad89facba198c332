/** The real `emulate` Google, taken apart as the local GitHub is: its routes on an app of its own kind that we make, and its store. */
import { createEmulator } from "emulate";
import { z } from "zod";
import { type Collection, callable, type EmulatorStore, loadPart } from "../emulate.ts";

/** A person as the emulator keeps one. */
export interface GoogleUser {
  /** The `sub` of tokens: what never changes about an account. */
  uid: string;
  email: string;
  name: string;
  given_name: string;
  family_name: string;
  picture: string | null;
  email_verified: boolean;
  locale: string;
  /** The Workspace the account belongs to; null for one of a person's own. */
  hd: string | null;
}

/** What may ask for tokens. */
export interface GoogleClient {
  client_id: string;
  client_secret: string;
  name: string;
  redirect_uris: string[];
}

interface GoogleTables {
  users: Collection<GoogleUser>;
  oauthClients: Collection<GoogleClient>;
}
interface Holder {
  login: string;
  id: number;
  scopes: string[];
}
interface Context {
  req: { header(name: string): string | undefined };
  set(key: string, value: unknown): void;
}
interface EmulatorApp {
  use(path: string, handler: (c: Context, next: () => Promise<void>) => Promise<void>): void;
  fetch(request: Request): Promise<Response>;
}
interface Plugin {
  register(app: EmulatorApp, store: EmulatorStore, webhooks: unknown, baseUrl: string, tokens: Map<string, Holder>): void;
}

const Internals = z.object({
  googlePlugin: z.custom<Plugin>((value) => typeof value === "object" && value !== null && "register" in value),
  getGoogleStore: callable<(store: EmulatorStore) => GoogleTables>(),
});

/** What the emulator gives us to build on. `tokens` are the access tokens that are good. */
export interface Emulator {
  fetch: (request: Request) => Promise<Response>;
  tables: GoogleTables;
  tokens: Map<string, Holder>;
}

let turn: Promise<unknown> = Promise.resolve();

/** Starts one emulated Google without a port and without anybody in it. `baseUrl` is its issuer. */
export function createEmulatedGoogle(baseUrl: string): Promise<Emulator> {
  // The plugin object is changed while the emulator loads it, so starts in one process go one after another.
  const mine = turn.then(() => create(baseUrl));
  turn = mine.catch(() => undefined);
  return mine;
}

async function create(baseUrl: string): Promise<Emulator> {
  const { googlePlugin, getGoogleStore } = Internals.parse(await loadPart("googlePlugin", "Google"));
  const register = googlePlugin.register;
  let made: Emulator | undefined;
  googlePlugin.register = (theirs, store, webhooks, base) => {
    const app: EmulatorApp = Reflect.construct(theirs.constructor, []);
    const tokens = new Map<string, Holder>();
    app.use("*", async (c, next) => {
      const token = /^Bearer\s+(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
      const holder = token === undefined ? undefined : tokens.get(token);
      if (holder) c.set("authUser", holder);
      await next();
    });
    register.call(googlePlugin, app, store, webhooks, base, tokens);
    made = { fetch: (request) => app.fetch(request), tables: getGoogleStore(store), tokens };
  };
  try {
    const emulator = await createEmulator({ service: "google", port: 0, hostname: "127.0.0.1", baseUrl });
    // Its own listener has no routes; ours serves them.
    await emulator.close();
  } finally {
    googlePlugin.register = register;
  }
  if (!made) throw new Error("The emulator did not load its Google.");
  for (const user of made.tables.users.all()) made.tables.users.delete(user.id);
  return made;
}
