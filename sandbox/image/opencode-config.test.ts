import { describe, expect, test } from "vitest";
import type { Model } from "../../protocol/backend.ts";
import { OPENCODE_NO_INSTALL, opencodeConfig } from "./opencode-config.ts";

const priced: Model = {
  id: "main",
  name: "Main",
  context: 200_000,
  output: 32_000,
  price: { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 },
};
const unpriced: Model = { id: "lab", name: "Lab", context: 32_000, output: 2_000, price: null };
const setting = { modelBaseUrl: "http://127.0.0.1:8787/model/v1", workspace: "/workspace/repo" };

describe("opencodeConfig", () => {
  test.each([
    {
      name: "one priced model",
      models: [priced],
      model: "errand/main",
      costs: { main: { input: 3, output: 15, cache_read: 0.3, cache_write: 3.75 } },
    },
    { name: "one without a price", models: [unpriced], model: "errand/lab", costs: { lab: undefined } },
    { name: "the first is the default", models: [unpriced, priced], model: "errand/lab", costs: { lab: undefined, main: { input: 3 } } },
  ])("$name", ({ models, model, costs }) => {
    const config = opencodeConfig({ ...setting, models });
    expect(config.model).toBe(model);
    expect(config.small_model).toBe(model);
    expect(Object.keys(config.provider.errand?.models ?? {})).toEqual(models.map(({ id }) => id));
    for (const [id, cost] of Object.entries(costs)) {
      const entry = config.provider.errand?.models[id];
      if (cost === undefined) expect(entry).not.toHaveProperty("cost");
      else expect(entry).toMatchObject({ cost });
    }
  });

  test("names no secret, only the variable that holds it", () => {
    const config = opencodeConfig({ ...setting, models: [priced] });
    expect(config.provider.errand?.options).toMatchObject({ baseURL: setting.modelBaseUrl, apiKey: "{env:ERRAND_MODEL_TOKEN}" });
  });

  test("asks before a push, outside the workspace and in a loop; allows the rest", () => {
    const { permission } = opencodeConfig({ ...setting, models: [priced] });
    expect(Object.keys(permission)[0]).toBe("*");
    expect(permission).toEqual({
      "*": "allow",
      external_directory: { "*": "ask", "/tmp/*": "allow" },
      doom_loop: "ask",
      bash: { "*": "allow", "git push*": "ask" },
    });
  });

  test("needs a model", () => {
    expect(() => opencodeConfig({ ...setting, models: [] })).toThrow("at least one model");
  });
});

test("the lock file names the package that the package file asks for", () => {
  const wants = JSON.parse(OPENCODE_NO_INSTALL["package.json"] ?? "").dependencies;
  expect(JSON.parse(OPENCODE_NO_INSTALL["package-lock.json"] ?? "").packages[""].dependencies).toEqual(wants);
  expect(wants).toEqual({ "@opencode-ai/plugin": "1.18.33" });
});
