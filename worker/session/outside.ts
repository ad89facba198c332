/** The surfaces and the forge that this installation is set up for. Made when first needed, and forgotten with the object. */
import type { Forge } from "../../bots/forge.ts";
import { gitHubSurface } from "../../bots/github/deliver.ts";
import { gitHubForge } from "../../bots/github/forge.ts";
import { slackSurface } from "../../bots/slack/deliver.ts";
import type { Surface } from "../../bots/surface.ts";
import { parseThreadKey } from "../../protocol/thread.ts";
import { githubOf, type Settings } from "../settings.ts";

export class Outside {
  readonly #settings: Settings;
  readonly #surfaces = new Map<string, Surface | undefined>();
  #forge: { forge: Forge | undefined } | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** The surface a thread is on; undefined where it is not set up. */
  surfaceOf(thread: string): Surface | undefined {
    const name = parseThreadKey(thread)?.surface;
    if (name === undefined) return undefined;
    if (!this.#surfaces.has(name)) this.#surfaces.set(name, this.#surface(name));
    return this.#surfaces.get(name);
  }

  #surface(name: "slack" | "github" | "page"): Surface | undefined {
    const { SLACK_BOT_TOKEN: token, SLACK_API_URL: apiUrl } = this.#settings;
    if (name === "slack") return token ? slackSurface({ token, apiUrl }) : undefined;
    const github = githubOf(this.#settings);
    return name === "github" && github.ok ? gitHubSurface(github) : undefined;
  }

  /** The number of the repository on the forge that one of these threads is in: its name may be another repository's by now. */
  repositoryIdOf(threads: readonly string[]): number | undefined {
    const key = threads.map(parseThreadKey).find((one) => one?.surface === "github");
    return key?.surface === "github" ? Number(key.repository) : undefined;
  }

  /** The forge whose repositories errand can push to; undefined where none is set up. */
  forge(): Forge | undefined {
    if (!this.#forge) {
      const github = githubOf(this.#settings);
      this.#forge = { forge: github.ok ? gitHubForge(github) : undefined };
    }
    return this.#forge.forge;
  }
}
