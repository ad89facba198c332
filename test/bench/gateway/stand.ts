/** Everything that is compared, alive at once on this machine: the service itself, two nginx, and two gateways. */

import { type ChildProcess, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { build } from "esbuild";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { GRANT_PATH, GRANT_TYP, type Service } from "../../../protocol/grant.ts";
import { partsFolder } from "../../../sandbox/image/install/folder.mjs";
import { partsReport } from "../../../sandbox/image/report.ts";
import { buildRuntime } from "../../../sandbox/image/runtime.mjs";
import { type GatewayProcess, startGatewayProcess } from "../../gateway/services.ts";
import { freePort } from "../../workerd/workerd.ts";
import type { Contender } from "./goals.ts";
import type { Aim } from "./head.ts";
import { filesServer, proxyServer, startNginx } from "./nginx.ts";
import { end, listening, pidOf, startProgram } from "./processes.ts";

const REPOSITORY = join(import.meta.dirname, "../../..");
const SESSION = "benchbenchbenchbenchbenchb";
const WORKER = "http://127.0.0.1:8787";
const SMALL_BYTES = 1024;

/** Where a contender is loaded, and whose CPU time is what it costs. */
export type Target = { small: Aim; large: Aim; socket: Aim; pids: number[] };

export type GatewayStand = {
  targets: Map<Contender, Target>;
  /** The gateway's process. */
  gateway: number;
  /** nginx's version, or why there is none. */
  nginx: { version: string } | { missing: string };
  stop: () => Promise<void>;
};

/** Starts all. `folder` is an empty one for what they need; `largeBytes` the size of the large body. */
export async function startGatewayStand(folder: string, largeBytes: number): Promise<GatewayStand> {
  const children: ChildProcess[] = [];
  const gateways: GatewayProcess[] = [];
  const abandon = () => {
    for (const child of [...children, ...gateways.map((each) => each.child)]) child.kill("SIGKILL");
  };
  process.once("exit", abandon);
  const stop = async () => {
    await Promise.all([...children.map(end), ...gateways.map((each) => each.close())]);
    process.off("exit", abandon);
  };
  try {
    const service = await startProgram("service", [String(SMALL_BYTES), String(largeBytes)]);
    children.push(service.child);
    const part = partsReport(partsFolder(process.env)).nginx;
    const program = part.available ? part.path : undefined;
    const nginx = async (name: string, server: (port: number) => string) => {
      const port = await freePort();
      const child = startNginx(program ?? "", join(folder, name), server(port));
      children.push(child);
      await listening(child, port);
      return { port, pids: [pidOf(child)] };
    };
    // nginx is the lightest server of files there is, so that what is measured is the way there.
    const files =
      program === undefined ? service.port : (await nginx("files", (port) => filesServer(port, filesIn(folder, largeBytes)))).port;
    const to = { files, sockets: service.port };

    const direct = { host: "service.localhost", cookie: "a=b" };
    const targets = new Map<Contender, Target>([
      [
        "direct",
        {
          small: { ...direct, port: to.files, path: "/small" },
          large: { ...direct, port: to.files, path: "/large" },
          socket: { ...direct, port: to.sockets, path: "/" },
          pids: [],
        },
      ],
    ]);
    const programs = await gatewayPrograms(folder);
    const signedIn = await startGateway(programs.gateway, to, gateways);
    targets.set("gateway", signedIn);
    targets.set("gateway without check", await startGateway(programs.unchecked, to, gateways));
    if (program !== undefined) {
      const plain = await nginx("plain", (port) => proxyServer(port, to));
      targets.set("nginx", { ...aimsAt(plain.port, signedIn), pids: plain.pids });
      const check = await startProgram("session-check");
      children.push(check.child);
      check.child.send([signedIn.small.cookie, signedIn.socket.cookie]);
      const asking = await nginx("asking", (port) => proxyServer(port, { ...to, check: check.port }));
      targets.set("nginx + auth_request", { ...aimsAt(asking.port, signedIn), pids: [...asking.pids, pidOf(check.child)] });
    }
    return {
      targets,
      gateway: signedIn.pids[0] ?? 0,
      nginx: part.available ? { version: versionOf(part.path) } : { missing: part.reason },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What `nginx -v` says, such as `nginx/1.22.1`. */
const versionOf = (program: string) =>
  /nginx\/\S+/.exec(spawnSync(program, ["-v"], { encoding: "utf8" }).stderr)?.[0] ?? "of no known version";

/** A folder with the two files. The large one has no blocks on the disk, and is read from memory like one that was read before. */
function filesIn(folder: string, largeBytes: number): string {
  const root = join(folder, "root");
  mkdirSync(root);
  writeFileSync(join(root, "small"), Buffer.alloc(SMALL_BYTES, "s"));
  writeFileSync(join(root, "large"), "");
  truncateSync(join(root, "large"), largeBytes);
  return root;
}

/** The same requests at another port. */
const aimsAt = (port: number, { small, large, socket }: Target) => ({
  small: { ...small, port },
  large: { ...large, port },
  socket: { ...socket, port },
});

/** The gateway's program as a sandbox gets it, and one bundled alike that does not look at sessions. */
async function gatewayPrograms(folder: string): Promise<{ gateway: string; unchecked: string }> {
  const runtime = join(folder, "runtime");
  await buildRuntime({ out: runtime });
  const unchecked = join(folder, "unchecked.mjs");
  const replaced: Record<string, string> = { "gateway/server.ts": "./sessions.ts", "gateway/gate.ts": "./cookies.ts" };
  await build({
    entryPoints: [join(REPOSITORY, "gateway/main.ts")],
    outfile: unchecked,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node24",
    logLevel: "error",
    banner: { js: 'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);' },
    plugins: [
      {
        name: "without check",
        setup: ({ onResolve }) =>
          onResolve({ filter: /^\.\/(?:sessions|cookies)\.ts$/ }, ({ path, importer }) =>
            Object.entries(replaced).some(([file, name]) => importer === join(REPOSITORY, file) && path === name)
              ? { path: join(import.meta.dirname, "unchecked", path) }
              : undefined,
          ),
      },
    ],
  });
  return { gateway: join(runtime, "gateway.mjs"), unchecked };
}

/** Starts a gateway and opens VS Code (the files) and the terminal (the sockets) as a person does, by grants. */
async function startGateway(program: string, to: { files: number; sockets: number }, running: GatewayProcess[]): Promise<Target> {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const { x = "", y = "" } = await exportJWK(publicKey);
  const gateway = await startGatewayProcess(
    {
      t: "config",
      session: SESSION,
      workerOrigin: WORKER,
      grantKeys: [{ kid: "k1", kty: "EC", crv: "P-256", x, y }],
      sites: null,
      reserved: [],
      listen: { port: 0, host: "127.0.0.1", socket: null },
      upstreams: {
        vscode: { port: to.files },
        terminal: { port: to.sockets },
        desktop: { port: to.sockets },
        opencode: { port: to.files },
      },
      local: true,
    },
    program,
  );
  running.push(gateway);
  // The answer that a runner brings from the Worker: nobody has lost a right.
  gateway.child.on("message", (message: { t: string; id: number }) => {
    if (message.t === "guests") gateway.say({ t: "guests", id: message.id, gone: [] });
  });
  const host = `${SESSION.slice(0, 12)}.localhost:${gateway.port}`;
  gateway.say({ t: "sites", sites: { ide: `http://${host}`, opencode: null, preview: null } });
  const open = async (svc: Service) => {
    const iat = Math.floor(Date.now() / 1000);
    const jti = randomBytes(16).toString("hex");
    const token = await new SignJWT({ iss: WORKER, aud: SESSION, sub: "ada", svc, mode: "drive", jti, iat, exp: iat + 60 })
      .setProtectedHeader({ alg: "ES256", kid: "k1", typ: GRANT_TYP })
      .sign(privateKey);
    return redeem(gateway.port, host, token);
  };
  const aim = { port: gateway.port, host };
  const [files, socket] = [await open("vscode"), await open("terminal")];
  return {
    small: { ...aim, path: "/vscode/small", cookie: files },
    large: { ...aim, path: "/vscode/large", cookie: files },
    socket: { ...aim, path: "/terminal/", cookie: socket },
    pids: [pidOf(gateway.child)],
  };
}

/** Hands a grant in. Resolves to the cookie. */
function redeem(port: number, host: string, token: string): Promise<string> {
  const headers = { host, origin: WORKER, "content-type": "application/x-www-form-urlencoded" };
  return new Promise((resolve, reject) => {
    const asking = request({ port, host: "127.0.0.1", method: "POST", path: GRANT_PATH, headers }, (answer) => {
      answer.resume();
      const cookie = answer.headers["set-cookie"]?.[0]?.split(";", 1)[0];
      if (answer.statusCode === 303 && cookie !== undefined) resolve(cookie);
      else reject(new Error(`the gateway answered the grant with ${answer.statusCode}`));
    });
    asking.once("error", reject);
    asking.end(`token=${encodeURIComponent(token)}`);
  });
}
