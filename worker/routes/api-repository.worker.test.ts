/** Who may begin where, by the API: naming a session that is there opens no other repository. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, expect, test } from "vitest";
import { fresh } from "../testing/deliveries.ts";
import { askAs, gitHubWith, type Someone, someone } from "../testing/people.ts";
import { world } from "../testing/world.ts";

let github: ReturnType<typeof gitHubWith>;
beforeEach(() => {
  github = gitHubWith(world());
});

const repositoryOf = (...writers: Someone[]): string => {
  const name = `acme/r${fresh()}`;
  github.repositories.set(name, { private: true, people: new Map(writers.map(({ github: account }) => [account?.login ?? "", "write"])) });
  return name;
};
const begin = (person: Someone, body: object): Promise<Response> =>
  askAs(person, "/api/sessions", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

test("a session that has no workspace yet is not moved to a repository where its person may not write", async () => {
  const [eve, ada] = [await someone(), await someone()];
  const [own, other] = [repositoryOf(eve), repositoryOf(ada)];
  const id = `mine${fresh()}`;
  const first = await begin(eve, { id, options: { repository: own } });
  expect(first.status).toBe(201);
  const session = env.SESSIONS.getByName(((await first.json()) as { id: string }).id);
  // What was delivered is remembered for a week.
  await runInDurableObject(session, (_object, { storage }) => void storage.sql.exec("DELETE FROM seen"));
  const second = await begin(eve, { id, text: "tell me what is in it", options: { repository: other } });
  expect([second.status, ((await second.json()) as { error?: { code: string } }).error?.code]).toEqual([403, "no_access"]);
  expect(await session.whose()).toMatchObject({ repository: own });
  expect((await begin(eve, { id, text: "go on", options: { repository: own } })).status).toBe(201);
});
