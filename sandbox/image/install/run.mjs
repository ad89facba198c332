import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Where Linux keeps system programs. A program elsewhere (a home folder) would not be in a sandbox, which gets the host's /usr. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/**
 * The absolute path of a system program, or null.
 * @param {string} command
 */
export function findCommand(command) {
  const folders =
    process.platform === "linux"
      ? SYSTEM_FOLDERS
      : (process.env.PATH ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"));
  for (const folder of folders) {
    const path = join(folder, command);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

/**
 * Runs a program to its end and returns what it said. Never throws: a program that cannot be started has code 127.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string | undefined>, timeoutMs?: number }} [options]
 * @returns {Promise<{ code: number, stdout: string, stderr: string }>}
 */
export function run(command, args, options = {}) {
  return new Promise((done) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: options.timeoutMs,
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
    });
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    child.on("error", (error) => done({ code: 127, stdout, stderr: `${stderr}${error.message}` }));
    child.on("close", (code, signal) => done({ code: code ?? 1, stdout, stderr: signal ? `${stderr}\nended by ${signal}` : stderr }));
  });
}

/**
 * Runs a program that must succeed.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string | undefined>, timeoutMs?: number }} [options]
 * @returns {Promise<string>} its standard output
 * @throws {Error} with the error the program wrote, when it fails
 */
export async function must(command, args, options = {}) {
  const { code, stdout, stderr } = await run(command, args, options);
  if (code === 0) return stdout;
  const what = args.filter((arg) => !arg.startsWith("-") && !arg.includes("=")).slice(0, 2);
  throw new Error(`${[command, ...what].join(" ")}: ${whyItFailed(stderr.trim() || stdout.trim() || `ended with ${code}`)}`);
}

/**
 * The line that matters of what a failed program wrote: the first error that apt or npm marks as one, else the last line.
 * @param {string} said
 */
export function whyItFailed(said) {
  const lines = said.split("\n");
  const marked =
    lines.find((line) => /^E: /.test(line)) ??
    lines.find((line) => /^npm error (?!code |syscall |errno |path |dest |A complete log)/.test(line));
  return (marked ?? lines.at(-1) ?? "").replace(/^(E:|npm error( \d{3})?) +/, "");
}
