import { describe, expect, it } from "vitest";
import { cloneFailure, isBehind, isPassing, pushConflict, pushFailure } from "./git-failures.ts";

const rejected = (why: string) => `error: failed to push some refs to 'https://github.com/acme/sample.git'\n!\ta:refs/heads/b\t${why}`;

describe("a failed push", () => {
  it.each([
    [
      rejected(
        "[remote rejected] (refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml` without `workflows` permission)",
      ),
      "push_workflow",
    ],
    [
      `remote: error: Trace: 1\nremote: error: See https://gh.io/lfs for more information.\nremote: error: File big.bin is 120.00 MB; this exceeds GitHub's file size limit of 100.00 MB\nremote: error: GH001: Large files detected.\n${rejected("[remote rejected] (pre-receive hook declined)")}`,
      "push_too_large",
    ],
    [
      "error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413\nfatal: the remote end hung up unexpectedly",
      "push_too_large",
    ],
    [
      `remote: error: GH013: Repository rule violations found for refs/heads/b.\nremote: - Push cannot contain secrets\n${rejected("[remote rejected] (push declined due to repository rule violations)")}`,
      "push_secret",
    ],
    [
      `remote: error: GH006: Protected branch update failed for refs/heads/b.\n${rejected("[remote rejected] (protected branch hook declined)")}`,
      "push_protected",
    ],
    [rejected("[remote rejected] (push declined due to repository rule violations)"), "push_protected"],
    [
      "errand: The app is not installed there.\nfatal: could not read Username for 'https://github.com': terminal prompts disabled",
      "push_denied",
    ],
    [
      "remote: Permission to acme/sample.git denied to errand[bot].\nfatal: unable to access 'https://github.com/acme/sample.git/': The requested URL returned error: 403",
      "push_denied",
    ],
    ["remote: Repository not found.\nfatal: repository 'https://github.com/acme/sample.git/' not found", "push_denied"],
    ["fatal: unable to access 'https://github.com/a/b/': Could not resolve host: github.com", "push_unreachable"],
    ["fatal: unable to access 'https://github.com/a/b/': The requested URL returned error: 502", "push_unreachable"],
    [
      "errand: errand's server could not be reached within 20 s.\nfatal: could not read Username for 'https://github.com': terminal prompts disabled",
      "push_unreachable",
    ],
    [`remote: Only branches that begin with errand/ can be pushed here.\n${rejected("[remote rejected] (hook declined)")}`, "push_refused"],
    ["fatal: write error: No space left on device", "disk_full"],
    ["fatal: something new", "push_failed"],
  ])("%j is %s", (text, code) => {
    const failure = pushFailure(text, "b");
    expect(failure.code).toBe(code);
    expect(failure.action).not.toBe("");
    expect(failure.message.length).toBeLessThanOrEqual(600);
  });

  it("says what the host said, and no credential", () => {
    const text = "remote: \u001b[31merror: GH006: Protected branch.\u001b[0m \nfatal: https://x-access-token:ghs_1@github.com/a";
    expect(pushFailure(text, "main").message).toContain("GH006: Protected branch.");
    expect(pushFailure("fatal: https://u:ghs_1@github.com/a failed", "b").message).not.toContain("ghs_1");
    expect(pushFailure("errand: Not yours.\nfatal: x", "b").message).toContain("errand may not push to `b`: Not yours.");
  });

  it.each([
    [rejected("[rejected] (fetch first)"), true],
    [rejected("[rejected] (non-fast-forward)"), true],
    [rejected("[rejected] (stale info)"), true],
    [rejected("[remote rejected] (cannot lock ref 'refs/heads/b': is at 1 but expected 2)"), true],
    [rejected("[remote rejected] (hook declined)"), false],
    ["fatal: Could not resolve host", false],
  ])("%j is behind: %s", (text, behind) => {
    expect(isBehind(text)).toBe(behind);
  });

  it("names the files that conflict", () => {
    expect(pushConflict("b", ["a.ts", "b.ts"]).message).toContain("the changes conflict in `a.ts`, `b.ts`");
    expect(pushConflict("b", ["1", "2", "3", "4", "5", "6"]).message).toContain("`5` and 1 more");
  });
});

describe("a clone without a right", () => {
  it("says why the credential was refused", () => {
    const text =
      "errand: The app is not installed for acme.\nfatal: could not read Username for 'https://github.com': terminal prompts disabled";
    expect(cloneFailure(text, "https://github.com/acme/sample.git")).toMatchObject({
      code: "repository_denied",
      message: "The repository acme/sample on github.com could not be read: The app is not installed for acme.",
    });
    expect(isPassing(text)).toBe(true);
  });
  it("is tried again when only errand's server was away", () => {
    const text = "errand: errand's server could not be reached within 20 s.\nfatal: could not read Username";
    expect(cloneFailure(text, "https://github.com/acme/sample.git").code).toBe("repository_unreachable");
  });
});
