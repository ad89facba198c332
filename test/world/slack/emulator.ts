/**
 * The real `emulate` Slack, taken apart: its routes on a Hono app of ours, its store, and the place where it hands out
 * events. Registering its routes on our own app leaves out what `emulate` puts around them and Slack does not have:
 * unknown tokens accepted as the administrator, and a 403 after 5,000 calls an hour.
 *
 * This leans on how `emulate` 0.12.2 is built inside (its Slack part is not exported), hence the exact pin. What we rely
 * on is checked at start and in `emulator.test.ts`.
 */
import { createEmulator } from "emulate";
import { Hono } from "hono";
import { z } from "zod";
import { type Collection, callable, type EmulatorStore, loadPart } from "../emulate.ts";
import type { Bot, Channel, EphemeralMessage, Message, Team, Token, User } from "./records.ts";

/** The tables of the emulator that this world reads or writes directly. */
export interface SlackTables {
  teams: Collection<Team>;
  users: Collection<User>;
  channels: Collection<Channel>;
  messages: Collection<Message>;
  ephemeralMessages: Collection<EphemeralMessage>;
  tokens: Collection<Token>;
  bots: Collection<Bot>;
}

interface Webhooks {
  dispatch(type: string, action: string | undefined, envelope: unknown, owner: string, repo?: string): Promise<void>;
}

interface SlackPlugin {
  register(app: Hono, store: EmulatorStore, webhooks: Webhooks, ...rest: unknown[]): void;
}

/** What the emulator gives us to build on. */
export interface Emulator {
  app: Hono;
  store: EmulatorStore;
  tables: SlackTables;
}

const Internals = z.object({
  slackPlugin: z.custom<SlackPlugin>((value) => typeof value === "object" && value !== null && "register" in value),
  getSlackStore: callable<(store: EmulatorStore) => SlackTables>(),
});

/** Loads the module of `emulate` that holds its Slack. Throws, saying what was looked for, when the package is not the pinned one. */
export async function loadInternals(): Promise<z.infer<typeof Internals>> {
  return Internals.parse(await loadPart("slackPlugin", "Slack"));
}

let turn: Promise<unknown> = Promise.resolve();

/**
 * Starts one emulated Slack without a port. `baseUrl` is the address it writes into links; `onEvent` hears every event
 * envelope it would deliver, and must return at once.
 */
export function createEmulatedSlack(options: { baseUrl: string; onEvent: (envelope: unknown) => void }): Promise<Emulator> {
  // The plugin object is changed while the emulator loads it, so starts in one process go one after another.
  const mine = turn.then(() => create(options));
  turn = mine.catch(() => undefined);
  return mine;
}

async function create(options: { baseUrl: string; onEvent: (envelope: unknown) => void }): Promise<Emulator> {
  const { slackPlugin, getSlackStore } = await loadInternals();
  const register = slackPlugin.register;
  const app = new Hono();
  let store: EmulatorStore | undefined;
  slackPlugin.register = (_theirs, theirStore, webhooks, ...rest) => {
    store = theirStore;
    webhooks.dispatch = async (_type, _action, envelope) => options.onEvent(envelope);
    register.call(slackPlugin, app, theirStore, webhooks, ...rest);
  };
  try {
    const emulator = await createEmulator({ service: "slack", port: 0, hostname: "127.0.0.1", baseUrl: options.baseUrl });
    // Its own listener has no routes; ours serves them.
    await emulator.close();
  } finally {
    slackPlugin.register = register;
  }
  if (!store) throw new Error("The emulator did not load its Slack.");
  return { app, store, tables: getSlackStore(store) };
}
