import { homedir } from "node:os";
import { join, resolve } from "node:path";

/**
 * The folder that holds the sandbox image's parts: `ERRAND_PARTS`, else `errand/parts` in the user's cache folder.
 * @param {Record<string, string | undefined>} env
 * @returns {string} an absolute path; it need not exist
 */
export function partsFolder(env) {
  return resolve(env.ERRAND_PARTS || join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), ".cache"), "errand", "parts"));
}
