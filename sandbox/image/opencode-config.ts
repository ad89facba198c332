/**
 * OpenCode's configuration in a sandbox, for OpenCode 1.18.33, which refuses to start on a key it does not know.
 *
 * The configuration folder in the image holds the house rules (AGENTS.md) and `OPENCODE_NO_INSTALL`; what depends on the
 * session is `opencodeConfig()`, which the supervisor makes at boot.
 */
import type { Model } from "../../protocol/backend.ts";
import parts from "./parts.json" with { type: "json" };

/** The provider's name in OpenCode; a prompt's model is `errand/<model id>`. */
export const PROVIDER = "errand";

/** How many model calls one turn may take before OpenCode must end it. */
export const STEPS = 80;

/** A model that sends nothing for this long, before or between chunks, counts as failed. Milliseconds. */
const SILENCE_MS = 120_000;

const plugin = { "@opencode-ai/plugin": parts.opencode.version };

/**
 * Files that keep OpenCode from changing a configuration folder at its start. It would run `npm install` for its plugin package, unless
 * the folder has a `node_modules/` folder (make an empty one beside these) and its lock file names the dependency; and it would write a
 * `.gitignore`, which fails every request where the folder is mounted read-only. Both of its folders need them: `$OPENCODE_CONFIG_DIR`,
 * which the image brings, and `~/.config/opencode`, which the supervisor makes.
 */
export const OPENCODE_NO_INSTALL: Record<string, string> = {
  "package.json": `${JSON.stringify({ dependencies: plugin })}\n`,
  "package-lock.json": `${JSON.stringify({ packages: { "": { dependencies: plugin } } })}\n`,
  ".gitignore": "node_modules\npackage.json\npackage-lock.json\n.gitignore\n",
};

/** What the configuration depends on. */
export interface OpencodeSetting {
  /** At least one; the first is the default, and writes titles too. */
  models: readonly Model[];
  /** The OpenAI-compatible base address of the Worker's model route, without a slash at its end. */
  modelBaseUrl: string;
  /** Absolute path of the repository's checkout. */
  workspace: string;
}

/**
 * The content of `opencode.json`. The model token is not in it: OpenCode reads it from the variable `ERRAND_MODEL_TOKEN`.
 *
 * Permissions allow everything, since the sandbox is the border, except what a person should be asked about: leaving the workspace, a
 * tool call repeated without end, and a push.
 */
export function opencodeConfig({ models, modelBaseUrl, workspace }: OpencodeSetting) {
  const [first] = models;
  if (first === undefined) throw new Error("OpenCode needs at least one model");
  const model = `${PROVIDER}/${first.id}`;
  return {
    $schema: "https://opencode.ai/config.json",
    enabled_providers: [PROVIDER],
    model,
    small_model: model,
    share: "disabled",
    autoupdate: false,
    // The last rule that matches wins, so the general one stands first.
    permission: {
      "*": "allow",
      // Other programs' temporary files are this session's too; OpenCode itself keeps some there.
      external_directory: { "*": "ask", "/tmp/*": "allow" },
      doom_loop: "ask",
      bash: { "*": "allow", "git push*": "ask" },
    },
    // Relative paths do not resolve while project configuration is off.
    instructions: [`${workspace}/AGENTS.md`],
    agent: { build: { steps: STEPS } },
    provider: {
      [PROVIDER]: {
        npm: "@ai-sdk/openai-compatible",
        name: PROVIDER,
        options: { baseURL: modelBaseUrl, apiKey: "{env:ERRAND_MODEL_TOKEN}", headerTimeout: SILENCE_MS, chunkTimeout: SILENCE_MS },
        models: Object.fromEntries(models.map((each) => [each.id, modelEntry(each)])),
      },
    },
  };
}

function modelEntry({ name, context, output, price }: Model) {
  return {
    name,
    tool_call: true,
    reasoning: true,
    attachment: true,
    // Without `image` here OpenCode turns an attached picture into an error text.
    modalities: { input: ["text", "image"], output: ["text"] },
    limit: { context, output },
    ...(price === null
      ? {}
      : { cost: { input: price.input, output: price.output, cache_read: price.cacheRead, cache_write: price.cacheWrite } }),
  };
}
