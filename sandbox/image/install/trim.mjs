import { existsSync, readdirSync, rmSync } from "node:fs";
import { join, relative } from "node:path";

/** Folders under code-server that VS Code in a browser worked without: AI features, Windows, sign-in to Microsoft, sources. */
const UNUSED = [
  "lib/vscode/node_modules/@github",
  "lib/vscode/node_modules/@microsoft/mxc-sdk",
  "lib/vscode/node_modules/@devcontainers",
  "lib/vscode/node_modules/@vscode/sqlite3",
  "lib/vscode/node_modules/@vscode/windows-ca-certs",
  "lib/vscode/node_modules/@vscode/windows-mutex",
  "lib/vscode/node_modules/@vscode/windows-process-tree",
  "lib/vscode/node_modules/@vscode/windows-registry",
  "lib/vscode/node_modules/kerberos",
  "lib/vscode/node_modules/ssh2",
  "lib/vscode/node_modules/node-pty/src",
  "lib/vscode/node_modules/node-pty/third_party",
  "lib/vscode/extensions/copilot",
  "lib/vscode/extensions/microsoft-authentication",
  "lib/vscode/extensions/mermaid-markdown-features",
];

/** Folders with one subfolder for each `platform-architecture`, of which only this machine's is needed. */
const PER_MACHINE = ["lib/vscode/node_modules/@vscode/ripgrep-universal/bin", "lib/vscode/node_modules/node-pty/prebuilds"];

/**
 * Removes what code-server 4.139.1 does not need here, about two thirds of it. Raise `trim` in parts.json with any change of this
 * file, so that installed copies are made anew.
 * @param {string} root the code-server package's folder
 */
export function trimCodeServer(root) {
  for (const path of UNUSED) rmSync(join(root, path), { recursive: true, force: true });
  for (const path of PER_MACHINE) {
    const folder = join(root, path);
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(folder))
      if (name !== `${process.platform}-${process.arch}`) rmSync(join(folder, name), { recursive: true, force: true });
  }
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const isSourceMap = entry.name.endsWith(".map");
    // TypeScript's own declaration files are what the editor knows the language by.
    const isDeclaration = entry.name.endsWith(".d.ts") && !relative(root, path).includes("typescript");
    if (isSourceMap || isDeclaration) rmSync(path);
  }
}
