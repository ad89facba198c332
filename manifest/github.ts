/**
 * The GitHub App's manifest: what errand asks to be allowed and to be told, and nothing more. Pure; the Worker's set-up page sends it to
 * GitHub, and `render.ts` prints it. Form: https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
 */

/** The longest name GitHub takes for an App, in characters. Names are unique in the whole of GitHub. */
export const MAX_NAME = 34;

/** What errand may do in the repositories it is installed on, and why; anything not named here it can't do. */
export const PERMISSIONS = {
  metadata: { access: "read", why: "to see the repository, and who may write to it: only they can start work" },
  contents: { access: "write", why: "to clone, and to push the branches it works on" },
  issues: { access: "write", why: "to read what is asked, and to answer in one comment and with reactions" },
  pull_requests: { access: "write", why: "to open draft pull requests and to answer in review threads" },
  checks: { access: "write", why: "to show its state beside a commit, and to hear of failing checks" },
  actions: { access: "read", why: "to read what a failing workflow printed" },
  statuses: { access: "read", why: "to know whether a commit is green where a CI reports by commit status" },
  members: { access: "read", why: "to know who belongs to your organisation and its teams, where that decides who may sign in" },
  emails: { access: "read", why: "to know the verified addresses of who signs in" },
} as const satisfies Record<string, { access: "read" | "write"; why: string }>;

/** What GitHub is to tell. Installations and their repositories are always told, and may not be listed. */
export const EVENTS = [
  "issue_comment",
  "issues",
  "pull_request",
  "pull_request_review",
  "pull_request_review_comment",
  "pull_request_review_thread",
  "check_run",
  "check_suite",
  "workflow_run",
  "repository",
] as const;

/** Where an App is registered: on github.com (or a company's part of it), or on a server of one's own. */
export type Site = "github.com" | "server";

/** The site of an address: those of GitHub itself end in `github.com` or `ghe.com`. */
export function siteOf(webUrl: string | null): Site {
  if (webUrl === null) return "github.com";
  return /(^|\.)(github|ghe)\.com$/.test(new URL(webUrl).hostname) ? "github.com" : "server";
}

export type GitHubManifest = ReturnType<typeof renderGitHubManifest>;

/**
 * The manifest of an App. `origin` is where browsers find errand, `webhook` where GitHub does (see `webhookAddress`): a Worker on
 * somebody's own machine has another address for the one than for the other.
 */
export function renderGitHubManifest(app: { name: string; origin: string; webhook: string }) {
  const { origin } = new URL(app.origin);
  return {
    name: app.name,
    url: origin,
    description: "Mention it in an issue or pull request: a coding agent does the work in a sandbox of its own.",
    public: false,
    // GitHub refuses the object without `url`, and then complains about the App's own.
    hook_attributes: { url: app.webhook, active: true },
    redirect_url: `${origin}/setup/github/created`,
    callback_urls: [`${origin}/auth/github/callback`],
    setup_url: `${origin}/setup/github/installed`,
    setup_on_update: true,
    // With it GitHub would leave `setup_url` out.
    request_oauth_on_install: false,
    default_permissions: Object.fromEntries(Object.entries(PERMISSIONS).map(([name, { access }]) => [name, access])),
    default_events: [...EVENTS],
  };
}

/** What is wrong with an App's name, or null. */
export function nameMistake(name: string): string | null {
  if (!/^[\p{L}\p{N}][\p{L}\p{N} ._-]*$/u.test(name))
    return "The name must be letters, digits, spaces, dots and hyphens, such as errand-acme.";
  if (name.length > MAX_NAME) return `The name has ${name.length} characters; GitHub takes at most ${MAX_NAME}.`;
  return null;
}

/** The path of the Worker's webhook route. */
const WEBHOOK_PATH = "/github/webhook";

/**
 * The address GitHub sends webhooks to. `given` is one that GitHub can reach: errand's own origin, a tunnel's, or a whole address such as
 * a proxy's channel. GitHub refuses addresses that are not on the public internet; a server of one's own can reach its own network.
 */
export function webhookAddress(given: string, site: Site): { ok: true; url: string } | { ok: false; why: string } {
  const url = URL.parse(given.trim());
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.hash)
    return { ok: false, why: `“${given}” is not an address such as https://errand.example.com or https://smee.io/abc.` };
  const where = placeOf(url.hostname);
  if (where === "machine") return { ok: false, why: `GitHub can't reach ${url.host}: that is this machine itself.` };
  if (site === "github.com") {
    if (where === "network") return { ok: false, why: `GitHub can't reach ${url.host}: that is not on the public internet.` };
    if (url.protocol !== "https:") return { ok: false, why: "Issues and comments would cross the internet in the clear: use https://." };
  }
  if (url.pathname === "/" && url.search === "") return { ok: true, url: url.origin + WEBHOOK_PATH };
  return { ok: true, url: url.href };
}

/** Whether a host is this machine, on a network of somebody's own, or public as far as its name tells. */
function placeOf(hostname: string): "machine" | "network" | "public" {
  const host = hostname.replace(/\.$/, "").replace(/^\[::ffff:([\da-f]+):([\da-f]+)\]$/, mappedAddress);
  if (/^(localhost|.*\.localhost|127\.[\d.]+|0\.0\.0\.0|\[::1?\])$/.test(host)) return "machine";
  // RFC 1918, 3927, 6598 and 4193; link-local IPv6; names that only a network of one's own resolves.
  if (/^(10|192\.168|169\.254|172\.(1[6-9]|2\d|3[01])|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\.[\d.]+$/.test(host)) return "network";
  if (/^\[(f[cd]|fe[89ab])/.test(host) || /\.(local|internal|lan|home|corp|test|invalid|home\.arpa)$/.test(host)) return "network";
  return host.includes(".") || host.startsWith("[") ? "public" : "network";
}

/** `127.0.0.1` of the two groups that URL parsing makes of `::ffff:127.0.0.1`. */
function mappedAddress(_whole: string, high: string, low: string): string {
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return `${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`;
}
