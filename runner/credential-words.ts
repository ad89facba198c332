/**
 * What git says to a credential helper and hears from it: lines of `key=value`, see gitcredentials(7) and git-credential(1).
 * Pure. Between the helper program and the runner an answer is one line that says whether there is a credential, then what
 * is to be printed.
 */
import type { RunnerAnswer } from "../protocol/runner.ts";

/** The longest question that is read, in characters. */
export const QUESTION_LIMIT = 8_000;
/** First line of an answer that is a yes; and of any other. */
export const GRANTED = "granted";
const REFUSED = "refused";

/** The address git wants to sign in at, without user and password. Null for what is no web address. */
export function askedAddress(question: string): string | null {
  const said = new Map(
    question.split("\n").flatMap((line): [string, string][] => {
      const at = line.indexOf("=");
      return at > 0 ? [[line.slice(0, at), line.slice(at + 1)]] : [];
    }),
  );
  const protocol = said.get("protocol") ?? "";
  const host = said.get("host") ?? "";
  if (!/^https?$/.test(protocol) || host === "" || /[/@?#\s]/.test(host)) return null;
  const url = URL.parse(`${protocol}://${host}/${said.get("path") ?? ""}`);
  return url === null ? null : `${url.origin}${url.pathname}`;
}

/** The runner's answer, as it goes to the helper program. */
export function credentialLines(answer: RunnerAnswer): string {
  if (answer.is !== "credential") {
    const why = answer.is === "no" ? answer.why : "The answer was not about a credential.";
    return `${REFUSED}\n${why.replace(/\s+/g, " ").trim()}\n`;
  }
  // A line break would let one value set another.
  if (/[\n\r\0]/.test(answer.username + answer.password)) return `${REFUSED}\nThe credential that was given cannot be used by git.\n`;
  const expiry = `password_expiry_utc=${Math.floor(answer.expiresAt / 1_000)}`;
  return `${GRANTED}\nusername=${answer.username}\npassword=${answer.password}\n${expiry}\n`;
}
