/** Child processes of a start: each in a process group of its own, so that ending one ends all it started. */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

/** How long a process group may take to end by itself, in ms. */
const END_MS = 4_000;

export type Child = {
  name: string;
  process: ChildProcess;
  /** Settles when it has ended: its exit code or signal. */
  ended: Promise<string>;
  /** Ends it and everything it started: politely, then for good. */
  stop: () => Promise<void>;
};

/** Starts a process. Each line it prints goes to `onLine`. */
export function startChild(
  name: string,
  command: string,
  argv: string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; input?: string; onLine: (line: string) => void },
): Child {
  const child = spawn(command, argv, { cwd: options.cwd, env: options.env, detached: true, stdio: ["pipe", "pipe", "pipe"] });
  // The pipe stays open: a child that watches it ends when this process is gone, however it went.
  child.stdin.on("error", () => undefined);
  if (options.input !== undefined) child.stdin.write(options.input);
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", options.onLine);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  const kill = (signal: NodeJS.Signals) => {
    try {
      if (child.pid) process.kill(-child.pid, signal);
    } catch {
      // The group has ended.
    }
  };
  const stop = async () => {
    child.stdin.end();
    kill("SIGTERM");
    const timer = setTimeout(() => kill("SIGKILL"), END_MS);
    await ended;
    clearTimeout(timer);
    kill("SIGKILL");
  };
  return { name, process: child, ended, stop };
}

/** Whether something listens on that port of 127.0.0.1 already. */
export function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(true));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(false)));
  });
}

/**
 * The environment without what looks like a secret, or says where one is: children get the secrets they need by pipes and files of their
 * own. A webhook proxy's channel is one too: who knows it reads what passes there.
 */
export function withoutSecrets(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/TOKEN|SECRET|_KEY(_FILE)?$|PASSWORD|WEBHOOK_PROXY$/i.test(name)));
}
