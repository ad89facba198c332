import { env } from "cloudflare:workers";
import { generateKeyPairSync } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import worker from "../index.ts";

const ORIGIN = "http://127.0.0.1:8787";
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PKCS1 = privateKey.export({ type: "pkcs1", format: "pem" }).toString();
const SECRET = "webhook-secret-of-the-app";
const APP = {
  id: 4711,
  slug: "errand-ada",
  name: "errand-ada",
  owner: { login: "ada" },
  pem: PKCS1,
  webhook_secret: SECRET,
  client_id: "Iv1.x",
  client_secret: "client-secret-of-the-app",
  html_url: "https://evil.example/apps/x",
};

const NONE = {
  GITHUB_APP_ID: "",
  GITHUB_APP_SLUG: "",
  GITHUB_PRIVATE_KEY: "",
  GITHUB_WEBHOOK_SECRET: "",
  GITHUB_API_URL: "",
  GITHUB_WEB_URL: "",
};
const WHOLE = { ...NONE, GITHUB_APP_ID: "1", GITHUB_APP_SLUG: "errand-acme", GITHUB_PRIVATE_KEY: PKCS1, GITHUB_WEBHOOK_SECRET: "s" };
let settings: Record<string, string>;

/** A browser on this machine, with its cookies. */
class Browser {
  cookie = "";
  async ask(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers({ host: new URL(settings.PUBLIC_ORIGIN ?? ORIGIN).host, accept: "text/html", cookie: this.cookie });
    for (const [name, value] of new Headers(init.headers)) headers.set(name, value);
    const request = new Request((settings.PUBLIC_ORIGIN ?? ORIGIN) + path, { redirect: "manual", ...init, headers });
    const context = { waitUntil: () => undefined, passThroughOnException: () => undefined, props: {} };
    const answer = await worker.fetch(request, { ...env, ...settings } as Env, context as unknown as ExecutionContext);
    const set = answer.headers.get("set-cookie");
    if (set) this.cookie = set.split(";")[0] ?? "";
    return answer;
  }
  post(fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> {
    const body = new URLSearchParams({ owner: "", name: "errand-ada", webhook: "https://smee.io/channel", ...fields });
    return this.ask("/setup/github", { method: "POST", body, headers: { origin: ORIGIN, ...headers } });
  }
  /** Begins, and gives the state GitHub would hand back. */
  async begin(fields: Record<string, string> = {}): Promise<string> {
    const answer = await this.post(fields);
    expect(answer.status).toBe(200);
    return /state=([0-9a-f]{64})"/.exec(await answer.text())?.[1] ?? "none";
  }
  back(state: string, code = "0123456789abcdef"): Promise<Response> {
    return this.ask(`/setup/github/created?code=${code}&state=${state}`);
  }
}

const text = async (answer: Response | Promise<Response>): Promise<string> =>
  (await (await answer).text())
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&lt;", "<")
    .replaceAll("&amp;", "&")
    .replaceAll(/\s+/g, " ");

let asked: { url: string; method: string }[];
let github: () => Response | Promise<Response>;
let logged: string[];
let browser: Browser;

beforeEach(() => {
  [settings, asked, logged, browser] = [{ ...NONE }, [], [], new Browser()];
  github = () => Response.json(APP, { status: 201 });
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const request = new Request(input as RequestInfo, init as RequestInit);
    asked.push({ url: request.url, method: request.method });
    return github();
  });
  for (const level of ["log", "info", "warn", "error", "debug"] as const)
    vi.spyOn(console, level).mockImplementation((...words: unknown[]) => void logged.push(words.map(String).join(" ")));
});
afterEach(() => vi.restoreAllMocks());

describe("who may", () => {
  test.each(["/setup/github", `/setup/github/created?code=0123456789abcdef&state=${"a".repeat(64)}`])(
    "%s is the owner's alone",
    async (path) => {
      for (const headers of [
        { "x-forwarded-for": "203.0.113.9" },
        { host: "errand.acme.dev" },
        { "cf-connecting-ip": "203.0.113.9" },
      ] as const)
        expect((await browser.ask(path, { headers })).status).toBe(401);
      settings.LOCAL_OWNER = "";
      expect((await browser.ask(path)).status).toBe(401);
      expect(asked).toEqual([]);
    },
  );

  test("a form of another site is refused", async () => {
    expect((await browser.post({}, { origin: "https://evil.example" })).status).toBe(401);
    expect((await browser.post({}, { "sec-fetch-site": "cross-site" })).status).toBe(401);
  });

  test("coming back from GitHub is no other site's doing", async () => {
    const state = await browser.begin();
    const headers = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };
    expect((await browser.ask(`/setup/github/created?code=0123456789abcdef&state=${state}`, { headers })).status).toBe(200);
  });
});

describe("the form", () => {
  test("says that GitHub can't reach this machine and what to give instead", async () => {
    const shown = await text(browser.ask("/setup/github"));
    expect(shown).toContain("which GitHub can’t reach");
    expect(shown).toContain("https://smee.io/new");
    expect(shown).toContain('value="errand-ada"');
    expect(shown).toContain("pull requests: write");
  });

  test.each<[Record<string, string>, RegExp]>([
    [{ webhook: ORIGIN }, /can't reach 127\.0\.0\.1:8787: that is this machine/],
    [{ webhook: "https://192.168.1.4/hook" }, /not on the public internet/],
    [{ webhook: "http://errand.acme.dev" }, /use https/],
    [{ webhook: "" }, /is not an address/],
    [{ name: "x".repeat(35) }, /35 characters; GitHub takes at most 34/],
    [{ name: "" }, /name must be/],
    [{ owner: "../../evil" }, /no name of an organisation/],
    [{ owner: "-acme" }, /no name of an organisation/],
  ])("%j is refused in words, and what was typed stays", async (fields, why) => {
    const answer = await browser.post({ name: "my-errand", ...fields });
    expect(answer.status).toBe(400);
    const shown = await text(answer);
    expect(shown).toMatch(why);
    if (!("name" in fields)) expect(shown).toContain('value="my-errand"');
    expect(answer.headers.get("set-cookie")).toBeNull();
  });

  test("goes to GitHub with the manifest, and nowhere else", async () => {
    for (const [owner, target] of [
      ["", "https://github.com/settings/apps/new"],
      ["acme", "https://github.com/organizations/acme/settings/apps/new"],
    ] as const) {
      const answer = await browser.post({ owner }, { "x-forwarded-host": "evil.example" }).then((refused) => {
        expect(refused.status).toBe(401);
        return browser.post({ owner });
      });
      expect(answer.headers.get("content-security-policy")).toContain(`form-action ${target};`);
      expect(answer.headers.get("cache-control")).toBe("no-store");
      const shown = await text(answer);
      expect(shown).toContain(`action="${target}?state=`);
      const manifest = JSON.parse(/name="manifest" value="(\{.*\})"/.exec(shown)?.[1] ?? "null");
      expect(manifest).toMatchObject({
        name: "errand-ada",
        hook_attributes: { url: "https://smee.io/channel", active: true },
        redirect_url: `${ORIGIN}/setup/github/created`,
        setup_url: `${ORIGIN}/setup/github/installed`,
      });
    }
  });

  test("the cookie is no script's and no other site's", async () => {
    const cookie = (await browser.post({})).headers.get("set-cookie");
    expect(cookie).toMatch(/^errand-setup=[0-9a-f]{64}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/);
    // A second tab does not end what the first began.
    expect((await browser.post({})).headers.get("set-cookie")).toBe(cookie);
  });

  test("over https the cookie's name keeps other hosts from setting it", async () => {
    settings.PUBLIC_ORIGIN = "https://127.0.0.1:8787";
    const answer = await browser.post({}, { origin: settings.PUBLIC_ORIGIN });
    expect(answer.headers.get("set-cookie")).toMatch(
      /^__Host-errand-setup=[0-9a-f]{64}; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
  });

  test("a server of one's own is where the App is made, with its own network", async () => {
    Object.assign(settings, { GITHUB_WEB_URL: "https://git.acme.dev", GITHUB_API_URL: "https://git.acme.dev/api/v3" });
    const shown = await text(browser.post({ webhook: "http://10.1.2.3:8787" }));
    expect(shown).toContain('action="https://git.acme.dev/settings/apps/new?state=');
    expect(shown).toContain('"url":"http://10.1.2.3:8787/github/webhook"');
  });
});

describe("coming back", () => {
  test("the keys are shown once, as npm start and wrangler take them", async () => {
    const state = await browser.begin();
    const answer = await browser.back(state);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(asked).toEqual([{ url: "https://api.github.com/app-manifests/0123456789abcdef/conversions", method: "POST" }]);
    const shown = await text(answer);
    expect(shown).toContain("ERRAND_GITHUB_APP_ID='4711' ERRAND_GITHUB_APP_SLUG='errand-ada'");
    expect(shown).toMatch(/ERRAND_GITHUB_PRIVATE_KEY='-----BEGIN PRIVATE KEY-----\\nMII[\w+/=\\]+\\n-----END PRIVATE KEY-----'/);
    expect(shown).toContain(`ERRAND_GITHUB_WEBHOOK_SECRET='${SECRET}'`);
    expect(shown).toContain("ERRAND_GITHUB_WEBHOOK_PROXY='https://smee.io/channel'");
    expect(shown).toContain("npx wrangler secret put GITHUB_PRIVATE_KEY <<'END'");
    expect(shown).toContain("ERRAND_GITHUB_CLIENT_ID='Iv1.x' ERRAND_GITHUB_CLIENT_SECRET='client-secret-of-the-app'");
    expect(shown).toContain("npx wrangler secret put GITHUB_CLIENT_SECRET <<'END'");
    // Not the address of the answer.
    expect(shown).toContain('href="https://github.com/apps/errand-ada/installations/new"');
    expect(shown).not.toMatch(/evil\.example|ERRAND_GITHUB_API_URL/);
    expect(shown).toContain('href="https://github.com/settings/apps/errand-ada"');
    expect(logged.join("\n")).not.toMatch(/webhook-secret|PRIVATE KEY|client-secret/);

    const again = await browser.back(state);
    expect(again.status).toBe(403);
    expect(await text(again)).not.toContain(SECRET);
    expect(asked).toHaveLength(1);
  });

  test("of two at once one gets the keys", async () => {
    const state = await browser.begin();
    const answers = await Promise.all([browser.back(state), browser.back(state)]);
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 403]);
    expect(asked).toHaveLength(1);
  });

  test("webhooks that come straight here need no proxy", async () => {
    const state = await browser.begin({ webhook: "https://errand.acme.dev" });
    expect(await text(browser.back(state))).not.toContain("WEBHOOK_PROXY");
  });

  test.each<[string, (state: string) => Promise<Response>, number]>([
    ["without a state", () => browser.ask("/setup/github/created?code=0123456789abcdef"), 400],
    ["without a code", (state) => browser.ask(`/setup/github/created?state=${state}`), 400],
    ["with a code that is none", (state) => browser.back(state, "..%2F..%2Fuser"), 400],
    ["with somebody else's state", () => browser.back("f".repeat(64)), 403],
    ["in another browser", (state) => new Browser().back(state), 403],
    [
      "in a browser that began another one",
      async (state) => {
        const other = new Browser();
        await other.begin();
        return other.back(state);
      },
      403,
    ],
  ])("%s: refused with a way to begin again, GitHub is not asked", async (_name, come, status) => {
    const state = await browser.begin();
    const answer = await come(state);
    expect(answer.status).toBe(status);
    expect(await text(answer)).toContain('href="/setup/github">Begin again');
    expect(asked).toEqual([]);
    // Whoever began can still end it.
    expect((await browser.back(state)).status).toBe(200);
  });

  test("after ten minutes it is over", async () => {
    const state = await browser.begin();
    const now = Date.now();
    vi.spyOn(Date, "now").mockReturnValue(now + 10 * 60_000 + 1);
    expect((await browser.back(state)).status).toBe(403);
    expect(asked).toEqual([]);
  });

  test.each<[string, () => Response | Promise<Response>, RegExp]>([
    ["knows the code no more", () => Response.json({ message: "Not Found" }, { status: 404 }), /does not know this code any more/],
    ["answers something else", () => Response.json({ ...APP, pem: undefined, webhook_secret: null }), /lacks pem, webhook_secret/],
    ["sends a key that is none", () => Response.json({ ...APP, pem: "nonsense" }), /no private key that errand can read/],
    ["sends no JSON", () => new Response(SECRET), /lacks/],
  ])("GitHub %s", async (_name, answers, why) => {
    const state = await browser.begin();
    github = answers;
    const answer = await browser.back(state);
    expect(answer.status).toBe(400);
    const shown = await text(answer);
    expect(shown).toMatch(why);
    expect(shown + logged.join()).not.toContain(SECRET);
  });

  test.each<[string, () => Response | Promise<Response>, RegExp]>([
    ["is broken", () => new Response("oh", { status: 503 }), /api\.github\.com answered 503/],
    ["leads elsewhere", () => new Response(null, { status: 302, headers: { location: "https://evil.example" } }), /answered 302/],
    ["is away", () => Promise.reject(new DOMException("late", "TimeoutError")), /api\.github\.com did not answer/],
  ])("GitHub %s: the same page may be loaded again", async (_name, answers, why) => {
    const state = await browser.begin();
    github = answers;
    const answer = await browser.back(state);
    expect(answer.status).toBe(502);
    expect(await text(answer)).toMatch(why);
    github = () => Response.json(APP, { status: 201 });
    expect((await browser.back(state)).status).toBe(200);
  });
});

describe("what is set up already", () => {
  test("is said, with the App's name and where to install it", async () => {
    settings = { ...WHOLE };
    const shown = await text(browser.ask("/setup/github"));
    expect(shown).toContain("GitHub is set up");
    expect(shown).toContain('href="https://github.com/apps/errand-acme/installations/new"');
    expect(shown).not.toContain("<form");
    expect(shown).not.toContain("PRIVATE KEY");
  });

  test("by half: says what is missing", async () => {
    settings = { ...WHOLE, GITHUB_WEBHOOK_SECRET: "" };
    expect(await text(browser.ask("/setup/github"))).toContain("GITHUB_WEBHOOK_SECRET is missing");
  });

  test("by the local world: an App is registered at the real GitHub", async () => {
    settings = { ...WHOLE, GITHUB_WEB_URL: "http://127.0.0.1:8789", GITHUB_API_URL: "http://127.0.0.1:8793" };
    expect(await text(browser.ask("/setup/github"))).toContain("the local world’s GitHub");
    expect(await text(browser.post({}))).toContain('action="https://github.com/settings/apps/new');
  });
});

describe("after the installation", () => {
  test("says what to do next to anybody, and believes nothing of the address", async () => {
    settings = { ...WHOLE };
    const answer = await browser.ask("/setup/github/installed?installation_id=666&setup_action=install", {
      headers: { host: "elsewhere.example" },
    });
    expect(answer.status).toBe(200);
    const shown = await text(answer);
    expect(shown).toContain("@errand-acme add a test");
    expect(shown).not.toContain("666");
    expect(asked).toEqual([]);
  });

  test("before errand has the keys it says so", async () => {
    expect(await text(browser.ask("/setup/github/installed"))).toContain("does not know its App’s keys yet");
  });
});
