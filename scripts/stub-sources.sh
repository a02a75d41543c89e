#!/usr/bin/env bash
# Replaces the sources of all crates in the current directory by empty ones, so that `cargo build`
# compiles their dependencies only. The container's build has such a layer, which a change of a
# source does not touch. Runs in a copy of the sources.
set -euo pipefail
[[ -e Cargo.lock && ! -e .git ]] || {
  echo 'stub-sources: the current directory is no copy of the sources' >&2
  exit 1
}

own=(-path ./vendor -prune -o -path ./.cargo -prune -o -type f)
find . "${own[@]}" ! -name Cargo.toml ! -name Cargo.lock ! -path '*/src/main.rs' ! -path '*/src/lib.rs' \
  ! -path '*/benches/*' -exec rm {} +
find . "${own[@]}" -name lib.rs -exec truncate -s 0 {} +
while read -r file; do
  echo 'fn main() {}' >"$file"
done < <(find . "${own[@]}" -name '*.rs' ! -name lib.rs -print)
find . -type d -empty -delete
