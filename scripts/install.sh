#!/usr/bin/env bash
# Installs the tools that `make build` has built, `soci-run`, the manual pages, and the completions for
# bash, zsh and fish.
#   install.sh PREFIX [BINARIES]     PREFIX such as /usr/local or ~/.local; DESTDIR comes before it
# PAGES names a directory with the pages and completions; by default, they are built.
set -euo pipefail
cd "$(dirname "$0")/.."

prefix=${DESTDIR-}$(realpath -ms "$1")
binaries=${2:-${CARGO_TARGET_DIR:-target}/release}

install -d "$prefix/bin"
for package in soci-*/; do
  install -m 755 "$binaries/${package%/}" "$prefix/bin/${package%/}"
done
install -m 755 scripts/entrypoint.sh "$prefix/bin/soci-run"
if [[ -n ${PAGES-} ]]; then
  cp -r "$PAGES/share" "$prefix"
else
  cargo run --quiet --locked --package soci-e2e --example manual -- "$prefix"
fi
install -m 644 scripts/soci-run.1 "$prefix/share/man/man1/"
echo "installed the tools into $prefix/bin" >&2
[[ :$PATH: == *":${prefix#"${DESTDIR-}"}/bin:"* ]] || echo "add ${prefix#"${DESTDIR-}"}/bin to PATH" >&2
