import { aptAccess, aptHas, aptInstall, aptUpdate, installedVersions } from "./apt.mjs";
import { findSystemPart, PARTS, SYSTEM_PARTS } from "./inspect.mjs";
import { planSystem } from "./plan.mjs";
import { say, sayTook } from "./say.mjs";

/**
 * Installs the system packages that are missing, as far as this user can.
 * @param {{ tests: boolean, needsTtyd: boolean, reasons: Map<string, string> }} options `reasons` gets why a part could not be had
 * @returns {Promise<boolean>} whether ttyd is to be built, and what that needs is there
 */
export async function installSystem({ tests, needsTtyd, reasons }) {
  const missing = SYSTEM_PARTS.filter((part) => (tests || !part.tests) && !findSystemPart(part));
  if (missing.length === 0 && !needsTtyd) return false;
  const { access, prefix } = await aptAccess();
  if (access === "yes") await update(prefix);
  const names = [...missing.flatMap((part) => part.apt), "ttyd", ...PARTS.ttyd.build, ...PARTS.ttyd.run];
  const [has, installed] = await Promise.all([aptHas(names), installedVersions(names)]);
  const plan = planSystem({ missing, ttyd: needsTtyd ? PARTS.ttyd : null, access, has, installed: new Set(installed.keys()) });
  for (const [name, reason] of plan.reasons) reasons.set(name, reason);
  await installPackages(prefix, plan.packages, missing, reasons);
  if (plan.buildPackages.length === 0) return plan.buildsTtyd;
  const began = Date.now();
  try {
    await aptInstall(prefix, plan.buildPackages);
    sayTook("packages to build ttyd with", began);
    return plan.buildsTtyd;
  } catch (error) {
    reasons.set("ttyd", error.message);
    return false;
  }
}

/** @param {string[]} prefix */
async function update(prefix) {
  const began = Date.now();
  try {
    await aptUpdate(prefix);
    sayTook("apt-get update", began);
  } catch (error) {
    say(`  apt-get update failed, going on with the lists that are there: ${error.message}`);
  }
}

/**
 * All at once, which is fastest; if that fails, one by one, so that one broken package does not take the others along.
 * @param {string[]} prefix
 * @param {string[]} packages
 * @param {{ name: string, apt: string[] }[]} parts
 * @param {Map<string, string>} reasons
 */
async function installPackages(prefix, packages, parts, reasons) {
  if (packages.length === 0) return;
  const began = Date.now();
  say(`  installing ${packages.length} system packages: ${packages.join(" ")}`);
  try {
    await aptInstall(prefix, packages);
    sayTook("system packages", began);
    return;
  } catch (error) {
    say(`  that failed (${error.message}); trying them one by one`);
  }
  for (const name of packages) {
    const one = Date.now();
    try {
      await aptInstall(prefix, [name]);
      sayTook(name, one);
    } catch (error) {
      for (const part of parts.filter((each) => each.apt.includes(name))) reasons.set(part.name, error.message);
      if (name === "ttyd") reasons.set("ttyd", error.message);
    }
  }
}
