/** What a GitHub App asks of GitHub about itself: tokens, installations, deliveries, registration. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { type Actor, type Minted, maySee, refusal } from "./access.ts";
import { type Deliveries, type Delivery, PENDING } from "./deliveries.ts";
import type { Emulator } from "./emulator.ts";
import { type Api, appView, type C, type Hub, nodeId, paged, personOf } from "./hub.ts";
import type { App, Json } from "./records.ts";
import { addUser } from "./seed.ts";

/** An installation token lives an hour. */
const TOKEN_MS = 3_600_000;
/** A registration's code is good for an hour. */
const CODE_MS = 3_600_000;

/** What `POST /app-manifests/{code}/conversions` can be made of. */
export interface Registration {
  manifest: Json;
  login: string;
  until: number;
}

/** A new key of an App, as GitHub hands it out: PEM, PKCS#1. */
export const newKey = () =>
  generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs1", format: "pem" }).toString();

const asApp = (c: C): App => {
  const actor = c.get("actor");
  if (actor.kind !== "app") throw refusal(401, "A JSON web token could not be decoded");
  return actor.app;
};
const asInstallation = (c: C): Extract<Actor, { kind: "installation" }> => {
  const actor = c.get("actor");
  if (actor.kind !== "installation")
    throw refusal(403, "You must authenticate with an installation access token in order to list repositories for an installation.");
  return actor;
};

/** A delivery as lists show it: without what was sent and answered. */
export const brief = ({ request: _, response: __, app_id: ___, ...rest }: Delivery) => rest;

/** Adds the routes. `minted` are the tokens that are good; `codes` the registrations that were begun. */
export function appRoutes(
  api: Api,
  hub: Hub,
  parts: { emulator: Emulator; minted: Map<string, Minted>; deliveries: Deliveries; codes: Map<string, Registration> },
): void {
  const { emulator, minted, deliveries, codes } = parts;

  api.post("/app/installations/:id/access_tokens", async (c) => {
    const app = asApp(c);
    const row = hub.tables.appInstallations.findOneBy("installation_id", Number(c.req.param("id")));
    if (!row || row.app_id !== app.app_id) throw refusal(404, "Not Found");
    if (row.suspended_at) throw refusal(403, "This installation has been suspended");
    const answer = await hub.forward(c);
    if (answer.status !== 201) return answer;
    const made: unknown = await answer.json();
    const token = typeof made === "object" && made !== null && "token" in made ? String(made.token) : "";
    const expiresAt = hub.now() + TOKEN_MS;
    const kept = emulator.tokens.get(token);
    if (kept) minted.set(token, { token: kept, expiresAt });
    hub.changed();
    return c.json({ ...(typeof made === "object" ? made : {}), expires_at: new Date(expiresAt).toISOString() }, 201);
  });
  api.delete("/installation/token", (c) => {
    asInstallation(c);
    minted.delete(/^(?:Bearer|token)\s+(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1] ?? "");
    return c.body(null, 204);
  });
  api.get("/installation/repositories", async (c) => {
    const actor = asInstallation(c);
    const repos = hub.tables.repos.all().filter((repo) => {
      const { installation, token } = actor;
      const scope = token.installation;
      const within = (selection: string, ids: number[]) => selection === "all" || ids.includes(repo.id);
      const owned = repo.owner_id === installation.account_id && repo.owner_type === installation.account_type;
      return (
        owned &&
        !!scope &&
        within(installation.repository_selection, installation.repository_ids) &&
        within(scope.repositorySelection, scope.repositoryIds)
      );
    });
    const shown = await Promise.all(paged(c, repos).map((repo) => hub.view(repo, "")));
    return c.json({ total_count: repos.length, repository_selection: actor.token.installation?.repositorySelection, repositories: shown });
  });

  api.get("/app/hook/deliveries", (c) => {
    const app = asApp(c);
    const size = Math.min(100, Math.max(1, Number(c.req.query("per_page")) || 30));
    const cursor = Number(/^v1_(\d+)$/.exec(c.req.query("cursor") ?? "")?.[1] ?? Number.POSITIVE_INFINITY);
    const status = c.req.query("status");
    const fits = (one: Delivery) =>
      !status || (status === "success" ? one.status_code >= 200 && one.status_code < 400 : one.status_code >= 400);
    const rows = deliveries.log
      .filter((one) => one.app_id === app.app_id && one.status !== PENDING && one.id < cursor && fits(one))
      .reverse();
    const shown = rows.slice(0, size);
    const last = shown.at(-1);
    if (last && rows.length > size) {
      const url = new URL(c.req.url);
      url.searchParams.set("cursor", `v1_${last.id}`);
      c.header("link", `<${url.href}>; rel="next"`);
    }
    return c.json(shown.map(brief));
  });
  api.get("/app/hook/deliveries/:id", (c) => {
    const app = asApp(c);
    const row = deliveries.log.find((one) => one.app_id === app.app_id && one.id === Number(c.req.param("id")));
    if (!row) throw refusal(404, "Not Found");
    return c.json({ ...brief(row), request: row.request, response: row.response });
  });
  api.post("/app/hook/deliveries/:id/attempts", (c) => {
    const sent = deliveries.redeliver(Number(c.req.param("id")), asApp(c));
    if (!sent) throw refusal(404, "Not Found");
    return c.json({}, 202);
  });
  api.get("/app/hook/config", (c) => c.json({ content_type: "json", insecure_ssl: "0", url: asApp(c).webhook_url, secret: "********" }));
  api.patch("/app/hook/config", (c) => {
    const { url, secret } = c.get("body");
    const row = hub.tables.apps.findOneBy("slug", asApp(c).slug);
    const change = {
      ...(typeof url === "string" ? { webhook_url: url } : {}),
      ...(typeof secret === "string" ? { webhook_secret: secret } : {}),
    };
    if (row) hub.tables.apps.update(row.id, change);
    return c.json({ content_type: "json", insecure_ssl: "0", url, secret: "********" });
  });

  api.post("/app-manifests/:code/conversions", (c) => {
    const code = c.req.param("code");
    const begun = codes.get(code);
    codes.delete(code);
    if (!begun || begun.until < hub.now()) throw refusal(404, "Not Found");
    return c.json(register(hub, begun), 201);
  });

  api.get("/repositories/:id{[0-9]+}", (c) => {
    const repo = hub.tables.repos.get(Number(c.req.param("id")));
    if (!repo || !maySee(hub.tables, c.get("actor"), repo)) throw refusal(404, "Not Found");
    return hub.forward(c, { path: `/repos/${repo.full_name}` });
  });
}

/** Makes the App of a manifest. */
function register(hub: Hub, { manifest, login }: Registration): Json {
  const name = String(manifest.name ?? "app");
  const slug = name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  const hook = typeof manifest.hook_attributes === "object" && manifest.hook_attributes !== null ? { ...manifest.hook_attributes } : {};
  const id = Math.max(900_000, ...hub.tables.apps.all().map((one) => one.app_id)) + 17;
  const secret = randomBytes(20).toString("hex");
  const clientSecret = randomBytes(20).toString("hex");
  const row = {
    app_id: id,
    slug,
    name,
    private_key: newKey(),
    permissions: Object.assign({}, manifest.default_permissions),
    events: Array.isArray(manifest.default_events) ? manifest.default_events.map(String) : [],
    webhook_url: "url" in hook ? String(hook.url) : null,
    webhook_secret: secret,
    description: typeof manifest.description === "string" ? manifest.description : null,
    client_id: `Iv1.${randomBytes(8).toString("hex")}`,
    client_secret: clientSecret,
    callback_urls: Array.isArray(manifest.callback_urls) ? manifest.callback_urls.map(String) : [],
  };
  hub.tables.apps.insert(row);
  addUser(hub.tables, 58_290_000 + hub.tables.apps.all().length, `${slug}[bot]`, name, "Bot");
  hub.changed();
  return {
    ...appView(hub, row),
    node_id: nodeId("App", id),
    owner: personOf(hub, hub.tables.users.findOneBy("login", login)),
    description: row.description,
    external_url: manifest.url ?? null,
    client_id: row.client_id,
    client_secret: clientSecret,
    webhook_secret: secret,
    pem: row.private_key,
  };
}

/** Begins a registration, as the button on GitHub's page does; the code is for one use, within the hour. */
export function beginRegistration(hub: Pick<Hub, "now">, codes: Map<string, Registration>, manifest: Json, login: string): string {
  const code = randomBytes(20).toString("hex");
  codes.set(code, { manifest, login, until: hub.now() + CODE_MS });
  return code;
}
