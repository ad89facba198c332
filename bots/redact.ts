/**
 * Takes what looks like a secret out of text that is about to be shown: a model or a log may have written it down. Linear in the length
 * of the text, also for text made to be slow: what is repeated without bound is followed by nothing that could fail, every other
 * repetition has a bound.
 */

import { visible } from "./visible.ts";

const HIDDEN = "[redacted]";
/** Values shorter than this are words as well: hiding each of them would make text unreadable, and tell the value. */
const SHORTEST = 8;

/** Shapes of secrets. The first group, where there is one, stays: it says what was hidden. */
const SHAPES: RegExp[] = [
  // A key in PEM form, also when cut before its end: lines of base64, or one line with `\n` written out.
  /(-----BEGIN [A-Z0-9 ]{1,60}-----)(?:(?:\s|\\[nr]){0,40}(?:(?:Proc-Type|DEK-Info|Version|Comment): [^\n\\]{0,200}|[A-Za-z0-9+/=]{16,}))*(?:(?:\s|\\[nr]){0,40}[A-Za-z0-9+/=]{0,15}(?:\s|\\[nr]){0,40}-----END [A-Z0-9 ]{1,60}-----)?/g,
  // GitHub. Installation tokens are `ghs_<App id>_<JWT>` since April 2026, about 520 characters with dots and hyphens.
  /gh[pousr]_[A-Za-z0-9_.-]{20,}/g,
  /github_pat_[A-Za-z0-9_]{20,}/g,
  // OpenAI, Anthropic and others of that form; a digit tells them from words joined by hyphens.
  /(?<![A-Za-z0-9])sk-(?=[A-Za-z_-]{0,200}\d)[A-Za-z0-9_-]{16,}/g,
  // Slack.
  /xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{10,}/g,
  /xapp-\d-[A-Za-z0-9-]{10,}/g,
  /(hooks\.slack\.com\/services\/)[A-Za-z0-9/]{20,}/g,
  // Amazon, Google, Stripe, GitLab, npm, PyPI, Hugging Face.
  /(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])/g,
  /AIza[A-Za-z0-9_-]{35}/g,
  /(?<![A-Za-z0-9])[sr]k_(?:live|test)_[A-Za-z0-9]{16,}/g,
  /glpat-[A-Za-z0-9_-]{20,}/g,
  /(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}/g,
  /pypi-[A-Za-z0-9_-]{50,}/g,
  /(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}/g,
  // A JSON Web Token: three parts, of which the first is JSON.
  /(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{6,600}\.[A-Za-z0-9_-]{6,4000}\.[A-Za-z0-9_-]{6,}/g,
  // Who signs in, as headers and addresses carry it.
  /(authorization["']?\s{0,3}[:=]\s{0,3}["']?(?:bearer|basic|token)\s{1,3})[^\s"'`<>]{8,}/gi,
  /(:\/\/[^\s/@:"'<>]{1,100}:)[^\s/@"'<>]{1,1000}(?=@)/g,
];

/** The text without what has the shape of a secret and without the values handed in, as of tokens that were given out. */
export function redact(text: string, values: readonly string[] = []): string {
  let out = text;
  for (const value of values) if (value.length >= SHORTEST) out = out.replaceAll(value, HIDDEN);
  for (const shape of SHAPES)
    out = out.replace(shape, (_all, label: unknown) => (typeof label === "string" ? `${label}${HIDDEN}` : HIDDEN));
  return out;
}

/** Text as every surface begins with it: without what is not seen, and without what has the shape of a secret. */
export const clean = (text: string): string => redact(visible(text));
