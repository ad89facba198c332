/**
 * Sign-in with GitHub, by the GitHub App's user tokens: eight hours long, each with a refresh token that works once (docs.github.com, "Generating
 * a user access token for a GitHub App" and "Refreshing user access tokens").
 */
import * as oauth from "oauth4webapi";
import * as z from "zod";
import { authorizationUrl, faultOf, PROVIDER_MS, refreshed, tokensOf, transport } from "./oauth.ts";
import type { Account, Begun, FromProvider, GitHubClient, Ports, Tokens } from "./providers.ts";

const server = ({ webUrl }: GitHubClient): oauth.AuthorizationServer => ({
  issuer: `${webUrl}/login/oauth`,
  authorization_endpoint: `${webUrl}/login/oauth/authorize`,
  token_endpoint: `${webUrl}/login/oauth/access_token`,
});

/** Where a sign-in begins. The App's permissions say what the token may do: there are no scopes. */
export const gitHubUrl = (client: GitHubClient, redirect: string, { state, verifier }: Begun): Promise<string> =>
  authorizationUrl(`${client.webUrl}/login/oauth/authorize`, { client, redirect, state, verifier, more: {} });

const User = z.object({ id: z.number().int().positive(), login: z.string().min(1).max(100), name: z.string().nullish() });
const Emails = z.array(z.object({ email: z.string(), primary: z.boolean(), verified: z.boolean() }));
const Membership = z.object({ state: z.string() });

/** A failed call that says nothing about the person. */
class Away extends Error {}

/** What GitHub answers to the person's own token: parsed, or null where it says that there is none, or none for us to see. */
async function get<T extends z.ZodType>(
  client: GitHubClient,
  token: string,
  path: string,
  schema: T,
  ports: Ports,
): Promise<z.output<T> | null> {
  const answer = await ports.fetch(`${client.apiUrl}${path}`, {
    headers: {
      accept: "application/vnd.github+json",
      authorization: `Bearer ${token}`,
      "user-agent": "errand",
      "x-github-api-version": "2022-11-28",
    },
    redirect: "manual",
    signal: AbortSignal.timeout(PROVIDER_MS),
  });
  // A limit that is reached also comes as 403.
  const limited = answer.status === 429 || answer.headers.get("x-ratelimit-remaining") === "0" || answer.headers.has("retry-after");
  if (!limited && (answer.status === 404 || answer.status === 403)) {
    await answer.body?.cancel();
    return null;
  }
  const parsed = answer.status === 200 ? schema.safeParse(await answer.json()) : null;
  if (parsed?.success) return parsed.data;
  throw new Away(`GET ${path.split("/").slice(0, 3).join("/")} answered ${answer.status}${parsed ? " with something else" : ""}`);
}

async function accountOf(client: GitHubClient, token: string, ports: Ports): Promise<Account> {
  const user = await get(client, token, "/user", User, ports);
  if (!user) throw new Away("GET /user was refused");
  // Without the right to see addresses there is none: what the profile shows need not be verified.
  const emails = await get(client, token, "/user/emails?per_page=100", Emails, ports);
  const email = emails?.find((one) => one.primary && one.verified)?.email.toLowerCase() ?? null;
  return { provider: "github", subject: String(user.id), login: user.login, name: user.name?.trim() || user.login, email };
}

const away = (error: unknown) => ({
  ok: false as const,
  fault: error instanceof Away ? { kind: "away" as const, why: error.message } : faultOf(error),
});

/** Exchanges the code of a callback's query for tokens, and asks whose they are. */
export async function gitHubAccount(
  client: GitHubClient,
  redirect: string,
  query: URLSearchParams,
  begun: Begun,
  ports: Ports,
): Promise<FromProvider<{ account: Account; tokens: Tokens }>> {
  const us = { client_id: client.id };
  const as = server(client);
  // GitHub adds parameters now and then; these are all that count.
  const known = new URLSearchParams([...query].filter(([name]) => ["code", "state", "error", "error_description"].includes(name)));
  try {
    const parameters = oauth.validateAuthResponse(as, us, known, begun.state);
    const answer = await oauth.authorizationCodeGrantRequest(
      as,
      us,
      oauth.ClientSecretPost(client.secret),
      parameters,
      redirect,
      begun.verifier,
      transport(client.webUrl, ports),
    );
    const tokens = tokensOf(await oauth.processAuthorizationCodeResponse(as, us, answer), ports.now());
    return { ok: true, account: await accountOf(client, tokens.access, ports), tokens };
  } catch (error) {
    return away(error);
  }
}

/** New tokens for a refresh token, which is spent after that. */
export const refreshGitHub = (client: GitHubClient, refresh: string, ports: Ports): Promise<FromProvider<{ tokens: Tokens }>> =>
  refreshed(server(client), client, refresh, ports);

/**
 * Which of these organisations and teams (`organisation/team`) the person belongs to, by the person's own token. GitHub tells it where the App
 * is installed on the organisation with the right to read members; elsewhere it is a no.
 */
export async function membershipsOf(
  client: GitHubClient,
  token: string,
  login: string,
  asked: { organisations: readonly string[]; teams: readonly string[] },
  ports: Ports,
): Promise<FromProvider<{ organisations: string[]; teams: string[] }>> {
  const isMember = async (path: string) => (await get(client, token, path, Membership, ports))?.state === "active";
  const belongs = async (names: readonly string[], path: (name: string) => string): Promise<string[]> => {
    const member = await Promise.all(names.map((name) => isMember(path(name))));
    return names.filter((_name, i) => member[i]);
  };
  const teamPath = (team: string): string => {
    const [organisation = "", slug = ""] = team.split("/");
    return `/orgs/${organisation}/teams/${slug}/memberships/${encodeURIComponent(login)}`;
  };
  try {
    return {
      ok: true,
      organisations: await belongs(asked.organisations, (name) => `/user/memberships/orgs/${name}`),
      teams: await belongs(asked.teams, teamPath),
    };
  } catch (error) {
    return away(error);
  }
}

/** Ends everything that the App may do in the person's name. Rejects where GitHub does not answer. */
export async function revokeGitHub(client: GitHubClient, token: string, ports: Ports): Promise<void> {
  const answer = await ports.fetch(`${client.apiUrl}/applications/${encodeURIComponent(client.id)}/grant`, {
    method: "DELETE",
    headers: {
      accept: "application/vnd.github+json",
      authorization: `Basic ${btoa(`${client.id}:${client.secret}`)}`,
      "content-type": "application/json",
      "user-agent": "errand",
    },
    body: JSON.stringify({ access_token: token }),
    redirect: "manual",
    signal: AbortSignal.timeout(PROVIDER_MS),
  });
  await answer.body?.cancel();
  if (answer.status >= 500) throw new Error(`GitHub answered ${answer.status} to a revocation`);
}
