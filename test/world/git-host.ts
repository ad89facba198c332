/**
 * A git host on this machine: git's own `http-backend` behind a small HTTP server, bare repositories in a folder. Clone, fetch
 * and push work as with any host that speaks git's smart HTTP protocol. By itself it asks nobody to sign in and takes errand's
 * own branches only; a forge that is put in front (`attach`) says who may do what in its repositories, and hears of pushes.
 */
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { git, gitEnvironment } from "./bare.ts";
import { POST_RECEIVE_HOOK, UPDATE_HOOK } from "./git-hooks.ts";
import { isLoopbackHost } from "./loopback.ts";
import { answerBy } from "./web-request.ts";

const run = promisify(execFile);

/** A repository's name, as `acme/sample`: no part can start with a dot or name anything outside the folder. */
const NAME = /^[A-Za-z0-9][\w.-]{0,99}\/[A-Za-z0-9][\w.-]{0,99}$/;

/** What a request path asks for. */
export type GitPath = { kind: "list" } | { kind: "git"; repository: string; service: string } | { kind: "page"; repository: string };

/** Reads a request path. Undefined for anything that is not a repository's address or a smart HTTP service of one. Pure. */
export function parseGitPath(path: string): GitPath | undefined {
  if (path === "/") return { kind: "list" };
  const found = /^\/([^/]+\/[^/]+?)(?:\.git)?(?:\/(info\/refs|git-upload-pack|git-receive-pack))?\/?$/.exec(path);
  const repository = found?.[1];
  if (!repository || !NAME.test(repository) || repository.includes("..")) return undefined;
  return found[2] ? { kind: "git", repository, service: found[2] } : { kind: "page", repository };
}

/** The head of a CGI answer: its status, its headers, and where its body starts. Undefined while it is not complete. Pure. */
export function parseCgiHead(bytes: Buffer): { status: number; headers: [string, string][]; body: number } | undefined {
  const crlf = bytes.indexOf("\r\n\r\n");
  const end = crlf >= 0 ? crlf : bytes.indexOf("\n\n");
  if (end < 0) return undefined;
  const headers: [string, string][] = [];
  let status = 200;
  for (const line of bytes.subarray(0, end).toString("latin1").split(/\r?\n/)) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    if (name.toLowerCase() === "status") status = Number.parseInt(value, 10);
    else if (colon > 0) headers.push([name, value]);
  }
  return { status, headers, body: end + (crlf >= 0 ? 4 : 2) };
}

/** The input of `git fast-import` that makes one commit with these files on `main`. `seconds` since 1970. Pure. */
export function fastImport(files: Record<string, string>, message: string, seconds: number): Buffer {
  const data = (text: string) => `data ${Buffer.byteLength(text)}\n${text}\n`;
  const who = `Errand Workshop <workshop@errand-workshop.example> ${seconds} +0000`;
  const changes = Object.entries(files).map(([path, text]) => `M 100644 inline ${JSON.stringify(path)}\n${data(text)}`);
  return Buffer.from(`commit refs/heads/main\ncommitter ${who}\n${data(message)}${changes.join("")}\ndone\n`);
}

/** The files of the sample repository, by path. */
export async function sampleFiles(): Promise<Record<string, string>> {
  const root = fileURLToPath(new URL("./sample/", import.meta.url));
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const pairs = paths.map(async (path) => [relative(root, path), await readFile(path, "utf8")] as const);
  return Object.fromEntries((await Promise.all(pairs)).sort());
}

/** One ref that a push changed. A ref that was made or removed has 40 zeros before or after. */
export interface Push {
  ref: string;
  before: string;
  after: string;
}

/** What a forge says to a request for a repository. `unknown`: not one of its own, so the host's rule without sign-in applies. */
export type Admission =
  | { kind: "unknown" }
  | { kind: "admitted"; login: string | null; workflows: boolean }
  | { kind: "refused"; status: 401 | 403 | 404; message: string };

/** What a forge does for the git host. */
export interface Forge {
  /** Whether somebody may fetch from or push to a repository. `user` and `password` are those of Basic auth. */
  admit(request: { repository: string; push: boolean; user: string | null; password: string | null }): Admission;
  /** Hears of a push before the one who pushed hears of its success. */
  pushed(repository: string, pushes: Push[], login: string | null): Promise<void>;
  /** Where a path that is not git's is shown to people; null where nowhere. */
  pageOf(path: string): string | null;
  /** What answers at a path that is not git's and is neither sent on; null for all others. */
  serves?(path: string): ((request: Request) => Response | Promise<Response>) | null;
}

/** The user and password of an `Authorization` header; nulls where it is none of Basic auth. Pure. */
export function basicAuth(header: string | undefined): { user: string | null; password: string | null } {
  const found = /^Basic\s+([A-Za-z0-9+/=]+)$/i.exec(header ?? "")?.[1];
  const [user, ...password] = Buffer.from(found ?? "", "base64")
    .toString("utf8")
    .split(":");
  return found && user !== undefined ? { user, password: password.join(":") } : { user: null, password: null };
}

/** How a git host is started. */
export interface GitHostOptions {
  /** The port on 127.0.0.1; 0 takes a free one. */
  port?: number;
  /** The folder of the bare repositories; made when it is not there. */
  dataDir: string;
  /** The clock, in ms since 1970. */
  now?: () => number;
}

/** Starts a git host with the sample repository `acme/sample` in it. Throws where the port is taken or git is missing. */
export async function startGitHost(options: GitHostOptions) {
  const now = options.now ?? Date.now;
  const root = options.dataDir;
  await mkdir(root, { recursive: true });
  const backend = join((await run("git", ["--exec-path"])).stdout.trim(), "git-http-backend");
  if (!existsSync(backend)) throw new Error(`git has no http-backend here (looked at ${backend}). Install the whole git package.`);
  const pathOf = (name: string) => join(root, `${name}.git`);

  /** Makes a repository with one commit on `main`. Throws for a name that is not `owner/name` or is there already. */
  async function createRepository(name: string, files: Record<string, string>): Promise<string> {
    if (!NAME.test(name) || name.includes(".."))
      throw new Error(`A repository is named owner/name in letters, digits, - . and _, not ${JSON.stringify(name)}.`);
    const target = pathOf(name);
    if (existsSync(target)) throw new Error(`There is a repository ${name} already.`);
    // Made beside and renamed, so that a start which is killed here leaves no half repository.
    const making = join(root, `.making-${process.pid}-${name.replace("/", "-")}`);
    await rm(making, { recursive: true, force: true });
    await run("git", ["init", "--quiet", "--bare", "--initial-branch=main", making], { env: gitEnvironment() });
    await equip(making);
    await git(making, ["fast-import", "--quiet", "--done"], fastImport(files, "Start", Math.floor(now() / 1000)));
    await mkdir(join(target, ".."), { recursive: true });
    await rename(making, target);
    return `${url}/${name}.git`;
  }

  /** Copies a repository with its branches, as a fork of it. Throws as `createRepository` does. */
  async function forkRepository(from: string, name: string): Promise<string> {
    const address = await createRepository(name, {});
    await git(pathOf(name), ["fetch", "--quiet", pathOf(from), "+refs/heads/*:refs/heads/*"]);
    return address;
  }

  /** Pushes come from sandboxes: none may change what every later session starts from. */
  async function equip(path: string) {
    await git(path, ["config", "http.receivepack", "true"]);
    await writeFile(join(path, "hooks", "update"), UPDATE_HOOK, { mode: 0o755 });
    await writeFile(join(path, "hooks", "post-receive"), POST_RECEIVE_HOOK, { mode: 0o755 });
  }

  async function repositories(): Promise<string[]> {
    const owners = (await readdir(root, { withFileTypes: true })).filter((entry) => entry.isDirectory() && !entry.name.startsWith("."));
    const names = await Promise.all(
      owners.map(async (owner) => {
        const entries = (await readdir(join(root, owner.name))).filter((name) => name.endsWith(".git"));
        return entries.map((name) => `${owner.name}/${name.slice(0, -4)}`);
      }),
    );
    return names.flat().sort();
  }

  async function serveGit(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    what: { repository: string; service: string; admission: Admission },
  ) {
    const { repository, service, admission } = what;
    const admitted = admission.kind === "admitted" ? admission : null;
    const notes = service === "git-receive-pack" ? await mkdtemp(join(tmpdir(), "errand-push-")) : null;
    const header = (name: string) => {
      const value = request.headers[name];
      return typeof value === "string" ? value : "";
    };
    const child = spawn(backend, {
      env: {
        ...gitEnvironment(),
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: "1",
        PATH_INFO: `/${repository}.git/${service}`,
        REQUEST_METHOD: request.method ?? "GET",
        QUERY_STRING: url.search.slice(1),
        CONTENT_TYPE: header("content-type"),
        ...(header("content-length") ? { CONTENT_LENGTH: header("content-length") } : {}),
        HTTP_CONTENT_ENCODING: header("content-encoding"),
        GIT_PROTOCOL: header("git-protocol"),
        REMOTE_ADDR: "127.0.0.1",
        ...(notes ? { ERRAND_PUSHED: join(notes, "pushed") } : {}),
        ...(admitted?.login ? { ERRAND_SIGNED_IN: admitted.login } : {}),
        ...(admitted && !admitted.workflows ? { ERRAND_NO_WORKFLOWS: "1" } : {}),
      },
      stdio: ["pipe", "pipe", "pipe"],
    });
    children.add(child);
    request.pipe(child.stdin);
    child.stdin.on("error", () => request.unpipe(child.stdin));
    response.on("close", () => child.kill());
    let head = Buffer.alloc(0);
    let started = false;
    child.stdout.on("data", (chunk: Buffer) => {
      if (started) {
        if (!response.write(chunk)) child.stdout.pause();
        return;
      }
      head = Buffer.concat([head, chunk]);
      const parsed = parseCgiHead(head);
      if (!parsed) return;
      started = true;
      response.writeHead(parsed.status, Object.fromEntries(parsed.headers));
      response.write(head.subarray(parsed.body));
    });
    response.on("drain", () => child.stdout.resume());
    child.on("error", () => response.destroy());
    child.on("close", async () => {
      children.delete(child);
      if (notes) await tell(repository, notes, admitted?.login ?? null).catch((error: unknown) => console.error("local git host:", error));
      if (!started) response.writeHead(500, { "content-type": "text/plain" });
      response.end(started ? undefined : "git http-backend gave no answer\n");
    });
  }

  /** Tells the forge what was pushed, as the hook wrote it down. */
  async function tell(repository: string, notes: string, login: string | null) {
    const written = await readFile(join(notes, "pushed"), "utf8").catch(() => "");
    await rm(notes, { recursive: true, force: true });
    const pushes = written.split("\n").flatMap((line) => {
      const [before, after, ref] = line.split(" ");
      return before && after && ref ? [{ before, after, ref }] : [];
    });
    if (pushes.length > 0) await forge?.pushed(repository, pushes, login);
  }

  const text = (response: ServerResponse, status: number, body: string) => {
    response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(body);
  };

  async function serve(request: IncomingMessage, response: ServerResponse) {
    if (!isLoopbackHost(request.headers.host)) return text(response, 403, "Only this machine is served.\n");
    const address = new URL(request.url ?? "/", "http://127.0.0.1");
    const path = parseGitPath(address.pathname);
    const served = forge?.serves?.(address.pathname);
    if (served) return answerBy(request, response, served);
    const page = path?.kind === "git" || address.pathname.endsWith(".git") ? null : forge?.pageOf(address.pathname + address.search);
    if (page) return response.writeHead(request.method === "GET" ? 302 : 307, { location: page }).end();
    if (path?.kind === "list") {
      const names = await repositories();
      return text(response, 200, `${names.map((name) => `${url}/${name}.git`).join("\n")}\n`);
    }
    if (!path || !existsSync(pathOf(path.repository))) return text(response, 404, "Repository not found.\n");
    if (path.kind === "page") return text(response, 200, `git clone ${url}/${path.repository}.git\n`);
    const { repository, service } = path;
    const push = service === "git-receive-pack" || address.searchParams.get("service") === "git-receive-pack";
    const admission: Admission = forge?.admit({ repository, push, ...basicAuth(request.headers.authorization) }) ?? { kind: "unknown" };
    if (admission.kind === "refused") {
      if (admission.status === 401) response.setHeader("www-authenticate", 'Basic realm="GitHub"');
      return text(response, admission.status, `${admission.message}\n`);
    }
    await serveGit(request, response, address, { repository, service, admission });
  }

  let forge: Forge | null = null;
  const children = new Set<ReturnType<typeof spawn>>();
  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      console.error("local git host:", error);
      response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const name of await repositories()) await equip(pathOf(name));
  if (!existsSync(pathOf("acme/sample"))) await createRepository("acme/sample", await sampleFiles());

  return {
    url,
    /** The clone address of a repository, there or not. */
    cloneUrl: (name: string) => `${url}/${name}.git`,
    /** The bare repository's folder. */
    pathOf,
    createRepository,
    forkRepository,
    repositories,
    /** Puts a forge in front; the result takes it away again. */
    attach(one: Forge): () => void {
      forge = one;
      return () => {
        if (forge === one) forge = null;
      };
    },
    stop: () =>
      new Promise<void>((resolve) => {
        for (const child of children) child.kill();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A running git host. */
export type GitHost = Awaited<ReturnType<typeof startGitHost>>;
