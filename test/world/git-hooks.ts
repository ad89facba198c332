/** The hooks of the git host's repositories: shell programs that git runs. The host tells them by their environment who pushes. */

/**
 * What may be pushed: without sign-in errand's own branches only, with it every branch and tag but the default branch. The
 * words for the protected branch, hidden refs and workflows are GitHub's.
 */
export const UPDATE_HOOK = `#!/bin/sh
default=$(git symbolic-ref HEAD)
case "$1" in
  refs/heads/errand/*) ;;
  refs/heads/*|refs/tags/*)
    if [ -z "$ERRAND_SIGNED_IN" ]; then
      echo "Only branches that begin with errand/ can be pushed here, not $1." >&2
      exit 1
    fi
    if [ "$1" = "$default" ]; then
      echo "error: GH006: Protected branch update failed for $1." >&2
      exit 1
    fi ;;
  *)
    echo "deny updating a hidden ref, $1" >&2
    exit 1 ;;
esac
case "$3" in *[!0]*) ;; *) exit 0 ;; esac
if [ -n "$ERRAND_NO_WORKFLOWS" ]; then
  base=$(git merge-base "$default" "$3")
  touched=$(git diff --name-only "$base" "$3" -- .github/workflows | head -n 1)
  if [ -n "$touched" ]; then
    echo "refusing to allow a GitHub App to create or update workflow \\\`$touched\\\` without \\\`workflows\\\` permission" >&2
    exit 1
  fi
fi
exit 0
`;

/** Writes what was pushed to the file that the host named, a line for each ref: before, after, name. */
export const POST_RECEIVE_HOOK = `#!/bin/sh
if [ -n "$ERRAND_PUSHED" ]; then cat > "$ERRAND_PUSHED"; fi
`;
