/**
 * Files that have to be there before the services start: what they are, as data. Those in `run` belong to this generation;
 * those in `home` are seeds, written only where a person or the agent has nothing of their own.
 */
import { join } from "node:path";
import { OPENCODE_NO_INSTALL, opencodeConfig } from "../image/opencode-config.ts";
import type { InsideConfig } from "./config.ts";

/** One file to write. `seed`: only if it is not there. */
export type BootFile = { path: string; text: string; seed: boolean };

/** VS Code without what needs an account, the network, or a second AI beside the agent (found useful with code-server 4.139). */
const VSCODE_SETTINGS = {
  "chat.disableAIFeatures": true,
  "workbench.startupEditor": "none",
  "workbench.enableExperiments": false,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "telemetry.telemetryLevel": "off",
  "extensions.autoUpdate": false,
  "extensions.autoCheckUpdates": false,
  "update.mode": "none",
  "typescript.disableAutomaticTypeAcquisition": true,
  "files.autoSave": "afterDelay",
};

/** Mouse, colours and a long memory; the status line would only take a row of a browser's terminal. */
export const TMUX_CONFIG = `set -g mouse on
set -g history-limit 20000
set -g status off
set -g default-terminal "tmux-256color"
set -g set-titles off
set -sg escape-time 10
`;

/** A prompt that says where one is: the folder and the branch. Only interactive shells read it. */
const BASHRC = `PS1='\\[\\e[36m\\]\\w\\[\\e[0m\\]$(git branch --show-current 2>/dev/null | sed "s/.*/ (&)/") \\$ '
`;

/** Folders that must exist, by the place each has in the configuration. */
export function bootFolders(config: InsideConfig): string[] {
  const { home, run, workspace } = config.paths;
  return [
    workspace,
    join(run, "xdg"),
    join(run, "log"),
    join(run, "opencode", "node_modules"),
    join(home, ".config", "opencode", "node_modules"),
    join(home, ".local", "bin"),
    join(home, ".local", "share", "code-server", "User"),
  ];
}

/** The files; `rules` is the text of the image's AGENTS.md. */
export function bootFiles(config: InsideConfig, rules: string): BootFile[] {
  const { home, run, workspace } = config.paths;
  const modelBaseUrl = `${config.workerUrl}/sandbox/${config.boot.session}/model/v1`;
  const opencode = opencodeConfig({ models: config.boot.models, modelBaseUrl, workspace });
  const noInstall = (folder: string, seed: boolean) =>
    Object.entries(OPENCODE_NO_INSTALL).map(([name, text]) => ({ path: join(folder, name), text, seed }));
  return [
    { path: join(run, "opencode", "opencode.json"), text: JSON.stringify(opencode), seed: false },
    { path: join(run, "opencode", "AGENTS.md"), text: rules, seed: false },
    ...noInstall(join(run, "opencode"), false),
    ...noInstall(join(home, ".config", "opencode"), true),
    { path: join(run, "tmux.conf"), text: TMUX_CONFIG, seed: false },
    { path: join(home, ".bashrc"), text: BASHRC, seed: true },
    { path: join(home, ".bash_profile"), text: ". ~/.bashrc\n", seed: true },
    {
      path: join(home, ".local", "share", "code-server", "User", "settings.json"),
      text: JSON.stringify(VSCODE_SETTINGS, null, 2),
      seed: true,
    },
  ];
}
