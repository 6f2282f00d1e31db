#!/usr/bin/env bash
# Run a command that deploys the app, and run it again while its error is one that a new role causes:
#
#     infra/retry.sh COMMAND [ARGUMENT ...]
#
# The app's identity stores the deployed package and runs the host, and its roles take up to 30 minutes to take effect.
# Any other error ends this at once, with the exit code of the command.
set -u

# InaccessibleStorageException and 403: the package cannot be stored. The others: the host cannot read its storage.
new_role='InaccessibleStorage|Status Code: 403|403 \(|host key|unhealthy'

# Not `tee /dev/stderr`: that opens standard error anew, which empties a file and fails for a socket.
record=$(mktemp)
trap 'rm -f "$record"' EXIT

for ((tries = 1; ; tries++)); do
  "$@" 2>&1 | tee "$record" >&2
  code=${PIPESTATUS[0]}
  ((code)) || exit 0
  output=$(<"$record")
  [[ $output =~ $new_role ]] || exit "$code"
  if ((SECONDS >= 1800 || tries >= 30)); then
    echo "The app's roles have had no effect for 30 minutes: compare them with docs/security.md, and run this again." >&2
    exit "$code"
  fi
  echo "The app's roles have no effect yet, which can take 30 minutes. The next attempt is in a minute ..." >&2
  sleep 60
done
