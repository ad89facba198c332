/** Hands to use the local GitHub of a running errand as a person does: by its REST API, and by its page for what has none. */
import { tokenOf } from "../world/github/seed.ts";
import type { Errand } from "./errand.ts";

export type Json = Record<string, unknown>;
/** A comment of errand's, by errand's own name of the message, without the session. */
export type Ours = { id: number; key: string; session: string; body: string; place: "conversation" | "review" };

type PullRequest = { number: number; title: string; body: string; draft: boolean; head: { ref: string; sha: string } };

const REPO = "/repos/acme/sample";

/** The local GitHub of a running errand. */
export class Hub {
  readonly #errand: Errand;

  constructor(errand: Errand) {
    this.#errand = errand;
  }

  get apiUrl(): string {
    return `http://127.0.0.1:${this.#errand.port + 6}`;
  }

  /** Calls the API as a person. Throws for an answer that is no success. */
  async as<T = Json>(login: string, method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(`${this.apiUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${tokenOf(login)}`, "content-type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} as ${login}: ${response.status} ${text.slice(0, 500)}`);
    return (text === "" ? {} : JSON.parse(text)) as T;
  }

  async issue(title: string, body: string, login = "ada"): Promise<number> {
    return Number((await this.as(login, "POST", `${REPO}/issues`, { title, body })).number);
  }

  async comment(number: number, body: string, login = "ada"): Promise<number> {
    return Number((await this.as(login, "POST", `${REPO}/issues/${number}/comments`, { body })).id);
  }

  /** Errand's comments on an issue or pull request, those in reviews included. */
  async ours(number: number): Promise<Ours[]> {
    const comments = await this.as<Json[]>("ada", "GET", `${REPO}/issues/${number}/comments?per_page=100`);
    const reviews = await this.as<Json[]>("ada", "GET", `${REPO}/pulls/${number}/comments?per_page=100`).catch(() => []);
    const read = (place: Ours["place"]) => (item: Json) => {
      const body = String(item.body);
      const [session = "", ...key] = decodeURIComponent(/<!-- errand:key=(\S+) -->/.exec(body)?.[1] ?? "").split(":");
      return { id: Number(item.id), key: key.join(":"), session, body, place, by: String((item.user as Json).login) };
    };
    return [...comments.map(read("conversation")), ...reviews.map(read("review"))].filter((one) => one.by === "errand[bot]");
  }

  /** Errand's comment of that name, once it looks like `pattern`. Throws with what stands there when it does not within `ms`. */
  async message(number: number, key: string | RegExp, pattern = /./, ms = 90_000): Promise<Ours> {
    const end = Date.now() + ms;
    let last: Ours[] = [];
    while (Date.now() < end) {
      last = await this.ours(number).catch(() => last);
      const found = last.find((one) => (typeof key === "string" ? one.key === key : key.test(one.key)) && pattern.test(one.body));
      if (found) return found;
      await new Promise((done) => setTimeout(done, 100));
    }
    const there = last.map((one) => `${one.key}: ${one.body.slice(0, 600)}`).join("\n\n");
    throw new Error(
      `no comment ${key} like ${pattern} on #${number} within ${ms} ms. There are:\n${there}\n\nThe log's end:\n${this.#errand.output.join("").slice(-3_000)}`,
    );
  }

  /** The newest pull request with this in its title that fits. */
  async pull(title: string, fits: (pull: PullRequest) => boolean = () => true, ms = 30_000): Promise<PullRequest> {
    const end = Date.now() + ms;
    while (Date.now() < end) {
      const all = await this.as<PullRequest[]>("ada", "GET", `${REPO}/pulls?state=all&per_page=100`);
      const found = all.find((one) => one.title.includes(title) && fits(one));
      if (found) return found;
      await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error(`no pull request with “${title}” within ${ms} ms`);
  }

  /** A CI service reports a check of a commit, by the page's own form. */
  async check(sha: string, name: string, conclusion: "success" | "failure", log: string): Promise<void> {
    const origin = new URL(this.#errand.pageUrl).origin;
    const response = await fetch(`${origin}/github/acme/sample/do/check`, {
      method: "POST",
      body: new URLSearchParams({ as: "ada", sha, name, conclusion, log }),
      headers: { origin, accept: "application/json" },
      redirect: "manual",
    });
    if (response.status >= 400) throw new Error(`the check was answered with ${response.status}: ${await response.text()}`);
  }
}
