/** What a repository's owners decided about errand, in `.github/errand.yml` of its default branch. Pure. */
import { parseDocument } from "yaml";
import * as z from "zod";
import type { Policy } from "../forge.ts";

/** Where the file is. Only the default branch's counts: whoever opens a pull request must not decide over its checks. */
export const POLICY_PATH = ".github/errand.yml";

/** What holds where the file says nothing. */
export const DEFAULT_POLICY: Policy = { checks: "ask", ready: true };

/** A longer file is not one a person wrote for this. UTF-16 code units. */
const LONGEST = 20_000;

/** `off` unquoted is a word in YAML 1.2 and a boolean in 1.1, where people learnt it. */
const Ci = z.preprocess((value) => (value === false ? "off" : value), z.enum(["ask", "auto", "off"]));
const ALLOWED = { ci: "ask, auto or off", ready: "true or false" } as const;

/**
 * The policy of a file's text; null: there is no file. `wrong`: what in it could not be used, for a person who can mend it: the default
 * holds there.
 */
export function parsePolicy(text: string | null): { policy: Policy; wrong: string | null } {
  const policy = { ...DEFAULT_POLICY };
  if (text === null || text.trim() === "") return { policy, wrong: null };
  const failed = (why: string) => ({ policy, wrong: `${POLICY_PATH} is not used: ${why}` });
  if (text.length > LONGEST) return failed(`it has more than ${LONGEST.toLocaleString("en-US")} characters.`);
  let content: unknown;
  try {
    const document = parseDocument(text, { logLevel: "silent", prettyErrors: false });
    const error = document.errors[0];
    if (error) return failed(`it is no YAML (${error.message.split("\n")[0]?.slice(0, 200)}).`);
    // Every use of an alias copies what it names; nobody needs one here.
    content = document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    // The reader follows nesting by calling itself, as deep as the file says.
    return failed(error instanceof RangeError ? "it is nested too deeply." : "it uses YAML aliases.");
  }
  if (content === null) return { policy, wrong: null };
  const file = z.record(z.string(), z.unknown()).safeParse(content);
  if (!file.success) return failed("it has to hold keys with values, such as `ci: ask`.");
  const problems: string[] = [];
  for (const [key, value] of Object.entries(file.data)) {
    if (key === "ci") {
      const ci = Ci.safeParse(value);
      if (ci.success) policy.checks = ci.data;
      else problems.push(`\`ci\` has to be ${ALLOWED.ci}; until then it is ${policy.checks}`);
    } else if (key === "ready") {
      if (typeof value === "boolean") policy.ready = value;
      else problems.push(`\`ready\` has to be ${ALLOWED.ready}; until then it is ${policy.ready}`);
    } else problems.push(`\`${key.replaceAll("`", "'").slice(0, 60)}\` is not known: the keys are \`ci\` and \`ready\``);
  }
  return { policy, wrong: problems.length === 0 ? null : `${POLICY_PATH}: ${problems.slice(0, 5).join(". ")}.` };
}
