/** Counts the lines, words and characters of a text. A last line without an end counts as a line. */
export function count(text) {
  return {
    lines: text === "" ? 0 : text.replace(/\n$/, "").split("\n").length,
    words: text.split(/\s+/).filter(Boolean).length,
    characters: [...text].length,
  };
}
