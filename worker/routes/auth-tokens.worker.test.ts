import { env } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import { accessTokenOf, keepTokens } from "../auth/oauth-tokens.ts";
import { signInOf } from "../auth/providers.ts";
import { random } from "../auth/token.ts";
import { settingsOf } from "../settings.ts";
import { ada, anew, browserAt, here, K1, K2, rows, signIn, vars } from "../testing/sign-in.ts";

anew();

describe("what providers let us do", () => {
  const ports = (change: Record<string, string> = {}) => {
    const signIn = signInOf(settingsOf({ ...vars, ...change }));
    if (!signIn.ok) throw new Error("not set up");
    return {
      db: env.DB,
      signIn,
      fetch: here.providers.fetch,
      now: () => here.now,
      random,
      sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms / 10)),
    };
  };
  const userId = async () => (await rows<{ id: string }>("select id from users"))[0]?.id ?? "";

  test("a token row opens for its own user and provider alone", async () => {
    await signIn(browserAt(), ada);
    expect((await accessTokenOf(ports(), await userId(), "github")).ok).toBe(true);
    await rows("insert into oauth_tokens select 'mallory', provider, key_id, sealed, updated_at, null from oauth_tokens");
    expect(await accessTokenOf(ports(), "mallory", "github")).toEqual({ ok: false, why: "none" });
    await rows("update oauth_tokens set provider = 'google' where user_id != 'mallory'");
    expect(await accessTokenOf(ports(), await userId(), "google")).toEqual({ ok: false, why: "none" });
  });

  test("keys rotate: the old one still opens, what is written next is under the new one", async () => {
    await signIn(browserAt(), ada);
    const rotated = { TOKEN_KEYS: JSON.stringify({ current: "k2", keys: { k1: K1, k2: K2 } }) };
    expect((await accessTokenOf(ports(rotated), await userId(), "github")).ok).toBe(true);
    here.now += 8 * 3600_000;
    expect((await accessTokenOf(ports(rotated), await userId(), "github")).ok).toBe(true);
    expect(await rows("select key_id from oauth_tokens")).toEqual([{ key_id: "k2" }]);
    expect(await accessTokenOf(ports(), await userId(), "github")).toEqual({ ok: false, why: "none" });
  });

  test("eight at once: one refreshes, all have the new token", async () => {
    await signIn(browserAt(), ada);
    here.now += 8 * 3600_000;
    here.providers.slow = 50;
    const id = await userId();
    here.providers.asked = [];
    const all = await Promise.all(Array.from({ length: 8 }, () => accessTokenOf(ports(), id, "github")));
    expect(new Set(all.map((one) => (one.ok ? one.token : one.why))).size).toBe(1);
    expect(all[0]).toMatchObject({ ok: true, token: expect.stringMatching(/^ghu/) });
    expect(here.providers.asked).toHaveLength(1);
  });

  test("a refresh token that is spent ends it; an outage does not", async () => {
    await signIn(browserAt(), ada);
    here.now += 8 * 3600_000;
    const id = await userId();
    here.providers.wrong.answers = { "POST /login/oauth/access_token": () => new Response("", { status: 502 }) };
    expect(await accessTokenOf(ports(), id, "github")).toEqual({ ok: false, why: "away" });
    here.providers.wrong = {};
    here.providers.refreshTokens.clear();
    expect(await accessTokenOf(ports(), id, "github")).toEqual({ ok: false, why: "ended" });
    expect(await accessTokenOf(ports(), id, "github")).toEqual({ ok: false, why: "none" });
  });

  test("a sign-in during a refresh wins", async () => {
    await signIn(browserAt(), ada);
    here.now += 8 * 3600_000;
    here.providers.slow = 100;
    const id = await userId();
    const refreshing = accessTokenOf(ports(), id, "github");
    await vi.waitFor(async () => expect(await rows("select 1 from oauth_tokens where leased_until is not null")).toHaveLength(1));
    await keepTokens(ports(), id, "github", { access: "ghu-new", expiresAt: null, refresh: null });
    await refreshing;
    expect(await accessTokenOf(ports(), id, "github")).toEqual({ ok: true, token: "ghu-new" });
  });

  test("whoever died with the lease does not keep it", async () => {
    await signIn(browserAt(), ada);
    here.now += 8 * 3600_000;
    await rows("update oauth_tokens set leased_until = ?", here.now);
    expect((await accessTokenOf(ports(), await userId(), "github")).ok).toBe(true);
  });
});
