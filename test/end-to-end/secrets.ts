/** The search for secrets of a run in what the run left behind: which secrets there are, everything that can be looked at, and where one stands. */
import { spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { TOKENS } from "../world/slack/workspace.ts";
import type { Errand } from "./errand.ts";
import { processesOf } from "./processes.ts";
import type { Kind, Trail } from "./trail.ts";

/** Secrets, each with its kind. */
export type Secrets = Map<string, Kind>;
/** Text by where it was. */
export type Places = Map<string, string>;
/** A secret, or what looks like one, that stands somewhere. */
export type Found = { what: string; where: string };

const Settings = z.object({
  sessionKey: z.string(),
  backendKey: z.string(),
  slackSigningSecret: z.string(),
  grantKey: z.object({ d: z.string() }),
  tokenKeys: z.object({ keys: z.record(z.string(), z.string()) }),
});
const KeptByGitHub = z.object({ minted: z.array(z.tuple([z.string(), z.unknown()])), people: z.array(z.tuple([z.string(), z.unknown()])) });

/** The settings that the Worker was given which are secrets. */
const VARIABLES: Record<string, Kind> = {
  SLACK_BOT_TOKEN: "Slack token",
  SLACK_SIGNING_SECRET: "Slack signing secret",
  GITHUB_PRIVATE_KEY: "GitHub App's key",
  GITHUB_WEBHOOK_SECRET: "GitHub webhook secret",
  GITHUB_CLIENT_SECRET: "OAuth client's secret",
  GOOGLE_CLIENT_SECRET: "OAuth client's secret",
  MODEL_KEY: "model key",
};

/** The secrets that the installation has, and those of sandboxes. Throws where one is missing: the search would then prove nothing. */
export function settingsOf(errand: Errand, sessions: readonly { id: string; generations: number }[]): Secrets {
  const secrets: Secrets = new Map();
  const kept = Settings.parse(JSON.parse(readFileSync(join(errand.data, "secrets.json"), "utf8")));
  secrets.set(kept.sessionKey, "session key").set(kept.backendKey, "backend key").set(kept.slackSigningSecret, "Slack signing secret");
  secrets.set(kept.grantKey.d, "grant key");
  for (const key of Object.values(kept.tokenKeys.keys)) secrets.set(key, "token key");
  const given = readFileSync(join(errand.data, "worker.env"), "utf8");
  for (const [name, kind] of Object.entries(VARIABLES)) {
    const value = new RegExp(`^${name}='([^']+)'$`, "m").exec(given)?.[1];
    if (!value) throw new Error(`the Worker was given no ${name}`);
    // Of a key in PEM form one line of its middle, which stays the same however its line ends are written.
    secrets.set(value.startsWith("-----BEGIN") ? (value.split("\\n")[5] ?? "") : value, kind);
  }
  secrets.set(TOKENS.bot, "Slack token");
  const { minted, people } = KeptByGitHub.parse(JSON.parse(readFileSync(join(errand.data, "world/github.json"), "utf8")));
  for (const [token] of minted) secrets.set(token, "installation token");
  for (const [token] of people) secrets.set(token, "person's token");
  for (const { id, generations } of sessions) {
    for (let generation = 1; generation <= generations; generation += 1) {
      const token = (use: string) => createHmac("sha256", kept.sessionKey).update(`${use}:${id}:${generation}`).digest("hex");
      secrets.set(token("runner"), "runner token").set(token("model"), "model token");
    }
  }
  return secrets;
}

/** Looks at the environments and command lines of errand's processes, in sandboxes too, again and again: some live for a moment only. */
export class ProcessWatch {
  /** Each text that was seen, by whose it is. */
  readonly seen: Places = new Map();
  /** Passwords of OpenCode: each of its processes has one of its own. */
  readonly passwords = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  readonly #known = new Set<string>();

  constructor(errand: Errand) {
    this.#timer = setInterval(() => this.#look(errand), 1_000);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(errand: Errand): void {
    const all = processesOf(errand);
    const byPid = new Map(all.map((one) => [one.pid, one]));
    const isOpenCodes = (one: (typeof all)[number] | undefined): boolean =>
      one !== undefined && (/\/opencode serve /.test(one.command) || isOpenCodes(byPid.get(one.parent)));
    for (const one of all) {
      const whose = isOpenCodes(one)
        ? "OpenCode"
        : (/([\w.-]+(?:\.m?[jt]s)?)(?: |$)/.exec(one.command.replace(/^\S*\/node /, ""))?.[1] ?? "?");
      this.#add(`process ${whose}, command line`, one.command);
      let environment = "";
      try {
        environment = readFileSync(`/proc/${one.pid}/environ`, "latin1");
      } catch {
        // It has ended meanwhile.
      }
      const password = /(?:^|\0)OPENCODE_SERVER_PASSWORD=([^\0]+)/.exec(environment)?.[1];
      if (password) this.passwords.add(password);
      this.#add(`process ${whose}, environment`, environment.replaceAll("\0", "\n"));
    }
  }

  #add(where: string, text: string): void {
    if (text === "" || this.#known.has(`${where} ${text}`)) return;
    this.#known.add(`${where} ${text}`);
    this.seen.set(where, `${this.seen.get(where) ?? ""}\n${text}`);
  }
}

/** All rows of all databases of the Worker: of D1, and of each Durable Object. To be called when the Worker has ended. */
export function rowsOf(errand: Errand): Places {
  const places: Places = new Map();
  const folder = join(errand.data, "worker");
  for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".sqlite"))) {
    const database = new DatabaseSync(join(folder, file), { readOnly: true });
    const tables = z
      .array(z.object({ name: z.string() }))
      .parse(database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all());
    for (const { name } of tables) {
      const query = database.prepare(`SELECT * FROM "${name}"`);
      // Times in nanoseconds are larger than a number may be.
      query.setReadBigInts(true);
      const rows = query.all();
      const text = (value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : String(value));
      places.set(`row of ${name} in ${file}`, rows.flatMap((row) => Object.values(row).map(text)).join("\n"));
    }
    database.close();
  }
  return places;
}

/** What browsers were shown, and where they went. */
export function shownBy(trail: Trail): Places {
  const places: Places = new Map([["addresses", [...trail.addresses].join("\n")]]);
  for (const { at, text } of trail.shown) places.set(`shown ${at}`, `${places.get(`shown ${at}`) ?? ""}\n${text}`);
  return places;
}

/** How a secret may be written: as it is, in an address, in JSON, and within something longer in base64, such as basic authorization. */
export function formsOf(secret: string): string[] {
  const inBase64 = [0, 1, 2].map((before) => {
    const text = Buffer.from(`${"x".repeat(before)}${secret}`).toString("base64");
    // The first and the last characters have bits of what stands beside.
    return text.slice(before === 0 ? 0 : 4, -4);
  });
  return [...new Set([secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), ...inBase64])];
}

/** What is a secret by its looks, whoever made it: tokens of GitHub and Google, and signed tokens. */
const LOOKS = [
  "gh[usr]_[A-Za-z0-9]{16,}",
  "GOCSPX-[A-Za-z0-9_-]{10,}",
  "ya29[.][A-Za-z0-9_-]{10,}",
  "eyJ[A-Za-z0-9_-]{10,}[.]eyJ[A-Za-z0-9_-]{10,}[.][A-Za-z0-9_-]{20,}",
];

/** Every secret that stands in a file of the folders or in a text, once by kind and place. Short ones would be found everywhere, so they are refused. */
export function search(secrets: Secrets, texts: Places, folders: Record<string, string>): Found[] {
  const short = [...secrets].filter(([secret]) => secret.length < 16).map(([, kind]) => kind);
  if (short.length > 0) throw new Error(`too short to be searched for: ${short.join(", ")}`);
  const scratch = mkdtempSync(join(tmpdir(), "errand-search-"));
  try {
    mkdirSync(join(scratch, "texts"));
    const names = [...texts.keys()];
    for (const [at, name] of names.entries()) writeFileSync(join(scratch, "texts", String(at)), texts.get(name) ?? "");
    const placeOf = (file: string): string => {
      if (file.startsWith(`${scratch}/texts/`)) return names[Number(file.slice(scratch.length + 7))] ?? file;
      const [name, folder] = Object.entries(folders).find(([, one]) => file.startsWith(`${one}/`)) ?? ["", ""];
      return `${name}/${file.slice(folder.length + 1)}`;
    };
    const kinds = new Map([...secrets].flatMap(([secret, kind]) => formsOf(secret).map((form) => [form, kind])));
    writeFileSync(join(scratch, "forms"), [...kinds.keys()].join("\n"));
    writeFileSync(join(scratch, "looks"), LOOKS.join("\n"));
    const within = [join(scratch, "texts"), ...Object.values(folders)];
    const found = new Map<string, Found>();
    for (const [how, file, name] of [
      ["-F", "forms", kinds],
      ["-E", "looks", new Map()],
    ] as const) {
      // `--null` parts the file's name from what stands in it.
      const run = spawnSync("grep", ["-raoH", "--null", how, "-f", join(scratch, file), ...within], {
        maxBuffer: 1 << 28,
        encoding: "latin1",
      });
      // 1: nothing found. 2 with findings: a file went away meanwhile.
      if (run.error) throw run.error;
      for (const line of run.stdout.split("\n").filter(Boolean)) {
        const [where = "", text = ""] = line.split("\0");
        const what = name.get(text) ?? `something like ${text.slice(0, 4)}…`;
        if (how === "-E" && kinds.has(text)) continue;
        found.set(`${what} ${where}`, { what, where: placeOf(where) });
      }
    }
    return [...found.values()].toSorted((a, b) => `${a.what}${a.where}`.localeCompare(`${b.what}${b.where}`));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
