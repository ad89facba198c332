// Who reads our output may stop reading; that is no reason to stop installing.
process.stdout.on("error", () => {});

/**
 * Says a line.
 * @param {string} line
 */
export function say(line) {
  process.stdout.write(`${line}\n`);
}

/**
 * Says what was done, with the seconds since `since`.
 * @param {string} what
 * @param {number} since epoch milliseconds
 */
export function sayTook(what, since) {
  say(`  ${what.padEnd(44)} ${((Date.now() - since) / 1000).toFixed(1).padStart(6)} s`);
}
