import { defineConfig } from "drizzle-kit";

/** Makes `migrations/` from the schema: `drizzle-kit generate --name <what changed>`. */
export default defineConfig({ dialect: "sqlite", schema: "./worker/db/schema.ts", out: "./migrations" });
