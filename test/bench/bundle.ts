/** What a deployment uploads: the Worker, minified and gzipped. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Measurement, measurement } from "./report.ts";
import type { Bundles } from "./stand.ts";

export async function bundle(bundles: Bundles): Promise<Measurement[]> {
  const files = readdirSync(bundles.errand).filter((file) => /\.(js|wasm)$/.test(file));
  const sizes = files.map((file) => {
    const content = readFileSync(join(bundles.errand, file));
    return { file, plain: content.length / 1024, gzipped: gzipSync(content).length / 1024 };
  });
  const sum = (of: "plain" | "gzipped") => sizes.reduce((total, size) => total + size[of], 0);
  return [
    measurement(
      {
        name: "Worker bundle",
        what: "All modules of the Worker as they are uploaded, minified, each gzipped.",
        value: sum("gzipped"),
        goal: { most: 300, unit: "KiB" },
        parts: { "minified, KiB": sum("plain"), modules: files.length },
      },
      () => sizes.map(({ file, gzipped }) => `${file} ${gzipped.toFixed(0)} KiB`).join(", "),
    ),
  ];
}
