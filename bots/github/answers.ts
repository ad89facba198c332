/** Answers of GitHub's REST API that are read about repositories and pull requests, as far as they are read. */
import * as z from "zod";

/** A text of which the beginning is enough. */
const short = z.string().transform((text) => text.slice(0, 2_000));

export const RepositoryAnswer = z.object({
  id: z.number().int().positive(),
  full_name: z.string().max(300),
  private: z.boolean(),
  default_branch: z.string().min(1).max(255),
  archived: z.boolean().default(false),
  disabled: z.boolean().default(false),
});
export type RepositoryAnswer = z.infer<typeof RepositoryAnswer>;

const count = z.number().int().nonnegative().default(0);

export const PullAnswer = z.object({
  number: z.number().int().positive(),
  node_id: z.string(),
  html_url: short,
  title: short,
  body: z
    .string()
    .nullish()
    .transform((text) => text ?? ""),
  state: z.enum(["open", "closed"]),
  draft: z.boolean().default(false),
  user: z
    .object({ login: z.string() })
    .nullish()
    .transform((user) => user?.login ?? null),
  merged: z.boolean().default(false),
  merged_at: z.string().nullish(),
  additions: count,
  deletions: count,
  changed_files: count,
  head: z.object({ ref: short, sha: z.string().max(64), repo: z.object({ full_name: z.string() }).nullish() }),
  base: z.object({ ref: short, repo: z.object({ id: z.number().int().positive(), full_name: z.string().max(300), private: z.boolean() }) }),
});
export type PullAnswer = z.infer<typeof PullAnswer>;

export const IssueAnswer = z.object({ number: z.number().int().positive(), title: short, pull_request: z.unknown().optional() });

export const CheckRunAnswer = z.object({
  id: z.number().int().positive(),
  name: z.string(),
  status: z.string(),
  conclusion: z
    .string()
    .nullish()
    .transform((text) => text ?? null),
  details_url: z
    .string()
    .nullish()
    .transform((text) => text ?? null),
  html_url: z
    .string()
    .nullish()
    .transform((text) => text ?? null),
  app: z
    .object({ id: z.number(), slug: z.string().optional() })
    .nullish()
    .transform((app) => app ?? null),
  output: z
    .object({
      title: z.string().nullish(),
      summary: z.string().nullish(),
      text: z.string().nullish(),
      annotations_count: z.number().nullish(),
    })
    .nullish()
    .transform((output) => ({
      title: output?.title ?? null,
      summary: output?.summary ?? null,
      text: output?.text ?? null,
      annotations_count: output?.annotations_count ?? 0,
    })),
});

export const StatusAnswer = z.object({
  context: z.string(),
  state: z.string(),
  description: z
    .string()
    .nullish()
    .transform((text) => text ?? null),
  target_url: z
    .string()
    .nullish()
    .transform((text) => text ?? null),
});

export const AnnotationAnswer = z.object({
  path: z.string(),
  start_line: z.number().nullish(),
  annotation_level: z.string().nullish(),
  title: z.string().nullish(),
  message: z.string().nullish(),
});

/** An entry of a folder. */
export const EntryAnswer = z.object({ name: z.string(), path: z.string(), type: z.string() });

/** A file as its text. GitHub gives the content in base64, up to 1 MB. */
export const FileAnswer = z
  .object({ encoding: z.string(), content: z.string() })
  .transform(({ encoding, content }) => decoded(encoding, content));

function decoded(encoding: string, content: string): string {
  if (encoding !== "base64") return content;
  const bytes = Uint8Array.from(atob(content.replace(/\s/g, "")), (character) => character.charCodeAt(0));
  return new TextDecoder().decode(bytes);
}

/** The items of a list that have the form of GitHub's; the others are left out. */
export function itemsOf<T extends z.ZodType>(schema: T, data: unknown): z.output<T>[] {
  const list = z.array(z.unknown()).safeParse(data).data ?? [];
  return list.flatMap((one) => {
    const parsed = schema.safeParse(one);
    return parsed.success ? [parsed.data] : [];
  });
}
