/** The facts that `mayThey` decides from: who somebody is elsewhere, whose session it is, and what the forge says of both. */
import { gitHubApp } from "../../bots/github/client.ts";
import { personOf } from "../../bots/github/delivery.ts";
import { repositoryOf } from "../../bots/github/forge.ts";
import type { Guest } from "../../protocol/grant.ts";
import type { Person } from "../../protocol/request.ts";
import { parseThreadKey } from "../../protocol/thread.ts";
import type { IdentityRow } from "../db/schema.ts";
import type { Whose } from "../session/contract.ts";
import { cloneUrl } from "../session/repository.ts";
import type { Viewer } from "../session/viewers.ts";
import { githubOf, type Settings } from "../settings.ts";
import { findApiKey, KEY_ROLE } from "./api-keys.ts";
import { findAuthSession, userSignedIn } from "./auth-sessions.ts";
import type { Identity } from "./identity.ts";
import { type Known, type PermissionCache, type PermissionPorts, permissionIn } from "./permission.ts";
import { signInOf, slackPromptsOf } from "./providers.ts";
import { type Facts, mayThey, type Right } from "./rights.ts";
import { random } from "./token.ts";
import { accountsOf } from "./users.ts";

/** What finding out needs of the world; what is not given is the real one. `maxAge`: the oldest answer of the forge that counts, in ms. */
export type FactPorts = {
  settings: Settings;
  db: D1Database;
  fetch?: typeof fetch;
  now?: () => number;
  cache?: PermissionCache;
  maxAge?: number;
};

/** Somebody who asks: `userId` null is the machine's owner. */
type Asking = Pick<Identity, "userId" | "role" | "scope">;

/** The repository as the forge names it; null where it is none of its repositories, or there is no forge to ask. Pure. */
export function onForge(repository: string | null, settings: Settings): string | null {
  const signIn = signInOf(settings);
  if (repository === null || !(githubOf(settings).ok || (signIn.ok && signIn.github))) return null;
  return repositoryOf(cloneUrl(repository, settings.REPOSITORY_BASE_URL), settings.GITHUB_WEB_URL ?? "https://github.com");
}

function portsOf({ settings, db, cache, maxAge, now = Date.now, fetch: outer = (...args) => fetch(...args) }: FactPorts): PermissionPorts {
  const github = githubOf(settings);
  const signIn = signInOf(settings);
  return {
    db,
    now,
    random,
    fetch: outer,
    sleep: (ms) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
    signIn: signIn.ok ? signIn : null,
    app: github.ok ? gitHubApp({ ...github, fetch: outer, now, timeoutMs: 4_000 }) : null,
    ...(cache ? { cache } : {}),
    ...(maxAge === undefined ? {} : { maxAge }),
  };
}

/** Somebody with everything that is linked to them: found once for a request, however many sessions it is about. */
export class Asker {
  readonly #ports: FactPorts;
  readonly #asking: Asking;
  readonly #accounts: readonly IdentityRow[];

  private constructor(ports: FactPorts, asking: Asking, accounts: readonly IdentityRow[]) {
    this.#ports = ports;
    this.#asking = asking;
    this.#accounts = accounts;
  }

  /** Rejects where D1 cannot be read. */
  static async of(ports: FactPorts, asking: Asking): Promise<Asker> {
    return new Asker(ports, asking, asking.userId === null ? [] : await accountsOf(ports.db, asking.userId));
  }

  /** Every id the person is known by. */
  get people(): string[] {
    const { userId } = this.#asking;
    return userId === null ? ["owner"] : [`user:${userId}`, ...this.#accounts.map(({ provider, subject }) => `${provider}:${subject}`)];
  }

  get #gitHub(): IdentityRow | undefined {
    return this.#accounts.find(({ provider }) => provider === "github");
  }

  /** The address for the person's commits, where their GitHub account is known: the one that GitHub itself ties to it. */
  get commitEmail(): Pick<Person, "email"> {
    const account = this.#gitHub;
    const { email } = account?.login ? personOf({ id: Number(account.subject), login: account.login }) : {};
    return email === undefined ? {} : { email };
  }

  /** The facts about the person and a session; the forge is asked if it has the session's repository. */
  async facts(whose: Whose | null, asAdmin = false): Promise<Facts> {
    const { userId, role, scope } = this.#asking;
    const who = { owner: userId === null, role, people: this.people, onForge: this.#gitHub !== undefined, asAdmin, scope };
    if (userId === null || !whose) return { who, session: null };
    const name = onForge(whose.repository, this.#ports.settings);
    const { began, closed } = whose;
    const surface = parseThreadKey(whose.thread)?.surface ?? "page";
    // Where asking in Slack takes write access, having asked adds nothing to it: who lost the access has lost the session.
    const members = name !== null && slackPromptsOf(this.#ports.settings) === "linked" ? [] : whose.members;
    return {
      who,
      session: { surface, repository: name === null ? null : { name, ...(await this.#known(name, userId)) }, began, members, closed },
    };
  }

  #known(repository: string, userId: string): Promise<Known> {
    const account = this.#gitHub;
    const github = account ? { subject: account.subject, login: account.login } : null;
    return permissionIn(repository, { userId, github }, portsOf(this.#ports));
  }
}

/** Older answers of the forge, in ms, do not count for who has something open: what is not asked now would be an answer of the last time. */
const FRESH_MS = 5_000;

/** Whether a viewer may still see a session; null: the forge did not say. Rejects where D1 cannot be read. */
export function stillMaySee(env: Pick<Env, "DB">, settings: Settings, whose: () => Whose): (viewer: Viewer) => Promise<boolean | null> {
  return async ({ sessionHash, adminUntil }) => {
    const now = Date.now();
    const asking = await askingBy(env.DB, sessionHash, now);
    if (!asking) return false;
    return still({ settings, db: env.DB }, asking, "see", whose(), adminUntil !== null && adminUntil > now);
  };
}

/**
 * Whether somebody may still have open what they opened in a session's sandbox; null: the forge did not say. An admin's time is kept by the
 * gateway; here they must only still be one. Rejects where D1 cannot be read.
 */
export function mayStay(env: Pick<Env, "DB">, settings: Settings, whose: () => Whose): (guest: Guest) => Promise<boolean | null> {
  return async ({ sub, sid, mode, admin }) => {
    // The machine's owner signs in nowhere.
    if (sub === "owner") return sid === undefined && settings.LOCAL_OWNER !== null;
    const [, userId] = /^user:(\w+)$/.exec(sub) ?? [];
    const user = userId === undefined || sid === undefined ? null : await userSignedIn(env.DB, userId, sid, Date.now());
    return user !== null && still({ settings, db: env.DB }, { userId: user.id, role: user.role, scope: null }, mode, whose(), admin);
  };
}

/** Who asks by a session or a key of that hash; null where it is over. */
async function askingBy(db: D1Database, hash: string, now: number): Promise<Asking | null> {
  const session = await findAuthSession(db, hash, now);
  if (session) return { userId: session.user.id, role: session.user.role, scope: null };
  const found = await findApiKey(db, hash, now);
  return found && { userId: found.user.id, role: KEY_ROLE, scope: found.key.scope };
}

async function still(ports: FactPorts, asking: Asking, right: Right, whose: Whose, asAdmin: boolean): Promise<boolean | null> {
  const asker = await Asker.of({ ...ports, maxAge: FRESH_MS }, asking);
  const decision = mayThey(right, await asker.facts(whose, asAdmin));
  return decision.ok || (decision.code === "not_known" ? null : false);
}
