/** Header fields as they came, in order, with repetitions: Node's merged object hides the second of two. */

/** Name (in lower case) and value of each field. */
export type Fields = readonly (readonly [name: string, value: string])[];

/** Pairs up a raw list (name, value, name, value, …), as Node and undici hand it out. */
export function fieldsOf(raw: readonly (string | Buffer)[]): Fields {
  const fields: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) fields.push([text(raw[at]).toLowerCase(), text(raw[at + 1])]);
  return fields;
}

/** HTTP/1.1 field values are bytes; latin1 keeps each of them. */
function text(part: string | Buffer | undefined): string {
  return typeof part === "string" ? part : (part?.toString("latin1") ?? "");
}

/** Every value of a field, in order. */
export function valuesOf(fields: Fields, name: string): string[] {
  const values: string[] = [];
  for (const [key, value] of fields) if (key === name) values.push(value);
  return values;
}

/** The value of a field that occurs exactly once. Undefined where it is missing; null where it is repeated, which no rule accepts. */
export function single(fields: Fields, name: string): string | undefined | null {
  const values = valuesOf(fields, name);
  return values.length > 1 ? null : values[0];
}

/** The comma-separated tokens of all values of a field, in lower case. */
export function tokensOf(fields: Fields, name: string): string[] {
  return valuesOf(fields, name).flatMap((value) =>
    value
      .toLowerCase()
      .split(",")
      .map((token) => token.trim()),
  );
}

/** The fields as a flat list (name, value, …), as undici and Node take it. */
export function flat(fields: Fields): string[] {
  return fields.flat();
}
