/** The line that matters of what a failed program wrote: the first error that apt or npm marks as one, else the last line. */
export function whyItFailed(said: string): string;
