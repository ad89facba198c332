/**
 * The only way GitHub clients are made here: as the App, or as one installation of it. Tokens are minted when a call needs one.
 * What is kept are values, never promises: a request of a Worker that ends leaves its promises unsettled for every later one.
 */
import { Octokit } from "@octokit/rest";
import { SignJWT } from "jose";
import * as z from "zod";
import { signingKey } from "./key.ts";

/** How the App reaches GitHub. */
export type GitHubAccess = {
  appId: string;
  /** The App's name in addresses and logins: its comments are by `<slug>[bot]`. */
  slug: string;
  /** PEM, PKCS#1 or PKCS#8. */
  privateKey: string;
  /** Base of the REST API; null = `https://api.github.com`. */
  apiUrl: string | null;
  /** Base of the pages and of clone addresses, such as `https://github.com`. */
  webUrl: string;
  fetch?: typeof fetch;
  /** Milliseconds since 1970. */
  now?: () => number;
  /** Milliseconds before a call is given up; 8 s unless given. */
  timeoutMs?: number;
  /** Where minted tokens and looked-up installations are kept; one for the whole isolate unless given. */
  cache?: GitHubCache;
};

/** What a token may do: on which repositories of the installation (all where none is named), with which of its permissions (all where none is named). */
export type TokenScope = {
  /** Names, or `owner/name` where the owner is the installation's account. */
  repositories?: string[];
  repositoryIds?: number[];
  /** Such as `{ contents: "write" }`. More than the installation has is a 422. */
  permissions?: Record<string, "read" | "write">;
};

/** An installation token. Secret: opaque, of any length. `expiresAt` in ms since 1970. */
export type InstallationToken = { token: string; expiresAt: number };

/** Tokens and installation ids that were learnt, with the time from which they are not used any more. Bounded by `KEPT`. */
export type GitHubCache = Map<string, { value: string; expiresAt: number; until: number }>;

export type GitHubApp = {
  readonly appId: string;
  readonly slug: string;
  readonly webUrl: string;
  readonly apiUrl: string;
  /** Calls as the App itself. */
  asApp(): Octokit;
  /** Calls as the installation, with all its rights. Nothing is minted before the first call; a 401 mints once more. */
  installation(id: number): Octokit;
  /** The installation that covers `owner/name`; null where there is none. Known for five minutes. Throws what Octokit throws. */
  installationOf(repository: string): Promise<number | null>;
  /** The number of the account `<slug>[bot]` that errand writes as; null where it could not be found out. Known for a day. */
  botId(): Promise<number | null>;
  /** A token of the installation. `fresh`: newly minted, valid for its whole hour. Throws what Octokit throws. */
  token(installation: number, scope?: TokenScope, fresh?: boolean): Promise<InstallationToken>;
};

const GITHUB_API = "https://api.github.com";
/** Milliseconds before a call is given up: GitHub itself ends calls after ten seconds. */
const TIMEOUT = 8_000;
/** App tokens: GitHub takes at most ten minutes of life, and its clock may be a minute behind ours. Seconds. */
const APP_TOKEN = { before: 60, after: 540 } as const;
/** A token with less life than this is not used any more: what began with it should end with it. Milliseconds. */
const TOKEN_MARGIN = 10 * 60_000;
const INSTALLATION_KNOWN = 5 * 60_000;
const BOT_KNOWN = 24 * 60 * 60_000;
/** Entries kept; beyond that the oldest go. */
const KEPT = 500;

const shared: GitHubCache = new Map();

const quiet = () => undefined;
/** The client would log addresses of failed calls; what went wrong is in what it throws. */
const SILENT = { debug: quiet, info: quiet, warn: quiet, error: quiet };

const Minted = z.object({
  token: z.string().min(1),
  expires_at: z
    .string()
    .transform((text) => Date.parse(text))
    .pipe(z.number()),
});

/** Splits `owner/name`. Throws where it is neither: callers have checked it. */
export function splitRepository(repository: string): { owner: string; repo: string } {
  const [owner, repo, more] = repository.split("/");
  if (!owner || !repo || more !== undefined) throw new Error(`not owner/name: ${JSON.stringify(repository.slice(0, 200))}`);
  return { owner, repo };
}

/** `fetch` that gives up in time. Called as a function: a Worker's `fetch` refuses to be a method. */
function limited(access: GitHubAccess): typeof fetch {
  const outer = access.fetch ?? fetch;
  return async (input, init) => {
    const ends = AbortSignal.timeout(access.timeoutMs ?? TIMEOUT);
    return outer(input, { ...init, signal: init?.signal ? AbortSignal.any([init.signal, ends]) : ends });
  };
}

/** The App, as it reaches GitHub. Cheap: nothing is called or parsed before it is needed. */
export function gitHubApp(access: GitHubAccess): GitHubApp {
  const apiUrl = (access.apiUrl ?? GITHUB_API).replace(/\/+$/, "");
  const now = access.now ?? Date.now;
  const cache = access.cache ?? shared;

  const kept = (key: string) => {
    const found = cache.get(key);
    return found && found.until > now() ? found : undefined;
  };
  const keep = (key: string, value: string, expiresAt: number, until: number) => {
    cache.delete(key);
    cache.set(key, { value, expiresAt, until });
    for (const oldest of cache.keys()) {
      if (cache.size <= KEPT) break;
      cache.delete(oldest);
    }
  };

  async function appToken(): Promise<string> {
    const key = `${apiUrl} ${access.appId} app`;
    const found = kept(key);
    if (found) return found.value;
    const seconds = Math.floor(now() / 1000);
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: "RS256", typ: "JWT" })
      .setIssuer(access.appId)
      .setIssuedAt(seconds - APP_TOKEN.before)
      .setExpirationTime(seconds + APP_TOKEN.after)
      .sign(await signingKey(access.privateKey));
    // Used for half its life only, so that a clock that differs does no harm.
    keep(key, token, (seconds + APP_TOKEN.after) * 1000, (seconds + APP_TOKEN.after / 2) * 1000);
    return token;
  }

  /** A client whose calls carry what `authorization` gives; `again` after a 401, once. */
  function client(authorization: (again: boolean) => Promise<string>, refreshes: boolean): Octokit {
    const octokit = new Octokit({ baseUrl: apiUrl, userAgent: "errand", log: SILENT, request: { fetch: limited(access) } });
    octokit.hook.wrap("request", async (request, options) => {
      // Changed in place: hooks of plugins stand between and would pass on what they were given.
      const send = async (again: boolean) => {
        options.headers.authorization = await authorization(again);
        return request(options);
      };
      try {
        return await send(false);
      } catch (error) {
        // A new token may be refused for a moment, and a revoked one is refused for ever: one more is tried in both cases.
        if (!refreshes || !(error instanceof Error && "status" in error && error.status === 401)) throw error;
        return await send(true);
      }
    });
    return octokit;
  }

  const asApp = () => client(async () => `Bearer ${await appToken()}`, false);

  async function token(installation: number, scope: TokenScope = {}, fresh = false): Promise<InstallationToken> {
    const body = {
      ...(scope.repositories ? { repositories: scope.repositories.map((name) => name.split("/").at(-1) ?? name) } : {}),
      ...(scope.repositoryIds ? { repository_ids: scope.repositoryIds } : {}),
      ...(scope.permissions ? { permissions: scope.permissions } : {}),
    };
    const key = `${apiUrl} ${access.appId} token ${installation} ${JSON.stringify(body)}`;
    const found = fresh ? undefined : kept(key);
    if (found) return { token: found.value, expiresAt: found.expiresAt };
    const { data } = await asApp().request("POST /app/installations/{installation_id}/access_tokens", {
      installation_id: installation,
      ...body,
    });
    const minted = Minted.parse(data);
    keep(key, minted.token, minted.expires_at, minted.expires_at - TOKEN_MARGIN);
    return { token: minted.token, expiresAt: minted.expires_at };
  }

  const installation = (id: number) => client(async (again) => `token ${(await token(id, {}, again)).token}`, true);

  /** The account is public, but only a token has a limit of its own, and the App's own token is not taken there. */
  async function findBot(): Promise<number | null> {
    const { data: some } = await asApp().rest.apps.listInstallations({ per_page: 10 });
    const active = some.find((one) => !one.suspended_at);
    if (!active) return null;
    const { data } = await installation(active.id).rest.users.getByUsername({ username: `${access.slug}[bot]` });
    return data.id;
  }

  return {
    appId: access.appId,
    slug: access.slug,
    webUrl: access.webUrl.replace(/\/+$/, ""),
    apiUrl,
    asApp,
    token,
    installation,
    botId: async () => {
      const key = `${apiUrl} ${access.appId} bot ${access.slug}`;
      const found = kept(key);
      if (found) return Number(found.value);
      try {
        const id = await findBot();
        if (id !== null) keep(key, String(id), Number.POSITIVE_INFINITY, now() + BOT_KNOWN);
        return id;
      } catch {
        return null;
      }
    },
    installationOf: async (repository) => {
      const key = `${apiUrl} ${access.appId} installation ${repository.toLowerCase()}`;
      const found = kept(key);
      if (found) return Number(found.value);
      try {
        const { data } = await asApp().rest.apps.getRepoInstallation(splitRepository(repository));
        keep(key, String(data.id), Number.POSITIVE_INFINITY, now() + INSTALLATION_KNOWN);
        return data.id;
      } catch (error) {
        if (error instanceof Error && "status" in error && error.status === 404) return null;
        throw error;
      }
    },
  };
}
