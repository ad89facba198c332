/**
 * Which system packages to install, and what to tell a person about the rest. Pure, so that every kind of machine can be tried in a test.
 */

/**
 * The command that a person would run to install packages.
 * @param {string[]} packages
 */
function aptCommand(packages) {
  return `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages.join(" ")}`;
}

/** @type {import("./plan.d.mts").planSystem} */
export function planSystem({ missing, ttyd, access, has, installed }) {
  const reasons = new Map();
  const wanted = [];
  for (const part of missing) {
    const lacking = part.apt.filter((name) => !has.has(name));
    if (access !== "no-apt" && lacking.length > 0) reasons.set(part.name, `apt has no package ${lacking.join(", ")} here`);
    else wanted.push(part);
  }
  const packages = wanted.flatMap((part) => part.apt);

  const toBuild = ttyd === null ? [] : [...ttyd.build, ...ttyd.run];
  const unknown = toBuild.filter((name) => !has.has(name) && !installed.has(name));
  const isBuilding = ttyd !== null && access !== "no-apt" && !has.has("ttyd") && unknown.length === 0;
  const isPackage = ttyd !== null && (has.has("ttyd") || access === "no-apt");
  const buildPackages = isBuilding ? toBuild.filter((name) => !installed.has(name)) : [];
  if (ttyd !== null && !isPackage && !isBuilding)
    reasons.set("ttyd", `apt has neither ttyd nor what it is built with (${unknown.join(", ")})`);
  const ttydPackages = isPackage ? ["ttyd"] : [];
  if (access === "yes") return { packages: [...packages, ...ttydPackages], buildPackages, buildsTtyd: isBuilding, reasons };

  const all = [...packages, ...ttydPackages, ...buildPackages];
  const remedy = {
    "no-apt": `this system has no apt-get; install with its own package manager what Debian calls ${all.join(" ")}`,
    "no-right": `system packages need root, and sudo is missing or asks for a password; run: ${aptCommand(all)} – then run this again`,
  }[access];
  for (const part of wanted) reasons.set(part.name, remedy);
  if (ttydPackages.length + buildPackages.length > 0) reasons.set("ttyd", remedy);
  return { packages: [], buildPackages: [], buildsTtyd: isBuilding && buildPackages.length === 0, reasons };
}
