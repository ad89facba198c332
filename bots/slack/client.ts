/** The only way a Slack client is made here. What each option prevents was found by running the client in a Worker. */
import { LogLevel, WebClient, type WebClientOptions } from "@slack/web-api";

/** How Slack's Web API is reached. */
export type Access = {
  /** Base of the Web API, ending in `/api/`; null = Slack itself. */
  apiUrl: string | null;
  fetch?: typeof fetch;
  /** Milliseconds before a call is given up; 10 s unless given. */
  timeoutMs?: number;
};

/** The address answered with a redirect, which Slack's API never does: the call was not carried out. */
export class UnexpectedRedirect extends Error {}

/** Seconds to wait where Slack limits us without saying for how long. */
const RETRY_AFTER = 30;

const quiet = () => undefined;
/** The client would log what it sends; what went wrong is in the outcome of the call instead. */
const SILENT: NonNullable<WebClientOptions["logger"]> = {
  debug: quiet,
  info: quiet,
  warn: quiet,
  error: quiet,
  setLevel: quiet,
  getLevel: () => LogLevel.ERROR,
  setName: quiet,
};

/** The options with which the client works in a Worker: no retries and no waiting of its own, `fetch` called as a function. */
export function clientOptions(access: Access): WebClientOptions {
  const outer = access.fetch ?? fetch;
  return {
    ...(access.apiUrl ? { slackApiUrl: access.apiUrl } : {}),
    fetch: async (url, init) => {
      // Workers know no `redirect: "error"`, which the client always sets.
      const response = await outer(url, { ...init, redirect: "manual" });
      if (response.status >= 300 && response.status < 400) throw new UnexpectedRedirect(`${response.status} from ${new URL(url).host}`);
      if (response.status !== 429 || /^\d+$/.test(response.headers.get("retry-after") ?? "")) return response;
      return new Response(null, { status: 429, headers: { "retry-after": String(RETRY_AFTER) } });
    },
    timeout: access.timeoutMs ?? 10_000,
    retryConfig: { retries: 0 },
    // Otherwise the client pauses every call of the isolate on a timer of this one.
    rejectRateLimitedCalls: true,
    logger: SILENT,
  };
}

/** A client that makes each call once. */
export function slackClient(token: string, access: Access): WebClient {
  return new WebClient(token, clientOptions(access));
}
