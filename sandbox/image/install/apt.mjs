/**
 * System packages by apt, where this user may install them.
 */
import { findCommand, must, run } from "./run.mjs";

/**
 * Whether this user can install packages, and the words to put before `apt-get` for it.
 * @returns {Promise<{ access: "yes" | "no-right" | "no-apt", prefix: string[] }>}
 */
export async function aptAccess() {
  const prefix = ["env", "DEBIAN_FRONTEND=noninteractive"];
  if (!findCommand("apt-get")) return { access: "no-apt", prefix };
  if (process.getuid?.() === 0) return { access: "yes", prefix };
  const isAllowed = findCommand("sudo") !== null && (await run("sudo", ["-n", "true"])).code === 0;
  return isAllowed ? { access: "yes", prefix: ["sudo", "-n", ...prefix] } : { access: "no-right", prefix };
}

/**
 * @param {string[]} prefix
 * @param {string[]} args
 */
function aptGet(prefix, args) {
  const [command = "apt-get", ...rest] = [...prefix, "apt-get", "-oDPkg::Lock::Timeout=300", ...args];
  return must(command, rest);
}

/**
 * Fetches the package lists. Another apt may hold their lock, for which apt has no waiting of its own.
 * @param {string[]} prefix
 */
export async function aptUpdate(prefix) {
  for (let left = 30; ; left -= 1) {
    try {
      return await aptGet(prefix, ["update"]);
    } catch (error) {
      if (left === 0 || !/could not get lock/i.test(error.message)) throw error;
      await new Promise((done) => setTimeout(done, 2000));
    }
  }
}

/**
 * Which of these packages the configured sources have.
 * @param {string[]} packages
 * @returns {Promise<Set<string>>}
 */
export async function aptHas(packages) {
  const { stdout } = await run("apt-cache", ["policy", ...packages], { env: { ...process.env, LC_ALL: "C" } });
  const found = new Set();
  let current = "";
  for (const line of stdout.split("\n")) {
    const name = line.match(/^(\S+):$/)?.[1];
    if (name) current = name;
    const candidate = line.match(/^ {2}Candidate: (.+)$/)?.[1];
    if (candidate && candidate !== "(none)") found.add(current);
  }
  return found;
}

/**
 * Installs packages without what they merely recommend.
 * @param {string[]} prefix
 * @param {string[]} packages
 */
export async function aptInstall(prefix, packages) {
  if (packages.length > 0) await aptGet(prefix, ["install", "-y", "--no-install-recommends", ...packages]);
}

/**
 * Installed versions by package name.
 * @param {string[]} packages
 * @returns {Promise<Map<string, string>>}
 */
export async function installedVersions(packages) {
  if (!findCommand("dpkg-query")) return new Map();
  const { stdout } = await run("dpkg-query", ["-W", "-f", `\${Package}\t\${Version}\t\${db:Status-Status}\n`, ...packages]);
  const rows = stdout.split("\n").map((line) => line.split("\t"));
  return new Map(rows.flatMap(([name, version, status]) => (name && version && status === "installed" ? [[name, version]] : [])));
}
