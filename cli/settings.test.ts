import { expect, test } from "vitest";
import { readSettings } from "./settings.ts";

const read = (env: Record<string, string>, ...argv: string[]) => {
  const result = readSettings(argv, env);
  return result.ok === true ? result.settings.remarks : result.ok === "help" ? ["help"] : result.mistakes;
};

test.each<[Record<string, string>, string[]]>([
  [{}, []],
  [{ ERRAND_VERBOSE: "1", ERRAND_PARTS: "/p", ERRAND_PROVIDER: "auto" }, []],
  [{ ERRAND_SANDBOX_HOST: "127.0.0.1" }, []],
  [{ ERRAND_SANDBOX_HOST: "0.0.0.0" }, ["ERRAND_SANDBOX_HOST must be localhost or 127.0.0.1, not “0.0.0.0”"]],
  [{ ERRAND_MODLE: "x" }, ["ERRAND_MODLE is set, but errand knows no such setting."]],
  [{ ERRAND_MODEL_PRICE: "{}" }, ["ERRAND_MODEL_PRICE is for a model of your own"]],
  [{ ERRAND_MODEL_TOKENS_PER_DAY: "1000000", ERRAND_MODEL_CALLS_PER_TURN: "2" }, []],
  [{ ERRAND_MODEL_CALLS_PER_TURN: "0" }, ["ERRAND_MODEL_CALLS_PER_TURN must be a whole number from 1, not “0”"]],
  [{ ERRAND_SLACK_PROMPTS: "linked" }, []],
  [{ ERRAND_SLACK_PROMPTS: "all" }, ["ERRAND_SLACK_PROMPTS must be linked or channel, not “all”"]],
  [{ ERRAND_REPOSITORY: "alone" }, ["ERRAND_REPOSITORY must look like owner/name, not “alone”"]],
  [{ ERRAND_MODEL: "m" }, ["ERRAND_MODEL_URL must be", "ERRAND_MODEL_KEY must hold"]],
])("%j is answered", (env, starts) => {
  const said = read(env);
  expect(said).toHaveLength(starts.length);
  for (const [index, start] of starts.entries()) expect(said[index]).toContain(start);
});

test("--help wins over what is wrong beside it", () => expect(read({ ERRAND_MODEL: "m" }, "--help")).toEqual(["help"]));
