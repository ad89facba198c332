/**
 * How git in the sandbox gets its right to a repository: git asks the helper program, that asks the runner over a UNIX
 * socket, and the runner asks the SessionAgent. Nothing secret is on a disk, in an environment or on a command line.
 */
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { dirname, extname, join } from "node:path";
import type { RunnerAnswer, RunnerAsk } from "../protocol/runner.ts";
import { askedAddress, credentialLines, QUESTION_LIMIT } from "./credential-words.ts";
import { git, parts } from "./git-run.ts";

/** Our part of the agent's git configuration, in its home. */
const CONFIG = join(".errand", "gitconfig");

/** What `credential.helper` is set to for a socket: a command for the shell that git starts it with. */
export function helperCommand(socket: string): string {
  // The bundle of the program lies beside the runner's, as the source does.
  const program = join(import.meta.dirname, `credential${extname(import.meta.filename)}`);
  return `!${[process.execPath, program, socket].map(shellWord).join(" ")}`;
}

/** Where the runner listens for the helper program. */
export function credentialSocket(run: string): string {
  return join(run, "git.sock");
}

/** git's configuration for every git of the sandbox: errand's helper and no other before it; ssh addresses of the host as web ones. */
export function gitConfig(helper: string, repository: string | null): string {
  const url = URL.parse(repository ?? "");
  const web =
    url === null || !/^https?:$/.test(url.protocol)
      ? ""
      : `[url ${quoted(`${url.origin}/`)}]\n\tinsteadOf = ${quoted(`git@${url.hostname}:`)}\n\tinsteadOf = ${quoted(`ssh://git@${url.hostname}/`)}\n`;
  return `[credential]\n\thelper =\n\thelper = ${quoted(helper)}\n\tuseHttpPath = true\n${web}`;
}

/** Sets the configuration up for the agent, the terminal and VS Code. What stands in the home's own configuration stays. */
export async function installGitConfig(home: string, text: string, signal: AbortSignal): Promise<void> {
  const path = join(home, CONFIG);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
  const at = { home, signal };
  const included = parts(await git(at, ["config", "--global", "-z", "--get-all", "include.path"], home));
  if (included.includes(`~/${CONFIG}`)) return;
  const added = await git(at, ["config", "--global", "--add", "include.path", `~/${CONFIG}`], home);
  if (!added.ok) throw new Error(`git's configuration in the home folder could not be changed: ${added.text}`);
}

/** Answers the helper program at a socket until `signal` is aborted. Only this user may connect. Throws where it can't listen. */
export function serveCredentials(
  path: string,
  ask: (ask: RunnerAsk) => Promise<RunnerAnswer>,
  log: (message: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    void answer(socket, ask).catch((error: unknown) => {
      log(`git: a question for a credential could not be answered: ${error instanceof Error ? error.message : "no reason is known"}`);
      socket.destroy();
    });
  });
  signal.addEventListener("abort", () => server.close(), { once: true });
  // What a runner left that was killed.
  rmSync(path, { force: true });
  return new Promise((done, fail) => {
    server.once("error", fail);
    server.listen(path, () => {
      chmodSync(path, 0o600);
      server.off("error", fail);
      server.on("error", (error) => log(`git: the socket for credentials: ${error.message}`));
      // An open socket alone keeps no runner alive.
      server.unref();
      done();
    });
  });
}

async function answer(socket: Socket, ask: (ask: RunnerAsk) => Promise<RunnerAnswer>): Promise<void> {
  let question = "";
  socket.setEncoding("utf8");
  // A plain iterator would destroy the socket at the end of the question, before the answer.
  for await (const text of socket.iterator({ destroyOnReturn: false })) {
    question += String(text);
    if (question.length > QUESTION_LIMIT) return void socket.destroy();
  }
  const url = askedAddress(question);
  const said: RunnerAnswer =
    url === null || url.length > 1_000
      ? { is: "no", why: "errand has credentials for repositories at http and https addresses only." }
      : await ask({ what: "credential", url });
  socket.end(credentialLines(said));
}

/** A word for the shell, whatever is in it. */
function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** A value in git's configuration file. */
function quoted(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}
