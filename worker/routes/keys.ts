/** Keys for programs: where a person makes, sees and revokes their own. No key does that. */
import { bodyLimit } from "hono/body-limit";
import * as z from "zod";
import { apiKeyId, KEY_DAYS, listApiKeys, MAX_KEY_DAYS, MAX_KEYS, makeApiKey, revokeApiKey } from "../auth/api-keys.ts";
import { tellOf } from "../auth/doors.ts";
import { signedIn, signedInPage } from "../auth/guard.ts";
import type { ApiKeyRow } from "../db/schema.ts";
import { keysPage } from "../pages/keys.tsx";
import { problemPage } from "../pages/problem.tsx";
import { type AppContext, routes } from "./app.ts";
import { invalid, problem } from "./errors.ts";

/** The longest body taken, in bytes. */
const MAX_BODY = 4 * 1024;

const Wanted = z.strictObject({
  name: z.string().trim().min(1, "must say what the key is for").max(80),
  scope: z.enum(["read", "prompt"]),
  days: z.coerce.number().int().min(1).max(MAX_KEY_DAYS).default(KEY_DAYS),
});

const TOO_MANY = `You have ${MAX_KEYS} keys, the most there can be. Revoke one that is not used.`;
const NO_USER = "The owner of the machine needs no key: programs on it are let in without. Sign in to make one for elsewhere.";

const shown = ({ hash, name, scope, createdAt, expiresAt, usedAt }: ApiKeyRow) => ({
  id: apiKeyId(hash),
  name,
  scope,
  createdAt,
  expiresAt,
  usedAt,
});

/** Makes a key for the person of a request and tells it; null: there are too many. */
async function make(c: AppContext, userId: string, { name, scope, days }: z.infer<typeof Wanted>) {
  const made = await makeApiKey(c.env.DB, { userId, name, scope, days }, Date.now());
  if (made) await tellOf(c, { action: "key.made", target: `key:${apiKeyId(made.row.hash)}`, detail: { name, scope, days } });
  return made;
}

async function revoke(c: AppContext, userId: string, id: string): Promise<boolean> {
  const name = await revokeApiKey(c.env.DB, userId, id, Date.now());
  if (name !== null) await tellOf(c, { action: "key.revoked", target: `key:${id}`, detail: { name } });
  return name !== null;
}

const limited = bodyLimit({
  maxSize: MAX_BODY,
  onError: (c) => problem(c as AppContext, 413, "too_large", `A body may have at most ${MAX_BODY} bytes.`, { limit: MAX_BODY }),
});

export const keyRoutes = routes()
  .get("/api/auth/keys", signedIn, async (c) => {
    const { userId } = c.var.identity;
    const rows = userId === null ? [] : await listApiKeys(c.env.DB, userId, Date.now());
    return c.json({ keys: rows.map(shown) });
  })
  .post("/api/auth/keys", limited, signedIn, async (c) => {
    const { userId } = c.var.identity;
    if (userId === null) return problem(c, 409, "no_user", NO_USER);
    const parsed = Wanted.safeParse(await c.req.json().catch(() => null));
    if (!parsed.success) return invalid(c, parsed.error);
    const made = await make(c, userId, parsed.data);
    if (!made) return problem(c, 409, "too_many_keys", TOO_MANY);
    return c.json({ ...shown(made.row), key: made.key }, 201);
  })
  .delete("/api/auth/keys/:id", signedIn, async (c) => {
    const { userId } = c.var.identity;
    if (userId !== null && (await revoke(c, userId, c.req.param("id")))) return c.body(null, 204);
    return problem(c, 404, "no_such_key", "You have no key under this id. GET /api/auth/keys lists them.");
  })
  .get("/account/keys", signedInPage, async (c) => {
    const { identity } = c.var;
    const keys = identity.userId === null ? [] : await listApiKeys(c.env.DB, identity.userId, Date.now());
    return keysPage(c, { who: identity, keys, made: null, now: Date.now() });
  })
  .post("/account/keys", limited, signedInPage, async (c) => {
    const { identity } = c.var;
    const { userId } = identity;
    if (userId === null) return problemPage(c, 409, "The owner needs no key", NO_USER);
    const parsed = Wanted.safeParse(await c.req.parseBody());
    if (!parsed.success)
      return problemPage(
        c,
        400,
        "That did not work",
        parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "),
      );
    const made = await make(c, userId, parsed.data);
    if (!made) return problemPage(c, 409, "Too many keys", TOO_MANY);
    return keysPage(c, { who: identity, keys: await listApiKeys(c.env.DB, userId, Date.now()), made, now: Date.now() });
  })
  .post("/account/keys/:id/revoke", limited, signedInPage, async (c) => {
    const { userId } = c.var.identity;
    if (userId !== null) await revoke(c, userId, c.req.param("id"));
    return c.redirect("/account/keys", 303);
  });
