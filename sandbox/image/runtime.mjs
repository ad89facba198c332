#!/usr/bin/env node
/**
 * Bundles errand's own programs of a sandbox into `dist/runtime/`, which is mounted read-only in every sandbox:
 * `node sandbox/image/runtime.mjs [--partial] [--out <folder>] [--help]`, on Node 24.
 *
 *   boot.mjs gateway.mjs runner.mjs desktop.mjs   one file a program, with all it imports
 *   credential.mjs                                git's credential helper, beside the runner that it asks
 *   desktop/                                      the desktop's page with noVNC in one script, and noVNC's licence
 *   opencode/                                     OpenCode's configuration folder
 *   version.json                                  { version }: a hash of all of it
 *
 * Nothing is built while no input changed. Files are replaced one by one, each whole, since running sandboxes have the folder mounted.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const REPOSITORY = resolve(fileURLToPath(import.meta.url), "../../..");

/** The programs, by the name of their bundle. */
const PROGRAMS = {
  boot: "sandbox/boot/main.ts",
  gateway: "gateway/main.ts",
  runner: "runner/main.ts",
  credential: "runner/credential.ts",
  desktop: "sandbox/desktop/main.ts",
};

/** Files that go in as they are. */
const COPIES = {
  "desktop/index.html": "sandbox/desktop/page/index.html",
  "desktop/page.css": "sandbox/desktop/page/page.css",
  "desktop/LICENSE-noVNC.txt": "node_modules/@novnc/novnc/LICENSE.txt",
};

/** OpenCode's configuration folder: everything in it goes in. */
const OPENCODE = "sandbox/image/opencode";

const HELP = `Bundles what runs in a sandbox into dist/runtime/.

  node sandbox/image/runtime.mjs             all programs; fails if one is missing
  node sandbox/image/runtime.mjs --partial   those whose source is there
  --out <folder>                             another folder than dist/runtime
`;

const sha256 = (content) => createHash("sha256").update(content).digest("hex");

/** A hash of the named files' content, of which some may be gone. */
function hashOfFiles(files) {
  const hash = createHash("sha256");
  for (const file of files) {
    const path = join(REPOSITORY, file);
    hash.update(`${file}\0${existsSync(path) ? sha256(readFileSync(path)) : "missing"}\n`);
  }
  return hash.digest("hex");
}

/** Files whose presence or content decides what is built, beside those that esbuild finds by following imports. */
function givenFiles() {
  const rules = readdirSync(join(REPOSITORY, OPENCODE), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(REPOSITORY, join(entry.parentPath, entry.name)))
    .sort();
  const own = relative(REPOSITORY, fileURLToPath(import.meta.url));
  return [
    own,
    "sandbox/image/opencode-config.ts",
    "node_modules/esbuild/package.json",
    ...Object.values(PROGRAMS),
    ...Object.values(COPIES),
    ...rules,
  ];
}

/** Bundles programs and page; returns their files and every source that went in. */
async function bundle(programs) {
  const { build } = await import("esbuild");
  const common = { absWorkingDir: REPOSITORY, bundle: true, write: false, metafile: true, format: "esm", outdir: ".", logLevel: "silent" };
  // Some dependencies are CommonJS and call require() for Node's own modules, which an ES module has to be given.
  const banner = {
    js: 'import { createRequire as createRequireOfBundle } from "node:module";\nconst require = createRequireOfBundle(import.meta.url);',
  };
  const [node, page] = await Promise.all([
    build({
      ...common,
      entryPoints: programs.map(([name, source]) => ({ in: source, out: name })),
      platform: "node",
      target: "node24",
      outExtension: { ".js": ".mjs" },
      banner,
      // Optional native speed-ups of ws, which it does without.
      external: ["bufferutil", "utf-8-validate"],
    }),
    build({
      ...common,
      entryPoints: [{ in: "sandbox/desktop/page/page.js", out: "desktop/page" }],
      platform: "browser",
      target: "es2022",
      minify: true,
      legalComments: "eof",
    }),
  ]);
  const files = [...node.outputFiles, ...page.outputFiles].map(({ path, contents }) => [relative(REPOSITORY, path), contents]);
  return { files, sources: [...Object.keys(node.metafile.inputs), ...Object.keys(page.metafile.inputs)] };
}

/** Files of OpenCode's configuration folder, with those that keep it from running npm. */
async function opencodeFiles() {
  const { OPENCODE_NO_INSTALL } = await import("./opencode-config.ts");
  const copied = givenFiles().filter((file) => file.startsWith(`${OPENCODE}/`));
  return [
    ...copied.map((file) => [`opencode/${relative(OPENCODE, file)}`, readFileSync(join(REPOSITORY, file))]),
    ...Object.entries(OPENCODE_NO_INSTALL).map(([name, text]) => [`opencode/${name}`, Buffer.from(text)]),
    // OpenCode looks for the folder; a file in it keeps it where only files are copied.
    ["opencode/node_modules/.keep", Buffer.alloc(0)],
  ];
}

/** Makes the folder hold exactly these files; each appears whole, and one that is the same is left alone. */
function replaceFiles(out, files) {
  const names = new Set(files.map(([name]) => name));
  for (const [name, content] of files) {
    const path = join(out, name);
    if (existsSync(path) && readFileSync(path).equals(content)) continue;
    mkdirSync(dirname(path), { recursive: true });
    const temporary = `${path}.${process.pid}.new`;
    writeFileSync(temporary, content);
    renameSync(temporary, path);
  }
  for (const entry of readdirSync(out, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && !names.has(relative(out, path)) && !entry.name.endsWith(".new")) rmSync(path);
  }
}

/** The version of what is built, or null if an input changed, a file is gone, or the last build cannot be told. */
function versionIfUpToDate(out, stateFile) {
  try {
    const { version, hash, sources, files } = JSON.parse(readFileSync(stateFile, "utf8"));
    const stands = JSON.parse(readFileSync(join(out, "version.json"), "utf8"));
    const isSame = stands.version === version && files.every((name) => existsSync(join(out, name)));
    return isSame && hash === hashOfFiles([...new Set([...sources, ...givenFiles()])]) ? version : null;
  } catch {
    // Never built, or by another version of this script: building anew is always right.
    return null;
  }
}

/**
 * Brings `out` up to date.
 * @param {{ out?: string, partial?: boolean }} [options] `partial` leaves out programs whose source is missing
 * @returns {Promise<{ out: string, version: string, built: boolean, missing: string[] }>}
 * @throws {Error} when a program's source is missing and `partial` is not set, or esbuild finds an error
 */
export async function buildRuntime({ out = join(REPOSITORY, "dist", "runtime"), partial = false } = {}) {
  const missing = Object.values(PROGRAMS).filter((source) => !existsSync(join(REPOSITORY, source)));
  if (missing.length > 0 && !partial) throw new Error(`cannot bundle the sandbox's programs: ${missing.join(", ")} missing`);
  const stateFile = `${out}.state.json`;
  const upToDate = versionIfUpToDate(out, stateFile);
  if (upToDate !== null) return { out, version: upToDate, built: false, missing };
  const began = Date.now();
  const { files, sources } = await bundle(Object.entries(PROGRAMS).filter(([, source]) => !missing.includes(source)));
  const copies = Object.entries(COPIES).map(([name, source]) => [name, readFileSync(join(REPOSITORY, source))]);
  const content = [...files, ...copies, ...(await opencodeFiles())].sort(([a], [b]) => (a < b ? -1 : 1));
  const version = sha256(content.map(([name, bytes]) => `${name}\0${sha256(bytes)}\n`).join("")).slice(0, 16);
  mkdirSync(out, { recursive: true });
  replaceFiles(out, [
    ...content.map(([name, bytes]) => [name, Buffer.from(bytes)]),
    ["version.json", Buffer.from(`${JSON.stringify({ version })}\n`)],
  ]);
  const inputs = [...new Set([...sources, ...givenFiles()])];
  // A source that was saved meanwhile may not be the one that went in: then the next run builds again.
  const isSettled = inputs.every((file) => (statSync(join(REPOSITORY, file), { throwIfNoEntry: false })?.mtimeMs ?? 0) < began);
  const hash = isSettled ? hashOfFiles(inputs) : "";
  writeFileSync(stateFile, JSON.stringify({ version, hash, sources, files: content.map(([name]) => name) }));
  return { out, version, built: true, missing };
}

async function main(args) {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(HELP);
    return 0;
  }
  const at = args.indexOf("--out");
  const out = at < 0 ? undefined : args[at + 1];
  const unknown = args.filter((arg, i) => arg !== "--partial" && (at < 0 || (i !== at && i !== at + 1)));
  if (unknown.length > 0 || (at >= 0 && !out)) {
    process.stderr.write(`${at >= 0 && !out ? "--out needs a folder" : `Unknown argument ${unknown.join(" ")}`}.\n${HELP}`);
    return 2;
  }
  const began = Date.now();
  try {
    const result = await buildRuntime({ ...(out ? { out: resolve(out) } : {}), partial: args.includes("--partial") });
    for (const source of result.missing) process.stdout.write(`  warning: ${source} is missing and was left out\n`);
    const what = result.built ? "Bundled the sandbox's programs" : "The sandbox's programs are up to date";
    process.stdout.write(`${what}, version ${result.version} (${((Date.now() - began) / 1000).toFixed(1)} s)\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2));
