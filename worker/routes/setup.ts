/**
 * Registering the GitHub App by its manifest: a form, the way to GitHub, and the way back with a code for the App's keys. Only for
 * admins; the state that GitHub hands back is bound to the browser that began, works once, and for ten minutes.
 */
import { bodyLimit } from "hono/body-limit";
import { getCookie, setCookie } from "hono/cookie";
import { convertCode, isCode } from "../../bots/github/registration.ts";
import { MAX_NAME, nameMistake, renderGitHubManifest, siteOf, webhookAddress } from "../../manifest/github.ts";
import { administerPage, tellOf } from "../auth/doors.ts";
import { isToken, newToken } from "../auth/token.ts";
import { beginRegistration, REGISTRATION_MS, returnRegistration, takeRegistration } from "../db/registrations.ts";
import { problemPage } from "../pages/problem.tsx";
import { brokenOffPage, createdPage, installedPage, type SetUp, setUpPage, setupFormPage, toGitHubPage } from "../pages/setup.tsx";
import { githubOf, type Settings } from "../settings.ts";
import { type AppContext, routes } from "./app.ts";

/** The longest form taken, in bytes. */
const MAX_FORM = 8 * 1024;
const COOKIE = "errand-setup";

const isLoopback = (address: string): boolean => /^(127\.[\d.]+|localhost|\[::1\])$/.test(new URL(address).hostname);

/** Where an App is registered: the GitHub of the settings, unless that is the local world's, which has no page for it. */
function github(settings: Settings): { webUrl: string; apiUrl: string | null } {
  const { GITHUB_WEB_URL: webUrl, GITHUB_API_URL: apiUrl } = settings;
  if (webUrl === null || isLoopback(webUrl)) return { webUrl: "https://github.com", apiUrl: null };
  return { webUrl, apiUrl };
}

function setUpOf(settings: Settings): SetUp {
  const known = githubOf(settings);
  if (!known.ok) return known.half ? { state: "half", missing: known.missing } : { state: "none" };
  const { slug, webUrl } = known;
  return { state: isLoopback(webUrl) ? "elsewhere" : "whole", slug, webUrl };
}

/** Whose cookie it is is told by its name: over https no other host, and nothing without encryption, can set it. */
function browserOf(c: AppContext): string | undefined {
  const secure = isSecure(c);
  const value = secure ? getCookie(c, COOKIE, "host") : getCookie(c, COOKIE);
  return isToken(value) ? value : undefined;
}

const isSecure = (c: AppContext): boolean => c.var.settings.PUBLIC_ORIGIN?.startsWith("https:") === true;

function keepBrowser(c: AppContext, browser: string): void {
  const options = { path: "/", httpOnly: true, sameSite: "Lax", maxAge: REGISTRATION_MS / 1000 } as const;
  if (isSecure(c)) setCookie(c, COOKIE, browser, { ...options, secure: true, prefix: "host" });
  else setCookie(c, COOKIE, browser, options);
}

const limited = bodyLimit({
  maxSize: MAX_FORM,
  onError: (c) => problemPage(c as AppContext, 413, "Too long", `This form may have at most ${MAX_FORM} bytes.`),
});

export const setupRoutes = routes();

/** errand's own address where GitHub can reach it; null where it can't. */
function ownWebhook(settings: Settings): string | null {
  if (settings.PUBLIC_ORIGIN === null) return null;
  const own = webhookAddress(settings.PUBLIC_ORIGIN, siteOf(github(settings).webUrl));
  return own.ok ? own.url : null;
}

setupRoutes.get("/setup/github", administerPage, (c) => {
  const { settings } = c.var;
  const setUp = setUpOf(settings);
  if (setUp.state === "whole") return setUpPage(c, setUp, `${settings.PUBLIC_ORIGIN}/github/webhook`);
  const own = ownWebhook(settings);
  const name = `errand-${(settings.LOCAL_OWNER ?? "").toLowerCase().replace(/[^a-z0-9]+/g, "-")}`.slice(0, MAX_NAME).replace(/-+$/, "");
  const fields = { owner: "", name, webhook: own ?? "" };
  const site = new URL(github(settings).webUrl).host;
  return setupFormPage(c, { setUp, fields, site, reachable: own !== null, mistakes: [] });
});

/** GitHub's rule for names of accounts: letters, digits and single hyphens within, at most 39. */
const ACCOUNT = /^[a-z\d](?:[a-z\d]|-(?=[a-z\d])){0,38}$/i;

setupRoutes.post("/setup/github", administerPage, limited, async (c) => {
  const { settings } = c.var;
  const { webUrl } = github(settings);
  const form = await c.req.parseBody();
  const field = (name: string) => (typeof form[name] === "string" ? form[name].trim() : "");
  const fields = { owner: field("owner"), name: field("name"), webhook: field("webhook") };
  const mistakes: string[] = [];
  if (fields.owner !== "" && !ACCOUNT.test(fields.owner))
    mistakes.push(`“${fields.owner}” is no name of an organisation. It is the part after ${new URL(webUrl).host}/ in its address.`);
  const wrongName = nameMistake(fields.name);
  if (wrongName) mistakes.push(wrongName);
  const webhook = webhookAddress(fields.webhook, siteOf(webUrl));
  if (!webhook.ok)
    mistakes.push(`${webhook.why} Give the address of a webhook proxy’s channel (smee.io), of a tunnel, or of a deployed errand.`);
  // Addresses are made from the setting, never from what the request says of its host.
  const origin = settings.PUBLIC_ORIGIN;
  if (!webhook.ok || mistakes.length > 0 || origin === null) {
    const site = new URL(webUrl).host;
    return setupFormPage(c, { setUp: setUpOf(settings), fields, site, reachable: ownWebhook(settings) !== null, mistakes });
  }
  const claim = { state: newToken(), browser: browserOf(c) ?? newToken() };
  await tellOf(c, { action: "app.begun", target: `github-app:${fields.name}`, detail: { owner: fields.owner } });
  await beginRegistration(c.env.DB, claim, webhook.url, Date.now());
  keepBrowser(c, claim.browser);
  const target = fields.owner === "" ? `${webUrl}/settings/apps/new` : `${webUrl}/organizations/${fields.owner}/settings/apps/new`;
  return toGitHubPage(c, target, claim.state, renderGitHubManifest({ name: fields.name, origin, webhook: webhook.url }));
});

const BEFORE_AGAIN =
  "If the App was made at GitHub already, delete it there before you begin again: its name is taken as long as it exists.";

setupRoutes.get("/setup/github/created", administerPage, async (c) => {
  const { settings } = c.var;
  const [code, state, browser] = [c.req.query("code") ?? "", c.req.query("state") ?? "", browserOf(c)];
  if (!isCode(code) || !isToken(state))
    return brokenOffPage(c, 400, "This is not the way back from GitHub", "The address has no code, or was cut short.", BEFORE_AGAIN);
  const registration = browser === undefined ? null : await takeRegistration(c.env.DB, { state, browser }, Date.now());
  if (!registration) {
    const why = "This registration was not begun in this browser, has ended already, or began more than ten minutes ago.";
    return brokenOffPage(c, 403, "This registration can’t be ended here", why, BEFORE_AGAIN);
  }
  const { webUrl, apiUrl } = github(settings);
  const converted = await convertCode(code, { apiUrl });
  switch (converted.kind) {
    case "away":
      await returnRegistration(c.env.DB, registration);
      return brokenOffPage(
        c,
        502,
        "GitHub gave no keys",
        converted.why,
        "Load this page again: the App exists, and this registration may still be ended until ten minutes after it began.",
      );
    case "spent":
      return brokenOffPage(c, 400, "GitHub gave no keys", converted.why, BEFORE_AGAIN);
    case "created": {
      // GitHub gives the keys once: they are shown also where this cannot be written, and that it was begun has been.
      await tellOf(c, { action: "app.registered", target: `github-app:${converted.app.slug}` }).catch(() =>
        console.warn("audit: not written", "app.registered"),
      );
      const own = new URL(registration.webhook).pathname === "/github/webhook";
      return createdPage(c, converted.app, {
        webUrl,
        github: apiUrl === null ? null : { apiUrl, webUrl },
        proxy: own ? null : registration.webhook,
      });
    }
  }
});

/** Anybody may see this: it says nothing but the App's name, and who installs the App need not be the owner. */
setupRoutes.get("/setup/github/installed", (c) => installedPage(c, setUpOf(c.var.settings)));
