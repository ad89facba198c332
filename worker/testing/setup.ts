/**
 * Before the tests of a file: the registry's tables, as a deployment has them, and no way out. Objects go on by their alarms after
 * the test that made them, when its stand-in for the network is gone: they then hear at once that nothing is there.
 */
import { applyD1Migrations, type D1Migration } from "cloudflare:test";
import { env } from "cloudflare:workers";

declare global {
  namespace Cloudflare {
    interface Env {
      TEST_MIGRATIONS: D1Migration[];
    }
  }
}

await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);

globalThis.fetch = (input) => Promise.reject(new TypeError(`no network in tests: ${input instanceof Request ? input.url : input}`));
