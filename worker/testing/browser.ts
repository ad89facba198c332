/** A browser for the Worker's tests of signing in: it keeps cookies and sends what browsers send of themselves. */

export type Asking = (request: Request) => Response | Promise<Response>;

/** Asks one site by `asking`, follows no redirects, and keeps the cookies it is given. */
export class Browser {
  readonly cookies = new Map<string, string>();
  readonly #asking: Asking;
  readonly #origin: string;

  constructor(origin: string, asking: Asking) {
    this.#origin = origin;
    this.#asking = asking;
  }

  async #ask(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.cookies.size > 0) headers.set("cookie", [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; "));
    headers.set("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/140 Safari/537.36");
    const answer = await this.#asking(new Request(new URL(path, this.#origin), { redirect: "manual", ...init, headers }));
    for (const line of answer.headers.getSetCookie()) {
      const [pair = ""] = line.split(";");
      const [name = "", value = ""] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
      if (/max-age=0/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }

  /** Opens a page, by a link or the address line. */
  open(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.#ask(path, {
      headers: { accept: "text/html", "sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", ...headers },
    });
  }

  /** Posts as a page of the site does, by a script (`json`) or a form. */
  post(path: string, json?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const body = json === undefined ? "" : JSON.stringify(json);
    const type = json === undefined ? "application/x-www-form-urlencoded" : "application/json";
    return this.#ask(path, {
      method: "POST",
      headers: { origin: this.#origin, "sec-fetch-site": "same-origin", "content-type": type, ...headers },
      body,
    });
  }

  /** Any other request, with the cookies and what else is given. */
  ask(path: string, init: RequestInit): Promise<Response> {
    return this.#ask(path, init);
  }
}
