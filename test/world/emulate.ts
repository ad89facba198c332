/**
 * What the local Slack and the local GitHub share of the package `emulate`: finding the module of one service inside it,
 * and the tables of its store. A service's module is not exported, hence the exact pin; what is relied on is checked at
 * start and in tests.
 */
import { readdirSync, readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";

/** The version of `emulate` this world was written for. */
export const EMULATE_VERSION = "0.12.2";

/** A table of the emulator's store. `insert` takes a row without its number and times, `update` only what changes. */
export interface Collection<Row> {
  insert(row: Omit<Row, "id"> & { id?: number }): Row & { id: number };
  all(): (Row & { id: number })[];
  get(id: number): (Row & { id: number }) | undefined;
  findBy(field: keyof Row & string, value: string | number): (Row & { id: number })[];
  findOneBy(field: keyof Row & string, value: string | number): (Row & { id: number }) | undefined;
  update(id: number, change: Partial<Row>): (Row & { id: number }) | undefined;
  delete(id: number): boolean;
}

/** The emulator's whole store; `snapshot` is plain JSON and `restore` takes it back. */
export interface EmulatorStore {
  snapshot(): unknown;
  restore(snapshot: unknown): void;
  setData(key: string, value: unknown): void;
  collection<Row>(name: string, indexes?: string[]): Collection<Row>;
}

/** A schema for what must be a function; what it takes and gives is believed. */
export const callable = <T>() => z.custom<T>((value) => typeof value === "function");

/**
 * Loads the module of `emulate` that exports `name`, for the `local` service it is for. Throws, saying what was looked for,
 * when the package is not the pinned one: npm's `latest` of that name is an unrelated package.
 */
export async function loadPart(name: string, local: string): Promise<unknown> {
  const manifest = findPackageJSON("emulate", import.meta.url);
  if (!manifest) throw new Error(`The package emulate is not installed. Run: npm install (it is pinned to ${EMULATE_VERSION}).`);
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(readFileSync(manifest, "utf8")));
  const dist = join(dirname(manifest), "dist");
  const exported = new RegExp(`export \\{[^}]*\\b${name}\\b`);
  const file = readdirSync(dist).find((one) => /^dist-.*\.js$/.test(one) && exported.test(readFileSync(join(dist, one), "utf8")));
  if (version !== EMULATE_VERSION || !file) {
    const found = `found ${version}${file ? "" : ` without a ${local} in it`}`;
    throw new Error(`The local ${local} needs emulate ${EMULATE_VERSION}, ${found}. Run: npm install.`);
  }
  return import(/* @vite-ignore */ pathToFileURL(join(dist, file)).href);
}
