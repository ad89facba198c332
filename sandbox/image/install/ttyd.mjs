/**
 * ttyd: from the system, from apt, or on a Debian without the package built from Debian's own source archive.
 */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findCommand, must, run } from "./run.mjs";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * Whether dotted version `have` is `least` or newer.
 * @param {string} have
 * @param {string} least
 */
export function isAtLeast(have, least) {
  const [a, b] = [have, least].map((version) => version.split(".").map((part) => Number.parseInt(part, 10) || 0));
  for (let i = 0; i < Math.max(a.length, b.length); i += 1) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/**
 * The system's ttyd with its version, or null if there is none.
 * @returns {Promise<{ path: string, version: string } | null>}
 */
export async function systemTtyd() {
  const path = findCommand("ttyd");
  if (!path) return null;
  const version = (await run(path, ["--version"])).stdout.match(/version (\d+(?:\.\d+)*)/)?.[1];
  return version ? { path, version } : null;
}

/** The address of the Debian mirror that this machine already uses. */
async function debianMirror() {
  const format = "$(ORIGIN) $(LABEL) $(REPO_URI)";
  const lines = (await must("apt-get", ["indextargets", "--format", format, "Created-By: Packages"])).split("\n");
  const mirror = lines.map((line) => line.match(/^Debian Debian (\S+)$/)?.[1]).find((uri) => uri !== undefined);
  if (!mirror) throw new Error("no Debian mirror is configured in apt");
  return mirror;
}

/**
 * Fetches ttyd's source archive from one suite of Debian, with apt's own check of the signed index.
 * @param {string} folder
 * @param {string} mirror
 * @param {string} suite
 * @returns {Promise<string>} the archive's path
 */
async function fetchSource(folder, mirror, suite) {
  for (const name of ["lists/partial", "cache/archives/partial"]) mkdirSync(join(folder, name), { recursive: true });
  const sources = join(folder, "debian.sources");
  writeFileSync(sources, `Types: deb-src\nURIs: ${mirror}\nSuites: ${suite}\nComponents: main\nSigned-By: ${KEYRING}\n`);
  const own = {
    "Dir::Etc::sourcelist": sources,
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::State::lists": join(folder, "lists"),
    "Dir::Cache": join(folder, "cache"),
    // The folder is this user's own; apt's separate download user could not write there.
    "APT::Sandbox::User": "root",
    // Without this an index that could not be fetched is a warning, and the next step fails for a reason that misleads.
    "APT::Update::Error-Mode": "any",
  };
  const options = Object.entries(own).map(([name, value]) => `-o${name}=${value}`);
  await must("apt-get", [...options, "update"], { cwd: folder });
  await must("apt-get", [...options, "source", "--tar-only", "--download-only", "ttyd"], { cwd: folder });
  const archive = readdirSync(folder).find((name) => /^ttyd_.*\.orig\.tar\.\w+$/.test(name));
  if (!archive) throw new Error(`${suite} gave no source archive of ttyd`);
  return join(folder, archive);
}

/**
 * Builds ttyd at `bin/ttyd`. Needs the build packages installed.
 * @param {string} folder
 * @param {{ version: string, sha256: string, suites: string[] }} part
 */
export async function fillTtyd(folder, part) {
  const work = mkdtempSync(join(tmpdir(), "errand-ttyd-"));
  try {
    const mirror = await debianMirror();
    const failures = [];
    let archive = "";
    for (const suite of part.suites) {
      const at = join(work, suite);
      mkdirSync(at);
      try {
        const fetched = await fetchSource(at, mirror, suite);
        const sum = createHash("sha256").update(readFileSync(fetched)).digest("hex");
        if (sum !== part.sha256) throw new Error(`the archive's SHA-256 is ${sum}, expected ${part.sha256} (ttyd ${part.version})`);
        archive = fetched;
        break;
      } catch (error) {
        failures.push(`${suite}: ${error.message}`);
      }
    }
    if (!archive) throw new Error(`its source could not be had from Debian (${failures.join("; ")})`);
    const source = join(work, "source");
    mkdirSync(source);
    await must("tar", ["-xf", archive, "-C", source, "--strip-components=1"]);
    await must("cmake", ["-S", source, "-B", join(work, "build"), "-DCMAKE_BUILD_TYPE=Release"]);
    await must("cmake", ["--build", join(work, "build"), "--parallel", "2"]);
    mkdirSync(join(folder, "bin"));
    copyFileSync(join(work, "build", "ttyd"), join(folder, "bin", "ttyd"));
    await must(join(folder, "bin", "ttyd"), ["--version"]);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
