#!/usr/bin/env bash
# Prints what `--version` of the tools prints after their names: the version, the commit and its date,
# such as `0.1.0 (1a2b3c4 2026-11-26)`. Without a Git repository, prints the version only.
#   version.sh number     prints the version only, which Cargo.toml has
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
[[ ${1-} != number ]] || { echo "$version" && exit; }
commit=$(git log -1 --format='%h %cs' --abbrev=7 2>/dev/null || true)
echo "$version${commit:+ ($commit)}"
