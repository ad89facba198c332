/**
 * nginx, for the benchmark to compare the gateway with. It is unpacked and not installed: Debian's package would start a web server on
 * port 80 of whoever runs the tests.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { aptAccess, aptUpdate } from "./apt.mjs";
import { findCommand, must, run } from "./run.mjs";

/**
 * The system's nginx with its version, or null if there is none.
 * @returns {Promise<{ path: string, version: string } | null>}
 */
export async function systemNginx() {
  const path = findCommand("nginx");
  const version = path && (await run(path, ["-v"])).stderr.match(/nginx\/(\S+)/)?.[1];
  return path && version ? { path, version } : null;
}

/**
 * Puts nginx at `bin/nginx`. The libraries it needs are those of any Debian; where one is missing, this fails and says which.
 * @param {string} folder
 */
export async function fillNginx(folder) {
  const work = mkdtempSync(join(tmpdir(), "errand-nginx-"));
  try {
    await download(work);
    const archive = readdirSync(work).find((name) => name.endsWith(".deb"));
    if (!archive) throw new Error("apt-get download nginx gave no package");
    await must("dpkg-deb", ["-x", join(work, archive), join(work, "unpacked")]);
    mkdirSync(join(folder, "bin"));
    copyFileSync(join(work, "unpacked", "usr", "sbin", "nginx"), join(folder, "bin", "nginx"));
    await must(join(folder, "bin", "nginx"), ["-v"]);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * Fetches the package, with apt's own check of the signed index. Needs no right; lists that are too old are fetched anew where there is one.
 * @param {string} folder
 */
async function download(folder) {
  if (!findCommand("apt-get")) throw new Error("this system has no apt-get; install nginx with its own package manager");
  const args = ["-oAPT::Sandbox::User=root", "download", "nginx"];
  if ((await run("apt-get", args, { cwd: folder })).code === 0) return;
  const { access, prefix } = await aptAccess();
  if (access === "yes") await aptUpdate(prefix);
  await must("apt-get", args, { cwd: folder });
}
