#!/usr/bin/env bash
# Builds the last commit twice, from two clones in different folders, and compares the tools, their
# SBOMs and the archive byte for byte. The pages in the archive are made once, from these sources.
#   reproducible.sh [PROFILE]    by default of the profile dist
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${1:-dist}
export CARGO_TERM_QUIET=true
triple=$(uname -m)-unknown-linux-musl
work=$(mktemp -d "${TMPDIR:-/tmp}/reproducible.XXXXXX")
trap 'rm -rf "$work"' EXIT

cargo run --quiet --locked --package soci-e2e --example manual -- "$work/pages"
for clone in first the-second-clone; do
  git clone --quiet . "$work/$clone"
  PAGES=$work/pages CARGO_TARGET_DIR=$work/$clone/out "$work/$clone/scripts/dist.sh" "$triple" "$profile" >/dev/null
  mkdir "$work/$clone.built"
  find "$work/$clone/out/$triple/$profile" -maxdepth 1 -name 'soci-*' ! -name '*.d' -exec mv -t "$work/$clone.built" {} +
  mv "$work/$clone"/out/archives/* "$work/$clone.built"
  rm -rf "${work:?}/$clone"
done
(cd "$work/first.built" && sha256sum ./*) > "$work/sums"
cat "$work/sums"
[[ $(grep -c . "$work/sums") -ge 16 ]] || { echo "reproducible: too few files were built" >&2; exit 1; }
(cd "$work/the-second-clone.built" && sha256sum --check --quiet "$work/sums") || {
  echo "reproducible: the two builds differ" >&2
  exit 1
}
# Each tool runs where nothing else is.
mkdir "$work/root"
tar -C "$work/root" --strip-components 1 -xf "$work"/first.built/*.tar.gz
find "$work/root" -mindepth 1 -maxdepth 1 ! -name bin -exec rm -r {} +
for tool in soci-*/; do
  unshare --map-root-user chroot "$work/root" "/bin/${tool%/}" --version
done
if grep -rlF "$work" "$work/first.built"; then
  echo "reproducible: these files name the folder in which they were built" >&2
  exit 1
fi
echo "reproducible: two builds in different folders gave the same bytes"
