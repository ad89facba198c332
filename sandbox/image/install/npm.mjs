/**
 * Parts that come from npm: OpenCode, Node and code-server. Install scripts stay off; what they would do is done here.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { must, run } from "./run.mjs";
import { trimCodeServer } from "./trim.mjs";

/** No npm install takes this long unless it is stuck. Milliseconds. */
const NPM_MS = 600_000;

/** npm's own variables of a surrounding `npm start` would point the inner npm at that project. The registry and proxy settings stay. */
function npmEnvironment() {
  const inherited =
    /^npm_(package|lifecycle)_|^npm_config_(local_prefix|prefix|global|workspace|omit|include|dry_run|ignore_scripts)$|^(INIT_CWD|NODE_ENV)$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !inherited.test(name)));
}

/**
 * @param {string} folder
 * @param {string[]} args
 */
async function npmInstall(folder, args) {
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  // Versions are pinned, so what npm has in its cache is as good as new; without a network it should fail in seconds.
  const patience = ["--prefer-offline", "--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=2000"];
  await must("npm", ["install", ...args, ...quiet, ...patience], { cwd: folder, env: npmEnvironment(), timeoutMs: NPM_MS });
}

/**
 * The npm packages that may hold OpenCode's program for a machine, best first, as the postinstall script of opencode-ai 1.18.33 orders them.
 * @param {{ platform: string, arch: string, avx2: boolean, musl: boolean }} machine
 * @returns {string[]}
 */
export function opencodePackages({ platform, arch, avx2, musl }) {
  const base = `opencode-${platform === "win32" ? "windows" : platform}-${arch}`;
  const speeds = arch !== "x64" ? [""] : avx2 ? ["", "-baseline"] : ["-baseline", ""];
  const libraries = platform !== "linux" ? [""] : musl ? ["-musl", ""] : ["", "-musl"];
  return libraries.flatMap((library) => speeds.map((speed) => `${base}${speed}${library}`));
}

async function thisMachine() {
  const linux = process.platform === "linux";
  const flags = linux
    ? readFileSync("/proc/cpuinfo", "utf8")
    : (await run("sysctl", ["-n", "hw.optional.avx2_0"])).stdout.trim() === "1"
      ? "avx2"
      : "";
  const ldd = linux ? await run("ldd", ["--version"]) : { stdout: "", stderr: "" };
  return {
    platform: process.platform,
    arch: process.arch,
    avx2: /(^|\s)avx2(\s|$)/i.test(flags),
    musl: existsSync("/etc/alpine-release") || `${ldd.stdout}${ldd.stderr}`.toLowerCase().includes("musl"),
  };
}

/**
 * Puts OpenCode's program at `bin/opencode`: the first package of its list that can be had and runs here.
 * @param {string} folder
 * @param {string} version
 */
export async function fillOpencode(folder, version) {
  const failures = [];
  const names = opencodePackages(await thisMachine());
  for (const name of names) {
    const fetched = join(folder, "fetched");
    try {
      mkdirSync(fetched, { recursive: true });
      writeFileSync(join(fetched, "package.json"), "{}");
      await npmInstall(fetched, [`${name}@${version}`, "--no-save"]);
      mkdirSync(join(folder, "bin"), { recursive: true });
      const program = join(folder, "bin", "opencode");
      renameSync(join(fetched, "node_modules", name, "bin", "opencode"), program);
      chmodSync(program, 0o755);
      const said = (await must(program, ["--version"], { env: { ...process.env, HOME: fetched }, timeoutMs: 60_000 })).trim();
      if (said !== version) throw new Error(`says it is version ${said}`);
      return;
    } catch (error) {
      failures.push(`${name}: ${error.message}`);
    } finally {
      rmSync(fetched, { recursive: true, force: true });
    }
  }
  throw new Error(`${failures[0]} (tried in vain too: ${names.slice(1).join(", ")})`);
}

/**
 * Puts Node at `bin/node`: the repository's own where it has that version, else the platform package that npm's `node` would fetch.
 * @param {string} folder
 * @param {string} version
 * @param {string} repository
 */
export async function fillNode(folder, version, repository) {
  mkdirSync(join(folder, "bin"));
  const program = join(folder, "bin", "node");
  const own = join(repository, "node_modules", "node", "bin", "node");
  const isOwn = existsSync(own) && (await run(own, ["--version"])).stdout.trim() === `v${version}`;
  if (isOwn) copyFileSync(own, program);
  else {
    const fetched = join(folder, "fetched");
    const name = `node-${process.platform === "darwin" && process.arch === "arm64" ? "bin-" : ""}${process.platform}-${process.arch}`;
    mkdirSync(fetched);
    writeFileSync(join(fetched, "package.json"), "{}");
    await npmInstall(fetched, [`${name}@${version}`, "--no-save"]);
    renameSync(join(fetched, "node_modules", name, "bin", "node"), program);
    rmSync(fetched, { recursive: true });
  }
  chmodSync(program, 0o755);
  await must(program, ["--version"]);
}

/**
 * Installs code-server without running its build scripts: the outer package, then the two inner projects from the lock files they ship,
 * then the two links its postinstall would make, then the removal of what is not needed.
 * @param {string} folder
 * @param {string} version
 */
export async function fillCodeServer(folder, version) {
  writeFileSync(join(folder, "package.json"), "{}");
  await npmInstall(folder, [`code-server@${version}`, "--no-save"]);
  const code = join(folder, "node_modules", "code-server", "lib", "vscode");
  await npmInstall(code, ["--omit=dev"]);
  await npmInstall(join(code, "extensions"), ["--omit=dev"]);
  const system = process.platform === "darwin" ? "darwin" : "linux";
  for (const [link, target] of [
    ["bin/remote-cli/code-server", `code-${system}.sh`],
    ["bin/helpers/browser.sh", `browser-${system}.sh`],
  ]) {
    const path = join(code, link);
    if (!existsSync(join(dirname(path), target))) throw new Error(`code-server ${version} lacks ${dirname(link)}/${target}`);
    rmSync(path, { force: true });
    symlinkSync(target, path);
  }
  trimCodeServer(join(folder, "node_modules", "code-server"));
}
