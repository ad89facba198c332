/** The Worker's settings for a start on this machine: real accounts where they are set, what stands in for them where they are not. Pure. */
import type { Secrets } from "./secrets.ts";
import { PORTS, type StartSettings } from "./settings.ts";

/** What stands in for accounts, as far as the Worker has to know it. */
export type StandIns = {
  slack: { botToken: string; apiUrl: string } | null;
  /** The git host of the sample repository. */
  git: { url: string } | null;
  github: {
    appId: string;
    slug: string;
    privateKey: string;
    webhookSecret: string;
    apiUrl: string;
    clientId: string;
    clientSecret: string;
  } | null;
  google: { url: string; clientId: string; clientSecret: string } | null;
};

/** The repository of the local git host. */
const SAMPLE = "acme/sample";

/** The variables of worker/settings.ts. `owner`: what the owner of this machine is called. */
export function workerVars(
  settings: StartSettings,
  secrets: Pick<Secrets, "deployment" | "backendKey" | "sessionKey" | "grantKey" | "tokenKeys">,
  with_: { owner: string; slackSigningSecret: string; standIns: StandIns },
): Record<string, string> {
  const { port, slack, model } = settings;
  const { standIns } = with_;
  return {
    PUBLIC_ORIGIN: `http://127.0.0.1:${port}`,
    DEPLOYMENT: secrets.deployment,
    LOCAL_OWNER: with_.owner,
    BACKEND_URL: `http://127.0.0.1:${port + PORTS.backend}`,
    BACKEND_KEY: `local:${secrets.backendKey}`,
    SESSION_KEY: secrets.sessionKey,
    GRANT_KEY: JSON.stringify(secrets.grantKey),
    SLACK_SIGNING_SECRET: with_.slackSigningSecret,
    SLACK_BOT_TOKEN: slack.kind === "real" ? slack.botToken : (standIns.slack?.botToken ?? ""),
    SLACK_API_URL: slack.kind === "real" ? "" : (standIns.slack?.apiUrl ?? ""),
    SLACK_PROMPTS: settings.slackPrompts,
    ...githubVars(settings, standIns),
    ...signInVars(settings, standIns),
    TOKEN_KEYS: JSON.stringify(secrets.tokenKeys),
    MODEL_URL: model.kind === "real" ? model.url : `http://127.0.0.1:${port + PORTS.model}/v1`,
    MODEL_KEY: model.kind === "real" ? model.key : "demonstration",
    MODEL_NAME: model.kind === "real" ? model.name : "demonstration",
    MODEL_PRICE: model.kind === "real" ? model.price : '{"input":0,"output":0}',
    MODEL_CONTEXT: model.kind === "real" ? model.context : "",
    ...settings.modelCaps,
  };
}

/** Who is let in where only the local people can be. */
const LOCAL_RULES = JSON.stringify({ githubOrganisations: ["acme"], emailDomains: ["acme.example"] });

/** Sign-in: with real accounts, or with the local people. A real GitHub never stands beside a Google at which one can be anybody. */
function signInVars({ github, signIn }: StartSettings, standIns: StandIns): Record<string, string> {
  const local = github.kind === "local" ? standIns : { github: null, google: null };
  const atGitHub =
    github.kind === "real" ? signIn.github : local.github && { id: local.github.clientId, secret: local.github.clientSecret };
  const atGoogle = signIn.google ?? (local.google && { id: local.google.clientId, secret: local.google.clientSecret });
  return {
    GITHUB_CLIENT_ID: atGitHub?.id ?? "",
    GITHUB_CLIENT_SECRET: atGitHub?.secret ?? "",
    GOOGLE_CLIENT_ID: atGoogle?.id ?? "",
    GOOGLE_CLIENT_SECRET: atGoogle?.secret ?? "",
    GOOGLE_ISSUER: signIn.google ? "" : (local.google?.url ?? ""),
    SIGN_IN_RULES: signIn.rules ?? (github.kind === "local" && !signIn.google ? LOCAL_RULES : ""),
  };
}

/** GitHub, and where repositories are: a GitHub's threads name repositories of its own, so the two go together. */
function githubVars(settings: StartSettings, { git, github: local }: StandIns): Record<string, string> {
  const { github, repository, repositoryBaseUrl } = settings;
  const none = { GITHUB_APP_ID: "", GITHUB_APP_SLUG: "", GITHUB_PRIVATE_KEY: "", GITHUB_WEBHOOK_SECRET: "", GITHUB_ALLOWED_BOTS: "" };
  switch (github.kind) {
    case "real":
      return {
        GITHUB_APP_ID: github.appId,
        GITHUB_APP_SLUG: github.slug,
        GITHUB_PRIVATE_KEY: oneLine(github.privateKey),
        GITHUB_WEBHOOK_SECRET: github.webhookSecret,
        GITHUB_API_URL: github.server?.apiUrl ?? "",
        GITHUB_WEB_URL: github.server?.webUrl ?? "",
        GITHUB_ALLOWED_BOTS: github.allowedBots,
        REPOSITORY_BASE_URL: github.server?.webUrl ?? "https://github.com",
        DEFAULT_REPOSITORY: repository ?? "",
      };
    case "local":
      return {
        GITHUB_APP_ID: local?.appId ?? "",
        GITHUB_APP_SLUG: local?.slug ?? "",
        GITHUB_PRIVATE_KEY: oneLine(local?.privateKey ?? ""),
        GITHUB_WEBHOOK_SECRET: local?.webhookSecret ?? "",
        GITHUB_API_URL: local?.apiUrl ?? "",
        GITHUB_WEB_URL: git?.url ?? "",
        GITHUB_ALLOWED_BOTS: "",
        REPOSITORY_BASE_URL: git?.url ?? "https://github.com",
        DEFAULT_REPOSITORY: SAMPLE,
      };
    case "unregistered":
      return {
        ...none,
        GITHUB_API_URL: github.apiUrl,
        GITHUB_WEB_URL: github.webUrl,
        REPOSITORY_BASE_URL: repositoryBaseUrl ?? github.webUrl,
        DEFAULT_REPOSITORY: repository ?? "",
      };
    case "none":
      return {
        ...none,
        GITHUB_API_URL: "",
        GITHUB_WEB_URL: "",
        REPOSITORY_BASE_URL: repositoryBaseUrl ?? "https://github.com",
        DEFAULT_REPOSITORY: repository ?? "",
      };
  }
}

/** A key in PEM form with its line ends written out: an env file has one line a value. */
const oneLine = (pem: string): string => pem.trim().replaceAll("\n", "\\n");
