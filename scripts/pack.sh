#!/usr/bin/env bash
# Packs tools, their SBOMs, `soci-run`, manual pages and completions into
# soci-tools-VERSION-linux-ARCHITECTURE.tar.gz, and updates the file SHA256SUMS beside it.
#   pack.sh BINARIES ARCHITECTURE DIRECTORY
#     BINARIES has soci-pull and soci-pull.cdx.json, and so on
#     ARCHITECTURE is what `uname -m` prints
#     DIRECTORY receives the archive
#
# The bytes of the archive depend on its files and on SOURCE_DATE_EPOCH only, by default the time of
# the commit. PAGES names the pages and completions; by default, they are made.
set -euo pipefail
cd "$(dirname "$0")/.."
binaries=$(realpath "$1") architecture=$2
mkdir -p "$3"
archives=$(realpath "$3")

name=soci-tools-$(scripts/version.sh number)-linux-$architecture
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
scripts/install.sh "$work/$name" "$binaries" 2>"$work/log" || { cat "$work/log" >&2 && exit 1; }
install -m 644 LICENSE README.md CHANGELOG.md "$work/$name"
install -d "$work/$name/sbom"
for package in soci-*/; do
  install -m 644 "$binaries/${package%/}.cdx.json" "$work/$name/sbom"
done

tar --directory "$work" --create --sort=name --format=ustar \
  --mtime="@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}" --owner=0 --group=0 --numeric-owner \
  --mode='u=rwX,go=rX' "$name" | gzip -9n >"$archives/$name.tar.gz"
cd "$archives"
sha256sum -- *.tar.gz | tee SHA256SUMS
