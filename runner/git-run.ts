/** git as a process: how errand's own calls are made, and what they said. */
import { execFile } from "node:child_process";

/** What one call may take, in ms, unless told otherwise. */
const COMMAND_MS = 60_000;
/** The most a call may print, in bytes. */
const OUTPUT_BYTES = 64_000_000;

/** How a call ended. `text`: what git wrote to its error output. */
export type Ran = { ok: true; out: string; text: string } | { ok: false; out: string; text: string };

/** In whose name git runs. `home` empty: the process's own. `helper`: the credential helper's configuration value, null for none. */
export type Where = { home: string; signal: AbortSignal; helper?: string | null };

/** What a call may take, in ms, what it reads, and what its environment has on top. */
export type Call = { timeout?: number; input?: string; env?: Record<string, string>; signal?: AbortSignal };

/**
 * Runs git in a folder. Never asks a person for anything, never runs hooks of the repository, and asks only errand's own
 * credential helper where there is one: what the agent or the repository configured does not count for these calls.
 */
export function git(where: Where, args: readonly string[], cwd: string, call: Call = {}): Promise<Ran> {
  const env = {
    ...process.env,
    ...(where.home === "" ? {} : { HOME: where.home }),
    LC_ALL: "C",
    GIT_TERMINAL_PROMPT: "0",
    // Empty and not unset: git would ask the program of the configuration.
    GIT_ASKPASS: "",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_EDITOR: "true",
    GIT_HTTP_LOW_SPEED_LIMIT: "1000",
    GIT_HTTP_LOW_SPEED_TIME: "60",
    ...call.env,
  };
  const helper = where.helper ?? null;
  const settings = ["core.quotePath=false", "core.fsmonitor=false", "core.hooksPath=/dev/null", "commit.gpgSign=false"];
  if (helper !== null) settings.push("credential.helper=", `credential.helper=${helper}`, "credential.useHttpPath=true");
  const options = {
    cwd,
    env,
    timeout: call.timeout ?? COMMAND_MS,
    signal: call.signal ?? where.signal,
    maxBuffer: OUTPUT_BYTES,
  };
  return new Promise((done) => {
    const child = execFile("git", [...settings.flatMap((one) => ["-c", one]), ...args], options, (error, out, err) => {
      const text = `${err}`.trim();
      if (error === null) return done({ ok: true, out, text });
      const ended = error.killed === true ? "git took too long and was ended" : error.message;
      done({ ok: false, out, text: text === "" || error.killed === true ? [text, ended].filter(Boolean).join("\n") : text });
    });
    // A git that ends early leaves its input unread.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(call.input ?? "");
  });
}

/** git in one folder, in one name. */
export type Git = (args: readonly string[], call?: Call) => Promise<Ran>;

/** Binds git to a folder. */
export function gitIn(where: Where, folder: string): Git {
  return (args, call) => git(where, args, folder, call);
}

/** The trimmed output of a call that went well, else null. */
export function said(ran: Ran): string | null {
  const text = ran.ok ? ran.out.trim() : "";
  return text === "" ? null : text;
}

/** The parts of an output that separates by NUL bytes. */
export function parts(ran: Ran): string[] {
  return ran.ok ? ran.out.split("\0").filter((part) => part !== "") : [];
}
