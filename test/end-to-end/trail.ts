/** What browsers were given and shown in a run: the secrets that came by, by kind, and every page and address. */
import type { BrowserContext, Request, Response } from "playwright-core";

/** Which secret something is, for a person who reads where it was found. */
export type Kind =
  | "session token"
  | "cookie of a browser"
  | "cookie of a gateway"
  | "grant"
  | "one-time code"
  | "key for a program"
  | "Slack token"
  | "Slack signing secret"
  | "GitHub App's key"
  | "GitHub webhook secret"
  | "installation token"
  | "person's token"
  | "OAuth client's secret"
  | "model key"
  | "session key"
  | "backend key"
  | "grant key"
  | "token key"
  | "runner token"
  | "model token"
  | "password of OpenCode";

/** Names of cookies: of a sign-in, of a gateway, and the others of errand's. */
const COOKIES: [RegExp, Kind][] = [
  [/^errand$/, "session token"],
  [/^__Host-errand-/, "cookie of a gateway"],
  [/^errand-/, "cookie of a browser"],
];
/** Parameters of addresses that hold what is good once. */
const CODES = ["token", "code", "state"];

/** Follows browsers. */
export class Trail {
  /** Every secret that came by. */
  readonly secrets = new Map<string, Kind>();
  /** What was shown: documents and answers to scripts, and what pages wrote to their console. `at`: the address without its query. */
  readonly shown: { at: string; text: string }[] = [];
  /** Every address that was asked for, without what is good once, and the `Referer` that went with it. */
  readonly addresses = new Set<string>();
  readonly #reading = new Set<Promise<void>>();

  /** Follows a browser from now on. `origin` is errand's own: answers to its pages' scripts are kept too. */
  follow(context: BrowserContext, origin: string): void {
    context.on("request", (request) => this.#asked(request, origin));
    context.on("response", (response) => {
      const reading = this.#answered(response, origin).catch(() => undefined);
      this.#reading.add(reading);
      void reading.then(() => this.#reading.delete(reading));
    });
    context.on("console", (message) => this.shown.push({ at: "console", text: message.text() }));
  }

  /** Settles when everything that came by so far was read. */
  async settled(): Promise<void> {
    await Promise.all(this.#reading);
  }

  #asked(request: Request, origin: string): void {
    const url = new URL(request.url());
    const from = URL.parse(request.headers().referer ?? "");
    // Within a provider's own pages their address is no secret.
    if (from?.origin === url.origin && url.origin !== origin) from.search = "";
    for (const name of CODES) {
      const value = url.searchParams.get(name) ?? "";
      if (value.length < 20) continue;
      this.secrets.set(value, "one-time code");
      // The address on the way is the only place where it may be; whatever else is in it is looked at.
      url.searchParams.delete(name);
    }
    this.addresses.add(`${url.href} ${from?.href ?? ""}`);
    if (request.method() !== "POST" || !url.pathname.endsWith("/_errand/auth")) return;
    const grant = new URLSearchParams(request.postData() ?? "").get("token");
    if (grant) this.secrets.set(grant, "grant");
  }

  async #answered(response: Response, origin: string): Promise<void> {
    const url = new URL(response.url());
    for (const { name, value } of await response.headersArray()) {
      if (name.toLowerCase() !== "set-cookie") continue;
      const [, cookie = "", secret = ""] = /^([^=]+)=([^;]*)/.exec(value) ?? [];
      const kind = COOKIES.find(([known]) => known.test(cookie))?.[1];
      if (kind && secret.length >= 20) this.secrets.set(secret, kind);
    }
    const type = response.headers()["content-type"] ?? "";
    const isPage = response.request().resourceType() === "document" || url.origin === origin;
    if (!isPage || !/html|json|text\/plain/.test(type)) return;
    const text = await response.text();
    this.shown.push({ at: `${response.request().method()} ${url.origin === origin ? "" : url.origin}${url.pathname}`, text });
    if (url.pathname !== "/api/auth/exchange") return;
    const token = /"token":"([0-9a-f]{64})"/.exec(text)?.[1];
    if (token) this.secrets.set(token, "session token");
  }
}
