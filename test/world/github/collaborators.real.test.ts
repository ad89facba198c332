import { afterAll, beforeAll, expect, test } from "vitest";
import { type Bench, SAMPLE, startBench } from "./testing.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.stop());

const permissionsOf = async (login: string) => (await bench.as(login).repos.get(SAMPLE)).data.permissions;
const statusOf = (call: Promise<{ status: number }>) =>
  call.then(
    ({ status }) => status,
    (error: { status?: number }) => error.status,
  );
const isCollaborator = (login: string) => statusOf(bench.as("ada").repos.checkCollaborator({ ...SAMPLE, username: login }));

test("a repository says to each person what they may in it", async () => {
  expect(await permissionsOf("ada")).toEqual({ admin: false, maintain: false, push: true, triage: true, pull: true });
  expect(await permissionsOf("mallory")).toEqual({ admin: false, maintain: false, push: false, triage: false, pull: true });
});

test("that it is public makes nobody a collaborator", async () => {
  expect([await isCollaborator("grace"), await isCollaborator("mallory"), await isCollaborator("nobody")]).toEqual([204, 404, 404]);
});

test("an owner of the organisation adds, changes and removes people; nobody else does", async () => {
  const { repos } = bench.as("ada").rest;
  const mallory = { ...SAMPLE, username: "mallory" };
  expect(await statusOf(repos.addCollaborator({ ...mallory, permission: "pull" }))).toBe(204);
  expect(await isCollaborator("mallory")).toBe(204);
  expect(await permissionsOf("mallory")).toMatchObject({ push: false, pull: true });
  expect(await statusOf(repos.addCollaborator({ ...mallory, permission: "push" }))).toBe(204);
  expect(await permissionsOf("mallory")).toMatchObject({ push: true });
  expect((await bench.as("ada").repos.getCollaboratorPermissionLevel(mallory)).data).toMatchObject({ permission: "write" });
  expect(await statusOf(repos.addCollaborator({ ...mallory, permission: "everything" }))).toBe(422);
  for (const login of ["grace", "mallory"]) {
    const others = bench.as(login).rest.repos;
    expect(await statusOf(others.addCollaborator({ ...SAMPLE, username: login, permission: "admin" }))).toBe(403);
    expect(await statusOf(others.removeCollaborator({ ...SAMPLE, username: "ada" }))).toBe(403);
  }
  expect(await statusOf(repos.removeCollaborator(mallory))).toBe(204);
  expect([await isCollaborator("mallory"), await permissionsOf("mallory")]).toEqual([404, expect.objectContaining({ push: false })]);
});
