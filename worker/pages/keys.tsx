/** The page of a person's keys for programs. A key that was just made is shown on it, once. Works without a script. */
import { apiKeyId, KEY_DAYS, MAX_KEY_DAYS } from "../auth/api-keys.ts";
import type { Identity } from "../auth/identity.ts";
import type { ApiKeyRow } from "../db/schema.ts";
import type { AppContext } from "../routes/app.ts";
import { Bar, page } from "./document.tsx";
import { ago, until } from "./time.ts";

const SCOPES = { read: "read sessions", prompt: "read sessions and prompt" } as const;

/** What the page shows. `made`: the key that was made just now. */
export type KeysShown = { who: Identity; keys: readonly ApiKeyRow[]; made: { key: string; row: ApiKeyRow } | null; now: number };

/** Who may make one sees the form; the owner of the machine is told that none is needed. */
export function keysPage(c: AppContext, { who, keys, made, now }: KeysShown): Response {
  const content = (
    <>
      <Bar />
      <main class="narrow">
        <h1>Keys for programs</h1>
        <p class="quiet">
          A program sends <code>Authorization: Bearer errand_…</code> and may what you may in sessions, as far as the key goes. No key opens
          a sandbox, this page, or anything of an admin. <a href="/account">Your account</a>
        </p>
        {made === null ? null : (
          <div class="notice" role="status">
            <p>{`This is the key “${made.row.name}”. It is shown now and never again:`}</p>
            <p>
              <code id="key">{made.key}</code>
            </p>
          </div>
        )}
        {who.userId === null ? (
          <p>You are the owner of the machine that runs errand: programs on it need no key.</p>
        ) : (
          <>
            <ul class="places">
              {keys.map((key) => (
                <li>
                  <div>
                    <p>{key.name}</p>
                    <p class="quiet">
                      {`may ${SCOPES[key.scope]} · made ${ago(key.createdAt, now)} · ${key.usedAt === null ? "never used" : `last used ${ago(key.usedAt, now)}`} · ends in ${until(key.expiresAt, now)}`}
                    </p>
                  </div>
                  <form method="post" action={`/account/keys/${apiKeyId(key.hash)}/revoke`}>
                    <button type="submit" class="small">
                      Revoke
                    </button>
                  </form>
                </li>
              ))}
            </ul>
            <h2>Make a key</h2>
            <form method="post" action="/account/keys">
              <p>
                <label>
                  What it is for <input name="name" required maxlength={80} />
                </label>
              </p>
              <p>
                <label>
                  It may{" "}
                  <select name="scope">
                    <option value="read">{SCOPES.read}</option>
                    <option value="prompt">{SCOPES.prompt}</option>
                  </select>
                </label>
              </p>
              <p>
                <label>
                  Days it lasts <input name="days" type="number" min={1} max={MAX_KEY_DAYS} value={KEY_DAYS} required />
                </label>
              </p>
              <button type="submit">Make it</button>
            </form>
          </>
        )}
      </main>
    </>
  );
  return page(c, "Keys for programs · errand", content, {});
}
