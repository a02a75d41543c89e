#!/usr/bin/env bash
# Prints the section of a version in CHANGELOG.md without its heading, for the notes of a release.
#   release-notes.sh VERSION [FILE]     VERSION such as 0.2.0 or v0.2.0
# Fails if there is no such section, or if it is empty.
set -euo pipefail

version=${1#v}
file=${2:-$(dirname "$0")/../CHANGELOG.md}
notes=$(awk -v version="$version" '
  /^## / { found = ($2 == version || $2 == "[" version "]"); next }
  found' "$file" | sed -e '/./,$!d')
[[ -n $notes ]] || {
  echo "release-notes: CHANGELOG.md has no section \`## $version\` with text: rename \`## Unreleased\`" >&2
  exit 1
}
printf '%s\n' "$notes"
