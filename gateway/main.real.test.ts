/** The gateway's process, spoken to by IPC as the supervisor does. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { exportJWK, generateKeyPair } from "jose";
import { afterEach, expect, test } from "vitest";
import type { FromGateway } from "./ipc.ts";

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

function start() {
  const child = fork(fileURLToPath(new URL("./main.ts", import.meta.url)), [], { env: {}, silent: true });
  children.push(child);
  const heard = async () => (await once(child, "message"))[0] as FromGateway;
  const ended = once(child, "exit").then(([code]) => code as number);
  return { child, heard, ended };
}

async function config(listen: { port?: number; socket?: string | null } = {}) {
  const { x, y } = await exportJWK((await generateKeyPair("ES256")).publicKey);
  return {
    t: "config",
    session: "abcdefghijklmnopqrstuvwxyz",
    workerOrigin: "http://127.0.0.1:8787",
    grantKeys: [{ kid: "k1", kty: "EC", crv: "P-256", x, y }],
    sites: null,
    reserved: [],
    listen: { port: 0, host: "127.0.0.1", socket: null, ...listen },
    upstreams: { vscode: { port: 1 }, desktop: { port: 1 }, terminal: { port: 1 }, opencode: { port: 1, authorization: "Basic hidden" } },
    local: true,
  };
}

test("listens on a port and on a UNIX socket that only its user may open, replacing a stale one", async () => {
  const folder = await mkdtemp(join(tmpdir(), "errand-gateway-"));
  const socket = join(folder, "gateway.sock");
  await writeFile(socket, "");
  const { child, heard, ended } = start();
  child.send(await config({ socket }));
  const said = await heard();
  if (said.t !== "listening") throw new Error(JSON.stringify(said));
  expect(await (await fetch(`http://127.0.0.1:${said.port}/_errand/health`)).text()).toBe("ok");
  expect((await fetch(`http://127.0.0.1:${said.port}/vscode/`)).status).toBe(503);
  expect((await stat(socket)).mode & 0o777).toBe(0o600);
  child.send({ t: "sites", sites: { ide: `http://127.0.0.1:${said.port}`, opencode: null, preview: null } });
  const status = () =>
    new Promise<number | undefined>((resolve) =>
      request({ socketPath: socket, path: "/vscode/", headers: { host: `127.0.0.1:${said.port}` } }, (res) =>
        resolve(res.resume().statusCode),
      ).end(),
    );
  await expect.poll(status).toBe(401);
  child.disconnect();
  expect(await ended).toBe(1);
  await rm(folder, { recursive: true });
});

test.each([
  ["an update before the configuration", async () => ({ t: "revoke" }), /config must be the first/],
  ["a message that is none", async () => "hello", /./],
  ["a configuration with a wrong part", async () => ({ ...(await config()), grantKeys: [] }), /grantKeys/],
  [
    "a plain origin elsewhere",
    async () => ({ ...(await config()), sites: { ide: "http://gate.example", opencode: null, preview: null } }),
    /not https:/,
  ],
])("ends at %s, and says why", async (_name, message, says) => {
  const { child, heard, ended } = start();
  child.send(await message());
  const said = await heard();
  expect(said).toMatchObject({ t: "failed", reason: expect.stringMatching(says) });
  expect(JSON.stringify(said)).not.toContain("hidden");
  expect(await ended).toBe(1);
});

test("ends where its port is taken", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const address = taken.address();
  const { child, heard, ended } = start();
  child.send(await config({ port: address !== null && typeof address === "object" ? address.port : 0 }));
  expect(await heard()).toMatchObject({ t: "failed", reason: expect.stringContaining("EADDRINUSE") });
  expect(await ended).toBe(1);
  taken.close();
});
