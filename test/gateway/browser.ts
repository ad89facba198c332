/** For the browser's tests: a Worker that hands out grants, a gateway of its own process with host names of its own, and Chromium. */
import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { type BrowserContext, chromium, type Page, type WebSocket } from "playwright-core";
import type { GatewayConfig } from "../../gateway/ipc.ts";
import { GRANT_PATH, GRANT_TYP, type GrantClaims, type Service } from "../../protocol/grant.ts";
import { originOf, prefixOf, type Sites } from "../../protocol/sites.ts";
import { partsFolder } from "../../sandbox/image/install/folder.mjs";
import { partsReport } from "../../sandbox/image/report.ts";
import { type GatewayProcess, startGatewayProcess } from "./services.ts";

export const SESSION = "abcdefghijklmnopqrstuvwxyz";

/** Serves pages on a free port of 127.0.0.1, each by its path. */
export async function servePages(
  page: (path: string) => Promise<{ html: string; headers?: Record<string, string> }>,
): Promise<{ server: Server; port: number }> {
  const server = createServer(async (req, res) => {
    // A runner of another test looks around for what listens on this machine.
    if (req.headers["user-agent"] === "errand") return void res.end();
    const { html, headers } = await page(req.url ?? "/");
    res.writeHead(200, { "content-type": "text/html", ...headers }).end(html);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { server, port: address.port };
}

export interface Door {
  sites: Sites;
  gateway: GatewayProcess;
  context: BrowserContext;
  workerOrigin: string;
  /** Paths that the Worker was asked for, in order. */
  asked: string[];
  /** Claims of the grants that it hands out from now on, beside those that the path says. */
  grants: Partial<GrantClaims>;
  /** Answers of the gateway with an error: status, host and path. */
  refusals: string[];
  /** Every WebSocket that a page has begun, in order. */
  sockets: WebSocket[];
  /** The origin of a service, and of a preview's port. */
  origin(service: Service, port?: number): string;
  /** Opens a service as a click on its link does, and waits until its address is shown. */
  open(service: Service, port?: number, context?: BrowserContext): Promise<Page>;
  /** Another person's browser: it shares nothing with `context`. */
  newcomer(): Promise<BrowserContext>;
  close(): Promise<void>;
}

/**
 * Starts all of it. `domain` is what the gateway's host names end in: to browsers `localhost` is a public suffix, under which names are
 * sites of their own, and anything below it one site, as a provider's domain is. `elsewhere` are host names that the browser finds on
 * this machine, for pages of other sites. Throws where Chromium is missing.
 */
export async function openDoor(
  config: Pick<GatewayConfig, "upstreams" | "landing"> & { reserved?: number[] },
  { domain = "localhost", elsewhere = [] }: { domain?: string; elsewhere?: readonly string[] } = {},
): Promise<Door> {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const { x = "", y = "" } = await exportJWK(publicKey);
  const asked: string[] = [];
  const refusals: string[] = [];
  const sockets: WebSocket[] = [];

  /** What the Worker answers to a link: a form that posts a fresh grant to the service's origin. */
  const handOver = async (path: string) => {
    // Browsers ask for an icon.
    if (!path.startsWith("/s/")) return { html: "" };
    asked.push(path);
    const [service, port] = path.split("/").slice(4) as [Service, string | undefined];
    const iat = Math.floor(Date.now() / 1000);
    const claims = { svc: service, mode: "drive", iss: workerOrigin, aud: SESSION, sub: "ada", iat, exp: iat + 60, ...door.grants };
    const jti = randomBytes(16).toString("hex");
    const token = await new SignJWT({ ...claims, jti, ...(port !== undefined && { port: Number(port) }) })
      .setProtectedHeader({ alg: "ES256", kid: "k1", typ: GRANT_TYP })
      .sign(privateKey);
    const at = door.origin(service, port === undefined ? undefined : Number(port));
    return {
      html: `<form method="post" action="${at}${GRANT_PATH}"><input name="token" value="${token}"></form><script nonce="n">document.forms[0].submit()</script>`,
      headers: {
        "referrer-policy": "strict-origin",
        "content-security-policy": `default-src 'none'; script-src 'nonce-n'; form-action ${at}; frame-ancestors 'none'`,
      },
    };
  };
  const worker = await servePages(handOver);
  const workerOrigin = `http://127.0.0.1:${worker.port}`;
  const gateway = await startGatewayProcess({
    t: "config",
    session: SESSION,
    workerOrigin,
    grantKeys: [{ kid: "k1", kty: "EC", crv: "P-256", x, y }],
    sites: null,
    reserved: [],
    listen: { port: 0, host: "127.0.0.1", socket: null },
    local: true,
    ...config,
  });
  const name = `${SESSION.slice(0, 12)}.${domain}:${gateway.port}`;
  const sites = { ide: `http://${name}`, opencode: `http://opencode-${name}`, preview: `http://{port}-${name}` };
  gateway.say({ t: "sites", sites });

  const part = partsReport(partsFolder(process.env)).chromium;
  if (!part.available) throw new Error(`chromium is needed: ${part.reason}`);
  const rules = elsewhere.map((host) => `MAP ${host} 127.0.0.1`).join(", ");
  // Chromium's own guard of addresses on this machine would hold back what the gateway has to.
  const args = ["--no-sandbox", "--disable-features=LocalNetworkAccessChecks", ...(rules === "" ? [] : [`--host-resolver-rules=${rules}`])];
  const browser = await chromium.launch({ executablePath: part.path, args });
  const newcomer = async () => {
    const context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
    context.on("response", (response) => {
      const url = new URL(response.url());
      if (Number(url.port) === gateway.port && response.status() >= 400)
        refusals.push(`${response.status()} ${url.hostname}${url.pathname}`);
    });
    context.on("page", (page) => page.on("websocket", (socket) => sockets.push(socket)));
    return context;
  };
  const context = await newcomer();

  const door: Door = {
    ...{ sites, gateway, context, newcomer, workerOrigin, asked, refusals, sockets },
    grants: {},
    origin(service, port) {
      const origin = originOf(sites, service, port);
      if (origin === null) throw new Error(`no origin for ${service}`);
      return origin;
    },
    async open(service, port, by = context) {
      const page = await by.newPage();
      await page.goto(`${workerOrigin}/s/${SESSION}/open/${service}${port === undefined ? "" : `/${port}`}`);
      await page.waitForURL(`${door.origin(service, port)}${prefixOf(service)}/**`);
      return page;
    },
    async close() {
      await browser.close();
      await gateway.close();
      worker.server.close();
    },
  };
  return door;
}
