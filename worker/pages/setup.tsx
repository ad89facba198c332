/** The pages that register the GitHub App: what is asked of GitHub, the way there, and the keys that come back, shown once. */
import type { NewApp } from "../../bots/github/registration.ts";
import { type GitHubManifest, MAX_NAME, PERMISSIONS } from "../../manifest/github.ts";
import type { AppContext } from "../routes/app.ts";
import { Bar, page } from "./document.tsx";

/** What the form holds: as a person filled it in, or as it is proposed. */
export type SetupFields = { owner: string; name: string; webhook: string };

/** How far errand's own settings are. `elsewhere`: its GitHub is the one of the local world, which stands in for an account. */
export type SetUp =
  | { state: "none" }
  | { state: "half"; missing: string[] }
  | { state: "elsewhere"; slug: string; webUrl: string }
  | { state: "whole"; slug: string; webUrl: string };

/** Where the App called `slug` is installed on repositories. */
export const installUrl = (webUrl: string, slug: string): string => `${webUrl}/apps/${encodeURIComponent(slug)}/installations/new`;

function Standing(props: { setUp: SetUp }) {
  const { setUp } = props;
  switch (setUp.state) {
    case "none":
      return null;
    case "half":
      return (
        <p class="notice">{`GitHub is set up by half: ${setUp.missing.join(", ")} is missing. Set it, or register another App here.`}</p>
      );
    case "elsewhere":
      return (
        <p class="notice">
          errand works with the local world’s GitHub now (as <code>{`@${setUp.slug}`}</code>), which needs no account. For the real one,
          register an App:
        </p>
      );
    case "whole":
      return null;
  }
}

/** The page at `/setup/github` once every setting is there. */
export function setUpPage(c: AppContext, setUp: Extract<SetUp, { state: "whole" }>, webhook: string): Response {
  const content = (
    <>
      <Bar />
      <main class="narrow">
        <h1>GitHub is set up</h1>
        <p>
          errand is the App <a href={`${setUp.webUrl}/apps/${setUp.slug}`}>{setUp.slug}</a>. On the repositories it is installed on,
          somebody who may write to them starts work by mentioning <code>{`@${setUp.slug}`}</code> in an issue, a pull request or a review.
        </p>
        <p class="links">
          <a class="button" href={installUrl(setUp.webUrl, setUp.slug)}>
            Install it on repositories
          </a>
        </p>
        <p class="quiet">
          Webhooks are taken at <code>{webhook}</code>. To register another App, take the GitHub settings away and start errand again.
        </p>
      </main>
    </>
  );
  return page(c, "GitHub is set up · errand", content);
}

/** The form. `reachable`: whether `fields.webhook` is proposed because GitHub can reach errand itself. */
export function setupFormPage(
  c: AppContext,
  shown: { setUp: SetUp; fields: SetupFields; site: string; reachable: boolean; mistakes: string[] },
): Response {
  const { fields, mistakes, site } = shown;
  const content = (
    <>
      <Bar />
      <main class="narrow">
        <h1>Register errand with GitHub</h1>
        <Standing setUp={shown.setUp} />
        <p>
          A GitHub App of your own is made from a manifest: {site} shows you what it may do before it exists. Its keys come back to this
          page and are shown once.
        </p>
        {mistakes.length === 0 ? null : (
          <ul class="mistakes error" role="alert">
            {mistakes.map((mistake) => (
              <li>{mistake}</li>
            ))}
          </ul>
        )}
        <form method="post" action="/setup/github" class="setup">
          <label for="owner">Organisation it belongs to</label>
          <input
            type="text"
            id="owner"
            name="owner"
            value={fields.owner}
            maxlength={39}
            autocapitalize="off"
            spellcheck={false}
            placeholder="empty: your own account"
          />
          <label for="name">Name</label>
          <input
            type="text"
            id="name"
            name="name"
            value={fields.name}
            maxlength={MAX_NAME}
            required
            autocapitalize="off"
            spellcheck={false}
          />
          <p class="quiet">
            People mention it by this name, so make it short. It must be free in the whole of GitHub and have at most {MAX_NAME} characters.
          </p>
          <label for="webhook">Where GitHub reaches errand</label>
          <input
            type="text"
            id="webhook"
            name="webhook"
            value={fields.webhook}
            required
            inputmode="url"
            autocapitalize="off"
            spellcheck={false}
            placeholder="https://…"
          />
          {shown.reachable ? null : (
            <p class="quiet">
              errand runs at <code>{c.var.settings.PUBLIC_ORIGIN}</code>, which GitHub can’t reach. For development, make a channel of a
              webhook proxy at{" "}
              <a href="https://smee.io/new" target="_blank" rel="noreferrer">
                smee.io
              </a>{" "}
              and put its address here: who knows it can read the webhooks that pass. Otherwise a tunnel’s address, or that of a deployed
              errand.
            </p>
          )}
          <button type="submit">Go on at {site}</button>
        </form>
        <h2>What it asks for</h2>
        <ul class="asked">
          {Object.entries(PERMISSIONS).map(([name, { access, why }]) => (
            <li>
              <b>{`${name.replaceAll("_", " ")}: ${access}`}</b>, {why}
            </li>
          ))}
        </ul>
        <p class="quiet">It can’t change workflows, settings or members, and it works only on repositories you install it on.</p>
      </main>
    </>
  );
  return page(c, "Register errand with GitHub · errand", content, { status: mistakes.length > 0 ? 400 : 200 });
}

/** Sends the manifest to GitHub: as a form, since GitHub takes it only from the person's own browser. */
export function toGitHubPage(c: AppContext, target: string, state: string, manifest: GitHubManifest): Response {
  const site = new URL(target).host;
  const content = (
    <>
      <Bar />
      <main class="narrow">
        <h1>Going to {site}</h1>
        <p>There you see what the App may do, and create it. You have ten minutes.</p>
        <form method="post" action={`${target}?state=${encodeURIComponent(state)}`}>
          <input type="hidden" name="manifest" value={JSON.stringify(manifest)} />
          <button type="submit">Go on at {site}</button>
        </form>
      </main>
    </>
  );
  return page(c, "Going to GitHub · errand", content, { script: "submit", formsTo: target });
}

function Copied(props: { id: string; text: string; what: string }) {
  return (
    <div class="copied">
      <button type="button" class="small" data-copy={props.id} hidden>
        Copy {props.what}
      </button>
      <pre id={props.id}>{props.text}</pre>
    </div>
  );
}

/** In single quotes, as a shell and an env file take it: none of the values has a quote in it, but a name could. */
const quoted = (value: string) => `'${value.replaceAll("'", "'\\''")}'`;

/** The settings of `npm start`, a line each. `github`: null for github.com. `proxy`: the channel that webhooks come by. */
export function envLines(app: NewApp, github: { apiUrl: string; webUrl: string } | null, proxy: string | null): string {
  const lines: [string, string][] = [
    ["ERRAND_GITHUB_APP_ID", String(app.id)],
    ["ERRAND_GITHUB_APP_SLUG", app.slug],
    ["ERRAND_GITHUB_PRIVATE_KEY", app.privateKey.trim().replaceAll("\n", "\\n")],
    ["ERRAND_GITHUB_WEBHOOK_SECRET", app.webhookSecret],
  ];
  if (app.client) lines.push(["ERRAND_GITHUB_CLIENT_ID", app.client.id], ["ERRAND_GITHUB_CLIENT_SECRET", app.client.secret]);
  if (proxy) lines.push(["ERRAND_GITHUB_WEBHOOK_PROXY", proxy]);
  if (github) lines.push(["ERRAND_GITHUB_WEB_URL", github.webUrl], ["ERRAND_GITHUB_API_URL", github.apiUrl]);
  return lines.map(([name, value]) => `${name}=${quoted(value)}\n`).join("");
}

/** The same for a deployed Worker: commands, each with its secret on standard input, so that no shell's history keeps one of a single line. */
export function wranglerCommands(app: NewApp): string {
  const secret = (name: string, value: string) => `npx wrangler secret put ${name} <<'END'\n${value.trim()}\nEND\n`;
  const client = app.client ? secret("GITHUB_CLIENT_SECRET", app.client.secret) : "";
  return secret("GITHUB_PRIVATE_KEY", app.privateKey) + secret("GITHUB_WEBHOOK_SECRET", app.webhookSecret) + client;
}

/** The App's keys: the only time they are shown. */
export function createdPage(
  c: AppContext,
  app: NewApp,
  where: { webUrl: string; github: { apiUrl: string; webUrl: string } | null; proxy: string | null },
): Response {
  const vars = `"GITHUB_APP_ID": "${app.id}",\n"GITHUB_APP_SLUG": "${app.slug}",\n${app.client ? `"GITHUB_CLIENT_ID": "${app.client.id}",\n` : ""}${
    where.github ? `"GITHUB_WEB_URL": "${where.github.webUrl}",\n"GITHUB_API_URL": "${where.github.apiUrl}",\n` : ""
  }`;
  const settings = app.owner.organisation
    ? `${where.webUrl}/organizations/${encodeURIComponent(app.owner.login)}/settings`
    : `${where.webUrl}/settings`;
  const content = (
    <>
      <Bar />
      <main class="narrow">
        <h1>{app.name} is registered</h1>
        <p class="notice">
          <b>These keys are shown this once.</b> errand keeps no copy: put them where its settings are before you leave. Whoever has them is
          errand to GitHub.
        </p>
        <h2>1. Give the keys to errand</h2>
        <p>
          <b>On your machine</b>, put these lines in a file only you can read, such as <code>~/errand-github.env</code>:
        </p>
        <Copied id="env" text={envLines(app, where.github, where.proxy)} what="the lines" />
        <p>Then end errand and start it with them:</p>
        <Copied id="start" text="set -a; . ~/errand-github.env; set +a; npm start" what="the command" />
        <details>
          <summary>
            <b>For a deployed Worker</b>
          </summary>
          <p>Secrets:</p>
          <Copied id="secrets" text={wranglerCommands(app)} what="the commands" />
          <p>
            And in <code>wrangler.jsonc</code>, under <code>vars</code>, before the next <code>npx wrangler deploy</code>:
          </p>
          <Copied id="vars" text={vars} what="the settings" />
        </details>
        <h2>2. Install it on repositories</h2>
        <p class="links">
          <a class="button" href={installUrl(where.webUrl, app.slug)} target="_blank" rel="noreferrer">
            Install {app.slug}
          </a>
        </p>
        <h2>3. Mention it</h2>
        <p>
          In an issue: <code>{`@${app.slug} add a test for the parser`}</code>
        </p>
        <p class="quiet">
          Lost a key? {app.owner.login} can make a new private key and set a new webhook secret in{" "}
          <a href={`${settings}/apps/${app.slug}`} target="_blank" rel="noreferrer">
            the App’s settings
          </a>
          .
        </p>
      </main>
    </>
  );
  return page(c, `${app.name} is registered · errand`, content, { script: "copy" });
}

/** A registration that did not end well, with a way to begin again. */
export function brokenOffPage(c: AppContext, status: 400 | 403 | 502, heading: string, why: string, then: string): Response {
  const content = (
    <>
      <Bar />
      <main class="narrow">
        <h1>{heading}</h1>
        <p>{why}</p>
        <p>{then}</p>
        <p class="links">
          <a class="button" href="/setup/github">
            Begin again
          </a>
        </p>
      </main>
    </>
  );
  return page(c, `${heading} · errand`, content, { status });
}

/** Where GitHub sends who installed the App. What its address says is not looked at: anybody can write one. */
export function installedPage(c: AppContext, setUp: SetUp): Response {
  const content = (
    <>
      <Bar />
      <main class="narrow">
        <h1>What to do next</h1>
        {setUp.state === "whole" ? (
          <>
            <p>In an issue or pull request of a repository that errand is installed on, somebody who may write to it comments:</p>
            <pre>{`@${setUp.slug} add a test for the parser`}</pre>
            <p>The comment gets 👀, and one comment of errand’s shows the plan and the outcome.</p>
          </>
        ) : (
          <p>
            errand does not know its App’s keys yet. Give it those that were shown at the end of the registration and start it again. If
            they are lost, the App’s page at GitHub makes new ones, or <a href="/setup/github">register it anew</a>.
          </p>
        )}
      </main>
    </>
  );
  return page(c, "What to do next · errand", content);
}
