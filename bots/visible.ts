/** Text as a reader sees it, whatever surface shows it. Pure. */

/** Terminal colours and cursor movements, which tools print. */
const TERMINAL = new RegExp(`${String.fromCharCode(27)}\\[[\\d;?]*[ -/]*[@-~]`, "g");
/**
 * Characters that are not seen but change what is: controls except tab and newline, format characters (zero-width ones, joiners,
 * soft hyphens, changes of reading direction, tags) and lone halves of surrogate pairs.
 */
const UNSEEN = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}]/gu;

/** Text without characters that are not seen. Line ends become `\n`. */
export function visible(text: string): string {
  return text.replace(/\r\n?/g, "\n").replace(TERMINAL, "").replace(UNSEEN, "");
}
