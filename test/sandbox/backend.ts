/** The real backend as its own process, for tests, and a caller that signs. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { SignJWT } from "jose";
import { BackendError, SandboxView } from "../../protocol/backend.ts";
import { GRANT_ALG, GRANT_PATH, GRANT_SECONDS, GRANT_TYP, type GrantClaims, type Mode, type Service } from "../../protocol/grant.ts";
import { signRequest } from "../../protocol/signing.ts";
import { fetchNamed } from "./names.ts";

const root = resolve(import.meta.dirname, "../..");
const KEY = "a key that is only for tests, long enough";

/** A new grant key: its public half as a boot configuration carries it, and a way to make grants. */
async function grantKey(issuer: string) {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const grant = (session: string, { sub = "tester", ...what }: Pick<GrantClaims, "svc" | "mode" | "port"> & { sub?: string }) =>
    new SignJWT({ ...what, jti: crypto.randomUUID() })
      .setProtectedHeader({ alg: GRANT_ALG, typ: GRANT_TYP, kid: "test" })
      .setIssuer(issuer)
      .setAudience(session)
      .setSubject(sub)
      .setIssuedAt()
      .setExpirationTime(`${GRANT_SECONDS} s`)
      .sign(pair.privateKey);
  return { public: { kid: "test", kty, crv, x, y }, grant };
}

/** Starts the backend and waits until it listens. */
export async function startBackend(settings: {
  data: string;
  parts: string;
  runtime: string;
  worker: string;
  provider: "local" | "process";
  forwards?: object[];
}) {
  const key = await grantKey(settings.worker);
  const child: ChildProcess = spawn(process.execPath, [resolve(root, "sandbox/main.ts")], {
    env: { PATH: process.env.PATH, ERRAND_SECRET_OF_THE_BACKEND: "must-not-be-seen-inside" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((done) => child.once("exit", done));
  child.stdin?.write(`${JSON.stringify({ ...settings, keys: { test: KEY } })}\n`);
  if (!child.stdout) throw new Error("no output");
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([new Promise<string>((done) => lines.once("line", done)), ended.then((code) => `{"ended":${code}}`)]);
  const first = JSON.parse(line) as { listening: string; provider: string; warning: string | null; ended?: number };
  if (first.ended !== undefined) throw new Error(`the backend ended with code ${first.ended}`);

  async function call(method: string, target: string, body?: object): Promise<{ status: number; body: unknown }> {
    const text = body ? JSON.stringify(body) : "";
    const headers = await signRequest({ method, target, body: text }, "test", KEY, Date.now(), crypto.randomUUID());
    const response = await fetch(first.listening + target, { method, headers, ...(text ? { body: text } : {}) });
    const answer = await response.text();
    return { status: response.status, body: answer ? JSON.parse(answer) : null };
  }

  return {
    ...first,
    pid: child.pid ?? 0,
    child,
    ended,
    /** Ensures a generation; its runner's token is the one that `startWorker` expects. */
    async ensure(session: string, generation: number, wish: { repository?: string | null } = {}) {
      const config = {
        ...{ session, generation, runnerToken: `runner-${session}-${generation}`, modelToken: `model-${session}-${generation}` },
        ...{
          workerOrigin: settings.worker,
          grantKeys: [key.public],
          repository: wish.repository ?? null,
          base: null,
          branch: "errand/test",
        },
        models: [{ id: "test", name: "Test", context: 100_000, output: 8_000, price: null }],
      };
      const { status, body } = await call("PUT", `/v1/sessions/${session}/generations/${generation}`, { deployment: "test", config });
      return status < 300
        ? { status, view: SandboxView.parse(body), code: null }
        : { status, view: null, code: BackendError.parse(body).error.code };
    },
    async view(session: string, generation: number) {
      const { status, body } = await call("GET", `/v1/sessions/${session}/generations/${generation}`);
      return status === 200 ? SandboxView.parse(body) : null;
    },
    terminate: (sandboxId: string) => call("DELETE", `/v1/sandboxes/${sandboxId}`),
    /** Opens a service as a click does. Returns the cookie and where it leads. */
    async open(session: string, origin: string, svc: Service, mode: Mode = "drive", who: { port?: number; sub?: string } = {}) {
      const response = await fetchNamed(`${origin}${GRANT_PATH}`, {
        method: "POST",
        redirect: "manual",
        headers: { origin: settings.worker, "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ token: await key.grant(session, { svc, mode, ...who }) }),
      });
      const cookie = response.headers.getSetCookie()[0]?.split(";")[0] ?? "";
      return { status: response.status, cookie, location: new URL(response.headers.get("location") ?? "", origin).href };
    },
    /** Ends it as its owner does, by closing its input. */
    async stop() {
      child.stdin?.end();
      await ended;
    },
  };
}

/** One process as /proc shows it. */
export type Seen = { pid: number; parent: number; command: string };

/** Every process that descends from `pid`, oldest first. */
export function descendants(pid: number): Seen[] {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name): Seen[] => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        if (state === "Z") return [];
        return [
          {
            pid: Number(name),
            parent: Number(parent),
            command: readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim(),
          },
        ];
      } catch {
        return [];
      }
    });
  const found = new Set([pid]);
  for (let before = 0; before !== found.size; ) {
    before = found.size;
    for (const one of all) if (found.has(one.parent)) found.add(one.pid);
  }
  found.delete(pid);
  return all.filter((one) => found.has(one.pid)).sort((a, b) => a.pid - b.pid);
}

/** Waits until `look` gives something. */
export async function until<T>(
  what: string,
  look: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  ms = 60_000,
): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
