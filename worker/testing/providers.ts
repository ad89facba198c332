/**
 * GitHub's and Google's end of a sign-in, for the Worker's tests: answered behind `fetch`, as strict as the real ones about PKCE, codes that work
 * once, refresh tokens that work once, and GitHub's errors with status 200.
 */
import { exportJWK, generateKeyPair, SignJWT } from "jose";

export const GITHUB_WEB = "https://github.test";
export const GITHUB_API = "https://github-api.test";
export const GOOGLE = "https://accounts.google.com";
export const CLIENT = {
  github: { id: "Iv1.test", secret: "github-client-secret" },
  google: { id: "google-client", secret: "google-client-secret" },
};

export type GitHubPerson = {
  id: number;
  login: string;
  name?: string | null;
  emails?: { email: string; primary: boolean; verified: boolean }[] | null;
  organisations?: Record<string, "active" | "pending">;
  teams?: string[];
};
export type GooglePerson = { sub: string; name?: string; email?: string; email_verified?: boolean; hd?: string };
type Code = { person: GitHubPerson | GooglePerson; challenge: string; redirect: string; nonce: string | null };

const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
const foreign = await generateKeyPair("RS256");
const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: "g1", alg: "RS256", use: "sig" }] };

async function challengeOf(verifier: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier)));
  return btoa(String.fromCharCode(...digest))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** The form that a request carries. */
export const formOf = async (request: Request): Promise<URLSearchParams> =>
  new URLSearchParams(new TextDecoder().decode(await request.arrayBuffer()));

/** What goes wrong at the providers, for a test. */
export type Wrong = {
  /** Claims and header of ID tokens, in place of the right ones. */
  claims?: Record<string, unknown>;
  foreignKey?: boolean;
  /** Answers in place of the right one, by `METHOD /path`. */
  answers?: Record<string, () => Response>;
};

/** Both providers. `approve` is the person who says yes there: it gives the callback's address. */
export class Providers {
  wrong: Wrong = {};
  now: () => number = Date.now;
  /** Everything that was asked, as `METHOD host/path`. */
  asked: string[] = [];
  /** How long GitHub takes to refresh, in ms. */
  slow = 0;
  readonly codes = new Map<string, Code>();
  readonly tokens = new Map<string, GitHubPerson>();
  readonly refreshTokens = new Map<string, GitHubPerson>();
  revoked: string[] = [];
  #next = 0;

  readonly fetch: typeof fetch = async (input, init) => {
    const request = new Request(input as RequestInfo, init as RequestInit);
    const url = new URL(request.url);
    this.asked.push(`${request.method} ${url.host}${url.pathname}`);
    const wrong = this.wrong.answers?.[`${request.method} ${url.pathname}`];
    if (wrong) return wrong();
    if (url.origin === GITHUB_WEB && url.pathname === "/login/oauth/access_token") return this.#gitHubToken(await formOf(request));
    if (url.origin === GITHUB_API) return this.#gitHubApi(request, url.pathname);
    if (url.origin === GOOGLE || url.host === "oauth2.test") return this.#google(request, url.pathname);
    throw new TypeError(`nothing is at ${url.host}`);
  };

  /** The person says yes on the provider's page at this address: where the browser is sent back to. */
  approve(address: string, person: GitHubPerson | GooglePerson): string {
    const url = new URL(address);
    const query = url.searchParams;
    if (query.get("code_challenge_method") !== "S256") throw new Error("no PKCE");
    const code = this.#secret("code");
    this.codes.set(code, {
      person,
      challenge: query.get("code_challenge") ?? "",
      redirect: query.get("redirect_uri") ?? "",
      nonce: query.get("nonce"),
    });
    const back = new URL(query.get("redirect_uri") ?? "");
    back.searchParams.set("code", code);
    back.searchParams.set("state", query.get("state") ?? "");
    if (url.origin === GOOGLE) back.searchParams.set("iss", GOOGLE);
    return back.href;
  }

  #secret(kind: string): string {
    this.#next += 1;
    return `${kind}-secret-${this.#next}-${crypto.randomUUID()}`;
  }

  async #taken(form: URLSearchParams, client: { id: string; secret: string }): Promise<Code | null> {
    const code = this.codes.get(form.get("code") ?? "");
    if (form.get("client_id") !== client.id || form.get("client_secret") !== client.secret || !code) return null;
    this.codes.delete(form.get("code") ?? "");
    return form.get("redirect_uri") === code.redirect && (await challengeOf(form.get("code_verifier") ?? "")) === code.challenge
      ? code
      : null;
  }

  #issue(person: GitHubPerson): Response {
    const [access, refresh] = [this.#secret("ghu"), this.#secret("ghr")];
    this.tokens.set(access, person);
    this.refreshTokens.set(refresh, person);
    return Response.json({
      access_token: access,
      expires_in: 28_800,
      refresh_token: refresh,
      refresh_token_expires_in: 15_897_600,
      scope: "",
      token_type: "bearer",
    });
  }

  async #gitHubToken(form: URLSearchParams): Promise<Response> {
    if (form.get("grant_type") === "refresh_token") {
      const refresh = form.get("refresh_token") ?? "";
      const person = this.refreshTokens.get(refresh);
      this.refreshTokens.delete(refresh);
      if (this.slow > 0) await new Promise((resolve) => setTimeout(resolve, this.slow));
      return person
        ? this.#issue(person)
        : Response.json({ error: "bad_refresh_token", error_description: "The refresh token passed is incorrect or expired." });
    }
    const code = await this.#taken(form, CLIENT.github);
    if (code) return this.#issue(code.person as GitHubPerson);
    return Response.json({ error: "bad_verification_code", error_description: "The code passed is incorrect or expired." });
  }

  #gitHubApi(request: Request, path: string): Response {
    if (request.method === "DELETE" && path === `/applications/${CLIENT.github.id}/grant`) {
      this.revoked.push(request.headers.get("authorization") ?? "");
      return new Response(null, { status: 204 });
    }
    const person = this.tokens.get(request.headers.get("authorization")?.replace("Bearer ", "") ?? "");
    if (!person) return Response.json({ message: "Bad credentials" }, { status: 401 });
    if (path === "/user")
      return Response.json({ id: person.id, login: person.login, name: person.name ?? null, email: "shown@profile.example" });
    if (path === "/user/emails")
      return person.emails
        ? Response.json(person.emails)
        : Response.json({ message: "Resource not accessible by integration" }, { status: 403 });
    const organisation = /^\/user\/memberships\/orgs\/([^/]+)$/.exec(path)?.[1];
    const state = organisation && person.organisations?.[organisation];
    if (state) return Response.json({ state, role: "member" });
    const [, owner, team, login] = /^\/orgs\/([^/]+)\/teams\/([^/]+)\/memberships\/([^/]+)$/.exec(path) ?? [];
    if (login === person.login && person.teams?.includes(`${owner}/${team}`)) return Response.json({ state: "active", role: "member" });
    return Response.json({ message: "Not Found" }, { status: 404 });
  }

  async #google(request: Request, path: string): Promise<Response> {
    if (path === "/.well-known/openid-configuration")
      return Response.json({
        issuer: GOOGLE,
        authorization_endpoint: `${GOOGLE}/o/oauth2/v2/auth`,
        token_endpoint: "https://oauth2.test/token",
        jwks_uri: "https://oauth2.test/certs",
        id_token_signing_alg_values_supported: ["RS256"],
        authorization_response_iss_parameter_supported: true,
      });
    if (path === "/certs") return Response.json(jwks);
    const code = await this.#taken(await formOf(request), CLIENT.google);
    if (!code) return Response.json({ error: "invalid_grant" }, { status: 400 });
    const at = Math.floor(this.now() / 1000);
    const claims = { iss: GOOGLE, aud: CLIENT.google.id, iat: at, exp: at + 3600, nonce: code.nonce, ...code.person, ...this.wrong.claims };
    const token = new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: "g1" });
    return Response.json({
      access_token: this.#secret("ya29"),
      expires_in: 3599,
      scope: "openid",
      token_type: "Bearer",
      id_token: await token.sign(this.wrong.foreignKey ? foreign.privateKey : privateKey),
    });
  }
}
