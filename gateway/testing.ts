/** For the tests of this folder: a gateway in this process, a Worker's key, upstreams that write down what reaches them, raw sockets. */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type CryptoKey, exportJWK, generateKeyPair, type JWTHeaderParameters, SignJWT } from "jose";
import { GRANT_PATH, GRANT_TYP, type GrantClaims, Service } from "../protocol/grant.ts";
import { originOf } from "../protocol/sites.ts";
import { cookieName } from "./cookies.ts";
import { type FromGateway, GatewayConfig } from "./ipc.ts";
import { createGateway, type RunningGateway } from "./server.ts";

export const SESSION = "abcdefghijklmnopqrstuvwxyz";
export const WORKER = "https://worker.example";
export const PUBLIC = "https://gate.example";
/** The origins of the gateway: `PUBLIC`, that of OpenCode, one for each port of previews. */
export const SITES = { ide: PUBLIC, opencode: "https://opencode-gate.example", preview: "https://{port}-gate.example" };

/** An upstream: by default it answers 200 with its name to a request and joins a WebSocket that echoes raw bytes. */
export interface Upstream {
  server: Server;
  port: number;
  sockets: Set<Socket>;
  /** What arrived: `GET /path` of each request and upgrade. */
  seen: string[];
  /** Fields of the last request, as they came. */
  lastFields: string[];
  answer: (req: IncomingMessage, res: ServerResponse) => void;
  join: (req: IncomingMessage, socket: Duplex) => void;
}

async function startUpstream(name: string): Promise<Upstream> {
  const upstream: Upstream = {
    server: createServer(),
    port: 0,
    sockets: new Set(),
    seen: [],
    lastFields: [],
    answer: (req, res) => {
      req.resume();
      req.once("end", () => res.end(name));
    },
    join: (_req, socket) => {
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: tty\r\nX-Inner: 1\r\n\r\n",
      );
      socket.pipe(socket);
    },
  };
  const note = (req: IncomingMessage) => {
    // A runner of another test looks around for what listens on this machine.
    if (req.headers["user-agent"] === "errand") return;
    upstream.seen.push(`${req.method} ${req.url}`);
    upstream.lastFields = req.rawHeaders;
  };
  upstream.server.on("connection", (socket) => upstream.sockets.add(socket));
  upstream.server.on("request", (req, res) => {
    note(req);
    upstream.answer(req, res);
  });
  upstream.server.on("upgrade", (req, socket) => {
    note(req);
    socket.on("error", () => socket.destroy());
    upstream.join(req, socket);
  });
  await new Promise<void>((resolve) => upstream.server.listen(0, "127.0.0.1", resolve));
  upstream.port = (upstream.server.address() as AddressInfo).port;
  return upstream;
}

export interface Answer {
  /** 0 where the connection ended without an answer. */
  status: number;
  /** Values of a field, joined by ` && ` where there are several; undefined where there is none. */
  header(name: string): string | undefined;
  body: string;
  raw: string;
}

export function parseAnswer(raw: string): Answer {
  const end = raw.indexOf("\r\n\r\n");
  const [first = "", ...lines] = raw.slice(0, Math.max(end, 0)).split("\r\n");
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1] ?? 0),
    header: (name) => {
      const values = lines.filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`));
      return values.length > 0 ? values.map((line) => line.slice(name.length + 1).trim()).join(" && ") : undefined;
    },
    body: raw.slice(end + 4),
    raw,
  };
}

/** Writes bytes as they are, and returns all that comes back until the other side closes, it is enough, or `patience` ms have passed. */
export function exchangeBytes(
  port: number,
  bytes: string,
  patience = 8_000,
  isEnough: (received: string) => boolean = () => false,
): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let received = "";
    const deadline = setTimeout(() => socket.destroy(), patience);
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      received += chunk;
      if (isEnough(received)) socket.destroy();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      clearTimeout(deadline);
      resolve(received);
    });
    socket.write(Buffer.from(bytes, "latin1"));
  });
}

export interface Ask {
  method?: string;
  target?: string;
  /** Replaces the default `Host`; null leaves it out. */
  host?: string | null;
  headers?: readonly string[];
  body?: string;
}

/** The bytes of a request that closes its connection. */
export function bytesOf({ method = "GET", target = "/", host = "gate.example", headers = [], body }: Ask): string {
  const lines = [`${method} ${target} HTTP/1.1`];
  if (host !== null) lines.push(`Host: ${host}`);
  lines.push(...headers, ...(body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]));
  if (!headers.some((line) => /^connection:/i.test(line))) lines.push("Connection: close");
  return `${lines.join("\r\n")}\r\n\r\n${body ?? ""}`;
}

export const NAVIGATE = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"];

const NAMES = [...Service.options, "terminalWatch"] as const;
type Name = (typeof NAMES)[number];

/** A WebSocket's opening handshake, without its `Origin`. */
export const HANDSHAKE = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
];

/** Claims of a fresh grant at a time (epoch ms): alice drives VS Code. */
export function claimsAt(ms: number) {
  const iat = Math.floor(ms / 1000);
  return {
    iss: WORKER,
    aud: SESSION,
    sub: "alice",
    svc: "vscode",
    mode: "drive",
    jti: randomBytes(16).toString("hex"),
    iat,
    exp: iat + 60,
  };
}

export interface World {
  gateway: RunningGateway;
  port: number;
  /** `preview` is what the agent serves, `terminalWatch` the terminal of watchers. */
  upstreams: Record<Name, Upstream>;
  reports: FromGateway[];
  logs: string[];
  clock: { ms: number };
  /** The Worker's private key. */
  key: CryptoKey;
  publicJwk: Record<string, string>;
  /** A grant, by default a good one for vscode and alice. A claim set to undefined is left out. */
  mint(claims?: Record<string, unknown>, header?: Partial<JWTHeaderParameters>, key?: CryptoKey | Uint8Array): Promise<string>;
  ask(request: Ask): Promise<Answer>;
  redeem(token: string, more?: Ask): Promise<Answer>;
  /** The status of an answer, of which only the head is read: what became a WebSocket does not end by itself. */
  statusOf(request: Ask): Promise<number>;
  /** Every request that has reached an upstream: its name and `GET /path`. */
  arrived(): string[];
  /** The `Host` of a service's origin; of `preview` that of a port, by default of the preview upstream's. */
  hostOf(service: Service, port?: number): string;
  /** A `Cookie:` line of a fresh session, by default of alice, who drives. */
  signIn(service: Service, claims?: Partial<GrantClaims>): Promise<string>;
  close(): Promise<void>;
}

export async function startWorld(overrides: Partial<GatewayConfig> = {}): Promise<World> {
  const upstreams = Object.fromEntries(await Promise.all(NAMES.map(async (name) => [name, await startUpstream(name)] as const))) as Record<
    Name,
    Upstream
  >;
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = await exportJWK(publicKey);
  const publicJwk = { kid: "k1", kty: "EC", crv: "P-256", x: jwk.x ?? "", y: jwk.y ?? "" };
  const clock = { ms: Date.now() };
  const reports: FromGateway[] = [];
  const logs: string[] = [];
  const config = GatewayConfig.parse({
    session: SESSION,
    workerOrigin: WORKER,
    grantKeys: [publicJwk],
    sites: SITES,
    reserved: [],
    listen: { port: 0, host: "127.0.0.1", socket: null },
    upstreams: Object.fromEntries(
      NAMES.filter((name) => name !== "preview").map((name) => [
        name,
        { port: upstreams[name].port, ...(name === "opencode" && { authorization: "Basic aW5uZXI6c2VjcmV0" }) },
      ]),
    ),
    local: false,
    ...overrides,
  });
  const gateway = createGateway(config, {
    now: () => clock.ms,
    random: randomBytes,
    log: (entry) => logs.push(JSON.stringify(entry)),
    report: (message) => reports.push(message),
  });
  const { port } = await gateway.listen();

  const mint: World["mint"] = (claims = {}, header = {}, signer = privateKey) => {
    const payload = { ...claimsAt(clock.ms), ...claims };
    return new SignJWT(JSON.parse(JSON.stringify(payload)))
      .setProtectedHeader({ alg: "ES256", kid: "k1", typ: GRANT_TYP, ...header })
      .sign(signer);
  };
  const ask: World["ask"] = async (request) => parseAnswer(await exchangeBytes(port, bytesOf(request)));
  const hasHead = (received: string) => received.includes("\r\n\r\n");
  const statusOf: World["statusOf"] = async (request) => parseAnswer(await exchangeBytes(port, bytesOf(request), 8_000, hasHead)).status;
  const redeem: World["redeem"] = (token, more = {}) =>
    ask({
      method: "POST",
      target: GRANT_PATH,
      headers: [`Origin: ${WORKER}`, "Content-Type: application/x-www-form-urlencoded"],
      body: `token=${encodeURIComponent(token)}`,
      ...more,
    });
  const portOf = (service: Service) => (service === "preview" ? upstreams.preview.port : undefined);
  const hostOf: World["hostOf"] = (service, at = portOf(service)) =>
    new URL(originOf(config.sites ?? SITES, service, at) ?? `https://no-${service}.example`).host;
  return {
    gateway,
    port,
    upstreams,
    reports,
    logs,
    clock,
    key: privateKey,
    publicJwk,
    mint,
    ask,
    redeem,
    statusOf,
    hostOf,
    arrived: () => Object.entries(upstreams).flatMap(([name, { seen }]) => seen.map((line) => `${name}: ${line}`)),
    async signIn(service, claims = {}) {
      const at = claims.port ?? portOf(service);
      const answer = await redeem(await mint({ svc: service, port: at, ...claims }), { host: hostOf(service, at) });
      const value = answer.header("set-cookie")?.split(";", 1)[0];
      if (!value?.startsWith(cookieName({ service, port: at }, SESSION))) throw new Error(`no session: ${answer.raw}`);
      return `Cookie: ${value}`;
    },
    async close() {
      await gateway.close();
      for (const { server, sockets } of Object.values(upstreams)) {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}
