/** What git could not do, in words for a person, from what it printed (with LC_ALL=C). Pure. */
import type { Failure } from "../protocol/events.ts";
import { DISK_FULL, isDiskFull } from "./failures.ts";

/** What begins a line in which errand's credential helper says why it has no credential. */
export const HELPER_SAYS = "errand: ";
/** What a refusal says when it is only the way to the SessionAgent that failed: to be tried again. */
export const NO_CONNECTION = "errand's server could not be reached";

const UNREACHABLE =
  /could not resolve host|failed to connect|connection (refused|timed out|reset)|couldn't connect|took too long|returned error: (5\d\d|429)|early EOF|operation too slow|unexpected disconnect|empty reply|remote end hung up|errand's server could not be reached/i;
const NO_RIGHT =
  /repository .*not found|not found|does not exist|could not read (Username|Password)|Authentication failed|returned error: (401|403|404)|not appear to be a git repository|permission to .* denied|permission denied/i;

/** A workspace that could not be made or changed. */
export function broken(text: string): Failure {
  if (isDiskFull(text)) return DISK_FULL;
  return {
    code: "workspace_failed",
    message: cut(`The workspace could not be made ready: ${withoutCredentials(text)}`),
    action: "Send the request again; if it fails once more, start a new session.",
  };
}

/** What a failed clone or fetch means. A private repository without a right looks like one that does not exist. */
export function cloneFailure(text: string, repository: string): Failure {
  const name = cut(withoutCredentials(repository), 200);
  if (isDiskFull(text)) return DISK_FULL;
  const refusal = refusalIn(text);
  if (refusal !== null && !UNREACHABLE.test(refusal)) {
    return {
      code: "repository_denied",
      message: cut(`${cut(placeOf(repository), 200)} could not be read: ${refusal}`),
      action: "Check that errand was given access to it, then send the request again.",
    };
  }
  if (refusal === null && NO_RIGHT.test(text)) {
    return {
      code: "repository_not_found",
      message: `${cut(placeOf(repository), 200)} does not exist, or errand may not read it.`,
      action: "Check the name, and that errand was given access to it. Then ask again, with `repo=owner/name` where another one is meant.",
    };
  }
  if (UNREACHABLE.test(text)) {
    return {
      code: "repository_unreachable",
      message: cut(`The git host of ${name} did not answer: ${refusal ?? lastLine(text)}`),
      action: "Send the request again in a few minutes.",
    };
  }
  return {
    code: "clone_failed",
    message: cut(`Cloning ${name} failed: ${lastLine(text)}`),
    action: "Check the repository, then send the request again.",
  };
}

/** Whether trying the same call once more may help: the host did not answer, or did not know a new credential yet. */
export function isPassing(text: string): boolean {
  return (
    !isDiskFull(text) && (UNREACHABLE.test(text) || refusalIn(text) !== null || /Authentication failed|returned error: 401/.test(text))
  );
}

/** Whether a push was refused because the branch on the server has commits that it would lose. */
export function isBehind(text: string): boolean {
  return /\[(remote )?rejected\].*\((fetch first|non-fast-forward|stale info|cannot lock ref.*|needs force|already exists)\)/i.test(text);
}

/** What a failed push means. What was committed stays in the workspace whatever the reason. */
export function pushFailure(text: string, branch: string): Failure {
  const to = `\`${cut(branch, 200)}\``;
  const kept = "The commits are kept in the workspace.";
  if (isDiskFull(text)) return DISK_FULL;
  const refusal = refusalIn(text);
  const host = hostWords(text);
  if (/refusing to allow .* (to )?create or update workflow|without `?workflows?`? (permission|scope)/i.test(text)) {
    return {
      code: "push_workflow",
      message: `GitHub refused the push to ${to}: it changes files in .github/workflows, and errand's app has no right to change workflows. ${kept}`,
      action:
        "Take the workflow change over by hand, or ask for the work without it. The owner of the app can give it the permission “Workflows”.",
    };
  }
  if (/GH001|exceeds GitHub's file size limit|large files detected|file size limit|pack exceeds maximum|returned error: 413/i.test(text)) {
    return {
      code: "push_too_large",
      message: cut(`The push to ${to} was refused, since a file in it is too large${host === "" ? "." : `: ${host}`} ${kept}`),
      action: "Ask for the file to be taken out of the commits.",
    };
  }
  if (/secret scanning|cannot contain secrets|push protection/i.test(text)) {
    return {
      code: "push_secret",
      message: `The push to ${to} was refused, since a commit seems to hold a secret. ${kept}`,
      action: "Ask for the secret to be taken out of the commits, and make it invalid if it is a real one.",
    };
  }
  if (/GH006|GH013|protected branch|repository rule violations|cannot force-push/i.test(text)) {
    return {
      code: "push_protected",
      message: cut(`The branch ${to} is protected${host === "" ? "." : `: ${host}`} ${kept}`),
      action: "Let errand's app push to it in the rules of the repository, or ask for the work on another branch.",
    };
  }
  if (refusal !== null && !UNREACHABLE.test(refusal)) {
    return {
      code: "push_denied",
      message: cut(`errand may not push to ${to}: ${refusal} ${kept}`),
      action: "Check that errand was given write access to the repository, then ask again.",
    };
  }
  if (/\[remote rejected\]|pre-receive hook declined|hook declined/i.test(text)) {
    return {
      code: "push_refused",
      message: cut(`The git host refused the push to ${to}${host === "" ? `: ${lastLine(text)}` : `: ${host}`} ${kept}`),
      action: "Mend what it says, then ask again.",
    };
  }
  if (refusal === null && NO_RIGHT.test(text)) {
    return {
      code: "push_denied",
      message: `errand may not push to ${to}, or the repository is gone. ${kept}`,
      action: "Check that errand was given write access to the repository, then ask again.",
    };
  }
  if (UNREACHABLE.test(text)) {
    return {
      code: "push_unreachable",
      message: cut(`The git host did not answer to the push to ${to}: ${refusal ?? lastLine(text)}. ${kept}`),
      action: "Ask again in a few minutes.",
    };
  }
  return {
    code: "push_failed",
    message: cut(`The push to ${to} failed: ${lastLine(text)} ${kept}`),
    action: "Ask again.",
  };
}

/** Somebody else pushed, and what is here does not go together with it. */
export function pushConflict(branch: string, files: readonly string[]): Failure {
  const named = files.slice(0, 5).map((file) => `\`${cut(file, 100)}\``);
  const more = files.length > named.length ? ` and ${files.length - named.length} more` : "";
  const where = named.length > 0 ? ` in ${named.join(", ")}${more}` : "";
  return {
    code: "push_conflict",
    message: `Somebody pushed to \`${cut(branch, 200)}\` meanwhile, and the changes conflict${where}. The commits are kept in the workspace.`,
    action: "Ask for the branch to be brought together with what is on the server.",
  };
}

/** Somebody else pushed, and work in progress keeps the workspace from taking that over. */
export function pushBehind(branch: string, why: string): Failure {
  return {
    code: "push_behind",
    message: `Somebody pushed to \`${cut(branch, 200)}\` meanwhile, and ${why}. The commits are kept in the workspace.`,
    action: "Ask for the branch to be brought together with what is on the server.",
  };
}

/** A text without the user and password of addresses in it. */
function withoutCredentials(text: string): string {
  return text.replace(/\/\/[^/@\s]*@/g, "//");
}

/** A text of at most `limit` characters. */
export function cut(text: string, limit = 500): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;
}

/** What the credential helper said last, if it had nothing to give. */
function refusalIn(text: string): string | null {
  const line = text.split("\n").findLast((one) => one.startsWith(HELPER_SAYS));
  return line === undefined ? null : withoutCredentials(line.slice(HELPER_SAYS.length)).trim();
}

/** What the host said in a push, without its decoration. */
function hostWords(text: string): string {
  const lines = text.split("\n").flatMap((line) =>
    line.startsWith("remote:")
      ? [
          line
            .slice(7)
            .replace(/[\p{C}]|\[[0-9;]*[mK]/gu, "")
            .trim(),
        ]
      : [],
  );
  return cut(
    withoutCredentials(
      lines
        .filter((line) => /\w/.test(line))
        .slice(0, 3)
        .join(" ")
        .replace(/^error: /, ""),
    ),
    300,
  );
}

/** A clone address in words: the repository, and where it should be. */
function placeOf(repository: string): string {
  const url = URL.parse(repository);
  const name = url?.pathname.replace(/^\/+/, "").replace(/\.git$/, "");
  return url?.host && name ? `The repository ${name} on ${url.host}` : `The repository ${withoutCredentials(repository)}`;
}

function lastLine(text: string): string {
  return withoutCredentials(text.trim().split("\n").at(-1) ?? "");
}
