/** Deliveries as GitHub makes them, for the Worker's tests: signed payloads about comments on issues that no other test has. */
import { env } from "cloudflare:workers";
import { hmacKey } from "../../protocol/hmac.ts";
import { ask } from "./world.ts";

let next = Date.now() % 1_000_000_000;
/** An id that no other test has: what is known of rights is kept for a minute. */
export const fresh = (): number => {
  next += 1;
  return next;
};

/** The signature header of a body. */
export async function sign(body: BodyInit, secret = env.GITHUB_WEBHOOK_SECRET): Promise<string> {
  const mac = await crypto.subtle.sign("HMAC", await hmacKey(secret), await new Response(body).arrayBuffer());
  return `sha256=${[...new Uint8Array(mac)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

export type Change = { guid?: string; secret?: string; headers?: Record<string, string> };

/** Posts a delivery as GitHub does. */
export async function deliver(event: string, body: string | Uint8Array<ArrayBuffer>, change: Change = {}): Promise<Response> {
  return ask("/github/webhook", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "user-agent": "GitHub-Hookshot/test",
      "x-github-event": event,
      "x-github-delivery": change.guid ?? crypto.randomUUID(),
      "x-hub-signature-256": await sign(body, change.secret),
      ...change.headers,
    },
    body,
  });
}

export type Comment = {
  repository?: number;
  number?: number;
  comment?: number;
  user?: number;
  type?: string;
  body?: string;
  private?: boolean;
};

/** A comment on an issue. */
export function comment(change: Comment = {}) {
  const user = change.user ?? fresh();
  const repository = change.repository ?? fresh();
  const sender = { id: user, login: `ada-${user}`, type: change.type ?? "User" };
  const at = new Date().toISOString();
  return {
    action: "created",
    installation: { id: 100 },
    repository: {
      id: repository,
      name: `r${repository}`,
      full_name: `acme/r${repository}`,
      private: change.private ?? false,
      default_branch: "main",
      html_url: "https://github.com/acme/sample",
      owner: { login: "acme", id: 5, type: "Organization" },
    },
    issue: {
      id: 1,
      number: change.number ?? 7,
      title: "The price is wrong",
      body: "It is off by one.",
      state: "open",
      comments: 1,
      html_url: "https://github.com/acme/sample/issues/7",
      user: sender,
      labels: [],
      created_at: at,
      updated_at: at,
    },
    comment: {
      id: change.comment ?? fresh(),
      body: change.body ?? "@errand fix it please",
      user: sender,
      created_at: at,
      updated_at: at,
      html_url: "https://github.com/acme/sample/issues/7#issuecomment-1",
      performed_via_github_app: null,
    },
    sender,
  };
}
export type CommentEvent = ReturnType<typeof comment>;
