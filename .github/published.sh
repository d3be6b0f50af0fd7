#!/usr/bin/env bash
# Whether the version of package.json is out on npm or GitHub: says `there` or `missing`.
# Only a clear "not found" is missing. With any other failure nothing is known, and it fails.
set -euo pipefail
version=$(node --print 'require("./package.json").version')

# look <what "not found" reads like> <command>...
look() {
  if error=$("${@:2}" 2>&1 > /dev/null); then
    echo there
  elif grep --quiet "$1" <<< "$error"; then
    echo missing
  else
    echo "$error" >&2
    exit 1
  fi
}

case $1 in
  npm) look 'code E404' npm view "steadfetch@$version" version ;;
  github) look 'HTTP 404' gh api "repos/$GITHUB_REPOSITORY/releases/tags/v$version" ;;
  *) exit 2 ;;
esac
