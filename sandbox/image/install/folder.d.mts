/** The folder that holds the sandbox image's parts: `ERRAND_PARTS`, else `errand/parts` in the user's cache folder. Absolute; it need not exist. */
export function partsFolder(env: Record<string, string | undefined>): string;
